//! The only module on the host that starts git.
//!
//! Git is run as a function of its arguments: an empty environment, a pinned configuration that
//! outranks every file ([`pinned`]), a git directory that is ours, a deadline, bounded output. It is
//! its own process group, and the whole group is killed when a call ends early, however it ends.
//!
//! ```text
//! Call { git dir, arguments, input, remote, deadline, most output }
//!    │  run: all at once          │  start: a pipe on both sides
//!    ▼                            ▼
//! Output { code, stdout, … }    Running ── finish ──▶ exit code
//! ```
//!
//! Nothing secret is ever an argument or in a file: an `Authorization` header reaches git through
//! its environment (`GIT_CONFIG_VALUE_n`), which the kernel shows to our own uid and root only.

pub(crate) mod leftovers;
pub(crate) mod pinned;
mod running;

pub(crate) use running::Running;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::remote::Remote;
use crate::program;

/// Why a call of git has no answer.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// Git could not be started; is it installed?
    #[error("git {command} could not be started")]
    Spawn {
        /// The git command.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// It was killed at its deadline.
    #[error("git {command} did not end within {seconds} s and was killed")]
    Deadline {
        /// The git command.
        command: String,
        /// The deadline.
        seconds: u64,
    },
    /// It said more than it may.
    #[error("git {command} wrote more than {bytes} bytes and was killed")]
    TooMuchOutput {
        /// The git command.
        command: String,
        /// The bound.
        bytes: usize,
    },
    /// It ended with an error.
    #[error("git {command} failed with code {code}: {stderr}")]
    Failed {
        /// The git command.
        command: String,
        /// Its exit code; -1 for a signal.
        code: i32,
        /// What it said, cut.
        stderr: String,
    },
    /// Reading or writing its pipes failed.
    #[error("the pipe of git {command} broke")]
    Pipe {
        /// The git command.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// It answered something that git does not answer.
    #[error("git {command} gave an answer that makes no sense: {what}")]
    Nonsense {
        /// The git command.
        command: String,
        /// What is wrong with it.
        what: String,
    },
}

/// What a call reads on standard input.
#[derive(Debug, Default)]
pub(crate) enum Input {
    /// Nothing.
    #[default]
    Nothing,
    /// These bytes.
    Bytes(Vec<u8>),
    /// This file.
    File(std::fs::File),
    /// What a thread writes into the other end.
    Pipe(std::io::PipeReader),
}

/// One call of git.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    git_dir: &'a Path,
    args: Vec<OsString>,
    input: Input,
    remote: Option<&'a Remote>,
    config: Vec<(String, String)>,
    deadline: Duration,
    max_output: usize,
}

impl<'a> Call<'a> {
    /// A call in a git directory of ours: no remote, no input, 60 s, 4 MiB of output.
    pub(crate) fn new<I, S>(git_dir: &'a Path, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Self {
            git_dir,
            args: args.into_iter().map(|a| a.as_ref().to_owned()).collect(),
            input: Input::Nothing,
            remote: None,
            config: Vec::new(),
            deadline: Duration::from_secs(60),
            max_output: 4 << 20,
        }
    }

    /// Gives it something to read.
    pub(crate) fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// Lets it talk to this remote, and to nothing else.
    pub(crate) fn remote(mut self, remote: &'a Remote) -> Self {
        self.remote = Some(remote);
        self
    }

    /// Adds a setting for this call.
    pub(crate) fn config(mut self, key: &str, value: &str) -> Self {
        self.config.push((key.to_owned(), value.to_owned()));
        self
    }

    /// It is killed after this.
    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// It is killed when it writes more than this.
    pub(crate) fn max_output(mut self, bytes: usize) -> Self {
        self.max_output = bytes;
        self
    }

    /// The git command, for messages: the first argument, never a value.
    fn name(&self) -> String {
        self.args
            .first()
            .map(|arg| arg.to_string_lossy().into_owned())
            .unwrap_or_default()
    }
}

/// What a call that ran to its end gave.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code; -1 for a signal.
    pub(crate) code: i32,
    /// Standard output, up to the bound.
    pub(crate) stdout: Vec<u8>,
    /// Standard error, cut.
    pub(crate) stderr: String,
    /// Whether it had more to say than the bound allows; then it was killed and `code` means nothing.
    pub(crate) cut: bool,
}

/// The git program and what of our own environment it may see.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    program: PathBuf,
    path: OsString,
    network: Vec<(OsString, OsString)>,
}

impl Git {
    /// The git on the search path of this process.
    pub(crate) fn new() -> Self {
        let path = pinned::search_path(std::env::var_os("PATH"));
        Self {
            program: program::find("git", &path),
            path,
            network: pinned::network_settings(|name| std::env::var_os(name)),
        }
    }

    /// Runs a call to its end.
    pub(crate) async fn run(&self, mut call: Call<'_>) -> Result<Output, GitError> {
        let (stdin, bytes) = match std::mem::take(&mut call.input) {
            Input::Nothing => (Stdio::null(), Vec::new()),
            Input::Bytes(bytes) => (Stdio::piped(), bytes),
            Input::File(file) => (Stdio::from(file), Vec::new()),
            Input::Pipe(pipe) => (Stdio::from(pipe), Vec::new()),
        };
        let max = call.max_output;
        self.spawn(&call, stdin)?.talk(bytes, max).await
    }

    /// Runs a call that has to succeed; its standard output.
    pub(crate) async fn must(&self, call: Call<'_>) -> Result<Vec<u8>, GitError> {
        let (command, bytes) = (call.name(), call.max_output);
        let output = self.run(call).await?;
        if output.cut {
            return Err(GitError::TooMuchOutput { command, bytes });
        }
        if output.code == 0 {
            Ok(output.stdout)
        } else {
            let (code, stderr) = (output.code, output.stderr);
            Err(GitError::Failed {
                command,
                code,
                stderr,
            })
        }
    }

    /// Starts a call with a pipe on both sides; the caller writes and reads.
    pub(crate) fn start(&self, call: &Call<'_>) -> Result<Running, GitError> {
        self.spawn(call, Stdio::piped())
    }

    fn spawn(&self, call: &Call<'_>, stdin: Stdio) -> Result<Running, GitError> {
        let command = call.name();
        let mut process = Command::new(&self.program);
        process
            .env_clear()
            .envs(pinned::environment(call.git_dir, &self.path))
            .envs(pinned::configuration(call.remote, &call.config))
            .env(leftovers::MARK, call.git_dir)
            .args(&call.args)
            .current_dir(existing(call.git_dir))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if call.remote.is_some_and(Remote::is_https) {
            process.envs(self.network.iter().map(|(name, value)| (name, value)));
        }
        let child = process.spawn().map_err(|source| GitError::Spawn {
            command: command.clone(),
            source,
        })?;
        Ok(Running::new(child, command, call.deadline))
    }
}

/// The git directory, or the directory it will be made in.
fn existing(git_dir: &Path) -> PathBuf {
    if git_dir.is_dir() {
        git_dir.to_owned()
    } else {
        PathBuf::from("/")
    }
}
