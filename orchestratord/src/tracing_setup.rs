//! Where the daemon's own log goes: daily files below the state directory, fourteen of them. Lines are
//! written where they are made, so none is lost.

use anyhow::Context;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Config;

/// What is logged where nobody says otherwise. octocrab calls every answer of 5xx an error; whether one
/// is a human's business is known where the trouble is handled, and said there in one line.
const QUIET: &str = "info,octocrab=off,hyper=warn";

/// Where the files are.
pub(crate) fn directory(config: &Config) -> std::path::PathBuf {
    config.state_dir.join("log")
}

/// Starts logging. `CLOUD_CODE_LOG` filters, in the syntax of `RUST_LOG`.
///
/// # Errors
/// Where the directory cannot be made.
pub(crate) fn start(config: &Config) -> anyhow::Result<()> {
    crate::app::make_private(&config.state_dir)
        .with_context(|| format!("cannot make {}", config.state_dir.display()))?;
    let dir = directory(config);
    crate::app::make_private(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let files = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("orchestratord")
        .filename_suffix("log")
        .max_log_files(14)
        .build(&dir)
        .with_context(|| format!("cannot log to {}", dir.display()))?;
    let filter =
        EnvFilter::try_from_env("CLOUD_CODE_LOG").unwrap_or_else(|_| EnvFilter::new(QUIET));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(files);
    // A test that runs several daemons in one process has set one up already.
    let _already = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    Ok(())
}
