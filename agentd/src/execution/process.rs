//! Starting programs, and knowing which of our children are ours to wait for.
//!
//! agentd is the reaper of orphans below it, so children appear that it never started. Every program
//! that it does start is registered here under the same lock that the sweep of strays takes: no exit
//! status is ever stolen, and no git of ours is taken for a leftover.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::Exit;

/// Bytes of a line that reach a parser; a line of JSON with a whole file in it fits.
const LINE: usize = 4 << 20;

/// Lines and writes that wait at most.
const WAITING: usize = 256;

/// How nice a program is that can wait.
const NICE: i32 = 19;

static OWNED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// The pids of the programs that we started and have not waited for.
pub(super) fn owned() -> MutexGuard<'static, BTreeSet<u32>> {
    OWNED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A signal with a handler is reset to its default in every program we start, also one that we
/// inherited as ignored: a coding CLI that ignores SIGINT could not be interrupted.
///
/// # Errors
/// Where the system refuses a handler.
pub(crate) fn take_over_signals() -> io::Result<()> {
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
        SignalKind::quit(),
        SignalKind::pipe(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::alarm(),
        SignalKind::window_change(),
    ] {
        // The handler stays when its listener goes.
        drop(signal(kind)?);
    }
    Ok(())
}

/// A registered child.
#[derive(Debug)]
pub(crate) struct Owned {
    child: Child,
    pid: u32,
}

impl Owned {
    pub(crate) fn spawn(mut command: Command) -> io::Result<Self> {
        let mut owned = owned();
        let child = command.spawn()?;
        let pid = child.id().unwrap_or(0);
        owned.insert(pid);
        Ok(Self { child, pid })
    }

    /// Whatever else wants the processor comes first.
    pub(crate) fn yield_to_others(&self) {
        let child = i32::try_from(self.pid).ok();
        let child = child.and_then(rustix::process::Pid::from_raw);
        if let Err(error) = rustix::process::setpriority_process(child, NICE) {
            tracing::debug!(%error, "a program runs at full pace");
        }
    }

    pub(crate) fn take_pipes(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>) {
        (self.child.stdin.take(), self.child.stdout.take())
    }

    /// Waits for its end and what it wrote.
    pub(crate) async fn output(mut self) -> io::Result<Output> {
        drop(self.child.stdin.take());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let (first, second) = tokio::join!(read_all(stdout, &mut out), read_all(stderr, &mut err));
        first?;
        second?;
        let status = self.child.wait().await?;
        Ok(Output {
            status,
            stdout: out,
            stderr: err,
        })
    }
}

async fn read_all<R: AsyncRead + Unpin>(pipe: Option<R>, into: &mut Vec<u8>) -> io::Result<()> {
    if let Some(mut pipe) = pipe {
        tokio::io::AsyncReadExt::read_to_end(&mut pipe, into).await?;
    }
    Ok(())
}

impl Drop for Owned {
    fn drop(&mut self) {
        owned().remove(&self.pid);
    }
}

/// What to start for a coding CLI, a setup or a check command.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) argv: &'a [OsString],
    pub(crate) env: &'a [(OsString, OsString)],
    pub(crate) dir: &'a Path,
    /// Whether standard input is written to; else it is empty.
    pub(crate) speaks: bool,
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipe {
    Stdout,
    Stderr,
}

/// A running program in a process group of its own.
#[derive(Debug)]
pub(crate) struct Running {
    owned: Owned,
    lines: mpsc::Receiver<(Pipe, String)>,
    stdin: Option<mpsc::Sender<Vec<u8>>>,
    exit: Option<Exit>,
    silent: bool,
    /// It did not read what was written to it.
    deaf: bool,
    _pumps: JoinSet<()>,
}

/// What a running program does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It printed a line.
    Line(Pipe, String),
    /// Nobody holds its pipes any more.
    PipesEnded,
    /// It exited; others may still hold its pipes.
    Exited(Exit),
}

impl Running {
    /// Starts it with this environment and no other.
    ///
    /// # Errors
    /// Where there is no such program.
    pub(crate) fn start(launch: &Launch<'_>) -> io::Result<Self> {
        let (program, arguments) = launch
            .argv
            .split_first()
            .ok_or_else(|| io::Error::other("an empty command"))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .current_dir(launch.dir)
            .stdin(if launch.speaks {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut owned = Owned::spawn(command)?;
        let mut pumps = JoinSet::new();
        let (sender, lines) = mpsc::channel(WAITING);
        if let Some(pipe) = owned.child.stdout.take() {
            pumps.spawn(pump(Pipe::Stdout, BufReader::new(pipe), sender.clone()));
        }
        if let Some(pipe) = owned.child.stderr.take() {
            pumps.spawn(pump(Pipe::Stderr, BufReader::new(pipe), sender));
        }
        let stdin = owned.child.stdin.take().map(|pipe| {
            let (sender, bytes) = mpsc::channel(WAITING);
            pumps.spawn(feed(pipe, bytes));
            sender
        });
        Ok(Self {
            owned,
            lines,
            stdin,
            exit: None,
            silent: false,
            deaf: false,
            _pumps: pumps,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.owned.pid
    }

    /// Its pid while it certainly has not been given to somebody else.
    pub(crate) fn living_pid(&self) -> Option<u32> {
        self.exit.is_none().then_some(self.owned.pid)
    }

    /// Whether it has exited, also where nobody waited for it yet.
    pub(crate) fn has_exited(&mut self) -> bool {
        if self.exit.is_none()
            && let Ok(Some(status)) = self.owned.child.try_wait()
        {
            self.exit = Some(exit_of(status));
        }
        self.exit.is_some()
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// What it does next, its lines before its exit. Nothing is lost where this is dropped; where
    /// nothing can come any more it waits for ever.
    pub(crate) async fn next(&mut self) -> Moment {
        tokio::select! {
            biased;
            line = self.lines.recv(), if !self.silent => match line {
                Some((pipe, line)) => Moment::Line(pipe, line),
                None => {
                    self.silent = true;
                    Moment::PipesEnded
                }
            },
            status = self.owned.child.wait(), if self.exit.is_none() => {
                let exit = status.map_or(Exit::Code(-1), exit_of);
                self.exit = Some(exit);
                Moment::Exited(exit)
            }
            else => std::future::pending().await,
        }
    }

    /// Whether nothing can come any more.
    pub(crate) fn is_over(&self) -> bool {
        self.silent && self.exit.is_some()
    }

    /// Whether nobody holds its pipes any more.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Writes to its standard input. What does not fit is lost with the program that does not read.
    pub(crate) fn write(&mut self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let full = match &self.stdin {
            Some(stdin) => stdin.try_send(bytes).is_err(),
            None => true,
        };
        // Once: it decides itself how often something is said to it.
        if full && !std::mem::replace(&mut self.deaf, true) {
            tracing::warn!(pid = self.pid(), "the coding CLI does not read its input");
        }
    }

    /// Ends its standard input.
    pub(crate) fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Signals the program itself.
    pub(crate) fn signal(&self, which: Signal) {
        if let (None, Some(pid)) = (self.exit, pid(self.pid()))
            && let Err(error) = kill(pid, which)
        {
            tracing::debug!(%error, pid = self.pid(), "a signal found nobody");
        }
    }

    /// Signals its process group, which outlives it while anybody is in it.
    pub(crate) fn signal_group(&self, which: Signal) {
        if let Some(pid) = pid(self.pid())
            && let Err(error) = killpg(pid, which)
        {
            tracing::debug!(%error, pid = self.pid(), "a signal found no group");
        }
    }
}

pub(super) fn pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid)
        .ok()
        .filter(|pid| *pid > 1)
        .map(Pid::from_raw)
}

fn exit_of(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Code(-1),
    }
}

async fn feed(mut pipe: ChildStdin, mut bytes: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = bytes.recv().await {
        if pipe.write_all(&bytes).await.is_err() || pipe.flush().await.is_err() {
            return; // it has ended, or closed its input
        }
    }
}

async fn pump<R: AsyncBufRead + Unpin>(
    name: Pipe,
    mut pipe: R,
    lines: mpsc::Sender<(Pipe, String)>,
) {
    while let Ok(Some(line)) = bounded_line(&mut pipe, LINE).await {
        if lines.send((name, line)).await.is_err() {
            return;
        }
    }
}

/// A line without its end, decoded leniently. What is longer than `bound` is cut, not split.
async fn bounded_line<R: AsyncBufRead + Unpin>(
    pipe: &mut R,
    bound: usize,
) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let buffer = pipe.fill_buf().await?;
        if buffer.is_empty() {
            break;
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        let room = bound.saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(buffer.len(), |end| end + 1);
        pipe.consume(used);
        if end.is_some() {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(any.then(|| String::from_utf8_lossy(&line).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_without_end_is_cut_and_the_next_one_is_whole() {
        let text = [&[b'x'; 100][..], b"\nnext\r\n\nlast \xff"].concat();
        let mut pipe = BufReader::with_capacity(7, text.as_slice());
        let mut lines = Vec::new();
        while let Some(line) = bounded_line(&mut pipe, 10).await.unwrap() {
            lines.push(line);
        }
        assert_eq!(lines, ["xxxxxxxxxx", "next", "", "last \u{fffd}"]);
    }
}
