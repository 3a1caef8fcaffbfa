//! Blocks: what a log file consists of, in its three forms.
//!
//! ```text
//! the first form, only read        "CCLOG" 0 0 1, then blocks
//!   payload u32, plain u32, kind u32 (0 JSON array of lines, 1 a u64 of lost lines), entries u32,
//!   record u64, first u64, sum [8] over the head so far and the payload, payload
//!
//! the open form, appended to       "CCLOG" 0 0 2, then blocks
//!   "CCLB", payload u32, plain u32, entries u32, record u64, first u64, safe u64, earliest i64,
//!   latest i64, sum of the payload [8], sum of the head so far [8], payload
//!
//! the sealed form                  see `sealed`
//! ```
//!
//! Numbers are little-endian; sums are the first bytes of SHA-256; payloads are compressed with zstd.
//! `safe` is how much of the file was known to be on disk when the block was written. What does not
//! read below the greatest `safe` is damage: its lines are missing, and the rest is read. What does
//! not read above it was never acknowledged: it is cut off, and sent again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use cloud_code_domain::log::{LogLine, MAX_LINE};
use sha2::{Digest as _, Sha256};

use super::packed::{self, Entry};

/// What a file of the first form begins with.
pub(super) const FIRST_MAGIC: [u8; 8] = *b"CCLOG\0\0\x01";
/// What a file of the open form begins with.
pub(super) const MAGIC: [u8; 8] = *b"CCLOG\0\0\x02";
/// Bytes of a block's head in the first form.
pub(super) const FIRST_HEAD: usize = 40;
/// Bytes of a block's head in the open form.
pub(super) const HEAD: usize = 72;
/// Bytes of the head that its own sum covers.
const SUMMED: usize = 64;
/// What a block begins with in the open form.
const MARK: [u8; 4] = *b"CCLB";
/// Bytes of a block before they are compressed.
pub(super) const MAX_PLAIN: usize = 16 << 20;

/// What a record brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entries {
    /// Lines.
    Lines(Vec<LogLine>),
    /// So many lines were lost here.
    Lost(u64),
}

impl Entries {
    /// Lines, cut to what is kept of one.
    pub(super) fn of_lines(lines: &[LogLine]) -> Self {
        let cut = |line: &LogLine| LogLine {
            text: line.text.chars().take(MAX_LINE).collect(),
            ..line.clone()
        };
        Self::Lines(lines.iter().map(cut).collect())
    }

    /// So many lines lost instead.
    pub(super) fn lost(&self) -> Self {
        match self {
            Self::Lines(lines) => Self::Lost(long(lines.len())),
            Self::Lost(lines) => Self::Lost(*lines),
        }
    }

    pub(super) fn into_entries(self) -> Vec<Entry> {
        match self {
            Self::Lines(lines) => lines.into_iter().map(Entry::Line).collect(),
            Self::Lost(lines) => vec![Entry::Lost(lines)],
        }
    }
}

/// How a block is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As before there were sealed files.
    First,
    /// In a file that is appended to.
    Open,
    /// In a sealed file.
    Sealed,
    /// Its head or its payload was lost on disk.
    Damaged,
}

/// Where a block is, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) form: Form,
    /// Where its head is; of a sealed one, its payload.
    pub(super) offset: u64,
    pub(super) payload: u32,
    pub(super) plain: u32,
    /// The number of its first entry, and how many there are.
    pub(super) first: u64,
    pub(super) entries: u32,
    /// The times of its lines, by agentd's clock; any, where that is not known.
    pub(super) earliest: i64,
    pub(super) latest: i64,
}

impl Block {
    /// The number after its last entry.
    pub(super) fn end(&self) -> u64 {
        self.first.saturating_add(u64::from(self.entries))
    }

    /// Its entries.
    ///
    /// # Errors
    /// `InvalidData` where it was damaged.
    pub(super) fn entries(&self, file: &File) -> io::Result<Vec<Entry>> {
        let entries = match self.form {
            Form::First => self.first_form(file)?,
            Form::Open | Form::Sealed | Form::Damaged => packed::unpack(&self.packed(file)?)?,
        };
        if entries.len() == size(self.entries) {
            Ok(entries)
        } else {
            Err(invalid())
        }
    }

    /// Its entries as [`packed`] has them.
    ///
    /// # Errors
    /// `InvalidData` where it was damaged.
    pub(super) fn packed(&self, file: &File) -> io::Result<Vec<u8>> {
        let plain = size(self.plain);
        // What does not compress becomes a little longer.
        if plain > MAX_PLAIN || size(self.payload) > MAX_PLAIN + (1 << 20) {
            return Err(invalid());
        }
        match self.form {
            Form::First => Ok(packed::pack(&self.first_form(file)?)),
            Form::Open => {
                let bytes = self.bytes(file, HEAD)?;
                let (head, payload) = bytes.split_at(HEAD);
                let head = Head::read(head).ok_or_else(invalid)?;
                if !head.is_of(payload) {
                    return Err(invalid());
                }
                decompress(payload, plain)
            }
            // zstd's own sum tells whether it is whole.
            Form::Sealed => decompress(&self.bytes(file, 0)?, plain),
            Form::Damaged => Err(invalid()),
        }
    }

    fn bytes(&self, file: &File, head: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; head.saturating_add(size(self.payload))];
        match file.read_exact_at(&mut bytes, self.offset) {
            // It was cut off.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(invalid()),
            read => read.map(|()| bytes),
        }
    }

    fn first_form(&self, file: &File) -> io::Result<Vec<Entry>> {
        let bytes = self.bytes(file, FIRST_HEAD)?;
        let (head, payload) = bytes.split_at(FIRST_HEAD);
        let head: [u8; FIRST_HEAD] = head.try_into().map_err(|_| invalid())?;
        let first = FirstHead::read(&head);
        if !first.is_whole(&head, payload) {
            return Err(invalid());
        }
        first.decode(payload)
    }
}

/// The head of a block in the open form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) payload: u32,
    pub(super) plain: u32,
    pub(super) entries: u32,
    pub(super) record: u64,
    pub(super) first: u64,
    pub(super) safe: u64,
    earliest: i64,
    latest: i64,
    sum: [u8; 8],
}

impl Head {
    /// Reads a head; none where there is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (head, sum_of_head) = bytes.get(..HEAD)?.split_at(SUMMED);
        let mut rest = head.strip_prefix(&MARK)?;
        if sum(&[head]) != *sum_of_head {
            return None;
        }
        Some(Self {
            payload: u32::from_le_bytes(part(&mut rest)),
            plain: u32::from_le_bytes(part(&mut rest)),
            entries: u32::from_le_bytes(part(&mut rest)),
            record: u64::from_le_bytes(part(&mut rest)),
            first: u64::from_le_bytes(part(&mut rest)),
            safe: u64::from_le_bytes(part(&mut rest)),
            earliest: i64::from_le_bytes(part(&mut rest)),
            latest: i64::from_le_bytes(part(&mut rest)),
            sum: part(&mut rest),
        })
    }

    /// Where the next head is, behind bytes that are none.
    pub(super) fn next(bytes: &[u8], from: usize) -> Option<usize> {
        let behind = bytes.get(from..)?;
        let mut found = memchr::memmem::find_iter(behind, &MARK);
        let found =
            found.find(|at| behind.get(*at..).is_some_and(|at| Self::read(at).is_some()))?;
        Some(from + found)
    }

    /// Whether the payload is the one that it was written with.
    pub(super) fn is_of(&self, payload: &[u8]) -> bool {
        sum(&[payload]) == self.sum
    }

    /// The block that it is the head of.
    pub(super) fn block(&self, offset: u64, form: Form) -> Block {
        Block {
            form,
            offset,
            payload: self.payload,
            plain: self.plain,
            first: self.first,
            entries: self.entries,
            earliest: self.earliest,
            latest: self.latest,
        }
    }
}

/// The bytes of a block in the open form; `Unsupported` where it would be too large.
pub(super) fn encode(entries: &[Entry], record: u64, first: u64, safe: u64) -> io::Result<Vec<u8>> {
    let plain = packed::pack(entries);
    if plain.len() > MAX_PLAIN {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let payload = zstd::bulk::compress(&plain, 1)?;
    let (earliest, latest) = times(entries);
    let mut block = Vec::with_capacity(HEAD + payload.len());
    block.extend_from_slice(&MARK);
    for length in [payload.len(), plain.len(), entries.len()] {
        let length = u32::try_from(length).map_err(io::Error::other)?;
        block.extend_from_slice(&length.to_le_bytes());
    }
    for number in [record, first, safe] {
        block.extend_from_slice(&number.to_le_bytes());
    }
    for time in [earliest, latest] {
        block.extend_from_slice(&time.to_le_bytes());
    }
    block.extend_from_slice(&sum(&[&payload]));
    let sum_of_head = sum(&[&block]);
    block.extend_from_slice(&sum_of_head);
    block.extend_from_slice(&payload);
    Ok(block)
}

/// The earliest and the latest time of lines; no time at all where there are none.
pub(super) fn times(entries: &[Entry]) -> (i64, i64) {
    let times = entries.iter().filter_map(|entry| match entry {
        Entry::Line(line) => Some(line.at.0),
        Entry::Lost(_) => None,
    });
    times.fold((i64::MAX, i64::MIN), |(earliest, latest), at| {
        (earliest.min(at), latest.max(at))
    })
}

/// The head of a block in the first form.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstHead {
    pub(super) payload: u32,
    pub(super) plain: u32,
    kind: u32,
    pub(super) entries: u32,
    pub(super) record: u64,
    pub(super) first: u64,
    sum: [u8; 8],
}

impl FirstHead {
    /// Reads a head; whether it can be believed shows with the payload.
    pub(super) fn read(bytes: &[u8; FIRST_HEAD]) -> Self {
        let mut rest = bytes.as_slice();
        Self {
            payload: u32::from_le_bytes(part(&mut rest)),
            plain: u32::from_le_bytes(part(&mut rest)),
            kind: u32::from_le_bytes(part(&mut rest)),
            entries: u32::from_le_bytes(part(&mut rest)),
            record: u64::from_le_bytes(part(&mut rest)),
            first: u64::from_le_bytes(part(&mut rest)),
            sum: part(&mut rest),
        }
    }

    /// Whether head and payload belong together.
    pub(super) fn is_whole(&self, bytes: &[u8; FIRST_HEAD], payload: &[u8]) -> bool {
        let (summed, _) = bytes.split_at(FIRST_HEAD - 8);
        sum(&[summed, payload]) == self.sum
    }

    fn decode(&self, payload: &[u8]) -> io::Result<Vec<Entry>> {
        match (self.kind, <[u8; 8]>::try_from(payload)) {
            (0, _) if size(self.plain) <= MAX_PLAIN => {
                let plain = decompress(payload, size(self.plain))?;
                let lines: Vec<LogLine> = serde_json::from_slice(&plain)?;
                Ok(lines.into_iter().map(Entry::Line).collect())
            }
            (1, Ok(lines)) => Ok(vec![Entry::Lost(u64::from_le_bytes(lines))]),
            _ => Err(invalid()),
        }
    }
}

fn decompress(payload: &[u8], plain: usize) -> io::Result<Vec<u8>> {
    zstd::bulk::decompress(payload, plain).map_err(|_| invalid())
}

/// The next bytes of a head, which is long enough for all of its parts.
fn part<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    rest.split_first_chunk::<N>()
        .map_or([0; N], |(part, after)| {
            *rest = after;
            *part
        })
}

/// The sum over parts.
pub(super) fn sum(parts: &[&[u8]]) -> [u8; 8] {
    let hash = parts
        .iter()
        .fold(Sha256::new(), |hash, part| hash.chain_update(part));
    let hash: [u8; 32] = hash.finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}

pub(super) fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

pub(super) fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

pub(super) fn long(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
