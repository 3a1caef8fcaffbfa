//! A file of a log that is not appended to any more.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::LogsError;
use super::block::{Block, Form, invalid};
use super::packed::Entry;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) path: Arc<Path>,
    pub(super) blocks: Arc<[Block]>,
    /// The number of its first entry.
    pub(super) first: u64,
    /// The number after its last entry.
    pub(super) end: u64,
    /// The last record in it.
    pub(super) record: u64,
    /// Its bytes on disk.
    pub(super) bytes: u64,
    pub(super) sealed: bool,
}

impl Part {
    /// Some of its blocks, with the file that they are in. One that was removed meanwhile goes on
    /// being read.
    pub(super) fn piece(&self, from: u64, to: u64) -> Result<Piece, LogsError> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => Some(file.map_err(LogsError::at("cannot open", &self.path))?),
        };
        let path = Arc::clone(&self.path);
        Ok(Piece::of(path, file.map(Arc::new), &self.blocks, from, to))
    }

    /// Nothing of it is known to be damaged.
    pub(super) fn is_whole(&self) -> bool {
        self.blocks.iter().all(|block| block.form != Form::Damaged)
    }
}

/// A block that stands for what is missing between two numbers.
pub(super) fn missing(from: u64, to: u64) -> Option<Block> {
    let entries = to.saturating_sub(from);
    (entries > 0).then(|| Block {
        form: Form::Damaged,
        offset: 0,
        payload: 0,
        plain: 0,
        first: from,
        entries: u32::try_from(entries).unwrap_or(u32::MAX),
        earliest: i64::MAX,
        latest: i64::MIN,
    })
}

/// Blocks of a file that are to be read, so that reading needs no lock.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) path: Arc<Path>,
    /// None where it is not there: its lines are missing.
    pub(super) file: Option<Arc<File>>,
    pub(super) blocks: Vec<Block>,
}

impl Piece {
    /// Those of the blocks that hold numbers from `from` to below `to`.
    pub(super) fn of(
        path: Arc<Path>,
        file: Option<Arc<File>>,
        blocks: &[Block],
        from: u64,
        to: u64,
    ) -> Self {
        let begin = blocks.partition_point(|block| block.end() <= from);
        let wanted = blocks.iter().skip(begin);
        Self {
            path,
            file,
            blocks: wanted
                .take_while(|block| block.first < to)
                .copied()
                .collect(),
        }
    }

    /// The entries of one of its blocks.
    ///
    /// # Errors
    /// `InvalidData` where it was damaged.
    pub(super) fn entries(&self, block: &Block) -> io::Result<Vec<Entry>> {
        block.entries(self.file.as_ref().ok_or_else(invalid)?)
    }

    /// The same as [`super::packed`] has them.
    ///
    /// # Errors
    /// `InvalidData` where it was damaged.
    pub(super) fn packed(&self, block: &Block) -> io::Result<Vec<u8>> {
        block.packed(self.file.as_ref().ok_or_else(invalid)?)
    }
}
