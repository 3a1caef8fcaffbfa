//! One log file: repaired when it is opened, indexed in memory, written at its end.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloud_code_domain::id::ExecutionId;
use tokio::sync::watch;

use super::block::{Entries, HEAD, Head, MAGIC};
use super::{LogsError, Page};

/// Bytes of a file. Beyond it lines are counted, not kept: an agent can write without end.
const MAX_FILE: u64 = if cfg!(test) { 1 << 20 } else { 64 << 20 };

/// An open log file.
#[derive(Debug)]
pub(super) struct Segment {
    path: Arc<Path>,
    file: Arc<File>,
    blocks: Vec<Block>,
    here: Mark,
    safe: Mark,
    changed: watch::Sender<u64>,
    /// When it was used last.
    pub(super) used: u64,
}

/// Where a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    length: u64,
    blocks: usize,
    /// The number of the next entry.
    next: u64,
    record: u64,
}

/// Where a block is.
#[derive(Debug, Clone, Copy)]
struct Block {
    first: u64,
    entries: u32,
    offset: u64,
}

/// Where an execution's file is.
pub(super) fn path(dir: &Path, execution: &ExecutionId) -> PathBuf {
    dir.join(execution.task.as_str())
        .join(format!("{}.log", execution.number))
}

impl Segment {
    /// Opens the file, making it where it is missing, and cuts off what was not written whole.
    pub(super) fn open(dir: &Path, execution: &ExecutionId) -> Result<Self, LogsError> {
        let path: Arc<Path> = path(dir, execution).into();
        let fail = || LogsError::at("cannot open", &path);
        if !path.exists() {
            create(dir, &path).map_err(LogsError::at("cannot make", &path))?;
        }
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(&path).map_err(fail())?;
        let (blocks, here) = scan(&file).map_err(fail())?;
        let length = file.metadata().map_err(fail())?.len();
        if length > here.length {
            let torn = length - here.length;
            tracing::warn!(path = %path.display(), torn, "a log's torn end was cut off");
            file.set_len(here.length)
                .and_then(|()| file.sync_all())
                .map_err(LogsError::at("cannot repair", &path))?;
        }
        Ok(Self {
            path,
            file: Arc::new(file),
            blocks,
            here,
            safe: here,
            changed: watch::Sender::new(here.next),
            used: 0,
        })
    }

    pub(super) fn last_record(&self) -> u64 {
        self.here.record
    }

    pub(super) fn end(&self) -> u64 {
        self.here.next
    }

    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether nobody misses it when it is closed.
    pub(super) fn is_idle(&self) -> bool {
        self.here == self.safe && self.changed.is_closed()
    }

    /// Writes a record at the end. What an error leaves behind the end is overwritten by the next
    /// record, or cut off when the file is opened again.
    pub(super) fn append(&mut self, record: u64, entries: &Entries) -> Result<(), LogsError> {
        let first = self.here.next;
        let fits = entries
            .encode(record, first)
            .ok()
            .filter(|block| self.here.length.saturating_add(long(block.len())) <= MAX_FILE);
        let (block, count) = match fits {
            Some(block) => (block, entries.count()),
            None => {
                let lost = entries.lost();
                let block = lost
                    .encode(record, first)
                    .map_err(self.fail("cannot append to"))?;
                (block, lost.count())
            }
        };
        self.file
            .write_all_at(&block, self.here.length)
            .map_err(self.fail("cannot append to"))?;
        self.blocks.push(Block {
            first,
            entries: count,
            offset: self.here.length,
        });
        self.here = Mark {
            length: self.here.length.saturating_add(long(block.len())),
            blocks: self.blocks.len(),
            next: first.saturating_add(u64::from(count)),
            record,
        };
        self.changed.send_replace(self.here.next);
        Ok(())
    }

    /// What has to be synced, if anything.
    pub(super) fn unsynced(&self) -> Option<Unsynced> {
        (self.here != self.safe).then(|| Unsynced {
            path: Arc::clone(&self.path),
            file: Arc::clone(&self.file),
            mark: self.here,
        })
    }

    /// Remembers that it was.
    pub(super) fn is_synced(&mut self, unsynced: &Unsynced) {
        self.safe = unsynced.mark;
    }

    /// Goes back to what is safe. After a failed sync the system may hold pages for clean that
    /// never reached the disk, so they are written anew or not at all.
    pub(super) fn take_back(&mut self) -> io::Result<()> {
        self.file.set_len(self.safe.length)?;
        self.blocks.truncate(self.safe.blocks);
        self.here = self.safe;
        Ok(())
    }

    /// What is to be read, so that reading needs no lock.
    pub(super) fn section(&self, from: u64, limit: usize) -> Section {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let to = from.saturating_add(limit).min(self.here.next);
        let end = |block: &Block| block.first.saturating_add(u64::from(block.entries));
        let begin = self.blocks.partition_point(|block| end(block) <= from);
        let blocks = self.blocks.iter().skip(begin);
        Section {
            path: Arc::clone(&self.path),
            file: Arc::clone(&self.file),
            offsets: blocks
                .take_while(|block| block.first < to)
                .map(|block| block.offset)
                .collect(),
            from,
            to,
        }
    }

    fn fail(&self, action: &'static str) -> impl FnOnce(io::Error) -> LogsError {
        LogsError::at(action, &self.path)
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
        self.file
            .sync_data()
            .map_err(LogsError::at("cannot sync", &self.path))
    }
}

/// A part of a file.
#[derive(Debug)]
pub(super) struct Section {
    path: Arc<Path>,
    file: Arc<File>,
    offsets: Vec<u64>,
    from: u64,
    to: u64,
}

impl Section {
    /// Reads it.
    pub(super) fn read(self) -> Result<Page, LogsError> {
        let mut page = Page {
            next: self.to.max(self.from),
            ..Page::default()
        };
        for offset in &self.offsets {
            let (head, entries) = self
                .block(*offset)
                .map_err(LogsError::at("cannot read", &self.path))?;
            match entries {
                Entries::Lost(lines) => page.lost = page.lost.saturating_add(lines),
                Entries::Lines(lines) => {
                    let numbered = (head.first..).zip(lines);
                    let wanted = numbered.filter(|(n, _)| (self.from..self.to).contains(n));
                    page.lines.extend(wanted.map(|(_, line)| line));
                }
            }
        }
        Ok(page)
    }

    fn block(&self, offset: u64) -> io::Result<(Head, Entries)> {
        let mut bytes = [0; HEAD];
        self.file.read_exact_at(&mut bytes, offset)?;
        let head = Head::read(&bytes);
        let length = u64::from(head.payload);
        if length > MAX_FILE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut payload = vec![0; usize::try_from(length).unwrap_or(0)];
        self.file
            .read_exact_at(&mut payload, offset.saturating_add(long(HEAD)))?;
        if !head.is_whole(&bytes, &payload) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok((head, head.decode(&payload)?))
    }
}

/// Makes an empty file that a power cut does not take away again.
fn create(dir: &Path, path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(dir);
    std::fs::create_dir_all(parent)?;
    let file = File::create(path)?;
    file.write_all_at(&MAGIC, 0)?;
    file.sync_all()?;
    File::open(parent)?.sync_all()?;
    File::open(dir)?.sync_all()
}

/// Finds the blocks up to the first that is not whole, and where they end.
fn scan(file: &File) -> io::Result<(Vec<Block>, Mark)> {
    let mut reader = BufReader::new(file);
    let mut here = Mark {
        length: long(MAGIC.len()),
        blocks: 0,
        next: 0,
        record: 0,
    };
    let mut magic = [0; MAGIC.len()];
    if !filled(&mut reader, &mut magic)? || magic != MAGIC {
        // It was torn while it was made, before anything could be in it, or it is none of ours.
        file.write_all_at(&MAGIC, 0)?;
        return Ok((Vec::new(), here));
    }
    let mut blocks = Vec::new();
    let mut bytes = [0; HEAD];
    while filled(&mut reader, &mut bytes)? {
        let head = Head::read(&bytes);
        let mut payload = Vec::new();
        let length = u64::from(head.payload);
        (&mut reader).take(length).read_to_end(&mut payload)?;
        if long(payload.len()) < length || !head.is_whole(&bytes, &payload) {
            break;
        }
        blocks.push(Block {
            first: head.first,
            entries: head.entries,
            offset: here.length,
        });
        here = Mark {
            length: here.length + long(HEAD) + length,
            blocks: blocks.len(),
            next: head.first.saturating_add(u64::from(head.entries)),
            record: head.record,
        };
    }
    Ok((blocks, here))
}

/// Fills a buffer; false where the file ends before.
fn filled(reader: &mut impl io::Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn long(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
