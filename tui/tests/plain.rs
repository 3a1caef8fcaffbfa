//! The subcommands, as a script sees them: the real program against a daemon over a real socket.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "support/fake_operator.rs"]
mod fake_operator;
#[path = "support/host.rs"]
mod host;
#[allow(dead_code, reason = "screens and subcommands use a part of it each")]
#[path = "support/hostile.rs"]
mod hostile;
#[path = "plain/hostile.rs"]
mod hostile_daemon;
#[path = "plain/refusals.rs"]
mod refusals;
#[path = "support/synthetic.rs"]
mod synthetic;

use std::process::Stdio;

use cloud_code_proto::v1::{self, action::Action};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use host::Host;

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
    assert_eq!(review["agent"], "acme-app.backend-1");
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
    let lines: [(&[&str], Action, u64); 19] = [
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
            &["grant", "s6y9v7mn", "--tokens", "500k"],
            Action::SetTokenLimit(v1::SetTokenLimit {
                task: task(),
                limit_tokens: 500_000,
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
async fn a_log_is_searched_where_it_is_and_what_was_left_out_is_said() {
    let host = Host::new();
    let said = host.run(&["logs", "s6y9v7mn", "--search", "cookie"]).await;
    let lines: Vec<&str> = said.out.lines().collect();
    let (hits, rest) = lines.split_at(lines.len() - 2);
    assert!(!hits.is_empty());
    assert!(
        hits.iter()
            .all(|line| line.starts_with("s6y9v7mn-2:") && line.contains("cookie"))
    );
    let left_out = format!("… the first {} of {} lines", hits.len(), 2 * hits.len());
    assert_eq!(rest[0], left_out);
    assert_eq!(
        rest[1],
        "… 3 lines are damaged on disk, and were not searched"
    );
    let said = host
        .run(&["logs", "s6y9v7mn", "--search", "cookie", "--json"])
        .await;
    let first = said.out.lines().next().expect("a hit");
    let first: Value = serde_json::from_str(first).expect("JSON");
    assert!(first["number"].is_u64() && first["text"].as_str().is_some());
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
        costs.out.starts_with("MODEL") && costs.out.contains("$15.09 together, and ~$3.31"),
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

#[tokio::test]
async fn the_history_of_a_task_comes_with_it_and_all_of_it_where_it_is_wanted() {
    let host = Host::new();
    let numbers = |shown: &Value| -> Vec<u64> {
        let events = shown["events"].as_array().expect("events").iter();
        events.filter_map(|event| event["seq"].as_u64()).collect()
    };
    let shown = host
        .run(&["task", "show", "s6y9v7mn", "--json"])
        .await
        .json();
    assert_eq!(shown["events_before"], synthetic::HISTORY - 4);
    assert_eq!(numbers(&shown), (18_008..18_012).collect::<Vec<_>>());
    assert_eq!(shown["events"][0]["kind"], "started");
    let line = ["task", "show", "s6y9v7mn", "--json", "--all-events"];
    let shown = host.run(&line).await.json();
    assert_eq!(shown["events_before"], 0);
    assert_eq!(numbers(&shown), (18_000..18_012).collect::<Vec<_>>());
    let text = host.run(&["task", "show", "s6y9v7mn"]).await.out;
    assert!(
        text.contains("EVENTS\n  … 8 earlier: --all-events"),
        "{text}"
    );
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused_and_not_cut() {
    let host = Host::new();
    let long = "y".repeat((256 << 10) + 1);
    let line = ["task", "new", "A title", "--description", "-"];
    let said = host.run_with(&line, &long).await;
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("256 KiB"), "{}", said.err);
    assert!(host.acted().is_empty());
}
