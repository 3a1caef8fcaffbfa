//! What goes wrong, as a person reads it: what happened, why, and the command that helps.

use serde_json::Value;
use tonic::Status;

use crate::host::{Host, run};

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
            "what you named is not there",
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
        &["grant", "s6y9v7mn"],
        &["grant", "s6y9v7mn", "--tokens", "lots"],
        &["grant", "s6y9v7mn", "4.50", "--tokens", "500k"],
        &["resume", "a", "b"],
        &["tasks", "--limit", "0"],
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

/// A refusal of the daemon, and the command that it leads to.
#[tokio::test]
async fn a_refusal_leads_to_the_command_that_helps() {
    let host = Host::new();
    let rows: [(&[&str], Status, &str); 8] = [
        (
            &["task", "retry", "nope"],
            Status::not_found("there is no task \"nope\""),
            "cloud-code tasks",
        ),
        (
            &["task", "cancel", "s"],
            Status::invalid_argument("s could be any of s6y9v7mn, s7z0w8no"),
            "cloud-code tasks",
        ),
        (
            &["task", "merge", "#42"],
            Status::failed_precondition("#42 is running"),
            "cloud-code task show '#42'",
        ),
        (
            &["approve", "k3f9x2ab:9"],
            Status::not_found("there is no request k3f9x2ab:9"),
            "cloud-code approvals",
        ),
        (
            &["deny", "k3f9x2ab:1", "--if-version", "2"],
            Status::aborted("version 3 now"),
            "cloud-code approvals",
        ),
        (
            &["resume", "account", "main"],
            Status::not_found("there is no account main"),
            "cloud-code accounts",
        ),
        (
            &["halt"],
            Status::unavailable("the store cannot be written"),
            "cloud-code doctor",
        ),
        (
            &["task", "accept", "nope"],
            Status::unimplemented(""),
            "upgrade orchestratord",
        ),
    ];
    for (line, status, fix) in rows {
        let why = status.message().to_owned();
        let refusals = &host.daemon.refusals;
        refusals.lock().expect("not poisoned").push_back(status);
        let said = host.run(line).await;
        assert_ne!(said.code, Some(0), "{line:?}");
        let (what, rest) = said.err.split_once('\n').expect("more than a line");
        assert!(what.starts_with("error: "), "{line:?}: {}", said.err);
        assert!(rest.contains(&why), "{line:?}: {}", said.err);
        let last = rest.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("  fix: ") && last.contains(fix),
            "{line:?}: {}",
            said.err
        );
    }
}

#[tokio::test]
async fn an_unknown_task_is_said_to_be_unknown_wherever_it_is_named() {
    let host = Host::new();
    let said = host.run(&["task", "show", "nope"]).await;
    assert_eq!(said.code, Some(1));
    for part in [
        "what you named is not there",
        "\"nope\"",
        "fix: see the ids: cloud-code tasks",
    ] {
        assert!(said.err.contains(part), "{}", said.err);
    }
}

/// The daemon takes connections of everybody, and drops those of who is no operator.
#[tokio::test]
async fn who_is_no_operator_is_told_so_and_by_which_uid() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("o.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let refusing = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    let path = path.to_str().expect("a path");
    let said = run(&["--socket", path, "tasks"], "").await;
    refusing.abort();
    assert_eq!(said.code, Some(1));
    let uid = rustix::process::getuid().as_raw();
    for part in [
        format!("hangs up on uid {uid}"),
        format!("fix: add {uid} to `[operator] users`"),
    ] {
        assert!(said.err.contains(&part), "{}", said.err);
    }
}
