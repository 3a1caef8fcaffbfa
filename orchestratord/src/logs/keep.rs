//! Keeping the logs small: full and finished files are sealed, what is too old or too much goes.
//!
//! One task does it, every few minutes: it looks at what is on disk, then asks which executions run,
//! so that none that began meanwhile is taken for a finished one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use cloud_code_domain::id::{ExecutionId, TaskId};
use cloud_code_domain::log::retention::{Held, Keep, Why, to_remove};
use cloud_code_domain::time::Timestamp;
use tokio_util::sync::CancellationToken;

use super::chain::{Chain, read_name};
use super::part::Part;
use super::removed::Removed;
use super::{Logs, LogsError, sealed};
use crate::engine::Engine;

/// Between two passes.
const PAUSE: Duration = Duration::from_mins(10);
/// Bytes that are worth being sealed when an execution has ended.
const WORTH: u64 = if cfg!(test) { 1 } else { 16 << 10 };

/// What is on disk of an execution's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OnDisk {
    pub(super) bytes: u64,
    unsealed: u64,
    unsealed_files: u32,
    written_at: i64,
}

/// Keeps the logs as configured until `stop`.
pub async fn keep(logs: Logs, engine: Engine, keep: Keep, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let looking = logs.clone();
        let found = tokio::task::spawn_blocking(move || looking.on_disk()).await;
        let running = engine.read(|world| {
            let executions = world.executions.values();
            let running = executions.filter(|execution| !execution.state.is_finished());
            running
                .map(|execution| execution.id.clone())
                .collect::<BTreeSet<ExecutionId>>()
        });
        let (Ok(found), Ok(running)) = (found, running.await) else {
            return;
        };
        let tidying = logs.clone();
        let tidied = tokio::task::spawn_blocking(move || {
            let found = found?;
            tidying.tidy(&found, &running, keep, crate::app::now())
        });
        if let Ok(Err(error)) = tidied.await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "logs cannot be sealed or removed; it is tried again");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

impl Logs {
    /// What is on disk of every execution.
    ///
    /// # Errors
    /// Where the directory cannot be read.
    pub fn on_disk(&self) -> Result<BTreeMap<ExecutionId, OnDisk>, LogsError> {
        let mut all = BTreeMap::new();
        let fail = || LogsError::at("cannot look at", &self.dir);
        for task in std::fs::read_dir(&self.dir).map_err(fail())? {
            let task = task.map_err(fail())?;
            let name = task.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse::<TaskId>().ok()) else {
                continue;
            };
            match add_files(&id, task.path(), &mut all) {
                // It was removed with its task meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(LogsError::at("cannot look at", &task.path())(error)),
                Ok(()) => {}
            }
        }
        Ok(all)
    }

    /// Seals and removes. What fails for one log does not keep the others from it.
    ///
    /// # Errors
    /// The first that failed.
    pub fn tidy(
        &self,
        found: &BTreeMap<ExecutionId, OnDisk>,
        running: &BTreeSet<ExecutionId>,
        keep: Keep,
        now: Timestamp,
    ) -> Result<(), LogsError> {
        let held: Vec<Held> = found
            .iter()
            .map(|(execution, on_disk)| Held {
                execution: execution.clone(),
                bytes: on_disk.bytes,
                written_at: Timestamp(on_disk.written_at),
                running: running.contains(execution),
            })
            .collect();
        let gone = to_remove(&held, keep, now);
        let mut result = Ok(());
        for (execution, why) in &gone {
            result = result.and(self.expire(execution, *why, now));
        }
        let gone: BTreeSet<&ExecutionId> = gone.iter().map(|(execution, _)| execution).collect();
        for log in held.iter().filter(|log| !gone.contains(&log.execution)) {
            let Some(on_disk) = found.get(&log.execution) else {
                continue;
            };
            let worth = match log.running {
                true => on_disk.unsealed_files > 1,
                false => on_disk.unsealed >= WORTH,
            };
            if worth {
                result = result.and(self.seal(&log.execution, !log.running));
            }
        }
        self.lock().close_unused();
        result
    }

    /// Seals what is full, and of one that has ended all.
    fn seal(&self, execution: &ExecutionId, ended: bool) -> Result<(), LogsError> {
        let unsealed = {
            let mut open = self.lock();
            let Some(chain) = self.existing(&mut open, execution)? else {
                return Ok(());
            };
            if ended {
                chain.close_tail();
            }
            // It stays open: its file would be taken for the one that is appended to.
            chain.held = true;
            chain.unsealed()
        };
        let sealed = unsealed
            .iter()
            .try_for_each(|(part, path)| self.seal_part(execution, part, path));
        if let Some(chain) = self.lock().chains.get_mut(execution) {
            chain.held = false;
        }
        sealed
    }

    fn seal_part(
        &self,
        execution: &ExecutionId,
        part: &Part,
        path: &Path,
    ) -> Result<(), LogsError> {
        // Not under the lock: readers and writers need not wait.
        let sealed = match sealed::seal(part, path) {
            Err(error) if error.source.kind() == io::ErrorKind::InvalidData => {
                // It is read as long as it can be.
                tracing::warn!(path = %part.path.display(), "a damaged log is not sealed");
                return Ok(());
            }
            sealed => sealed?,
        };
        match self.lock().chains.get_mut(execution) {
            Some(chain) => chain.is_sealed(&sealed),
            None => Ok(()),
        }
    }

    /// Removes a log, and says so in its place.
    fn expire(&self, execution: &ExecutionId, why: Why, now: Timestamp) -> Result<(), LogsError> {
        let mut open = self.lock();
        let Some(chain) = self.existing(&mut open, execution)? else {
            return Ok(());
        };
        let removed = removed(chain, why, now);
        tracing::info!(execution_id = %execution, lines = removed.lines, ?why, "a log is removed");
        chain.remove(removed)
    }
}

fn removed(chain: &Chain, why: Why, at: Timestamp) -> Removed {
    let (before, lines_before) = chain.removed();
    let end = chain.end();
    Removed {
        end,
        lines: lines_before.saturating_add(end.saturating_sub(before)),
        record: chain.last_record(),
        at,
        why,
    }
}

fn add_files(
    task: &TaskId,
    dir: PathBuf,
    all: &mut BTreeMap<ExecutionId, OnDisk>,
) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if name.ends_with(".new") {
            // It was being sealed when we ended.
            std::fs::remove_file(entry.path())?;
        }
        if let Some((number, _, sealed)) = read_name(name) {
            let execution = ExecutionId {
                task: task.clone(),
                number,
            };
            add(&entry, sealed, all.entry(execution).or_default())?;
        }
    }
    Ok(())
}

fn add(entry: &DirEntry, sealed: bool, on_disk: &mut OnDisk) -> io::Result<()> {
    let metadata = entry.metadata()?;
    on_disk.bytes = on_disk.bytes.saturating_add(metadata.len());
    if !sealed {
        on_disk.unsealed = on_disk.unsealed.saturating_add(metadata.len());
        on_disk.unsealed_files = on_disk.unsealed_files.saturating_add(1);
    }
    let written = metadata.modified()?.duration_since(UNIX_EPOCH);
    let written = written.map_or(0, |since| since.as_millis());
    on_disk.written_at = on_disk.written_at.max(i64::try_from(written).unwrap_or(0));
    Ok(())
}
