//! Runs a real coding CLI through its adapter, without agentd around it: what proves that an adapter
//! and its program understand each other.
//!
//! ```text
//!  Installed ─▶ CliRun::start ─▶ turn() ─▶ next_turn() | steer() | interrupt() ─▶ turn() ─▶ finish()
//! ```

mod place;

use std::collections::VecDeque;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use agentd::cli::{
    Adapter, CliEvent, Exit, LaunchPlan, Output, Parser, RunSpec, SessionRef, StdinPlan,
};
use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use place::{CodingCli, Place};

/// Nothing here takes longer on the slowest machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// A session with a fresh id.
#[must_use]
pub fn new_session() -> SessionRef {
    SessionRef::New {
        id: uuid::Uuid::new_v4().to_string(),
    }
}

/// One turn of a coding CLI in its own process, and the process's end: its events in order.
///
/// # Errors
/// If the program cannot be started, or does not end its turn in time.
pub async fn run_turn(
    cli: &CodingCli,
    place: &Place,
    base_url: &str,
    session: SessionRef,
    prompt: &str,
) -> Result<Vec<CliEvent>> {
    let mut run = CliRun::start(cli, place, base_url, session, prompt).await?;
    let mut events = run.turn().await?;
    events.extend(run.finish().await?.1);
    Ok(events)
}

/// A line of the program.
enum Line {
    Stdout(String),
    Stderr(String),
}

/// A running coding CLI with its parser.
pub struct CliRun {
    adapter: Box<dyn Adapter>,
    parser: Box<dyn Parser>,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<Line>,
    readers: JoinSet<()>,
    events: VecDeque<CliEvent>,
    transcript: Vec<String>,
    exit: Option<Exit>,
}

impl std::fmt::Debug for CliRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CliRun")
            .field("adapter", &self.adapter.name())
            .field("exit", &self.exit)
            .finish_non_exhaustive()
    }
}

impl CliRun {
    /// Starts the program with its first prompt.
    ///
    /// # Errors
    /// If there is no such adapter, its plan fails, or the program cannot be started.
    pub async fn start(
        cli: &CodingCli,
        place: &Place,
        base_url: &str,
        session: SessionRef,
        prompt: &str,
    ) -> Result<Self> {
        let adapter = agentd::cli::adapter(cli.adapter).context("no such adapter")?;
        let spec = place.spec(cli, base_url, session, prompt);
        fs::write(&spec.prompt_file, prompt)?;
        let plan = adapter.plan(&spec)?;
        let mut child = spawn(&plan, &spec)?;
        let (send, lines) = mpsc::channel(256);
        let mut readers = JoinSet::new();
        let stdout = child.stdout.take().context("no standard output")?;
        readers.spawn(read_lines(stdout, send.clone(), Line::Stdout));
        let stderr = child.stderr.take().context("no standard error")?;
        readers.spawn(read_lines(stderr, send, Line::Stderr));
        let stdin = child.stdin.take();
        let parser = adapter.parser(&spec);
        let mut run = Self {
            adapter,
            parser,
            child,
            stdin,
            lines,
            readers,
            events: VecDeque::new(),
            transcript: Vec::new(),
            exit: None,
        };
        run.say(|parser, out| parser.start(prompt, out)).await?;
        if let StdinPlan::Bytes(bytes) = &plan.stdin {
            run.write(bytes).await?;
            run.stdin = None;
        }
        Ok(run)
    }

    /// The events up to the end of the running turn. The process of an adapter that is not warm has
    /// ended then, too.
    ///
    /// # Errors
    /// If the turn does not end in time.
    pub async fn turn(&mut self) -> Result<Vec<CliEvent>> {
        self.until(|event| matches!(event, CliEvent::TurnEnded { .. }))
            .await
    }

    /// The events up to the first one like this.
    ///
    /// # Errors
    /// If none comes in time, or before the process ends.
    pub async fn until(&mut self, wanted: impl Fn(&CliEvent) -> bool) -> Result<Vec<CliEvent>> {
        let mut seen = Vec::new();
        let found = tokio::time::timeout(DEADLINE, async {
            loop {
                while let Some(event) = self.events.pop_front() {
                    let found = wanted(&event);
                    seen.push(event);
                    if found {
                        return Ok(());
                    }
                }
                if self.exit.is_some() {
                    bail!("the process ended");
                }
                self.step().await?;
            }
        });
        match found.await {
            Ok(Ok(())) => Ok(seen),
            Ok(Err(error)) => Err(error.context(format!("after {seen:#?}"))),
            Err(_) => bail!("nothing for {DEADLINE:?} after {seen:#?}"),
        }
    }

    /// The next prompt, into the same process.
    ///
    /// # Errors
    /// If the process takes nothing any more.
    pub async fn next_turn(&mut self, prompt: &str) -> Result<()> {
        self.say(|parser, out| parser.next_turn(prompt, out)).await
    }

    /// A message into the running turn. False: not possible now.
    ///
    /// # Errors
    /// If the process takes nothing any more.
    pub async fn steer(&mut self, text: &str) -> Result<bool> {
        self.say(|parser, out| parser.steer(text, out)).await
    }

    /// Asks for the end of the running turn, in the protocol or by SIGINT.
    ///
    /// # Errors
    /// If the process takes nothing any more.
    pub async fn interrupt(&mut self) -> Result<()> {
        if !self.say(|parser, out| parser.interrupt(out)).await? {
            let pid = self.child.id().context("it has ended")?;
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid)?);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
        }
        Ok(())
    }

    /// What it printed on standard output so far: what the adapters' fixtures are cut from.
    #[must_use]
    pub fn transcript(&self) -> &[String] {
        &self.transcript
    }

    /// Closes standard input and waits for the end: how the process ended, and the events since.
    ///
    /// # Errors
    /// If it does not end in time.
    pub async fn finish(mut self) -> Result<(Exit, Vec<CliEvent>)> {
        self.stdin = None;
        let ended = tokio::time::timeout(DEADLINE, async {
            while self.exit.is_none() {
                self.step().await?;
            }
            anyhow::Ok(())
        });
        ended.await.context("the process does not end")??;
        let exit = self.exit.context("no exit status")?;
        Ok((exit, self.events.into()))
    }

    /// One line, or the end of the process.
    async fn step(&mut self) -> Result<()> {
        match self.lines.recv().await {
            Some(Line::Stdout(line)) => {
                self.say(|p, out| p.stdout_line(&line, out)).await?;
                self.transcript.push(line);
                Ok(())
            }
            Some(Line::Stderr(line)) => self.say(|p, out| p.stderr_line(&line, out)).await,
            None => {
                while self.readers.join_next().await.is_some() {}
                let exit = exit(self.child.wait().await?);
                self.exit = Some(exit);
                self.say(|parser, out| parser.finish(Some(exit), out)).await
            }
        }
    }

    async fn say<T>(&mut self, say: impl FnOnce(&mut dyn Parser, &mut Output) -> T) -> Result<T> {
        let mut out = Output::default();
        let said = say(self.parser.as_mut(), &mut out);
        self.events.extend(out.events);
        self.write(&out.stdin).await?;
        Ok(said)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let stdin = self.stdin.as_mut().context("standard input is closed")?;
        stdin.write_all(bytes).await?;
        stdin.flush().await?;
        Ok(())
    }
}

fn spawn(plan: &LaunchPlan, spec: &RunSpec) -> Result<Child> {
    for (path, content) in &plan.files {
        let path = spec.home.join(path);
        fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        fs::write(path, content)?;
    }
    let (program, arguments) = plan.argv.split_first().context("an empty command")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(&spec.workdir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &spec.home)
        .env("LANG", "C.UTF-8")
        .env("TERM", "dumb")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs(plan.env.iter().map(|(name, value)| (name, value)))
        .stdin(match plan.stdin {
            StdinPlan::Null => Stdio::null(),
            StdinPlan::Bytes(_) | StdinPlan::Session => Stdio::piped(),
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
        .spawn()
        .with_context(|| format!("cannot start {program:?}"))
}

async fn read_lines(
    pipe: impl AsyncRead + Unpin + Send + 'static,
    send: mpsc::Sender<Line>,
    line: fn(String) -> Line,
) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        if send.send(line(text)).await.is_err() {
            return;
        }
    }
}

fn exit(status: std::process::ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .map_or_else(|| Exit::Signal(status.signal().unwrap_or(0)), Exit::Code)
}
