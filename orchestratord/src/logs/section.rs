//! A part of a log, read without holding a lock.

use cloud_code_domain::log::retention;
use cloud_code_domain::time::Timestamp;

use super::block::Block;
use super::packed::Entry;
use super::part::Piece;
use super::removed::{Removed, notice};
use super::{LogsError, Page};

/// See the module.
#[derive(Debug)]
pub(super) struct Section {
    /// What was removed before it, where that is a part of it.
    pub(super) removed: Option<Removed>,
    pub(super) pieces: Vec<Piece>,
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Section {
    /// Reads it. In the place of lines that were removed or are damaged stands one that says so.
    pub(super) fn read(self) -> Result<Page, LogsError> {
        let mut page = Page {
            next: self.to.max(self.from),
            ..Page::default()
        };
        let mut at = Timestamp(0);
        if let Some(removed) = &self.removed {
            at = removed.at;
            page.push(self.from, removed.line());
        }
        for piece in &self.pieces {
            for block in &piece.blocks {
                match piece.entries(block) {
                    Ok(entries) => self.take(block, entries, &mut page),
                    Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                        let (from, to) = (block.first.max(self.from), block.end().min(self.to));
                        let lines = to.saturating_sub(from);
                        let at = page.lines.last().map_or(at, |line| line.at);
                        page.lost = page.lost.saturating_add(lines);
                        page.push(from, notice(at, retention::damaged(from, lines)));
                    }
                    Err(error) => return Err(LogsError::at("cannot read", &piece.path)(error)),
                }
            }
        }
        Ok(page)
    }

    fn take(&self, block: &Block, entries: Vec<Entry>, page: &mut Page) {
        let numbered = (block.first..).zip(entries);
        for (number, entry) in numbered.filter(|(n, _)| (self.from..self.to).contains(n)) {
            match entry {
                Entry::Line(line) => page.push(number, line),
                Entry::Lost(lines) => page.lost = page.lost.saturating_add(lines),
            }
        }
    }

    /// The number of the first line that is not earlier than this; none where all are. What does
    /// not read is passed over.
    pub(super) fn at(&self, time: Timestamp) -> Option<u64> {
        for piece in &self.pieces {
            let blocks = piece.blocks.iter().filter(|block| block.latest >= time.0);
            for block in blocks {
                let entries = piece.entries(block).unwrap_or_default();
                let found = (block.first..).zip(entries).find(|(_, entry)| match entry {
                    Entry::Line(line) => line.at >= time,
                    Entry::Lost(_) => false,
                });
                if let Some((number, _)) = found {
                    return Some(number);
                }
            }
        }
        None
    }
}
