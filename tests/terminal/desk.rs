//! What a test sits at: an installation with one local project, and what was started for it.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use cloud_code_proto::v1;
use cloud_code_tests::cluster::{Cluster, PATIENCE, Setting, asked_until, local_project};
use cloud_code_tests::forge::Forge;
use cloud_code_tests::sample;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::sshd::{ALIAS, Programs, Sshd};
use crate::tmux::Tmux;

/// All programs in one.
const PROGRAMS: &str = env!("CARGO_BIN_EXE_demo");

/// See the module.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) cluster: Cluster,
    /// Where a GitHub project is, in a test that wants one.
    pub(crate) forge: Option<Forge>,
    tmux: Option<Tmux>,
    _sshd: Option<Sshd>,
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    /// Starts everything; tmux and sshd only where the test needs them.
    pub(crate) async fn set(programs: Option<Programs>) -> Result<Self> {
        Self::at(programs, "", "").await
    }

    /// The same, with more keys in the project, and more after it.
    pub(crate) async fn at(programs: Option<Programs>, more: &str, rest: &str) -> Result<Self> {
        let project = local_project("sample", &format!("cost_limit_usd = 0.25\n{more}"));
        let setting = Setting {
            rest: format!("{project}{rest}"),
            ..Setting::default()
        };
        let prepare = |root: &std::path::Path| {
            std::fs::create_dir_all(root.join("home"))?;
            let files = [("README.md", "# Sample\n")];
            sample::bare_repository(&root.join("sample.git"), &files)
        };
        let cluster = Cluster::prepared(PROGRAMS, setting, prepare).await?;
        let root = cluster.root();
        let (tmux, sshd) = match programs {
            Some(programs) => (
                Some(Tmux::new(root)?),
                Some(Sshd::start(&programs, root).await?),
            ),
            None => (None, None),
        };
        Ok(Self {
            cluster,
            forge: None,
            tmux,
            _sshd: sshd,
        })
    }

    /// Where terminals come from.
    pub(crate) fn tmux(&self) -> Result<&Tmux> {
        self.tmux.as_ref().context("the test asked for no terminal")
    }

    /// The control room on this machine, for a server behind ssh.
    pub(crate) fn remote(&self) -> String {
        format!("{} --host {ALIAS}", self.program())
    }

    /// The control room on the server, for a terminal behind ssh.
    pub(crate) fn through_ssh(&self) -> String {
        format!("{}/path/ssh -tt {ALIAS} cloud-code", self.root())
    }

    /// The control room where the daemon is.
    pub(crate) fn local(&self) -> String {
        format!("{} --socket {}/operator.sock", self.program(), self.root())
    }

    fn root(&self) -> std::path::Display<'_> {
        self.cluster.root().display()
    }

    fn program(&self) -> String {
        format!("{}/bin/cloud-code", self.root())
    }

    /// A task, as the operator makes one; its id.
    pub(crate) async fn task(&self, title: &str, text: &str) -> Result<String> {
        self.cluster
            .operator()?
            .new_task("sample", title, text)
            .await
    }

    /// Waits until there is a task with this title.
    pub(crate) async fn titled(&self, title: &str) -> Result<v1::Task> {
        asked_until(&format!("a task {title:?}"), async || {
            let tasks = self.cluster.operator()?.tasks().await?;
            Ok(tasks.into_iter().find(|task| task.title == title))
        })
        .await
    }

    /// Runs a subcommand against the daemon's socket.
    pub(crate) async fn run(&self, line: &[&str]) -> Result<Said> {
        self.run_with(line, "").await
    }

    /// The same, with this on its standard input.
    pub(crate) async fn run_with(&self, line: &[&str], input: &str) -> Result<Said> {
        let socket = self.cluster.root().join("operator.sock");
        let mut child = self
            .command()
            .arg("--socket")
            .arg(socket)
            .args(line)
            .stdin(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("it is piped")?;
        // A program that reads nothing may have ended.
        let _unread = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output())
            .await
            .with_context(|| format!("cloud-code {} does not end", line.join(" ")))??;
        Ok(Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout)?,
            err: String::from_utf8(output.stderr)?,
        })
    }

    /// The program, with an environment of its own.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(PathBuf::from(self.program()));
        command
            .env_clear()
            .env("PATH", format!("{}/path:/usr/bin:/bin", self.root()))
            .env("HOME", format!("{}/home", self.root()))
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

impl Said {
    /// What it said as JSON, where it went well.
    pub(crate) fn json(&self) -> Result<serde_json::Value> {
        anyhow::ensure!(self.code == Some(0), "exit {:?}: {}", self.code, self.err);
        serde_json::from_str(&self.out).with_context(|| self.out.clone())
    }
}
