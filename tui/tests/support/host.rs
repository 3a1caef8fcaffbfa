//! A daemon of its own for each test, and the real program against it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use cloud_code_proto::v1::{self, action::Action};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::fake_operator::Daemon;
use crate::synthetic;

pub(crate) struct Host {
    pub(crate) folder: TempDir,
    pub(crate) daemon: Arc<Daemon>,
    pub(crate) server: JoinHandle<()>,
}

pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.err);
        serde_json::from_str(&self.out).expect("JSON")
    }
}

impl Host {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let daemon = Daemon::new(synthetic::NOW);
        let server = daemon.serve(&folder.path().join("o.sock"));
        Self {
            folder,
            daemon,
            server,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("o.sock")
    }

    pub(crate) async fn run(&self, line: &[&str]) -> Said {
        self.run_with(line, "").await
    }

    pub(crate) async fn run_with(&self, line: &[&str], input: &str) -> Said {
        let socket = self.socket();
        let mut all = vec!["--socket", socket.to_str().expect("a path")];
        all.extend(line);
        run(&all, input).await
    }

    pub(crate) fn acted(&self) -> Vec<(Action, u64)> {
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

pub(crate) async fn run(line: &[&str], input: &str) -> Said {
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
