//! One turn: a prompt goes in, lines come out, until the coding CLI is done or is stopped.
//!
//! ```text
//!  stop ladder:  protocol interrupt ─5 s─▶ SIGINT ─5 s─▶ SIGTERM ─2 s─▶ SIGKILL and every descendant
//! ```
//!
//! The end is the exit of the program (or its terminal event, where it stays for the next turn),
//! never the end of its output: whoever it left behind may hold that open for ever.

mod ladder;
mod live;

pub(crate) use live::Live;

use std::time::Duration;

use cloud_code_domain::log::LogLevel;
use cloud_code_domain::report::ReportStatus;
use tokio::time::Instant;

use super::process::{Moment, Pipe};
use super::scene::{Control, Scene};
use super::verdict::{Stop, TurnEnd};
use super::watchdog::{Bite, Watchdog};
use super::{ExecutionError, prompt as texts, sweep};
use crate::cli::{CliEvent, ErrorKind, Output};
use crate::files::watch::Watch;
use ladder::Ladder;

/// Between two looks at clocks.
const TICK: Duration = Duration::from_millis(200);
/// A program that is not kept exits this soon after its terminal event.
const REST: Duration = Duration::from_secs(10);
/// What is still in the pipes after its exit comes this soon.
const DRAIN: Duration = Duration::from_secs(2);

/// Runs a turn with this prompt, which holds the messages below `delivers`.
///
/// # Errors
/// Where the coding CLI cannot be started, or the spool fails.
pub(crate) async fn run(
    scene: &mut Scene,
    live: &mut Option<Live>,
    prompt: &str,
    delivers: u64,
) -> Result<TurnEnd, ExecutionError> {
    scene.set_status(ReportStatus::InProgress, "A turn of the coding CLI begins");
    scene.write_report();
    scene.send_report().await?;
    let mut out = Output::default();
    let mut current = Live::for_turn(scene, live.take(), prompt, &mut out).await?;
    scene.delivered(delivers).await?;
    let mut turn = Turn::new(scene, &mut current);
    turn.absorb(out);
    turn.carry_on().await?;
    let end = turn.end();
    if current.stays() {
        *live = Some(current);
    } else {
        sweep::end_all(&scene.execution, None).await;
        current.cross_check(scene);
    }
    scene.read_report();
    scene.write_report();
    scene.send_report().await?;
    scene.logs.flush().await?;
    Ok(end)
}

/// A running turn.
struct Turn<'a> {
    scene: &'a mut Scene,
    live: &'a mut Live,
    dog: Watchdog,
    ladder: Option<Ladder>,
    stop: Option<Stop>,
    /// What the terminal event said, and when.
    said: Option<(bool, Option<ErrorKind>, String)>,
    said_at: Instant,
    error: Option<(ErrorKind, String)>,
    denied: Vec<String>,
}

impl<'a> Turn<'a> {
    fn new(scene: &'a mut Scene, live: &'a mut Live) -> Self {
        let now = Instant::now();
        let traffic = scene.parts.traffic.bytes();
        Self {
            dog: Watchdog::new(scene.job.limits, traffic, now),
            scene,
            live,
            ladder: None,
            stop: None,
            said: None,
            said_at: now,
            error: None,
            denied: Vec::new(),
        }
    }

    async fn carry_on(&mut self) -> Result<(), ExecutionError> {
        let mut watch = Watch::new(&self.scene.dirs.contract());
        let mut tick = tokio::time::interval(TICK);
        if let Some(stop) = self.scene.pending_stop() {
            self.begin_stop(stop).await;
        }
        while !self.is_over() {
            tokio::select! {
                moment = self.live.running.next() => match moment {
                    Moment::Line(pipe, line) => self.line(pipe, &line),
                    Moment::PipesEnded => {}
                    Moment::Exited(_) => self.drain().await,
                },
                control = self.scene.control.recv() => self.control(control).await?,
                () = watch.changed() => self.report().await?,
                _ = tick.tick() => self.tick().await?,
            }
        }
        Ok(())
    }

    /// A kept program is at rest after its terminal event; any other has to exit.
    fn is_over(&self) -> bool {
        self.live.running.exit().is_some() || (self.said.is_some() && self.live.is_warm())
    }

    fn line(&mut self, pipe: Pipe, line: &str) {
        let mut out = Output::default();
        match pipe {
            Pipe::Stdout => self.live.parser.stdout_line(line, &mut out),
            Pipe::Stderr => self.live.parser.stderr_line(line, &mut out),
        }
        self.absorb(out);
    }

    /// After the exit: what is in the pipes, then the parser's last word.
    async fn drain(&mut self) {
        // Leftovers first: they hold the pipes open.
        sweep::end_all(&self.scene.execution, None).await;
        let deadline = Instant::now() + DRAIN;
        while !self.live.running.is_silent() {
            let next = tokio::time::timeout_at(deadline, self.live.running.next());
            match next.await {
                Ok(Moment::Line(pipe, line)) => self.line(pipe, &line),
                Ok(Moment::PipesEnded | Moment::Exited(_)) => {}
                Err(_) => break,
            }
        }
        let mut out = Output::default();
        let exit = self.live.running.exit();
        self.live.parser.finish(exit, &mut out);
        self.absorb(out);
    }

    fn absorb(&mut self, out: Output) {
        self.live.running.write(out.stdin);
        let now = Instant::now();
        for event in out.events {
            self.scene.logs.event(&event);
            if let Some(bite) = self.dog.event(&event, now) {
                self.stop.get_or_insert(Stop::Bitten(bite));
            }
            match event {
                CliEvent::Session { id, .. } => {
                    if self.scene.memory.session.as_deref() != Some(id.as_str()) {
                        self.scene.memory.session = Some(id);
                        self.scene.remember();
                    }
                }
                CliEvent::Error { kind, message } => self.error = Some((kind, message)),
                CliEvent::Denied { tool } if self.denied.len() < 10 => self.denied.push(tool),
                CliEvent::TurnEnded { ok, kind, text } => {
                    self.said.get_or_insert((ok, kind, text));
                    self.said_at = now;
                }
                CliEvent::Denied { .. }
                | CliEvent::Message { .. }
                | CliEvent::ToolCall { .. }
                | CliEvent::ToolResult { .. }
                | CliEvent::FileChange { .. }
                | CliEvent::Retry { .. }
                | CliEvent::Line { .. } => {}
            }
        }
    }

    async fn control(&mut self, control: Option<Control>) -> Result<(), ExecutionError> {
        match control {
            None => self.begin_stop(Stop::Shutdown).await,
            Some(Control::Steer { number, message }) if self.stop.is_none() => {
                let mut out = Output::default();
                let text = texts::follow_up(&[&message]);
                let taken = self.said.is_none() && self.live.parser.steer(&text, &mut out);
                self.absorb(out);
                if taken {
                    let text = "a message was handed to the coding CLI";
                    self.scene.logs.system(LogLevel::Info, text);
                    self.scene.delivered(number + 1).await?;
                } else {
                    self.scene.note(Control::Steer { number, message });
                }
            }
            Some(control) => {
                if self.scene.note(control)
                    && let Some(stop) = self.scene.pending_stop()
                {
                    self.begin_stop(stop).await;
                }
            }
        }
        Ok(())
    }

    /// The report file may have changed. Where the spool is nearly full, changes add up unsent.
    async fn report(&mut self) -> Result<(), ExecutionError> {
        self.scene.read_report();
        if self.scene.parts.spool.has_room() {
            self.scene.send_report().await?;
        }
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), ExecutionError> {
        let now = Instant::now();
        self.scene.logs.flush_if_due().await?;
        self.dog.traffic(self.scene.parts.traffic.bytes(), now);
        match (self.stop, &self.ladder) {
            (Some(_), None) => self.climb().await,
            (_, Some(ladder)) if ladder.is_due(now) => self.climb().await,
            (Some(_), Some(_)) => {}
            (None, _) => {
                if let Some(bite) = self.dog.check(now) {
                    self.begin_stop(Stop::Bitten(bite)).await;
                } else if self.said.is_some() && now.duration_since(self.said_at) > REST {
                    self.climb().await;
                }
            }
        }
        Ok(())
    }

    async fn begin_stop(&mut self, stop: Stop) {
        if self.stop.is_none() {
            self.stop = Some(stop);
            let text = match stop {
                Stop::Cancel(_) | Stop::Superseded => "the turn is stopped on request",
                Stop::Shutdown => "the turn is stopped because agentd ends",
                Stop::Bitten(Bite::WallClock) => "the turn takes too long and is stopped",
                Stop::Bitten(Bite::Silence) => "the coding CLI is silent and is stopped",
                Stop::Bitten(Bite::Retries(_)) => "the coding CLI repeats itself and is stopped",
            };
            self.scene.logs.system(LogLevel::Warning, text);
            self.climb().await;
        }
    }

    /// The next rung of the ladder.
    async fn climb(&mut self) {
        let ladder = self.ladder.get_or_insert_default();
        let mut out = Output::default();
        ladder
            .climb(self.live, &mut out, &self.scene.execution)
            .await;
        self.absorb(out);
    }

    fn end(self) -> TurnEnd {
        let (ok, kind, mut text) = self.said.unwrap_or_else(|| {
            let text = "the coding CLI ended without a word".to_owned();
            (false, Some(ErrorKind::Protocol), text)
        });
        let error = self.error.filter(|_| !ok);
        if let Some((_, message)) = &error
            && text.trim().is_empty()
        {
            text.clone_from(message);
        }
        TurnEnd {
            ok,
            kind: kind.or(error.map(|(kind, _)| kind)),
            text,
            exit: self.live.running.exit(),
            stop: self.stop,
            denied: self.denied,
        }
    }
}
