//! Looks that are close enough to a figure not to be a part of it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use cloud_code_tests::cluster::PATIENCE;

/// Between two looks at one thing.
const LOOK: Duration = Duration::from_millis(1);
/// Between two looks at many: they would take the machine from what is measured.
const SWEEP: Duration = Duration::from_millis(5);

/// Waits until something is there; at most a millisecond longer than it takes.
pub(crate) async fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> Result<T> {
    looking(what, LOOK, look).await
}

/// The same for what is sought in many places; at most five milliseconds longer.
pub(crate) async fn swept<T>(what: &str, look: impl FnMut() -> Option<T>) -> Result<T> {
    looking(what, SWEEP, look).await
}

async fn looking<T>(what: &str, every: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("{what}: not within {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(every).await;
    }
}

/// Every tasking.yaml below a state directory.
pub(crate) fn taskings(state: &Path) -> Vec<PathBuf> {
    let agents = std::fs::read_dir(state.join("agents"))
        .into_iter()
        .flatten();
    let tasks = agents
        .flatten()
        .filter_map(|agent| std::fs::read_dir(agent.path().join("workspace/tasks")).ok());
    let taskings = tasks
        .flat_map(Iterator::flatten)
        .map(|task| task.path().join("work/.cloud-code/tasking.yaml"));
    taskings.filter(|tasking| tasking.is_file()).collect()
}
