//! Config + ports → a running daemon. The only place that spawns what lives as long as the program.
//!
//! A restart is no special path: the engine loads what is live, and the same loops that run all the
//! time find agents, effects and pull requests as they are.

mod agents;
mod host_key;
mod servers;
mod wiring;

pub use host_key::{HostKey, HostKeyError};

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cloud_code_domain::time::Timestamp;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::engine::{self, Engine, Foundations, Input};
use crate::logs;
use crate::mirrors::repack;
use crate::store::{Store, StoreError};

/// A drain that takes longer than this is cut: what is under way is looked for at the next start.
const DRAIN: Duration = Duration::from_secs(9);

/// How often, and how far apart, a store that is in use is tried again.
const STORE_TRIES: u32 = 10;
const STORE_PAUSE: Duration = Duration::from_millis(100);

/// The host's clock.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

/// A part that lives as long as the program, by name.
type Parts = JoinSet<(&'static str, anyhow::Result<()>)>;
type Ended = Option<Result<(&'static str, anyhow::Result<()>), JoinError>>;

/// Runs until `stop`. `ready` is called when the operator's socket listens.
///
/// # Errors
/// Where something cannot be opened, or a part of the program ended by itself.
pub async fn run(
    config: Config,
    stop: CancellationToken,
    ready: impl FnOnce(),
) -> anyhow::Result<()> {
    let config = Arc::new(config);
    let state = &config.state_dir;
    make_private(state).with_context(|| format!("cannot make {}", state.display()))?;
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).context("no random numbers can be had")?;
    let foundations = Foundations {
        config: config.clone(),
        store: open_store(state).await?,
        clock: Arc::new(now),
        seed: u64::from_le_bytes(seed),
    };
    let (engine, engine_thread) = Engine::start(foundations)?;
    let mut parts = spawn(&config, &engine, &stop).await?;
    ready();
    tracing::info!(state_dir = %state.display(), "serving");
    let ended: Ended = tokio::select! {
        // First: parts end because of it, and that is no end by themselves.
        biased;
        () = stop.cancelled() => None,
        ended = parts.join_next() => ended,
    };
    stop.cancel();
    drain(&engine, parts).await;
    let engine_ended = tokio::task::spawn_blocking(|| engine_thread.wait()).await;
    anyhow::ensure!(
        engine_ended.unwrap_or(false),
        "the engine broke: see the log"
    );
    why(ended)
}

/// Opens the store. Where a daemon was killed while it started a program, that program holds the
/// store for the moment until it has begun.
async fn open_store(state_dir: &Path) -> Result<Store, StoreError> {
    for _ in 0..STORE_TRIES {
        match Store::open(state_dir) {
            Err(StoreError::InUse { .. }) => tokio::time::sleep(STORE_PAUSE).await,
            opened => return opened,
        }
    }
    Store::open(state_dir)
}

/// Starts everything that runs as long as the program.
async fn spawn(
    config: &Arc<Config>,
    engine: &Engine,
    stop: &CancellationToken,
) -> anyhow::Result<Parts> {
    let wired = wiring::wire(config, engine).await?;
    let mut parts = Parts::new();
    let clock: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(now);
    let outbox = engine::run_outbox(
        engine.clone(),
        wired.hands.clone(),
        clock.clone(),
        stop.clone(),
    );
    parts.spawn(async move {
        outbox.await;
        ("the outbox", Ok(()))
    });
    let time = stop
        .clone()
        .run_until_cancelled_owned(engine.clone().keep_time(clock));
    parts.spawn(async move {
        time.await;
        ("the clock", Ok(()))
    });
    let keep = logs::keep(
        wired.logs.clone(),
        engine.clone(),
        config.logs,
        stop.clone(),
    );
    parts.spawn(async move {
        keep.await;
        ("the keeping of logs", Ok(()))
    });
    let repack = repack::keep(wired.mirrors.clone(), stop.clone());
    parts.spawn(async move {
        repack.await;
        ("the repacking of mirrors", Ok(()))
    });
    agents::spawn(&mut parts, config, engine, &wired, stop)?;
    servers::spawn(&mut parts, config, engine, &wired, stop).await?;
    Ok(parts)
}

/// Waits for what is under way, and ends the engine. No agent is stopped.
async fn drain(engine: &Engine, mut parts: Parts) {
    let all = async { while parts.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, all).await.is_err() {
        tracing::warn!("the drain was cut; what was under way is looked for at the next start");
    }
    engine.stop().await;
}

/// Why the program ends: it was told to, or a part of it ended by itself.
fn why(ended: Ended) -> anyhow::Result<()> {
    match ended {
        None => Ok(()),
        Some(Ok((part, Ok(())))) => anyhow::bail!("{part} ended by itself"),
        Some(Ok((part, Err(error)))) => Err(error.context(part)),
        Some(Err(error)) => Err(anyhow::Error::new(error).context("a part of the program broke")),
    }
}

/// Makes a directory that only we may read.
pub(crate) fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
}

/// Tells the engine how much room the host has.
pub(crate) async fn watch_disk(engine: Engine, dir: std::path::PathBuf, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Ok(free) = rustix::fs::statvfs(&dir) {
            let bytes = free.f_bavail.saturating_mul(free.f_frsize);
            if engine.send(Input::DiskFree(bytes)).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(15)) => {}
        }
    }
}
