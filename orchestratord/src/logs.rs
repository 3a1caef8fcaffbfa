//! Logs of executions: files beside the store, a few for each execution.
//!
//! ```text
//! <dir>/<task>/<n>.<first>.log      appended to, block by block   (a block is one record of
//!              <n>.<first>.sealed   full files, packed tighter      agentd's spool)
//!              <n>.removed          what was removed for its age or size
//!
//! engine ─ append ─▶ file ─ sync ─▶ (disk) ─▶ the record is acknowledged
//!              └─ wakes ─▶ followers, who read the file
//! keep ── now and then ─▶ seals what is full or finished, removes what is too old or too much
//! ```
//!
//! A record is acknowledged only after [`Logs::sync`]. What was appended and not synced may be torn
//! or gone after a crash; opening the file cuts it off, and agentd sends the record again. What was
//! synced and is sent again is recognised by the record's number and skipped. So no line is lost
//! and none stands twice. There is one writer, and any number of readers.
//!
//! Lines are numbered from 0. Where lines were lost before they came here (agentd's spool was full,
//! or the log is) one number stands for the gap and says how many. What a disk does not give back is
//! missing under its own numbers, and a line says so. Every file has an index of its blocks by number
//! and time, so that reading anywhere reads no more than that.

mod block;
mod chain;
mod follow;
mod keep;
mod packed;
mod part;
mod removed;
mod sealed;
mod search;
mod section;
mod tail;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloud_code_domain::id::{ExecutionId, TaskId};
use cloud_code_domain::log::LogLine;
use cloud_code_domain::time::Timestamp;

use block::Entries;
use chain::Chain;
pub use follow::Follower;
pub use keep::{OnDisk, keep};
pub use search::{Hits, Search};
use section::Section;

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
    chains: HashMap<ExecutionId, Chain>,
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
    /// Their numbers.
    pub numbers: Vec<u64>,
    /// Lines that were lost before or between them.
    pub lost: u64,
    /// Where to read on from.
    pub next: u64,
}

impl Page {
    fn push(&mut self, number: u64, line: LogLine) {
        self.numbers.push(number);
        self.lines.push(line);
    }

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
        self.write(execution, record, Entries::of_lines(lines))
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
        self.write(execution, record, Entries::Lost(lines))
    }

    /// Makes safe what was appended to a log. On failure what was not safe is taken back, so that
    /// it can be appended again.
    ///
    /// # Errors
    /// Where it cannot be made safe; none of its records may be acknowledged.
    pub fn sync(&self, execution: &ExecutionId) -> Result<(), LogsError> {
        let unsynced = self.lock().chains.get(execution).and_then(Chain::unsynced);
        // Not under the lock: nobody else need wait for the disk.
        let synced = unsynced.as_ref().map_or(Ok(()), tail::Unsynced::sync);
        let mut open = self.lock();
        if let (Some(unsynced), Some(chain)) = (&unsynced, open.chains.get_mut(execution)) {
            if synced.is_ok() {
                chain.is_synced(unsynced);
            } else if chain.take_back().is_err() {
                // Opened again it is as the disk has it.
                open.chains.remove(execution);
            }
        }
        open.close_unused();
        synced
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
        match self.section(execution, from, limit)? {
            Some(section) => section.read(),
            None => Ok(Page {
                next: from,
                ..Page::default()
            }),
        }
    }

    /// What a log has of a text; nothing of an execution without a log. Reads all of it, on several
    /// threads: not to be called where others wait.
    ///
    /// # Errors
    /// Where a file cannot be read; what is damaged in it is passed over, and counted.
    pub fn search(&self, execution: &ExecutionId, search: &Search) -> Result<Hits, LogsError> {
        match self.section(execution, 0, usize::MAX)? {
            Some(section) => section.search(search),
            None => Ok(Hits::default()),
        }
    }

    /// The number of the first line that is not earlier than this, by agentd's clock; the end where
    /// all are.
    ///
    /// # Errors
    /// Where a file cannot be opened.
    pub fn at(&self, execution: &ExecutionId, time: Timestamp) -> Result<u64, LogsError> {
        let section = self.section(execution, 0, usize::MAX)?;
        let found = section.and_then(|section| section.at(time));
        found.map_or_else(|| self.end(execution), Ok)
    }

    fn section(
        &self,
        execution: &ExecutionId,
        from: u64,
        limit: usize,
    ) -> Result<Option<Section>, LogsError> {
        let mut open = self.lock();
        let chain = self.existing(&mut open, execution)?;
        chain.map(|chain| chain.section(from, limit)).transpose()
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
        let chain = self.existing(&mut open, execution)?;
        Ok(chain.map_or(0, |chain| chain.end()))
    }

    /// Follows a log from number `from` on, whether or not it is there yet.
    ///
    /// # Errors
    /// Where the file cannot be opened or made.
    pub fn follow(&self, execution: &ExecutionId, from: u64) -> Result<Follower, LogsError> {
        let mut open = self.lock();
        let chain = self.chain(&mut open, execution)?;
        let changed = chain.watch();
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
        open.chains.retain(|execution, _| execution.task != *task);
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
        entries: Entries,
    ) -> Result<Appended, LogsError> {
        let mut open = self.lock();
        let chain = self.chain(&mut open, execution)?;
        if record <= chain.last_record() {
            return Ok(Appended::Duplicate);
        }
        chain.append(record, entries)?;
        Ok(Appended::New)
    }

    /// The execution's log, opened where it is not open.
    fn chain<'a>(
        &self,
        open: &'a mut Open,
        execution: &ExecutionId,
    ) -> Result<&'a mut Chain, LogsError> {
        if !open.chains.contains_key(execution) {
            let chain = Chain::open(&self.dir, execution)?;
            open.chains.insert(execution.clone(), chain);
        }
        open.used(execution)
            .ok_or_else(|| LogsError::at("cannot find", &self.dir)(io::ErrorKind::NotFound.into()))
    }

    /// The execution's log, if there is one.
    fn existing<'a>(
        &self,
        open: &'a mut Open,
        execution: &ExecutionId,
    ) -> Result<Option<&'a mut Chain>, LogsError> {
        let known =
            open.chains.contains_key(execution) || chain::dir(&self.dir, execution).exists();
        let chain = known.then(|| self.chain(open, execution)).transpose()?;
        Ok(chain.filter(|chain| chain.exists()))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn used(&mut self, execution: &ExecutionId) -> Option<&mut Chain> {
        self.uses += 1;
        let chain = self.chains.get_mut(execution)?;
        chain.used = self.uses;
        Some(chain)
    }

    /// Closes the files that were not used for longest and that nobody needs.
    fn close_unused(&mut self) {
        while self.chains.len() > OPEN_FILES {
            let unused = self.chains.iter().filter(|(_, chain)| chain.is_idle());
            let oldest = unused.min_by_key(|(_, chain)| chain.used);
            let Some((execution, _)) = oldest else {
                return;
            };
            let execution = execution.clone();
            self.chains.remove(&execution);
        }
    }
}

#[cfg(test)]
mod tests;
