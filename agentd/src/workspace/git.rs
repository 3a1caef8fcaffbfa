//! The only module that starts git.
//!
//! The repository belongs to the agent, so its configuration is hostile. It can do no more to agentd
//! than the agent could do anyway; hooks, monitors and background maintenance are off so that
//! leftovers of one task cannot confuse the next.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::execution::process::Owned;

/// For one call.
const DEADLINE: Duration = Duration::from_secs(600);

/// Characters of git's complaint that are kept.
const COMPLAINT: usize = 600;

/// Why a call of git failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("git {verb} could not be started: is git in PATH?")]
    Start { verb: String, source: io::Error },
    #[error("git {verb} could not be started: the folder {} is gone", .folder.display())]
    NoFolder { verb: String, folder: PathBuf },
    #[error("git {verb} was not done after {} s", DEADLINE.as_secs())]
    Deadline { verb: String },
    #[error("git {verb} failed: {complaint}")]
    Failed { verb: String, complaint: String },
}

/// A command that runs git in `dir` with a pinned environment.
pub(crate) fn command<A: AsRef<OsStr>>(dir: &Path, args: &[A]) -> Command {
    let mut command = Command::new("git");
    command
        .args(["-c", "core.hooksPath=/dev/null"])
        .args(["-c", "core.fsmonitor=false"])
        .args(["-c", "gc.auto=0"])
        .args(["-c", "maintenance.auto=false"])
        .args(["-c", "commit.gpgSign=false"])
        .args(["-c", "advice.detachedHead=false"])
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs git and gives its standard output without the last line's end.
pub(crate) async fn run<A: AsRef<OsStr>>(dir: &Path, args: &[A]) -> Result<String, GitError> {
    finish(command(dir, args), &verb(args)).await
}

/// Runs a prepared command.
pub(crate) async fn finish(command: Command, verb: &str) -> Result<String, GitError> {
    let output = bytes(command, verb).await?;
    Ok(String::from_utf8_lossy(&output)
        .trim_end_matches('\n')
        .to_owned())
}

/// Whether others come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Full,
    Gentle,
}

/// Runs a prepared command and gives its standard output as it is.
pub(crate) async fn bytes(command: Command, verb: &str) -> Result<Vec<u8>, GitError> {
    bytes_at(Pace::Full, command, verb).await
}

/// The same, at this pace.
pub(crate) async fn bytes_at(
    pace: Pace,
    command: Command,
    verb: &str,
) -> Result<Vec<u8>, GitError> {
    let output = output(command, verb, pace).await?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(complaint(verb, &output))
    }
}

/// Runs git and says whether it exited with 0.
pub(crate) async fn succeeds<A: AsRef<OsStr>>(dir: &Path, args: &[A]) -> Result<bool, GitError> {
    let output = output(command(dir, args), &verb(args), Pace::Full).await?;
    Ok(output.status.success())
}

async fn output(command: Command, verb: &str, pace: Pace) -> Result<Output, GitError> {
    let folder = command.as_std().get_current_dir().map(Path::to_owned);
    let start = |source| match &folder {
        // Both are told as a file that does not exist.
        Some(folder) if !folder.is_dir() => GitError::NoFolder {
            verb: verb.to_owned(),
            folder: folder.clone(),
        },
        Some(_) | None => GitError::Start {
            verb: verb.to_owned(),
            source,
        },
    };
    let child = Owned::spawn(command).map_err(&start)?;
    if pace == Pace::Gentle {
        child.yield_to_others();
    }
    tokio::time::timeout(DEADLINE, child.output())
        .await
        .map_err(|_| GitError::Deadline {
            verb: verb.to_owned(),
        })?
        .map_err(start)
}

/// What went wrong, in git's words, bounded.
pub(crate) fn complaint(verb: &str, output: &Output) -> GitError {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = if text.trim().is_empty() {
        output.status.to_string()
    } else {
        text.trim().chars().take(COMPLAINT).collect()
    };
    GitError::Failed {
        verb: verb.to_owned(),
        complaint: text,
    }
}

fn verb<A: AsRef<OsStr>>(args: &[A]) -> String {
    args.first()
        .map(|verb| verb.as_ref().to_string_lossy().into_owned())
        .unwrap_or_default()
}
