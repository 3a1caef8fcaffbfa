//! Entries as bytes, so that they compress well and are searched without being taken apart.
//!
//! ```text
//! length of what is said about them   u32
//! about each entry                    a tag, milliseconds since the one before, lines that were lost
//! texts                               text FF text FF …   of the lines, in order
//! ```
//!
//! FF is in no UTF-8 text: what is searched for never reaches from one line into the next, and the
//! number of a hit is the count of FF before it.

use std::io;

use cloud_code_domain::log::{LogCategory, LogLevel, LogLine};
use cloud_code_domain::time::Timestamp;

/// What ends a text.
pub(super) const END: u8 = 0xff;
/// The tag of lines that were lost.
const LOST: u8 = 0x80;

/// One number of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// A line.
    Line(LogLine),
    /// So many lines were lost here.
    Lost(u64),
}

/// The bytes of entries.
pub(super) fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut about = Vec::with_capacity(entries.len() * 3);
    let mut texts = Vec::new();
    let mut before = 0_i64;
    for entry in entries {
        match entry {
            Entry::Line(line) => {
                about.push(tag(line));
                let later = line.at.0.wrapping_sub(before);
                put(&mut about, zigzag(later));
                before = line.at.0;
                texts.extend_from_slice(line.text.as_bytes());
                texts.push(END);
            }
            Entry::Lost(lines) => {
                about.push(LOST);
                put(&mut about, *lines);
            }
        }
    }
    let length = u32::try_from(about.len()).unwrap_or(u32::MAX);
    let mut plain = Vec::with_capacity(4 + about.len() + texts.len());
    plain.extend_from_slice(&length.to_le_bytes());
    plain.append(&mut about);
    plain.append(&mut texts);
    plain
}

/// The entries of bytes.
///
/// # Errors
/// `InvalidData` where they are none.
pub(super) fn unpack(plain: &[u8]) -> io::Result<Vec<Entry>> {
    let (mut about, mut texts) = split(plain).ok_or_else(invalid)?;
    let mut entries = Vec::new();
    let mut before = 0_i64;
    while let Some((tag, rest)) = about.split_first() {
        about = rest;
        let value = take(&mut about).ok_or_else(invalid)?;
        if *tag == LOST {
            entries.push(Entry::Lost(value));
            continue;
        }
        before = before.wrapping_add(unzigzag(value));
        let end = memchr::memchr(END, texts).ok_or_else(invalid)?;
        let (text, rest) = texts.split_at(end);
        texts = rest.get(1..).unwrap_or_default();
        let (level, category) = untag(*tag).ok_or_else(invalid)?;
        entries.push(Entry::Line(LogLine {
            at: Timestamp(before),
            level,
            category,
            text: String::from_utf8(text.to_owned()).map_err(|_| invalid())?,
        }));
    }
    Ok(entries)
}

/// What is said about the entries, and the texts.
pub(super) fn split(plain: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = plain.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    rest.split_at_checked(length)
}

/// What is said about a line, and where it stands among the entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) place: u32,
    pub(super) at: Timestamp,
    pub(super) level: LogLevel,
    pub(super) category: LogCategory,
}

/// What is said about some lines; the n-th line is the one of the n-th text. They grow.
pub(super) fn about_lines(mut about: &[u8], lines: impl Iterator<Item = usize>) -> Vec<About> {
    let mut wanted = lines.peekable();
    let mut found = Vec::new();
    let (mut place, mut line, mut at) = (0_u32, 0_usize, 0_i64);
    while wanted.peek().is_some() {
        let Some((tag, rest)) = about.split_first() else {
            break;
        };
        about = rest;
        let Some(value) = take(&mut about) else {
            break;
        };
        if *tag != LOST {
            at = at.wrapping_add(unzigzag(value));
            if wanted.next_if_eq(&line).is_some()
                && let Some((level, category)) = untag(*tag)
            {
                found.push(About {
                    place,
                    at: Timestamp(at),
                    level,
                    category,
                });
            }
            line += 1;
        }
        place = place.saturating_add(1);
    }
    found
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

fn tag(line: &LogLine) -> u8 {
    let level = match line.level {
        LogLevel::Debug => 0,
        LogLevel::Info => 1,
        LogLevel::Warning => 2,
        LogLevel::Error => 3,
    };
    let category = match line.category {
        LogCategory::System => 0,
        LogCategory::Message => 1,
        LogCategory::ToolInput => 2,
        LogCategory::ToolOutput => 3,
        LogCategory::Llm => 4,
        LogCategory::Output => 5,
    };
    level | category << 2
}

fn untag(tag: u8) -> Option<(LogLevel, LogCategory)> {
    let level = match tag & 3 {
        0 => LogLevel::Debug,
        1 => LogLevel::Info,
        2 => LogLevel::Warning,
        _ => LogLevel::Error,
    };
    let category = match tag >> 2 {
        0 => LogCategory::System,
        1 => LogCategory::Message,
        2 => LogCategory::ToolInput,
        3 => LogCategory::ToolOutput,
        4 => LogCategory::Llm,
        5 => LogCategory::Output,
        _ => return None,
    };
    Some((level, category))
}

/// Small distances in either direction become small numbers.
fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg()
}

/// Seven bits a byte, the lowest first.
fn put(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
        value >>= 7;
    }
    into.push(u8::try_from(value).unwrap_or_default());
}

fn take(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_comes_back_as_it_was() {
        let levels = [
            LogLevel::Debug,
            LogLevel::Info,
            LogLevel::Warning,
            LogLevel::Error,
        ];
        let categories = [
            LogCategory::System,
            LogCategory::Message,
            LogCategory::ToolInput,
            LogCategory::ToolOutput,
            LogCategory::Llm,
            LogCategory::Output,
        ];
        let times = [0, 1, -1, i64::MAX, i64::MIN, 1_700_000_000_000];
        let mut entries = vec![Entry::Lost(u64::MAX)];
        for level in levels {
            for category in categories {
                for at in times {
                    entries.push(Entry::Line(LogLine {
                        at: Timestamp(at),
                        level,
                        category,
                        text: "é\n\0".repeat(entries.len() % 3),
                    }));
                }
                entries.push(Entry::Lost(300));
            }
        }
        let plain = pack(&entries);
        assert_eq!(unpack(&plain).unwrap(), entries);
        let (about, texts) = split(&plain).unwrap();
        let lines = memchr::memchr_iter(END, texts).count();
        let about = about_lines(about, 0..lines);
        assert_eq!(about.len(), lines);
        for about in about {
            let Entry::Line(line) = &entries[usize::try_from(about.place).unwrap()] else {
                panic!("it is a line")
            };
            let said = (about.at, about.level, about.category);
            assert_eq!(said, (line.at, line.level, line.category));
        }
    }

    #[test]
    fn bytes_that_are_no_entries_are_refused_wherever_they_are_cut() {
        let line = Entry::Line(LogLine {
            at: Timestamp(1_000),
            level: LogLevel::Info,
            category: LogCategory::Output,
            text: "some text".into(),
        });
        let plain = pack(&[line.clone(), Entry::Lost(9), line]);
        for cut in 0..plain.len() {
            assert!(unpack(&plain[..cut]).is_err(), "cut at {cut}");
        }
        assert!(unpack(&[0xff; 40]).is_err());
        assert!(unpack(&[1, 0, 0, 0, 0x7f]).is_err());
    }
}
