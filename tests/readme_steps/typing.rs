//! Lines of the README, as a person types them into a shell at the root of the checkout.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cloud_code_tests::operator::Operator;
use cloud_code_tests::readme::{Step, root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// Two release builds from nothing, or an image.
const LONGEST: Duration = Duration::from_secs(1_800);
const MOMENT: Duration = Duration::from_secs(30);
/// What a daemon of root is reached by.
const SOCKET: &str = "/run/cloud-code/operator.sock";

fn shell(line: &str) -> Command {
    // We are root already; a bare machine may have no sudo.
    let script = format!("set -eu; sudo() {{ \"$@\"; }}\n{line}");
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .current_dir(root())
        .env("DOCKER_BUILDKIT", "0")
        // The README's paths are below target/, and its flags are its own.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .kill_on_drop(true);
    command
}

/// Types a step, with this pasted behind it; it has to end well.
pub(crate) async fn typed(step: &Step, input: &str) -> Result<()> {
    let mut line = step.command.clone();
    // As the README says, where a proxy signs certificates itself; this is also how the tests' own
    // image was made, so that its layers serve again.
    let bundle = "/etc/ssl/certs/ca-certificates.crt";
    if line.contains("dockerfiles/build.sh ") && std::path::Path::new(bundle).exists() {
        line = line.replace(" --base ", &format!(" --ca-bundle {bundle} --base "));
    }
    run(&line, input).await.map(drop)
}

/// Types a line; what it said.
pub(crate) async fn run(line: &str, input: &str) -> Result<String> {
    let mut child = shell(line)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("bash cannot be started")?;
    let mut stdin = child.stdin.take().context("it is piped")?;
    // A command that reads nothing may have ended.
    let _unread = stdin.write_all(format!("{input}\n").as_bytes()).await;
    drop(stdin);
    let output = tokio::time::timeout(LONGEST, child.wait_with_output()).await;
    let output = output.context("it does not end")??;
    let [out, err] =
        [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned());
    ensure!(output.status.success(), "{}\n{out}{err}", output.status);
    Ok(out)
}

/// The daemon that a step started.
pub(crate) struct Daemon {
    child: Child,
    output: tempfile::NamedTempFile,
}

impl Daemon {
    /// Starts it, and waits until the operator's socket is answered.
    pub(crate) async fn start(step: &Step) -> Result<Self> {
        let output = tempfile::NamedTempFile::new()?;
        let line = step.command.trim_start_matches("sudo ");
        let child = shell(&format!("exec {line}"))
            .stdin(Stdio::null())
            .stdout(output.reopen()?)
            .stderr(output.reopen()?)
            .spawn()?;
        let daemon = Self { child, output };
        let answers = Operator::connect(SOCKET.as_ref(), MOMENT).await;
        answers.with_context(|| daemon.said())?;
        Ok(daemon)
    }

    /// Ends it in order.
    pub(crate) async fn end(&mut self) -> Result<()> {
        let pid = self.child.id().context("it ended by itself")?;
        kill(Pid::from_raw(pid.try_into()?), Signal::SIGTERM)?;
        let status = tokio::time::timeout(MOMENT, self.child.wait()).await;
        let status = status.context("orchestratord does not end")??;
        ensure!(status.success(), "orchestratord ended with {status}");
        Ok(())
    }

    /// What it said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(self.output.path()).unwrap_or_default()
    }
}
