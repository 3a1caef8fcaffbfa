//! Logs of executions: append-only files beside the store, one for each execution.
//!
//! ```text
//! <dir>/<task>/<n>.log      header, block, block, …      (a block is one record of agentd's spool)
//!
//! engine ─ append ─▶ file ─ sync ─▶ (disk) ─▶ the record is acknowledged
//!              └─ wakes ─▶ followers, who read the file
//! ```
//!
//! A record is acknowledged only after [`Logs::sync`]. What was appended and not synced may be torn
//! or gone after a crash; opening the file cuts it off, and agentd sends the record again. What was
//! synced and is sent again is recognised by the record's number and skipped. So no line is lost
//! and none stands twice. There is one writer, and any number of readers.
//!
//! Lines are numbered from 0. Where lines were lost before they came here (agentd's spool was full,
//! or the file is) one number stands for the gap and says how many.

mod block;
mod follow;
mod segment;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloud_code_domain::id::{ExecutionId, TaskId};
use cloud_code_domain::log::LogLine;

use block::Entries;
pub use follow::Follower;
use segment::Segment;

/// Files that are held open, as long as no more are being written or followed.
const OPEN_FILES: usize = 64;

/// The logs of all executions; a handle to be cloned.
#[derive(Debug, Clone)]
pub struct Logs {
    dir: Arc<Path>,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    segments: HashMap<ExecutionId, Segment>,
    uses: u64,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is in the file.
    New,
    /// It had been there before.
    Duplicate,
}

/// Lines of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The lines, in order.
    pub lines: Vec<LogLine>,
    /// Lines that were lost before or between them.
    pub lost: u64,
    /// Where to read on from.
    pub next: u64,
}

impl Page {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.lost == 0
    }
}

/// A file of the logs could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{action} {}", path.display())]
pub struct LogsError {
    /// What was attempted, for example `cannot append to`.
    action: &'static str,
    /// The file.
    path: PathBuf,
    /// Why not.
    source: io::Error,
}

impl LogsError {
    fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self {
            action,
            path,
            source,
        }
    }
}

impl Logs {
    /// The logs in this directory, which is made where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(dir: &Path) -> Result<Self, LogsError> {
        std::fs::create_dir_all(dir).map_err(LogsError::at("cannot make", dir))?;
        Ok(Self {
            dir: dir.into(),
            open: Arc::default(),
        })
    }

    /// Appends the lines of a record, whose numbers grow from 1 and may have gaps. Readers see them
    /// at once; they are safe after [`Self::sync`].
    ///
    /// # Errors
    /// Where the file cannot be written; then nothing of the record is in it.
    pub fn append(
        &self,
        execution: &ExecutionId,
        record: u64,
        lines: &[LogLine],
    ) -> Result<Appended, LogsError> {
        self.write(execution, record, &Entries::of_lines(lines))
    }

    /// Appends a gap: a record whose lines agentd had to drop.
    ///
    /// # Errors
    /// Where the file cannot be written; then nothing of the record is in it.
    pub fn append_lost(
        &self,
        execution: &ExecutionId,
        record: u64,
        lines: u64,
    ) -> Result<Appended, LogsError> {
        self.write(execution, record, &Entries::Lost(lines))
    }

    /// Makes everything that was appended safe. On failure what was not safe is taken back, so that
    /// it can be appended again.
    ///
    /// # Errors
    /// The first file that could not be made safe; none of its records may be acknowledged.
    pub fn sync(&self) -> Result<(), LogsError> {
        let dirty: Vec<(ExecutionId, segment::Unsynced)> = self
            .lock()
            .segments
            .iter()
            .filter_map(|(execution, segment)| Some((execution.clone(), segment.unsynced()?)))
            .collect();
        let mut result = Ok(());
        for (execution, unsynced) in dirty {
            // Not under the lock: readers need not wait for the disk.
            let synced = unsynced.sync();
            let mut open = self.lock();
            let Some(segment) = open.segments.get_mut(&execution) else {
                continue;
            };
            if let Err(error) = synced {
                result = result.and(Err(error));
                if segment.take_back().is_err() {
                    // Opened again it is as the disk has it.
                    open.segments.remove(&execution);
                }
            } else {
                segment.is_synced(&unsynced);
            }
        }
        self.lock().close_unused();
        result
    }

    /// At most `limit` lines from number `from` on. Of an execution without a log: nothing.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn read(
        &self,
        execution: &ExecutionId,
        from: u64,
        limit: usize,
    ) -> Result<Page, LogsError> {
        let section = {
            let mut open = self.lock();
            match self.existing(&mut open, execution)? {
                Some(segment) => segment.section(from, limit),
                None => {
                    return Ok(Page {
                        next: from,
                        ..Page::default()
                    });
                }
            }
        };
        section.read()
    }

    /// The last `limit` lines.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn tail(&self, execution: &ExecutionId, limit: usize) -> Result<Page, LogsError> {
        let end = self.end(execution)?;
        let back = u64::try_from(limit).unwrap_or(u64::MAX);
        self.read(execution, end.saturating_sub(back), limit)
    }

    /// The number of the next line.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn end(&self, execution: &ExecutionId) -> Result<u64, LogsError> {
        let mut open = self.lock();
        let segment = self.existing(&mut open, execution)?;
        Ok(segment.map_or(0, |segment| segment.end()))
    }

    /// Follows a log from number `from` on, whether or not it is there yet.
    ///
    /// # Errors
    /// Where the file cannot be opened or made.
    pub fn follow(&self, execution: &ExecutionId, from: u64) -> Result<Follower, LogsError> {
        let mut open = self.lock();
        let segment = self.segment(&mut open, execution)?;
        let changed = segment.watch();
        drop(open);
        Ok(Follower::new(
            self.clone(),
            execution.clone(),
            from,
            changed,
        ))
    }

    /// Removes the logs of a task. Who follows one comes to its end.
    ///
    /// # Errors
    /// Where they cannot be removed; it can be tried again.
    pub fn remove(&self, task: &TaskId) -> Result<(), LogsError> {
        let mut open = self.lock();
        open.segments.retain(|execution, _| execution.task != *task);
        let dir = self.dir.join(task.as_str());
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LogsError::at("cannot remove", &dir)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn write(
        &self,
        execution: &ExecutionId,
        record: u64,
        entries: &Entries,
    ) -> Result<Appended, LogsError> {
        let mut open = self.lock();
        let segment = self.segment(&mut open, execution)?;
        if record <= segment.last_record() {
            return Ok(Appended::Duplicate);
        }
        segment.append(record, entries)?;
        Ok(Appended::New)
    }

    /// The execution's file, made where it is missing.
    fn segment<'a>(
        &self,
        open: &'a mut Open,
        execution: &ExecutionId,
    ) -> Result<&'a mut Segment, LogsError> {
        if !open.segments.contains_key(execution) {
            let segment = Segment::open(&self.dir, execution)?;
            open.segments.insert(execution.clone(), segment);
        }
        open.used(execution)
            .ok_or_else(|| LogsError::at("cannot find", &self.dir)(io::ErrorKind::NotFound.into()))
    }

    /// The execution's file, if there is one.
    fn existing<'a>(
        &self,
        open: &'a mut Open,
        execution: &ExecutionId,
    ) -> Result<Option<&'a mut Segment>, LogsError> {
        let known =
            open.segments.contains_key(execution) || segment::path(&self.dir, execution).exists();
        known.then(|| self.segment(open, execution)).transpose()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn used(&mut self, execution: &ExecutionId) -> Option<&mut Segment> {
        self.uses += 1;
        let segment = self.segments.get_mut(execution)?;
        segment.used = self.uses;
        Some(segment)
    }

    /// Closes the files that were not used for longest and that nobody needs.
    fn close_unused(&mut self) {
        while self.segments.len() > OPEN_FILES {
            let unused = self
                .segments
                .iter()
                .filter(|(_, segment)| segment.is_idle());
            let oldest = unused.min_by_key(|(_, segment)| segment.used);
            let Some((execution, _)) = oldest else {
                return;
            };
            let execution = execution.clone();
            self.segments.remove(&execution);
        }
    }
}

#[cfg(test)]
mod tests;
