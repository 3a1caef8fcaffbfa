//! A sealed file: what was appended in many small blocks, in few large ones, with an index.
//!
//! ```text
//! "CCSEAL" 0 1
//! length of the index u32, its sum [8], index
//! payload, payload, …                            zstd with its own sum, about 1 MiB before
//! index, its sum [8], its length u32             the same again: one of them may be damaged
//!
//! index  last record u64, then for each block
//!        offset among the payloads u64, payload u32, plain u32, first u64, entries u32,
//!        earliest i64, latest i64
//! ```
//!
//! It is made under another name and renamed when it is on disk; then what it was made from goes.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::LogsError;
use super::block::{Block, Form, invalid, long, size, sum, times};
use super::packed::{self, Entry};
use super::part::Part;
use super::tail::sync_above;

const MAGIC: [u8; 8] = *b"CCSEAL\0\x01";
/// Bytes of texts that are compressed together.
const TOGETHER: usize = if cfg!(test) { 8 << 10 } else { 1 << 20 };
/// Bytes of a block in the index.
const ROW: usize = 44;
/// Bytes of length and sum of an index.
const FRAME: usize = 12;
/// Blocks of a file: far more than there ever are.
const MOST: u32 = 1 << 16;

/// Writes a part that is not sealed as a sealed file of this name, with the same times.
pub(super) fn seal(part: &Part, to: &Path) -> Result<Part, LogsError> {
    let blocks = compressed(part).map_err(LogsError::at("cannot read", &part.path))?;
    let new = to.with_extension("new");
    let write = || {
        let file = write(part, &new, &blocks)?;
        let modified = std::fs::metadata(&part.path)?.modified()?;
        file.set_modified(modified)?;
        file.sync_all()?;
        std::fs::rename(&new, to)?;
        sync_above(to)
    };
    write().map_err(LogsError::at("cannot write", to))?;
    open(to)
}

fn compressed(part: &Part) -> io::Result<Vec<(Block, Vec<u8>)>> {
    let file = File::open(&part.path)?;
    let mut compressor = zstd::bulk::Compressor::new(3)?;
    compressor.include_checksum(true)?;
    let mut blocks = Vec::new();
    let (mut entries, mut bytes, mut first) = (Vec::new(), 0, part.first);
    let mut offset = 0;
    let mut close = |entries: &mut Vec<Entry>, first: u64| -> io::Result<()> {
        let plain = packed::pack(entries);
        let payload = compressor.compress(&plain)?;
        let (earliest, latest) = times(entries);
        let short = |length: usize| u32::try_from(length).map_err(io::Error::other);
        let block = Block {
            form: Form::Sealed,
            offset,
            payload: short(payload.len())?,
            plain: short(plain.len())?,
            first,
            entries: short(entries.len())?,
            earliest,
            latest,
        };
        offset += long(payload.len());
        blocks.push((block, payload));
        entries.clear();
        Ok(())
    };
    for block in part.blocks.iter() {
        let more = block.entries(&file)?;
        for entry in more {
            bytes += match &entry {
                Entry::Line(line) => line.text.len(),
                Entry::Lost(_) => 0,
            };
            entries.push(entry);
            if bytes >= TOGETHER {
                let count = long(entries.len());
                close(&mut entries, first)?;
                (first, bytes) = (first + count, 0);
            }
        }
    }
    if !entries.is_empty() {
        close(&mut entries, first)?;
    }
    Ok(blocks)
}

fn write(part: &Part, to: &Path, blocks: &[(Block, Vec<u8>)]) -> io::Result<File> {
    let mut index = part.record.to_le_bytes().to_vec();
    for (block, _) in blocks {
        index.extend_from_slice(&block.offset.to_le_bytes());
        index.extend_from_slice(&block.payload.to_le_bytes());
        index.extend_from_slice(&block.plain.to_le_bytes());
        index.extend_from_slice(&block.first.to_le_bytes());
        index.extend_from_slice(&block.entries.to_le_bytes());
        index.extend_from_slice(&block.earliest.to_le_bytes());
        index.extend_from_slice(&block.latest.to_le_bytes());
    }
    let length = u32::try_from(index.len()).map_err(io::Error::other)?;
    let sum = sum(&[&index]);
    let mut file = File::create(to)?;
    file.write_all(&MAGIC)?;
    file.write_all(&length.to_le_bytes())?;
    file.write_all(&sum)?;
    file.write_all(&index)?;
    for (_, payload) in blocks {
        file.write_all(payload)?;
    }
    file.write_all(&index)?;
    file.write_all(&sum)?;
    file.write_all(&length.to_le_bytes())?;
    Ok(file)
}

/// Opens a sealed file: its index is read, from whichever place it can be.
pub(super) fn open(path: &Path) -> Result<Part, LogsError> {
    let read = || {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let index = index_in_front(&file).or_else(|_| index_at_the_end(&file, bytes))?;
        let begin = long(MAGIC.len() + FRAME + index.len());
        let mut rest = index.as_slice();
        let record = u64::from_le_bytes(next(&mut rest)?);
        let mut blocks = Vec::new();
        while !rest.is_empty() {
            blocks.push(row(&mut rest, begin)?);
        }
        let first = blocks.first().map_or(0, |block| block.first);
        let end = blocks.last().map_or(first, Block::end);
        Ok(Part {
            path: path.into(),
            blocks: blocks.into(),
            first,
            end,
            record,
            bytes,
            sealed: true,
        })
    };
    read().map_err(LogsError::at("cannot read", path))
}

fn row(rest: &mut &[u8], begin: u64) -> io::Result<Block> {
    Ok(Block {
        form: Form::Sealed,
        offset: u64::from_le_bytes(next(rest)?).saturating_add(begin),
        payload: u32::from_le_bytes(next(rest)?),
        plain: u32::from_le_bytes(next(rest)?),
        first: u64::from_le_bytes(next(rest)?),
        entries: u32::from_le_bytes(next(rest)?),
        earliest: i64::from_le_bytes(next(rest)?),
        latest: i64::from_le_bytes(next(rest)?),
    })
}

fn next<const N: usize>(rest: &mut &[u8]) -> io::Result<[u8; N]> {
    let (part, behind) = rest.split_first_chunk::<N>().ok_or_else(invalid)?;
    *rest = behind;
    Ok(*part)
}

fn index_in_front(file: &File) -> io::Result<Vec<u8>> {
    let mut head = [0; MAGIC.len() + FRAME];
    file.read_exact_at(&mut head, 0)?;
    let mut rest = head.strip_prefix(&MAGIC).ok_or_else(invalid)?;
    let length = u32::from_le_bytes(next(&mut rest)?);
    let sum = next(&mut rest)?;
    index(file, long(head.len()), length, sum)
}

fn index_at_the_end(file: &File, bytes: u64) -> io::Result<Vec<u8>> {
    let mut foot = [0; FRAME];
    let at = bytes.checked_sub(long(FRAME)).ok_or_else(invalid)?;
    file.read_exact_at(&mut foot, at)?;
    let mut rest = foot.as_slice();
    let sum = next(&mut rest)?;
    let length = u32::from_le_bytes(next(&mut rest)?);
    let at = at.checked_sub(u64::from(length)).ok_or_else(invalid)?;
    index(file, at, length, sum)
}

fn index(file: &File, at: u64, length: u32, wanted: [u8; 8]) -> io::Result<Vec<u8>> {
    if size(length) > size(MOST) * ROW {
        return Err(invalid());
    }
    let mut index = vec![0; size(length)];
    file.read_exact_at(&mut index, at)?;
    if sum(&[&index]) == wanted {
        Ok(index)
    } else {
        Err(invalid())
    }
}
