//! SCREEN: the operator's client. It holds no truth: kill it, start it again, and it shows the
//! same.
//!
//! ```text
//!  terminal ─┐                                            ┌─▶ calls to the daemon
//!  link ─────┼─▶ event ──▶ action ──▶ update(state, ui) ──┤
//!  answers ──┘               ▲                            └─▶ draw ──▶ screen ──▶ one write
//!                            │
//!             actions (the one registry): keys, palette, help, hints, subcommands
//! ```
//!
//! With a subcommand it does the same actions without a screen, with `--json` for scripts.

mod event;

mod action;
mod actions;
mod keymap;

mod link;
mod state;
mod ui;

mod effect;
mod selection;
mod update;

mod glyphs;
mod safe_text;
mod theme;
mod view;

mod app;
mod args;
mod plain;
mod screen;

#[cfg(test)]
#[path = "../tests/support/fake_operator.rs"]
mod fake_operator;
#[cfg(test)]
#[allow(dead_code, reason = "screens and subcommands use a part of it each")]
#[path = "../tests/support/hostile.rs"]
mod hostile;
#[cfg(test)]
#[path = "../tests/support/synthetic.rs"]
mod synthetic;

pub use app::Options;
pub use link::{Connection, LinkError};
pub use safe_text::SafeText;
pub use theme::{ColorLevel, ThemeName};

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, Terminal};
use crate::args::Args;
use crate::plain::Failure;
use crate::screen::{Guard, restore_on_panic};

/// Exit code of a broken invariant.
const BROKEN: u8 = 70;

/// Runs the program: the control room, or a subcommand.
///
/// The exit code is 0 when it went well, 1 when it did not, 2 for misuse, 70 after a panic.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let args = match Args::read(arguments) {
        Ok(args) => args,
        Err(error) => return error.print_and_code(),
    };
    restore_on_panic();
    let ran = std::panic::catch_unwind(|| run_args(&args));
    match ran {
        Ok(code) => code,
        Err(_) => ExitCode::from(BROKEN),
    }
}

fn run_args(args: &Args) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match &runtime {
        Ok(runtime) => runtime.block_on(Box::pin(dispatch(args))),
        Err(error) => Err(Failure::new(
            "the program cannot start",
            error.to_string(),
            "close other programs, or raise the limit: ulimit -n",
        )),
    };
    let code = match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_silent() => ExitCode::SUCCESS,
        Err(failure) => {
            let text = if args.json {
                failure.json()
            } else {
                failure.to_string()
            };
            // Where even that cannot be written there is nobody to read it.
            let _unread = writeln!(io::stderr(), "{text}");
            ExitCode::from(failure.code)
        }
    };
    if let Ok(runtime) = runtime {
        // A read of standard input cannot be cancelled; the process does not wait for it.
        runtime.shutdown_background();
    }
    code
}

async fn dispatch(args: &Args) -> Result<(), Failure> {
    let connection = args.connection()?;
    let Some(command) = &args.command else {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            return Err(Failure::misuse(
                "the control room needs a terminal",
                "standard input or output is none",
                "cloud-code tasks, or cloud-code tasks --json",
            ));
        }
        let mut options = Options::from_env();
        if let Some(theme) = args.theme {
            options.theme = theme;
        }
        options.ascii |= args.ascii;
        options.welcome.clone_from(&args.welcome);
        return run_tui(connection, options).await.map_err(|error| {
            Failure::new("the control room ended", error.to_string(), "cloud-code")
        });
    };
    plain::run(command, connection, args.json).await
}

/// Opens the control room in this process, and comes back when the operator leaves it.
///
/// # Errors
/// Where there is no terminal, or it went away.
pub async fn run_tui(connection: Connection, options: Options) -> io::Result<()> {
    restore_on_panic();
    let guard = Guard::take()?;
    let size = crossterm::terminal::size()?;
    let keys = crossterm::event::EventStream::new();
    let stop = pin!(stop()?);
    let mut terminal = Lent(&guard);
    let app = App::new(io::stdout(), size, options);
    let ran = Box::pin(app.run(connection, keys, stop, &mut terminal)).await;
    drop(guard);
    ran.map(drop)
}

/// Comes with the first signal that ends a program.
fn stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

struct Lent<'a>(&'a Guard);

impl Terminal for Lent<'_> {
    fn suspend(&mut self) -> io::Result<()> {
        self.0.leave();
        let stopped = rustix::process::kill_current_process_group(rustix::process::Signal::TSTP);
        self.0.enter()?;
        stopped.map_err(io::Error::from)
    }
}
