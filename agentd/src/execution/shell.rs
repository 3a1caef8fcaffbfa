//! A command of the project (`setup`, `check`): run in the worktree, shown in the log, bounded.

use std::ffi::OsString;

use cloud_code_domain::log::{LogCategory, LogLevel};
use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::process::{Launch, Moment, Running};
use super::processes::COMMAND_MARK;
use super::scene::Scene;
use super::verdict::Stop;
use super::{ExecutionError, sweep};
use crate::cli::Exit;

/// Characters of output that are given back.
const TAIL: usize = 16_000;

/// How it ended.
pub(crate) enum End {
    Ok,
    /// The end of its output, and how it failed.
    Failed(String),
    Stopped(Stop),
}

/// Runs a command with `sh -c` in the environment of the coding CLI.
pub(crate) async fn run(scene: &mut Scene, command: &str) -> Result<End, ExecutionError> {
    let argv: [OsString; 3] = ["/bin/sh".into(), "-c".into(), command.into()];
    let mark = uuid::Uuid::new_v4().to_string();
    let env = scene.environment(vec![(COMMAND_MARK.into(), mark.clone().into())]);
    let dir = scene.dirs.work();
    let mut running = Running::start(&Launch {
        argv: &argv,
        env: &env,
        dir: &dir,
        speaks: false,
    })
    .map_err(|error| ExecutionError::Start(format!("sh: {error}")))?;
    let deadline = Instant::now() + scene.job.limits.wall_clock;
    let mut tail = Tail::default();
    let stop = loop {
        if running.is_over() {
            break None;
        }
        tokio::select! {
            stop = scene.stopped() => break Some(End::Stopped(stop)),
            moment = running.next() => match moment {
                Moment::Line(_, line) => {
                    scene.logs.push(LogLevel::Info, LogCategory::Output, &line);
                    tail.push(&line);
                    scene.logs.flush_if_due().await?;
                }
                Moment::PipesEnded => {}
                Moment::Exited(_) => {
                    // Whoever it left in the background would hold its output open.
                    sweep::end_command(&mark).await;
                }
            },
            () = tokio::time::sleep_until(deadline) => {
                tail.push("[it took too long and was ended]");
                break Some(End::Failed(tail.take()));
            }
        }
    };
    if running.exit().is_none() {
        running.signal_group(Signal::SIGKILL);
        sweep::end_command(&mark).await;
    }
    if let Some(end) = stop {
        return Ok(end);
    }
    let how = match running.exit() {
        Some(Exit::Code(0)) => return Ok(End::Ok),
        Some(Exit::Code(code)) => format!("[exit status {code}]"),
        Some(Exit::Signal(signal)) => format!("[ended by signal {signal}]"),
        None => "[it was ended]".to_owned(),
    };
    tail.push(&how);
    Ok(End::Failed(tail.take()))
}

/// The last characters of an output.
#[derive(Default)]
struct Tail(String);

impl Tail {
    fn push(&mut self, line: &str) {
        let line: String = line.chars().take(2_000).collect();
        self.0.push_str(&line);
        self.0.push('\n');
        if self.0.len() > TAIL * 4 {
            self.0 = self.take();
        }
    }

    fn take(&self) -> String {
        let over = self.0.chars().count().saturating_sub(TAIL);
        self.0.chars().skip(over).collect()
    }
}
