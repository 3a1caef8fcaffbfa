//! Text from outside: made visible, bounded, harmless.
//!
//! ```text
//!  hostile text ──▶ visible / one_line ──▶ screen, prompt, store
//!                          ├─ fenced, quoted ──▶ Markdown, several lines
//!                          └─ inert ───────────▶ Markdown, within a line of ours
//! ```
//!
//! What a person cannot see must not reach an agent, and what an agent writes must not act on a
//! tracker: no mention, no reference, no closing word, no image, no HTML. This lowers the rate of
//! injected instructions; it is not what holds them back.

mod character;
mod comment;
mod inert;

pub use inert::{fenced, inert, quoted};

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Combining marks that a character may carry. More are a tower, not a letter.
const MARKS: usize = 4;

/// The visible text in one line: white space collapsed, at most `max_chars` characters, cut with
/// `…`.
#[must_use]
pub fn one_line(text: &str, max_chars: usize) -> String {
    let text = visible(text, usize::MAX);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, max_chars)
}

/// The visible text: HTML comments and invisible characters removed, every line end a `\n`, tabs
/// four spaces, composed (NFC), at most four marks on a character, no white space at its ends, at
/// most `max_chars` characters, cut with `…`.
#[must_use]
pub fn visible(text: &str, max_chars: usize) -> String {
    let seen = character::seen(text);
    let shown = comment::without(&seen);
    let mut run = 0;
    let composed: String = shown
        .nfc()
        .filter(|c| {
            run = if is_combining_mark(*c) { run + 1 } else { 0 };
            run <= MARKS
        })
        .collect();
    cut(composed.trim_matches('\n').trim_end(), max_chars)
}

/// Text as it is, at most `max_chars` characters, the last of which is then `…`.
fn cut(text: &str, max_chars: usize) -> String {
    if text.chars().nth(max_chars).is_none() {
        return text.to_owned();
    }
    let Some(kept) = max_chars.checked_sub(1) else {
        return String::new();
    };
    let mut cut: String = text.chars().take(kept).collect();
    // A joiner with nothing to join to is invisible.
    let end = cut
        .trim_end_matches(|c: char| c.is_whitespace() || c == character::JOINER)
        .len();
    cut.truncate(end);
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests;
