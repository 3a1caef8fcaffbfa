//! A git that runs: its pipes, its deadline, and the group it dies with.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::time::Instant;

use super::{GitError, Output};

/// What is kept of standard error.
const STDERR_BYTES: usize = 16 << 10;

/// A process group that dies with this value.
#[derive(Debug)]
struct Group {
    child: Child,
}

impl Group {
    fn kill(&self) {
        // `id` is none once the leader was waited for: then the number may be somebody else's.
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            let group = nix::unistd::Pid::from_raw(id);
            // It fails only where the group has already ended.
            nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).ok();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A git that runs.
#[derive(Debug)]
pub(crate) struct Running {
    group: Group,
    command: String,
    deadline: Instant,
    seconds: u64,
}

impl Running {
    pub(super) fn new(child: Child, command: String, deadline: Duration) -> Self {
        Self {
            group: Group { child },
            command,
            deadline: Instant::now() + deadline,
            seconds: deadline.as_secs(),
        }
    }

    /// Takes its standard input; dropping it closes it.
    pub(crate) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.group.child.stdin.take()
    }

    /// Takes its standard output.
    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.group.child.stdout.take()
    }

    /// Runs a piece of the conversation with it under its deadline.
    pub(crate) async fn within<T>(
        &self,
        work: impl Future<Output = std::io::Result<T>>,
    ) -> Result<T, GitError> {
        match tokio::time::timeout_at(self.deadline, work).await {
            Ok(result) => result.map_err(|source| GitError::Pipe {
                command: self.command.clone(),
                source,
            }),
            Err(_) => Err(GitError::Deadline {
                command: self.command.clone(),
                seconds: self.seconds,
            }),
        }
    }

    /// Waits for its end, which has to be a good one. Its standard output has been read or dropped.
    pub(crate) async fn finish(mut self) -> Result<(), GitError> {
        let (command, seconds) = (self.command.clone(), self.seconds);
        let deadline = self.deadline;
        let stderr = self.group.child.stderr.take();
        let end = async {
            let (text, _) = read_bounded(stderr, STDERR_BYTES, true).await?;
            let status = self.group.child.wait().await?;
            Ok((text, status.code().unwrap_or(-1)))
        };
        match tokio::time::timeout_at(deadline, end).await {
            Ok(Ok((_, 0))) => Ok(()),
            Ok(Ok((text, code))) => Err(GitError::Failed {
                command,
                code,
                stderr: words(&text),
            }),
            Ok(Err(source)) => Err(GitError::Pipe { command, source }),
            Err(_) => Err(GitError::Deadline { command, seconds }),
        }
    }

    /// The whole conversation: writes the input, reads both outputs, waits for the end.
    pub(super) async fn talk(&mut self, input: Vec<u8>, max: usize) -> Result<Output, GitError> {
        let (command, seconds) = (self.command.clone(), self.seconds);
        match tokio::time::timeout_at(self.deadline, self.exchange(input, max)).await {
            Ok(result) => result.map_err(|source| GitError::Pipe { command, source }),
            Err(_) => Err(GitError::Deadline { command, seconds }),
        }
    }

    async fn exchange(&mut self, input: Vec<u8>, max: usize) -> std::io::Result<Output> {
        let stdin = self.group.child.stdin.take();
        let stdout = self.group.child.stdout.take();
        let stderr = self.group.child.stderr.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A git that fails early closes its input: its exit code says more than the pipe.
                if stdin.write_all(&input).await.is_ok() {
                    stdin.shutdown().await.ok();
                }
            }
        };
        let read = async {
            let (bytes, cut) = read_bounded(stdout, max, false).await?;
            if cut {
                self.group.kill();
            }
            Ok::<_, std::io::Error>((bytes, cut))
        };
        let complain = read_bounded(stderr, STDERR_BYTES, true);
        let ((), out, err) = tokio::join!(feed, read, complain);
        let ((stdout, cut), (stderr, _)) = (out?, err?);
        let status = self.group.child.wait().await?;
        Ok(Output {
            code: status.code().unwrap_or(-1),
            stdout,
            stderr: words(&stderr),
            cut,
        })
    }
}

/// Reads up to `max` bytes; then stops, or reads on and drops (`drain`). Whether there was more.
async fn read_bounded(
    source: Option<impl AsyncRead + Unpin>,
    max: usize,
    drain: bool,
) -> std::io::Result<(Vec<u8>, bool)> {
    let Some(mut source) = source else {
        return Ok((Vec::new(), false));
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    (&mut source).take(limit).read_to_end(&mut bytes).await?;
    let cut = bytes.len() > max;
    bytes.truncate(max);
    if cut && drain {
        tokio::io::copy(&mut source, &mut tokio::io::sink()).await?;
    }
    Ok((bytes, cut))
}

/// Standard error as one bounded line without control characters.
fn words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let joined: String = lines.join("; ");
    joined
        .chars()
        .filter(|c| !c.is_control())
        .take(2_000)
        .collect()
}
