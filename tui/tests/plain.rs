//! The subcommands, as a script sees them: the real program against a daemon over a real socket.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "support/fake_operator.rs"]
mod fake_operator;
#[path = "support/synthetic.rs"]
mod synthetic;

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use cloud_code_proto::v1::{self, action::Action};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tonic::Status;

use fake_operator::Daemon;

struct Host {
    folder: TempDir,
    daemon: Arc<Daemon>,
    server: JoinHandle<()>,
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.err);
        serde_json::from_str(&self.out).expect("JSON")
    }
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let daemon = Daemon::new(synthetic::NOW);
        let server = daemon.serve(&folder.path().join("o.sock"));
        Self {
            folder,
            daemon,
            server,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("o.sock")
    }

    async fn run(&self, line: &[&str]) -> Said {
        self.run_with(line, "").await
    }

    async fn run_with(&self, line: &[&str], input: &str) -> Said {
        let socket = self.socket();
        let mut all = vec!["--socket", socket.to_str().expect("a path")];
        all.extend(line);
        run(&all, input).await
    }

    fn acted(&self) -> Vec<(Action, u64)> {
        let acted = self.daemon.acted.lock().expect("not poisoned").clone();
        let action = |request: v1::ActRequest| {
            let action = request
                .action
                .and_then(|action| action.action)
                .expect("an action");
            (action, request.expected_version)
        };
        acted.into_iter().map(action).collect()
    }
}

async fn run(line: &[&str], input: &str) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cloud-code"))
        .args(line)
        .env_remove("CLOUD_CODE_SOCKET")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    // A program that reads nothing may have ended already.
    let _unread = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

#[tokio::test]
async fn tasks_as_json_have_the_fields_that_scripts_use() {
    let host = Host::new();
    let tasks = host.run(&["tasks", "--json"]).await.json();
    let tasks = tasks.as_array().expect("an array");
    assert_eq!(tasks.len(), 14);
    let of = |issue: u64| {
        let found = tasks.iter().find(|task| task["issue"]["number"] == issue);
        found.expect("a task").clone()
    };
    let review = of(35);
    assert_eq!(review["id"], "w7c8y2tv");
    assert_eq!(review["project"], "acme/app");
    assert_eq!(review["title"], "Update the API docs");
    assert_eq!(review["state"], "review");
    assert_eq!(review["priority"], 2);
    assert_eq!(review["agent"], "backend-1");
    assert_eq!(review["attempts"], 1);
    assert_eq!(review["cost_usd"], 0.44);
    assert_eq!(review["blocked_reason"], Value::Null);
    assert_eq!(review["pull_request"]["number"], 118);
    assert_eq!(
        review["pull_request"]["url"],
        "https://forge.example/acme/app/pull/118"
    );
    let pending = of(63);
    assert_eq!(
        (&pending["agent"], &pending["pull_request"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(of(57)["blocked_reason"], "needs_credential");
}

#[tokio::test]
async fn tasks_can_be_narrowed_by_state() {
    let host = Host::new();
    let tasks = host
        .run(&["--json", "tasks", "--state", "review"])
        .await
        .json();
    assert_eq!(tasks.as_array().expect("an array").len(), 1);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one row per subcommand")]
async fn every_action_is_a_subcommand() {
    let host = Host::new();
    let task = || "s6y9v7mn".to_owned();
    let lines: [(&[&str], Action, u64); 18] = [
        (&["task", "accept", "s6y9v7mn"], Action::Accept(task()), 0),
        (&["task", "reject", "s6y9v7mn"], Action::Reject(task()), 0),
        (&["task", "retry", "s6y9v7mn"], Action::Retry(task()), 0),
        (&["task", "cancel", "s6y9v7mn"], Action::Cancel(task()), 0),
        (&["task", "pass", "s6y9v7mn"], Action::Pass(task()), 0),
        (
            &["task", "merge", "#42"],
            Action::Merge("#42".to_owned()),
            0,
        ),
        (&["task", "close", "s6y9v7mn"], Action::Close(task()), 0),
        (
            &["task", "reassign", "s6y9v7mn", "backend-2"],
            Action::Reassign(v1::Reassign {
                task: task(),
                agent: "backend-2".to_owned(),
                coding_cli: String::new(),
            }),
            0,
        ),
        (
            &["task", "reassign", "s6y9v7mn"],
            Action::Reassign(v1::Reassign {
                task: task(),
                agent: String::new(),
                coding_cli: String::new(),
            }),
            0,
        ),
        (
            &["task", "reassign", "s6y9v7mn", "--cli", "codex"],
            Action::Reassign(v1::Reassign {
                task: task(),
                agent: String::new(),
                coding_cli: "codex".to_owned(),
            }),
            0,
        ),
        (
            &["task", "priority", "s6y9v7mn", "p0"],
            Action::SetPriority(v1::SetPriority {
                task: task(),
                priority: 0,
            }),
            0,
        ),
        (
            &["task", "steer", "s6y9v7mn", "use", "a", "cookie"],
            Action::Steer(v1::SteerTask {
                task: task(),
                text: "use a cookie".to_owned(),
            }),
            0,
        ),
        (
            &["grant", "s6y9v7mn", "4.50"],
            Action::SetCostLimit(v1::SetCostLimit {
                task: task(),
                limit_micro_usd: 4_500_000,
            }),
            0,
        ),
        (
            &["approve", "cred-014", "--for-task", "--if-version", "3"],
            Action::Approve(v1::Approve {
                request: "cred-014".to_owned(),
                for_task: true,
            }),
            3,
        ),
        (
            &["deny", "cred-014", "--note", "no"],
            Action::Deny(v1::Deny {
                request: "cred-014".to_owned(),
                note: "no".to_owned(),
            }),
            0,
        ),
        (&["halt"], Action::Halt(v1::Scope::default()), 0),
        (
            &["resume", "acme/app"],
            Action::Resume(v1::Scope {
                project: "acme/app".to_owned(),
            }),
            0,
        ),
        (
            &["resume", "account", "team"],
            Action::ResumeAccount("team".to_owned()),
            0,
        ),
    ];
    for (line, action, version) in lines {
        let said = host.run(line).await;
        assert_eq!(said.code, Some(0), "{line:?}: {}", said.err);
        assert_eq!(host.acted().last(), Some(&(action, version)), "{line:?}");
    }
}

#[tokio::test]
async fn a_new_task_says_its_id_and_takes_its_text_from_a_pipe() {
    let host = Host::new();
    let line = [
        "task",
        "new",
        "Faster builds",
        "--project",
        "acme/app",
        "--description",
        "-",
        "--priority",
        "1",
        "--json",
    ];
    let made = host.run_with(&line, "Cache the layers.\n").await.json();
    assert_eq!(made["task"], "c2j3e4gh");
    let task = v1::NewTask {
        project: "acme/app".to_owned(),
        title: "Faster builds".to_owned(),
        description: "Cache the layers.\n".to_owned(),
        priority: Some(1),
    };
    assert_eq!(host.acted(), [(Action::NewTask(task), 0)]);
}

#[tokio::test]
async fn a_refusal_says_what_why_and_what_to_do() {
    let host = Host::new();
    let refusals = [
        (
            Status::failed_precondition("#42 is running"),
            "it is not possible now",
            Some(1),
        ),
        (
            Status::aborted("version 4"),
            "it has changed since you looked",
            Some(1),
        ),
        (
            Status::not_found("no task x"),
            "there is no such thing",
            Some(1),
        ),
        (
            Status::invalid_argument("an empty title"),
            "the daemon does not take that",
            Some(2),
        ),
    ];
    for (status, what, code) in refusals {
        let why = status.message().to_owned();
        host.daemon
            .refusals
            .lock()
            .expect("not poisoned")
            .push_back(status);
        let said = host.run(&["task", "retry", "s6y9v7mn"]).await;
        assert_eq!(said.code, code);
        assert!(
            said.err.contains(what) && said.err.contains(&why),
            "{}",
            said.err
        );
        assert_eq!(said.out, "");
    }
}

#[tokio::test]
async fn without_a_daemon_it_says_how_to_start_one() {
    let said = run(&["--socket", "/nonexistent/o.sock", "tasks"], "").await;
    assert_eq!(said.code, Some(1));
    assert!(
        said.err
            .contains("no daemon answers on /nonexistent/o.sock"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("fix: start it: `orchestratord"),
        "{}",
        said.err
    );
    let said = run(&["--socket", "/nonexistent/o.sock", "--json", "tasks"], "").await;
    let error: Value = serde_json::from_str(&said.err).expect("JSON");
    assert!(
        error["error"]
            .as_str()
            .is_some_and(|text| text.contains("no daemon"))
    );
}

#[tokio::test]
async fn misuse_is_exit_code_2() {
    let host = Host::new();
    for line in [
        &["task", "priority", "s6y9v7mn", "9"][..],
        &["grant", "s6y9v7mn", "lots"],
        &["resume", "a", "b"],
        &["frobnicate"],
        &["--host", "-oProxyCommand=x", "tasks"],
    ] {
        let mut line = line.to_vec();
        let said = if line[0] == "--host" {
            run(&line, "").await
        } else {
            host.run(&std::mem::take(&mut line)).await
        };
        assert_eq!(said.code, Some(2), "{}", said.err);
    }
    assert!(host.acted().is_empty());
}

#[tokio::test]
async fn without_a_terminal_the_control_room_does_not_open() {
    let host = Host::new();
    let said = host.run(&[]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("needs a terminal"), "{}", said.err);
    assert!(!said.out.contains('\x1b'), "nothing is drawn into a pipe");
}

#[tokio::test]
async fn logs_and_events_are_one_object_a_line() {
    let host = Host::new();
    let said = host.run(&["logs", "s6y9v7mn", "--json"]).await;
    let lines: Vec<Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 60);
    assert_eq!(
        (&lines[0]["level"], &lines[0]["category"]),
        (&"info".into(), &"tool_input".into())
    );
    let said = host.run(&["events", "--since", "18202", "--json"]).await;
    let lines: Vec<Value> = said
        .out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["seq"], 18_204);
    assert_eq!(lines[1]["at"], "2026-01-01T11:56:00Z");
}

#[tokio::test]
async fn what_is_listed_has_the_same_names_as_on_the_screen() {
    let host = Host::new();
    let agents = host.run(&["agents", "--json"]).await.json();
    assert_eq!(agents.as_array().map(Vec::len), Some(8));
    let accounts = host.run(&["accounts", "--json"]).await.json();
    assert_eq!(accounts[1]["parking"], "usage_limit");
    let approvals = host.run(&["approvals", "--json"]).await.json();
    assert_eq!(
        approvals[0]["id"], "cred-014",
        "who waits longest comes first"
    );
    let costs = host.run(&["costs", "--days", "7", "--json"]).await.json();
    assert_eq!(costs.as_array().map(Vec::len), Some(5));
    let costs = host.run(&["costs", "--by", "model"]).await;
    assert!(
        costs.out.starts_with("MODEL") && costs.out.contains("$18.40 together"),
        "{}",
        costs.out
    );
    let task = host
        .run(&["task", "show", "s6y9v7mn", "--json"])
        .await
        .json();
    assert_eq!(task["criteria"][0]["status"], "done");
    assert_eq!(task["executions"][0]["cause"], "timed_out");
}

#[tokio::test]
async fn text_for_people_is_harmless() {
    let host = Host::new();
    {
        let mut snapshot = host.daemon.snapshot.lock().expect("not poisoned");
        for task in &mut snapshot.tasks {
            task.title = "\x1b]0;owned\x07\u{202e}title".to_owned();
        }
        for event in &mut snapshot.events {
            event.detail = "\x1b[2J".to_owned();
        }
    }
    for line in [&["tasks"][..], &["events"]] {
        let said = host.run(line).await;
        assert_eq!(said.code, Some(0));
        let harmless = said
            .out
            .chars()
            .all(|c| c == '\n' || !c.is_control() && c != '\u{202e}');
        assert!(harmless, "{:?}", said.out);
    }
}

#[tokio::test]
async fn a_secret_comes_from_standard_input_and_is_never_shown() {
    let host = Host::new();
    let line = [
        "secret",
        "set",
        "npm_token",
        "read",
        "--project",
        "acme/app",
    ];
    let said = host.run_with(&line, "s3cr3t\n").await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let stored = host.daemon.secrets.lock().expect("not poisoned").clone();
    assert_eq!(stored[0].value, b"s3cr3t");
    assert_eq!(stored[0].project, "acme/app");
    let listed = host.run(&["secret", "ls"]).await;
    assert!(listed.out.contains("npm_token") && !listed.out.contains("s3cr3t"));
    let empty = host.run_with(&line, "\n").await;
    assert_eq!(empty.code, Some(2));
    let removed = host.run(&["secret", "rm", "npm_token", "read"]).await;
    assert_eq!(removed.code, Some(1), "there was none");
}

#[tokio::test]
async fn the_doctor_fails_where_a_check_does_and_says_the_remedy() {
    let host = Host::new();
    let said = host.run(&["doctor"]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.out.contains("ok   daemon"), "{}", said.out);
    assert!(said.out.contains("FAIL docker") && said.out.contains("fix: systemctl start docker"));
}

#[tokio::test]
async fn connect_carries_the_protocol_over_standard_input_and_output() {
    let host = Host::new();
    let bin = env!("CARGO_BIN_EXE_cloud-code");
    let socket = host.socket();
    let command = [
        bin,
        "--socket",
        socket.to_str().expect("a path"),
        "connect",
        "--stdio",
    ];
    let connection = cloud_code::Connection::Program {
        command: command.map(Into::into).into(),
        name: "ssh jo@vps-1".to_owned(),
    };
    let mut client = connection.connect().await.expect("a link");
    let list = client
        .list_tasks(v1::ListTasksRequest::default())
        .await
        .expect("tasks");
    assert_eq!(list.into_inner().tasks.len(), 14);
}

#[tokio::test]
async fn a_far_end_that_fails_is_quoted() {
    let command = [
        "sh",
        "-c",
        "echo 'jo@vps-1: Permission denied (publickey).' >&2; exit 255",
    ];
    let connection = cloud_code::Connection::Program {
        command: command.map(Into::into).into(),
        name: "ssh jo@vps-1".to_owned(),
    };
    let error = connection.connect().await.expect_err("no link");
    assert_eq!(
        error.to_string(),
        "ssh jo@vps-1 gave no link: jo@vps-1: Permission denied (publickey)."
    );
}

#[tokio::test]
async fn a_daemon_that_goes_while_its_log_is_followed_ends_the_command() {
    let host = Host::new();
    let socket = host.socket();
    let socket = socket.to_str().expect("a path");
    let line = ["--socket", socket, "--json", "logs", "s6y9v7mn", "--follow"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_cloud-code"))
        .args(line)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for _ in 0..60 {
        assert!(lines.next_line().await.expect("UTF-8").is_some());
    }
    host.daemon.hang_up();
    assert_eq!(lines.next_line().await.expect("UTF-8"), None);
    assert!(
        child.wait().await.expect("it ends").success(),
        "the log ended"
    );
    host.server.abort();
}
