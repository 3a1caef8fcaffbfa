//! What a heartbeat says of resources: of agentd and everything below it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::execution::processes;

/// Clock ticks per second of `/proc/*/stat`: 100 on every Linux that Rust supports.
const TICKS: u64 = 100;

/// One measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) cpu_percent: u32,
    pub(crate) memory_bytes: u64,
    pub(crate) disk_free_bytes: u64,
}

/// Measures the difference to the measurement before.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    workspace: PathBuf,
    before: Arc<Mutex<Option<(Instant, u64)>>>,
}

impl Sampler {
    pub(crate) fn new(workspace: PathBuf) -> Self {
        Self {
            workspace,
            before: Arc::default(),
        }
    }

    pub(crate) async fn sample(&self) -> Sample {
        let sampler = self.clone();
        tokio::task::spawn_blocking(move || sampler.measure())
            .await
            .unwrap_or_default()
    }

    /// The same on this thread, for the time that it takes to read a few files.
    pub(crate) fn measure(&self) -> Sample {
        let now = Instant::now();
        let (ticks, memory_bytes) = processes::use_of_descendants(std::process::id());
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let cpu_percent = before.map_or(0, |(then, ticks_then)| {
            let spent = ticks.saturating_sub(ticks_then) * 1_000 / TICKS;
            let passed = u64::try_from(now.duration_since(then).as_millis()).unwrap_or(u64::MAX);
            u32::try_from(spent * 100 / passed.max(1)).unwrap_or(u32::MAX)
        });
        *before = Some((now, ticks));
        let disk_free_bytes = rustix::fs::statvfs(&self.workspace)
            .map_or(0, |fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        Sample {
            cpu_percent,
            memory_bytes,
            disk_free_bytes,
        }
    }
}
