//! Searching a log for a text.
//!
//! ```text
//! blocks ─▶ as many threads as there are cores ─▶ unpacked, not taken apart ─▶ memmem ─▶ numbers
//!                                                  the few that are shown ─▶ lines
//! ```
//!
//! Literal. A text without capitals is found in either case; capitals in it have to be there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use cloud_code_domain::log::LogLine;
use memchr::memmem::Finder;

use super::LogsError;
use super::block::Block;
use super::packed::{self, END, Entry};
use super::part::Piece;
use super::section::Section;

/// Threads that search one log at most.
const THREADS: usize = 4;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The text.
    pub text: String,
    /// Hits from this line on are given, or with `backwards` those before it.
    pub from: u64,
    /// From the last to the first.
    pub backwards: bool,
    /// So many hits at most are given.
    pub limit: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hits {
    /// Lines with their numbers, in the order of the search.
    pub lines: Vec<(u64, LogLine)>,
    /// How many lines of the whole log have the text.
    pub total: u64,
    /// Lines that could not be searched: the file is damaged there.
    pub unread: u64,
}

/// How the text is compared.
enum Needle {
    /// Byte by byte.
    Exact(Finder<'static>),
    /// The same against ASCII in lower case.
    LowerAscii(Finder<'static>),
    /// In lower case, line by line: what is lower case elsewhere can have another length.
    Lower(String),
}

impl Needle {
    fn new(text: &str) -> Self {
        let finder = || Finder::new(text.as_bytes()).into_owned();
        if text.to_lowercase() != text {
            Self::Exact(finder())
        } else if text.is_ascii() {
            Self::LowerAscii(finder())
        } else {
            Self::Lower(text.to_owned())
        }
    }

    /// The lines that have it, by their place among the texts.
    fn hits(&self, plain: &mut [u8]) -> Vec<usize> {
        let Some((about, _)) = packed::split(plain) else {
            return Vec::new();
        };
        let begin = about.len() + 4;
        let texts = plain.get_mut(begin..).unwrap_or_default();
        match self {
            Self::Exact(finder) => find(finder, texts),
            Self::LowerAscii(finder) => {
                texts.make_ascii_lowercase();
                find(finder, texts)
            }
            Self::Lower(text) => {
                let lines = texts.split(|byte| *byte == END).enumerate();
                let has = |line: &[u8]| {
                    let line = String::from_utf8_lossy(line);
                    line.to_lowercase().contains(text.as_str())
                };
                lines
                    .filter(|(_, line)| has(line))
                    .map(|(n, _)| n)
                    .collect()
            }
        }
    }
}

fn find(finder: &Finder<'_>, texts: &[u8]) -> Vec<usize> {
    let mut hits = Vec::new();
    let (mut at, mut line) = (0, 0);
    while let Some(rest) = texts.get(at..) {
        let Some(found) = finder.find(rest) else {
            break;
        };
        let (before, behind) = rest.split_at(found);
        line += memchr::memchr_iter(END, before).count();
        hits.push(line);
        let Some(end) = memchr::memchr(END, behind) else {
            break;
        };
        at += found + end + 1;
        line += 1;
    }
    hits
}

/// What a block has.
struct OfBlock {
    index: usize,
    /// None where it does not read.
    numbers: Option<Vec<u64>>,
}

impl Section {
    /// Searches it, on several threads.
    ///
    /// # Errors
    /// Where a file cannot be read; what is damaged is passed over, and counted.
    pub(super) fn search(&self, search: &Search) -> Result<Hits, LogsError> {
        if search.text.is_empty() {
            return Ok(Hits::default());
        }
        let blocks: Vec<(&Piece, &Block)> = self
            .pieces
            .iter()
            .flat_map(|piece| piece.blocks.iter().map(move |block| (piece, block)))
            .collect();
        let mut found = numbers(search, &blocks)?;
        found.sort_unstable_by_key(|block| block.index);
        let mut hits = Hits::default();
        let mut wanted: Vec<(usize, u64)> = Vec::new();
        for of in &found {
            let Some(numbers) = &of.numbers else {
                let (_, block) = blocks.get(of.index).copied().unzip();
                hits.unread += block.map_or(0, |block| u64::from(block.entries));
                continue;
            };
            hits.total += u64::try_from(numbers.len()).unwrap_or(u64::MAX);
            wanted.extend(numbers.iter().map(|number| (of.index, *number)));
        }
        if search.backwards {
            wanted.retain(|(_, number)| *number < search.from);
            wanted.reverse();
        } else {
            wanted.retain(|(_, number)| *number >= search.from);
        }
        wanted.truncate(search.limit);
        hits.lines = lines(&blocks, &wanted)?;
        Ok(hits)
    }
}

/// What each block has, by all cores.
fn numbers(search: &Search, blocks: &[(&Piece, &Block)]) -> Result<Vec<OfBlock>, LogsError> {
    let needle = Needle::new(&search.text);
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Ok(Vec::with_capacity(blocks.len())));
    let work = || {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let (piece, block) = blocks.get(index)?;
        let numbers = of_block(&needle, piece, block);
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        match numbers {
            Ok(numbers) => all.as_mut().ok()?.push(OfBlock { index, numbers }),
            Err(error) => *all = Err(error),
        }
        Some(())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..cores.min(THREADS).min(blocks.len()) {
            scope.spawn(|| while work().is_some() {});
        }
        while work().is_some() {}
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn of_block(needle: &Needle, piece: &Piece, block: &Block) -> Result<Option<Vec<u64>>, LogsError> {
    let mut plain = match piece.packed(block) {
        Ok(plain) => plain,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Ok(None),
        Err(error) => return Err(LogsError::at("cannot read", &piece.path)(error)),
    };
    let hits = needle.hits(&mut plain);
    if hits.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let about = packed::split(&plain).map_or(&[][..], |(about, _)| about);
    let places = packed::places(about);
    let numbers = hits.into_iter().filter_map(|line| places.get(line));
    let numbers = numbers.map(|place| block.first.saturating_add(u64::from(*place)));
    Ok(Some(numbers.collect()))
}

/// The lines of hits; those of a block are next to each other.
fn lines(
    blocks: &[(&Piece, &Block)],
    wanted: &[(usize, u64)],
) -> Result<Vec<(u64, LogLine)>, LogsError> {
    let mut lines = Vec::with_capacity(wanted.len());
    for of_one in wanted.chunk_by(|(a, _), (b, _)| a == b) {
        let Some((piece, block)) = of_one.first().and_then(|(index, _)| blocks.get(*index)) else {
            continue;
        };
        let entries = piece
            .entries(block)
            .map_err(LogsError::at("cannot read", &piece.path))?;
        for (_, number) in of_one {
            let place = usize::try_from(number.saturating_sub(block.first)).unwrap_or(usize::MAX);
            if let Some(Entry::Line(line)) = entries.get(place) {
                lines.push((*number, line.clone()));
            }
        }
    }
    Ok(lines)
}
