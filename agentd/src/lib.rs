//! BOX: what runs inside a workstation. Takes executions over a session, keeps the workspace, runs
//! the coding CLI, and says what happens in numbered records that survive a broken link and a kill.
//!
//! ```text
//!  orchestratord ◀── session (spool) ◀── execution ──▶ coding CLI ──▶ gateway ──▶ orchestratord
//!        └──▶ agent ───▶ workspace ──────────┘  └──▶ files (.cloud-code/)
//! ```

mod agent;
pub mod app;
pub mod cli;
mod clock;
pub mod config;
mod credentials;
mod execution;
mod failpoint;
mod files;
mod gateway;
pub mod session;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use app::{AppError, Orphans};
use config::Config;

/// Runs agentd with these arguments, the first being the program's name.
///
/// 0: asked to end; 1: it cannot work; 2: misuse; 70: a broken invariant.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    die_of_panics();
    let config = match Config::try_parse_from(args) {
        Ok(config) => config,
        Err(error) => {
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    start_logging();
    #[cfg(feature = "failpoints")]
    let _failpoints = failpoint::from_environment();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // It waits for others nearly all the time; a second one would only be woken by the first.
        .worker_threads(1)
        .enable_all()
        .build();
    let served = match runtime {
        Ok(runtime) => runtime.block_on(serve(config)),
        Err(error) => Err(AppError::Signals(error)),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", session::chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), AppError> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Signals)?;
    let serving = app::serve(config, Orphans::Adopted, stop.clone());
    tokio::pin!(serving);
    tokio::select! {
        served = &mut serving => return served,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("asked to end");
    stop.cancel();
    serving.await
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CLOUD_CODE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init();
    // A program that runs us in-process may log already.
    drop(logging);
}

/// A broken invariant in any task ends the process: half an agentd is worse than none.
fn die_of_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        #[expect(clippy::exit, reason = "the one way out of a broken invariant")]
        std::process::exit(70);
    }));
}
