//! Searching a log for a text.
//!
//! ```text
//! blocks ─▶ as many threads as there are cores ─▶ unpacked, not taken apart ─▶ memmem ─▶ hits
//!                                                          only those that are given ─▶ lines
//! ```
//!
//! Literal. A text without capitals is found in either case; capitals in it have to be there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use cloud_code_domain::log::LogLine;
use memchr::memmem::Finder;

use super::LogsError;
use super::block::Block;
use super::packed::{self, About, END};
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

    /// The lines that have it.
    fn hits(&self, texts: &[u8]) -> Vec<Hit> {
        match self {
            Self::Exact(finder) => find(finder, texts),
            Self::LowerAscii(finder) => find(finder, &texts.to_ascii_lowercase()),
            Self::Lower(text) => lines(texts)
                .enumerate()
                .filter(|(_, (from, to))| {
                    let line = texts.get(*from..*to).unwrap_or_default();
                    let line = String::from_utf8_lossy(line);
                    line.to_lowercase().contains(text.as_str())
                })
                .map(|(line, (from, to))| Hit { line, from, to })
                .collect(),
        }
    }
}

/// A line that has it: its place among the texts, and its text.
#[derive(Debug, Clone, Copy)]
struct Hit {
    line: usize,
    from: usize,
    to: usize,
}

/// Where each text begins and ends.
fn lines(texts: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    memchr::memchr_iter(END, texts).map(move |to| (std::mem::replace(&mut from, to + 1), to))
}

fn find(finder: &Finder<'_>, texts: &[u8]) -> Vec<Hit> {
    let mut hits = Vec::new();
    // `at` is where a line begins.
    let (mut at, mut line) = (0, 0);
    while let Some(rest) = texts.get(at..) {
        let Some(found) = finder.find(rest) else {
            break;
        };
        let (before, behind) = rest.split_at(found);
        line += memchr::memchr_iter(END, before).count();
        let from = at + memchr::memrchr(END, before).map_or(0, |end| end + 1);
        let to = at + found + memchr::memchr(END, behind).unwrap_or(behind.len());
        hits.push(Hit { line, from, to });
        at = to + 1;
        line += 1;
    }
    hits
}

/// What a block has.
struct OfBlock {
    index: usize,
    /// How many lines; none where it does not read.
    total: Option<usize>,
    /// Those that may be given, with their numbers.
    lines: Vec<(u64, LogLine)>,
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
        let mut found = all(search, &blocks)?;
        found.sort_unstable_by_key(|block| block.index);
        let mut hits = Hits::default();
        for of in &mut found {
            match of.total {
                Some(total) => hits.total += u64::try_from(total).unwrap_or(u64::MAX),
                None => {
                    let (_, block) = blocks.get(of.index).copied().unzip();
                    hits.unread += block.map_or(0, |block| u64::from(block.entries));
                }
            }
            hits.lines.append(&mut of.lines);
        }
        if search.backwards {
            hits.lines.reverse();
        }
        hits.lines.truncate(search.limit);
        Ok(hits)
    }
}

/// What each block has, by all cores.
fn all(search: &Search, blocks: &[(&Piece, &Block)]) -> Result<Vec<OfBlock>, LogsError> {
    let needle = Needle::new(&search.text);
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Ok(Vec::with_capacity(blocks.len())));
    let work = || {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let (piece, block) = blocks.get(index)?;
        let found = of_block(&needle, search, index, (piece, block));
        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
        match found {
            Ok(found) => all.as_mut().ok()?.push(found),
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

fn of_block(
    needle: &Needle,
    search: &Search,
    index: usize,
    (piece, block): (&Piece, &Block),
) -> Result<OfBlock, LogsError> {
    let nothing = |total| OfBlock {
        index,
        total,
        lines: Vec::new(),
    };
    let plain = match piece.packed(block) {
        Ok(plain) => plain,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Ok(nothing(None)),
        Err(error) => return Err(LogsError::at("cannot read", &piece.path)(error)),
    };
    let Some((about, texts)) = packed::split(&plain) else {
        return Ok(nothing(None));
    };
    let hits = needle.hits(texts);
    let total = Some(hits.len());
    let about = packed::about_lines(about, hits.iter().map(|hit| hit.line));
    let number = |about: &About| block.first.saturating_add(u64::from(about.place));
    let given = |(about, _): &(About, Hit)| (number(about) < search.from) == search.backwards;
    let given: Vec<(About, Hit)> = about.into_iter().zip(hits).filter(given).collect();
    let skip = match search.backwards {
        true => given.len().saturating_sub(search.limit),
        false => 0,
    };
    let lines = given.iter().skip(skip).take(search.limit);
    let lines = lines.map(|(about, hit)| {
        let text = texts.get(hit.from..hit.to).unwrap_or_default();
        let line = LogLine {
            at: about.at,
            level: about.level,
            category: about.category,
            text: String::from_utf8_lossy(text).into_owned(),
        };
        (number(about), line)
    });
    Ok(OfBlock {
        index,
        total,
        lines: lines.collect(),
    })
}
