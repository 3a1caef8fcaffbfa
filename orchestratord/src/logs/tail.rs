//! The file of a log that is appended to: repaired when it is opened, written at its end.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use super::LogsError;
use super::block::{
    Block, FIRST_HEAD, FIRST_MAGIC, FirstHead, Form, HEAD, Head, MAGIC, encode, long, size,
};
use super::packed::Entry;
use super::part::{Part, Piece, missing};
use crate::failpoint::failpoint;

/// An open log file.
#[derive(Debug)]
pub(super) struct Tail {
    path: Arc<Path>,
    file: Arc<File>,
    blocks: Vec<Block>,
    first: u64,
    here: Mark,
    safe: Mark,
}

/// Where a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) length: u64,
    blocks: usize,
    /// The number of the next entry.
    pub(super) next: u64,
    pub(super) record: u64,
}

impl Mark {
    fn start(next: u64, record: u64) -> Self {
        Self {
            length: long(MAGIC.len()),
            blocks: 0,
            next,
            record,
        }
    }
}

/// What was found in a file.
struct Found {
    blocks: Vec<Block>,
    here: Mark,
}

impl Tail {
    /// Makes an empty file that a power cut does not take away again.
    pub(super) fn create(path: &Path, first: u64, record: u64) -> Result<Self, LogsError> {
        let make = || {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(true);
            let file = options.open(path)?;
            file.write_all_at(&MAGIC, 0)?;
            file.sync_all()?;
            sync_above(path)?;
            Ok(file)
        };
        let file = make().map_err(LogsError::at("cannot make", path))?;
        Ok(Self::new(
            path,
            file,
            first,
            Mark::start(first, record),
            Vec::new(),
        ))
    }

    fn new(path: &Path, file: File, first: u64, here: Mark, blocks: Vec<Block>) -> Self {
        Self {
            path: path.into(),
            file: Arc::new(file),
            blocks,
            first,
            here,
            safe: here,
        }
    }

    /// Opens a file whose first number this is, and whatever came before it ended with this record.
    /// Of the last one, what was not written whole is cut off. One of the first form is found whole
    /// or up to where it is torn.
    pub(super) fn open(
        path: &Path,
        first: u64,
        record: u64,
        last: bool,
    ) -> Result<(Self, Form), LogsError> {
        let fail = || LogsError::at("cannot open", path);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(path).map_err(fail())?;
        let bytes = std::fs::read(path).map_err(fail())?;
        let start = Mark::start(first, record);
        let (found, form) = if bytes.starts_with(&FIRST_MAGIC) {
            (scan_first_form(&bytes, start), Form::First)
        } else if bytes.starts_with(&MAGIC) || Head::next(&bytes, 0).is_some() {
            (scan(&bytes, start, last), Form::Open)
        } else {
            // It was torn while it was made, before anything could be in it, or it is none of ours.
            return Ok((Self::create(path, first, record)?, Form::Open));
        };
        let torn = long(bytes.len()).saturating_sub(found.here.length);
        if torn > 0 && last {
            tracing::warn!(path = %path.display(), torn, "a log's torn end was cut off");
            file.set_len(found.here.length)
                .map_err(LogsError::at("cannot repair", path))?;
        }
        // What was read need not be on disk: it may have been written right before a crash.
        file.sync_all()
            .map_err(LogsError::at("cannot sync", path))?;
        Ok((Self::new(path, file, first, found.here, found.blocks), form))
    }

    pub(super) fn here(&self) -> Mark {
        self.here
    }

    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    pub(super) fn is_safe(&self) -> bool {
        self.here == self.safe
    }

    /// Writes a record at the end. What an error leaves behind the end is overwritten by the next
    /// record, or cut off when the file is opened again. `Unsupported` where it is too large.
    pub(super) fn append(&mut self, record: u64, entries: &[Entry]) -> io::Result<()> {
        let first = self.here.next;
        let block = encode(entries, record, first, self.safe.length)?;
        let head = Head::read(&block).ok_or(io::ErrorKind::InvalidData)?;
        self.file.write_all_at(&block, self.here.length)?;
        self.blocks.push(head.block(self.here.length, Form::Open));
        self.here = Mark {
            length: self.here.length.saturating_add(long(block.len())),
            blocks: self.blocks.len(),
            next: first.saturating_add(u64::from(head.entries)),
            record,
        };
        Ok(())
    }

    pub(super) fn fail(&self, action: &'static str) -> impl FnOnce(io::Error) -> LogsError {
        LogsError::at(action, &self.path)
    }

    /// What has to be synced, if anything.
    pub(super) fn unsynced(&self) -> Option<Unsynced> {
        (!self.is_safe()).then(|| Unsynced {
            path: Arc::clone(&self.path),
            file: Arc::clone(&self.file),
            mark: self.here,
        })
    }

    /// Whether it is this file that was to be synced: another one may have been begun since.
    pub(super) fn is_of(&self, unsynced: &Unsynced) -> bool {
        Arc::ptr_eq(&self.file, &unsynced.file)
    }

    /// Remembers that it was.
    pub(super) fn is_synced(&mut self, unsynced: &Unsynced) {
        if unsynced.mark.length > self.safe.length {
            self.safe = unsynced.mark;
        }
    }

    /// Goes back to what is safe. After a failed sync the system may hold pages for clean that
    /// never reached the disk, so they are written anew or not at all.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.safe.length)?;
        self.blocks.truncate(self.safe.blocks);
        self.here = self.safe;
        Ok(())
    }

    pub(super) fn piece(&self, from: u64, to: u64) -> Piece {
        let (path, file) = (Arc::clone(&self.path), Arc::clone(&self.file));
        Piece::of(path, Some(file), &self.blocks, from, to)
    }

    /// It is not appended to any more.
    pub(super) fn into_part(self) -> Part {
        Part {
            path: self.path,
            blocks: self.blocks.into(),
            first: self.first,
            end: self.here.next,
            record: self.here.record,
            bytes: self.here.length,
            sealed: false,
        }
    }
}

/// A file with what was not safe when this was made.
#[derive(Debug)]
pub(super) struct Unsynced {
    path: Arc<Path>,
    file: Arc<File>,
    mark: Mark,
}

impl Unsynced {
    /// Waits for the disk.
    pub(super) fn sync(&self) -> Result<(), LogsError> {
        failpoint!("logs::before_sync");
        self.file
            .sync_data()
            .map_err(LogsError::at("cannot sync", &self.path))
    }
}

/// The names of a file's directory, and of the directory itself, are safe.
pub(super) fn sync_above(path: &Path) -> io::Result<()> {
    for above in path.ancestors().skip(1).take(2) {
        File::open(above)?.sync_all()?;
    }
    Ok(())
}

/// Finds the blocks. What does not read is damage where it was safe once, and the torn end where
/// not; of a file that is not the last one, everything was safe.
fn scan(bytes: &[u8], start: Mark, last: bool) -> Found {
    let mut found = Found {
        blocks: Vec::new(),
        here: start,
    };
    let mut safe = if last { 0 } else { u64::MAX };
    // Where what reads ended before something that does not.
    let mut broken: Vec<Mark> = Vec::new();
    let mut at = MAGIC.len();
    while at < bytes.len() {
        let Some(head) = bytes.get(at..).and_then(Head::read) else {
            broken.push(found.here);
            match Head::next(bytes, at) {
                Some(next) => at = next,
                None => break,
            }
            continue;
        };
        let begin = at + HEAD;
        let end = begin.saturating_add(size(head.payload));
        let Some(payload) = bytes.get(begin..end) else {
            broken.push(found.here);
            break;
        };
        safe = safe.max(head.safe);
        found.blocks.extend(missing(found.here.next, head.first));
        let form = if head.is_of(payload) {
            Form::Open
        } else {
            broken.push(found.here);
            Form::Damaged
        };
        found.blocks.push(head.block(long(at), form));
        found.here = Mark {
            length: long(end),
            blocks: found.blocks.len(),
            next: head.first.saturating_add(u64::from(head.entries)),
            record: head.record,
        };
        at = end;
    }
    if let Some(torn) = broken.iter().find(|mark| mark.length >= safe) {
        found.here = *torn;
        found.blocks.truncate(torn.blocks);
    }
    found
}

/// Finds the blocks of the first form, up to one that is not whole.
fn scan_first_form(bytes: &[u8], start: Mark) -> Found {
    let mut found = Found {
        blocks: Vec::new(),
        here: start,
    };
    let mut at = FIRST_MAGIC.len();
    while let Some(head_bytes) = bytes.get(at..).and_then(<[u8]>::first_chunk::<FIRST_HEAD>) {
        let head = FirstHead::read(head_bytes);
        let begin = at + FIRST_HEAD;
        let end = begin.saturating_add(size(head.payload));
        let Some(payload) = bytes.get(begin..end) else {
            break;
        };
        if !head.is_whole(head_bytes, payload) {
            break;
        }
        found.blocks.push(Block {
            form: Form::First,
            offset: long(at),
            payload: head.payload,
            plain: head.plain,
            first: head.first,
            entries: head.entries,
            earliest: i64::MIN,
            latest: i64::MAX,
        });
        found.here = Mark {
            length: long(end),
            blocks: found.blocks.len(),
            next: head.first.saturating_add(u64::from(head.entries)),
            record: head.record,
        };
        at = end;
    }
    found
}
