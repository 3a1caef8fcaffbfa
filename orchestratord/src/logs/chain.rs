//! The files of one execution, in order.
//!
//! ```text
//! <n>.removed          what was removed, in place of all before it
//! <n>.<first>.sealed   files that are sealed, by the number of their first line
//! <n>.<first>.log      files that are full, until they are sealed; the last one is appended to
//! <n>.log              the same, where its first line is number 0
//! ```
//!
//! Where a file is there as both, we ended between sealing it and removing what it was made from: the
//! sealed one is whole.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloud_code_domain::id::ExecutionId;
use tokio::sync::watch;

use super::block::{Entries, Form};
use super::part::{Part, Piece, missing};
use super::removed::Removed;
use super::section::Section;
use super::tail::{Tail, Unsynced};
use super::{LogsError, sealed};

/// Bytes of a log. Beyond it lines are counted, not kept: an agent can write without end.
const MAX_LOG: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };
/// Bytes of a file that is appended to; another one is begun behind it.
const FULL: u64 = if cfg!(test) { 64 << 10 } else { 2 << 20 };

/// The log of an execution, open.
#[derive(Debug)]
pub(super) struct Chain {
    dir: Arc<Path>,
    number: u32,
    removed: Option<Removed>,
    parts: Vec<Part>,
    tail: Option<Tail>,
    changed: watch::Sender<u64>,
    /// When it was used last.
    pub(super) used: u64,
    /// Its parts are being worked on.
    pub(super) held: bool,
}

/// Where the files of an execution are.
pub(super) fn dir(logs: &Path, execution: &ExecutionId) -> PathBuf {
    logs.join(execution.task.as_str())
}

/// What a file of the directory is: its execution's number, the number of its first line, and
/// whether it is sealed.
pub(super) fn read_name(name: &str) -> Option<(u32, u64, bool)> {
    let (stem, kind) = name.rsplit_once('.')?;
    let sealed = match kind {
        "log" => false,
        "sealed" => true,
        _ => return None,
    };
    match stem.split_once('.') {
        Some((number, first)) => Some((number.parse().ok()?, first.parse().ok()?, sealed)),
        None if !sealed => Some((stem.parse().ok()?, 0, false)),
        None => None,
    }
}

impl Chain {
    /// Opens what there is of a log. Nothing is made before something is appended.
    pub(super) fn open(logs: &Path, execution: &ExecutionId) -> Result<Self, LogsError> {
        let dir: Arc<Path> = dir(logs, execution).into();
        let removed = Removed::read(&dir, execution.number)?;
        let mut chain = Self {
            dir,
            number: execution.number,
            removed,
            parts: Vec::new(),
            tail: None,
            changed: watch::Sender::new(0),
            used: 0,
            held: false,
        };
        chain.load()?;
        chain.changed.send_replace(chain.end());
        Ok(chain)
    }

    /// Whether there is anything of it.
    pub(super) fn exists(&self) -> bool {
        self.removed.is_some() || !self.parts.is_empty() || self.tail.is_some()
    }

    fn load(&mut self) -> Result<(), LogsError> {
        let mut files = self.files()?;
        let kept_from = self.removed.as_ref().map_or(0, |removed| removed.end);
        while let Some(entry) = files.first_entry() {
            let (first, found) = entry.remove_entry();
            if first < kept_from {
                // We ended between saying that it is removed and removing it.
                self.delete(first, found)?;
            } else if found.sealed {
                self.load_sealed(first, found, files.keys().next().copied())?;
            } else {
                self.load_open(first, files.is_empty())?;
            }
        }
        Ok(())
    }

    fn load_sealed(
        &mut self,
        first: u64,
        found: OnDisk,
        next: Option<u64>,
    ) -> Result<(), LogsError> {
        let path = self.sealed_path(first);
        match sealed::open(&path) {
            Ok(part) => {
                if found.open {
                    self.delete_file(&self.open_path(first))?;
                }
                self.push(part);
                Ok(())
            }
            Err(error) => {
                let why = &error as &dyn std::error::Error;
                tracing::error!(
                    error = why,
                    "a sealed log is damaged: its lines are missing"
                );
                // Out of the way: what comes next may begin with the same number.
                std::fs::rename(&path, path.with_extension("damaged"))
                    .map_err(LogsError::at("cannot put aside", &path))?;
                if found.open {
                    return self.load_open(first, next.is_none());
                }
                // How many there were shows with what comes behind them.
                Ok(())
            }
        }
    }

    fn load_open(&mut self, first: u64, last: bool) -> Result<(), LogsError> {
        let path = self.open_path(first);
        let (tail, form) = Tail::open(&path, first, self.last_record(), last)?;
        let is_empty = tail.here().next == first;
        match form {
            Form::First if last && is_empty => {
                self.tail = Some(Tail::create(&path, first, self.last_record())?);
            }
            Form::Open if last => self.keep_numbers(first, Some(tail)),
            Form::First | Form::Open | Form::Sealed | Form::Damaged => self.push(tail.into_part()),
        }
        Ok(())
    }

    fn push(&mut self, part: Part) {
        self.keep_numbers(part.first, None);
        self.parts.push(part);
    }

    /// What lacks between the last part and this number is missing.
    fn keep_numbers(&mut self, first: u64, tail: Option<Tail>) {
        let end = self.end();
        if end < first {
            self.parts.push(Part {
                path: self.sealed_path(end).into(),
                blocks: missing(end, first).into_iter().collect(),
                first: end,
                end: first,
                record: self.last_record(),
                bytes: 0,
                sealed: true,
            });
        }
        self.tail = tail;
    }

    /// The files of this execution by their first number.
    fn files(&self) -> Result<BTreeMap<u64, OnDisk>, LogsError> {
        let fail = || LogsError::at("cannot read", &self.dir);
        let mut files = BTreeMap::<u64, OnDisk>::new();
        let entries = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
            entries => entries.map_err(fail())?,
        };
        for entry in entries {
            let name = entry.map_err(fail())?.file_name();
            let read = name.to_str().and_then(read_name);
            let Some((_, first, sealed)) = read.filter(|(number, ..)| *number == self.number)
            else {
                continue;
            };
            let found = files.entry(first).or_default();
            found.sealed |= sealed;
            found.open |= !sealed;
        }
        Ok(files)
    }

    fn open_path(&self, first: u64) -> PathBuf {
        match first {
            0 => self.dir.join(format!("{}.log", self.number)),
            first => self.dir.join(format!("{}.{first}.log", self.number)),
        }
    }

    fn sealed_path(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{}.{first}.sealed", self.number))
    }

    fn delete(&self, first: u64, found: OnDisk) -> Result<(), LogsError> {
        if found.open {
            self.delete_file(&self.open_path(first))?;
        }
        if found.sealed {
            self.delete_file(&self.sealed_path(first))?;
        }
        Ok(())
    }

    fn delete_file(&self, path: &Path) -> Result<(), LogsError> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LogsError::at("cannot remove", path)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    pub(super) fn last_record(&self) -> u64 {
        let of_parts = self.parts.last().map(|part| part.record);
        let of_tail = self.tail.as_ref().map(|tail| tail.here().record);
        let removed = self.removed.as_ref().map(|removed| removed.record);
        of_tail.or(of_parts).or(removed).unwrap_or(0)
    }

    /// The number of the next line.
    pub(super) fn end(&self) -> u64 {
        let of_parts = self.parts.last().map(|part| part.end);
        let of_tail = self.tail.as_ref().map(|tail| tail.here().next);
        let removed = self.removed.as_ref().map(|removed| removed.end);
        of_tail.or(of_parts).or(removed).unwrap_or(0)
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether nobody misses it when it is closed.
    pub(super) fn is_idle(&self) -> bool {
        let safe = self.tail.as_ref().is_none_or(Tail::is_safe);
        safe && self.changed.is_closed() && !self.held
    }

    fn bytes(&self) -> u64 {
        let parts = self.parts.iter().map(|part| part.bytes);
        let tail = self.tail.as_ref().map_or(0, |tail| tail.here().length);
        parts.fold(tail, u64::saturating_add)
    }

    /// Writes a record at the end; lines that are too many or too much are counted instead.
    pub(super) fn append(&mut self, record: u64, entries: Entries) -> Result<(), LogsError> {
        let fits = self.bytes() < MAX_LOG;
        let lost = entries.lost().into_entries();
        let tail = self.writable()?;
        let written = match fits {
            true => tail.append(record, &entries.into_entries()),
            false => tail.append(record, &lost),
        };
        let written = match written {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => tail.append(record, &lost),
            written => written,
        };
        written.map_err(tail.fail("cannot append to"))?;
        let end = tail.here().next;
        self.changed.send_replace(end);
        Ok(())
    }

    fn writable(&mut self) -> Result<&mut Tail, LogsError> {
        let full = |tail: &Tail| tail.is_safe() && tail.here().length >= FULL;
        if self.tail.as_ref().is_some_and(full) {
            self.close_tail();
        }
        let tail = match self.tail.take() {
            Some(tail) => tail,
            None => {
                std::fs::create_dir_all(&self.dir)
                    .map_err(LogsError::at("cannot make", &self.dir))?;
                let (first, record) = (self.end(), self.last_record());
                Tail::create(&self.open_path(first), first, record)?
            }
        };
        Ok(self.tail.insert(tail))
    }

    /// What is appended from now on goes into another file.
    pub(super) fn close_tail(&mut self) {
        let done = |tail: &mut Tail| tail.is_safe() && !tail.is_empty();
        if let Some(tail) = self.tail.take_if(done) {
            self.parts.push(tail.into_part());
        }
    }

    /// What has to be synced, if anything.
    pub(super) fn unsynced(&self) -> Option<Unsynced> {
        self.tail.as_ref()?.unsynced()
    }

    /// Remembers that it was.
    pub(super) fn is_synced(&mut self, unsynced: &Unsynced) {
        if let Some(tail) = self.tail.as_mut().filter(|tail| tail.is_of(unsynced)) {
            tail.is_synced(unsynced);
        }
    }

    /// Goes back to what is safe.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        match &mut self.tail {
            Some(tail) => tail.take_back(),
            None => Ok(()),
        }
    }

    /// What is to be read, so that reading needs no lock.
    pub(super) fn section(&self, from: u64, limit: usize) -> Result<Section, LogsError> {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let to = from.saturating_add(limit).min(self.end());
        let parts = self.parts.iter();
        let parts = parts.filter(|part| part.end > from && part.first < to);
        let mut pieces: Vec<Piece> = parts
            .map(|part| part.piece(from, to))
            .collect::<Result<_, _>>()?;
        pieces.extend(self.tail.as_ref().map(|tail| tail.piece(from, to)));
        let removed = self.removed.clone().filter(|removed| from < removed.end);
        Ok(Section {
            removed: removed.filter(|_| to > from),
            pieces,
            from,
            to,
        })
    }

    /// Full files that can be sealed, with the names that they get.
    pub(super) fn unsealed(&self) -> Vec<(Part, PathBuf)> {
        let parts = self.parts.iter();
        let unsealed = parts.filter(|part| !part.sealed && part.is_whole());
        unsealed
            .map(|part| (part.clone(), self.sealed_path(part.first)))
            .collect()
    }

    /// One of them was.
    pub(super) fn is_sealed(&mut self, part: &Part) -> Result<(), LogsError> {
        let same = |old: &&mut Part| old.first == part.first && !old.sealed;
        if let Some(old) = self.parts.iter_mut().find(same) {
            let path = Arc::clone(&old.path);
            *old = part.clone();
            self.delete_file(&path)?;
        }
        Ok(())
    }

    /// Removes all lines, and says so in their place.
    pub(super) fn remove(&mut self, removed: Removed) -> Result<(), LogsError> {
        removed.write(&self.dir, self.number)?;
        self.removed = Some(removed);
        self.parts.clear();
        self.tail = None;
        self.load()
    }

    /// Up to which number lines were removed before, and how many.
    pub(super) fn removed(&self) -> (u64, u64) {
        let removed = self.removed.as_ref();
        removed.map_or((0, 0), |removed| (removed.end, removed.lines))
    }
}

/// In which forms a file is there.
#[derive(Debug, Clone, Copy, Default)]
struct OnDisk {
    open: bool,
    sealed: bool,
}
