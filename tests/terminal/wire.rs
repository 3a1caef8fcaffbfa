//! What may be written to a terminal: text, and the few sequences that drawing needs.
//!
//! Everything else is a hole: a title that is set, a clipboard that is filled, a report that is asked
//! for and comes back as typed keys, a mode that outlives the program.

use anyhow::{Context, Result, bail, ensure};

/// Modes that the control room turns on and off again: the alternate screen, pasted text in
/// brackets, the cursor, drawing in one piece.
const MODES: [&str; 4] = ["?1049", "?2004", "?25", "?2026"];

/// Checks everything that was written.
///
/// # Errors
/// The first thing that may not be there, with what stands before it.
pub(crate) fn only_allowed(wire: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(wire).context("what was written is not UTF-8")?;
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '\u{1b}' => sequence(rest).with_context(|| before(text, rest))?,
            '\r' | '\n' => 1,
            next if next.is_control() || steers(next) => {
                bail!("{next:?} after {}", before(text, rest))
            }
            next => next.len_utf8(),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(())
}

/// The length of a sequence that is allowed.
fn sequence(text: &str) -> Result<usize> {
    let Some(body) = text.strip_prefix("\u{1b}[") else {
        let start: String = text.chars().take(12).collect();
        bail!("{start:?} is no sequence of drawing");
    };
    let end = body
        .find(|c: char| !(c.is_ascii_digit() || c == ';' || c == '?'))
        .context("a sequence without an end")?;
    let (parameters, last) = (
        body.get(..end).unwrap_or_default(),
        body.get(end..).and_then(|rest| rest.chars().next()),
    );
    match last {
        Some('h' | 'l') => ensure!(MODES.contains(&parameters), "mode {parameters}"),
        Some('H' | 'C' | 'K' | 'J' | 'm' | 'r' | 'S' | 'T') => {
            ensure!(!parameters.contains('?'), "{parameters}{last:?}");
        }
        other => bail!("a sequence that ends with {other:?}"),
    }
    Ok("\u{1b}[".len() + end + 1)
}

/// Characters without a shape that turn or hide what stands around them.
fn steers(c: char) -> bool {
    matches!(c,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn before(text: &str, rest: &str) -> String {
    let until = text.len() - rest.len();
    let seen: Vec<char> = text.get(..until).unwrap_or_default().chars().collect();
    let last: String = seen.iter().rev().take(60).rev().collect();
    format!("{last:?}")
}

/// Whether a colour was set.
pub(crate) fn colours(wire: &[u8]) -> bool {
    let text = String::from_utf8_lossy(wire);
    let sequences = text.split("\u{1b}[").skip(1);
    let attributes = sequences.filter_map(|sequence| {
        let end = sequence.find(|c: char| c.is_ascii_alphabetic())?;
        sequence.get(end..)?.strip_prefix('m')?;
        sequence.get(..end)
    });
    attributes
        .flat_map(|codes| codes.split(';'))
        .filter_map(|code| code.parse::<u16>().ok())
        .any(|code| matches!(code, 30..=38 | 40..=48 | 90..=107))
}
