//! Says when `.cloud-code/` may have changed.
//!
//! The folder is watched, not the file: renames and deletions keep the watch. Some mounts report
//! nothing and the folder itself may be replaced, so a slow timer says "maybe" as well.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// The file is read at most this often.
const FAST: Duration = Duration::from_millis(250);
/// The file is read at least this often.
const SLOW: Duration = Duration::from_secs(3);

/// A watched folder.
#[derive(Debug)]
pub(crate) struct Watch {
    dirty: Arc<AtomicBool>,
    tick: Interval,
    read_at: Instant,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    pub(crate) fn new(dir: &Path) -> Self {
        let dirty = Arc::new(AtomicBool::new(true));
        let watcher = watcher(dir, Arc::clone(&dirty))
            .inspect_err(|error| tracing::warn!(%error, "reporting.yaml is read by timer only"))
            .ok();
        let mut tick = tokio::time::interval(FAST);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            dirty,
            tick,
            read_at: Instant::now(),
            _watcher: watcher,
        }
    }

    /// Waits until the file may have changed. Nothing is lost where this is dropped.
    pub(crate) async fn changed(&mut self) {
        loop {
            self.tick.tick().await;
            let due = self.read_at.elapsed() >= SLOW;
            if self.dirty.swap(false, Ordering::AcqRel) || due {
                self.read_at = Instant::now();
                return;
            }
        }
    }
}

fn watcher(dir: &Path, dirty: Arc<AtomicBool>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reading is an access; an error or an overflow means that anything may be.
        let matters = event.map_or(true, |event| event.need_rescan() || !event.kind.is_access());
        if matters {
            dirty.store(true, Ordering::Release);
        }
    })?;
    watcher.watch(dir, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
