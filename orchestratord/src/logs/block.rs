//! The form of a log file.
//!
//! ```text
//! file    "CCLOG" 0 0 1        eight bytes
//! block   payload length  u32   bytes behind the head
//!         plain length    u32   bytes of the payload before it was compressed
//!         kind            u32   0 lines (zstd of a JSON array), 1 lost (u64)
//!         entries         u32   numbers that the block takes: its lines, or 1
//!         record          u64   number of agentd's record
//!         first           u64   number of its first entry
//!         sum             [8]   of SHA-256 over the head so far and the payload
//! ```
//!
//! Numbers are little-endian. The sum tells a block that was written whole from one that was not.

use std::io;

use cloud_code_domain::log::{LogLine, MAX_LINE};
use sha2::{Digest as _, Sha256};

/// What a file begins with.
pub(super) const MAGIC: [u8; 8] = *b"CCLOG\0\0\x01";
/// Bytes of a block's head.
pub(super) const HEAD: usize = 40;
/// Bytes of the head that the sum covers.
const SUMMED: usize = 32;
/// Bytes of a block's lines before they are compressed.
const MAX_PLAIN: usize = 16 << 20;

/// What a block holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entries {
    /// Lines.
    Lines(Vec<LogLine>),
    /// So many lines were lost here.
    Lost(u64),
}

/// A block's head, read and believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) payload: u32,
    plain: u32,
    kind: u32,
    pub(super) entries: u32,
    pub(super) record: u64,
    pub(super) first: u64,
    sum: [u8; 8],
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

    /// How many numbers they take.
    pub(super) fn count(&self) -> u32 {
        match self {
            Self::Lines(lines) => u32::try_from(lines.len()).unwrap_or(u32::MAX),
            Self::Lost(_) => 1,
        }
    }

    /// So many lines lost instead.
    pub(super) fn lost(&self) -> Self {
        match self {
            Self::Lines(_) => Self::Lost(u64::from(self.count())),
            Self::Lost(lines) => Self::Lost(*lines),
        }
    }

    /// The block's bytes; `Unsupported` where it would be too large.
    pub(super) fn encode(&self, record: u64, first: u64) -> io::Result<Vec<u8>> {
        let (kind, plain, payload) = match self {
            Self::Lines(lines) => {
                let plain = serde_json::to_vec(lines)?;
                if plain.len() > MAX_PLAIN {
                    return Err(io::ErrorKind::Unsupported.into());
                }
                (0_u32, plain.len(), zstd::bulk::compress(&plain, 1)?)
            }
            Self::Lost(lines) => (1, 8, lines.to_le_bytes().to_vec()),
        };
        let length = |length: usize| u32::try_from(length).map_err(io::Error::other);
        let mut block = Vec::with_capacity(HEAD + payload.len());
        block.extend_from_slice(&length(payload.len())?.to_le_bytes());
        block.extend_from_slice(&length(plain)?.to_le_bytes());
        block.extend_from_slice(&kind.to_le_bytes());
        block.extend_from_slice(&self.count().to_le_bytes());
        block.extend_from_slice(&record.to_le_bytes());
        block.extend_from_slice(&first.to_le_bytes());
        let sum = sum(&block, &payload);
        block.extend_from_slice(&sum);
        block.extend_from_slice(&payload);
        Ok(block)
    }
}

impl Head {
    /// Reads a head; whether it can be believed shows with the payload.
    pub(super) fn read(bytes: &[u8; HEAD]) -> Self {
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
    pub(super) fn is_whole(&self, bytes: &[u8; HEAD], payload: &[u8]) -> bool {
        let (summed, _) = bytes.split_at(SUMMED);
        sum(summed, payload) == self.sum
    }

    /// What the payload says.
    pub(super) fn decode(&self, payload: &[u8]) -> io::Result<Entries> {
        let plain = usize::try_from(self.plain).unwrap_or(usize::MAX);
        match (self.kind, <[u8; 8]>::try_from(payload)) {
            (0, _) if plain <= MAX_PLAIN => {
                let plain = zstd::bulk::decompress(payload, plain)?;
                Ok(Entries::Lines(serde_json::from_slice(&plain)?))
            }
            (1, Ok(lines)) => Ok(Entries::Lost(u64::from_le_bytes(lines))),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// The next bytes of a head, which is long enough for all of its parts.
fn part<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    rest.split_first_chunk::<N>()
        .map_or([0; N], |(part, after)| {
            *rest = after;
            *part
        })
}

fn sum(head: &[u8], payload: &[u8]) -> [u8; 8] {
    let hash = Sha256::new().chain_update(head).chain_update(payload);
    let hash: [u8; 32] = hash.finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}
