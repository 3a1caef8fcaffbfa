//! Agent text within Markdown of ours.
//!
//! Trackers look for mentions, references and addresses in what Markdown has become, so a backslash
//! or an entity hides nothing from them. They leave code alone: whatever could act becomes code.

use super::{one_line, visible};
use crate::report::bounds;

/// A block of code around the visible text, its fence longer than any run of backticks within.
#[must_use]
pub fn fenced(text: &str) -> String {
    let text = visible(text, usize::MAX);
    let fence = "`".repeat(longest_run(&text).max(2) + 1);
    format!("{fence}text\n{text}\n{fence}")
}

/// [`fenced`] for a tracker: lines that start with a slash get a `> ` in front, because other
/// programs read commands out of a comment's raw text, fence or no fence.
#[must_use]
pub fn quoted(text: &str) -> String {
    let lines: Vec<String> = visible(text, usize::MAX)
        .lines()
        .map(|line| {
            let command = line.trim_start().starts_with('/');
            format!("{}{line}", if command { "> " } else { "" })
        })
        .collect();
    fenced(&lines.join("\n"))
}

/// One line of agent text, cut to [`bounds::LINE`], that does nothing in the midst of our Markdown:
/// words that could act (mentions, references, addresses, markup, anything with a mark that Markdown
/// knows) are put into code, the others stay as they are.
#[must_use]
pub fn inert(text: &str) -> String {
    let line = one_line(text, bounds::LINE);
    let mut out = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while !rest.is_empty() {
        let space = rest.len() - rest.trim_start().len();
        out.push_str(&rest[..space]);
        rest = &rest[space..];
        if let Some((code, after)) = leading_code(rest) {
            push_code(&mut out, code);
            rest = after;
            continue;
        }
        let end = word_end(rest);
        let (word, after) = rest.split_at(end);
        if acts(word, out.is_empty()) {
            let code = word.trim_end_matches(['.', ',', ';', ':', '!', '?']);
            let code = if code.is_empty() { word } else { code };
            push_code(&mut out, code);
            out.push_str(&word[code.len()..]);
        } else {
            out.push_str(word);
        }
        rest = after;
    }
    out
}

/// A span of code that the text begins with, and what follows it.
fn leading_code(text: &str) -> Option<(&str, &str)> {
    let run = run_of_backticks(text);
    if run == 0 {
        return None;
    }
    let inner = &text[run..];
    let mut at = 0;
    loop {
        at += inner[at..].find('`')?;
        let closing = run_of_backticks(&inner[at..]);
        if closing == run {
            let code = inner[..at].trim();
            return (!code.is_empty()).then(|| (code, &inner[at + run..]));
        }
        at += closing;
    }
}

/// Where the word that the text begins with ends: at white space, or where a span of code begins.
fn word_end(text: &str) -> usize {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let run = run_of_backticks(&text[at..]);
        if c.is_whitespace() || (at > 0 && run > 0 && leading_code(&text[at..]).is_some()) {
            break;
        }
        at += run.max(c.len_utf8());
    }
    at
}

/// Whether a word could do something on a tracker.
fn acts(word: &str, first: bool) -> bool {
    let lower = word.to_ascii_lowercase();
    word.contains(|c| "@#<>&[]*_~|\\`${}^".contains(c))
        || ["://", "www.", "mailto:", "xmpp:", "]("]
            .iter()
            .any(|mark| lower.contains(mark))
        || lower
            .match_indices("gh-")
            .any(|(at, _)| lower[at + 3..].starts_with(|c: char| c.is_ascii_digit()))
        || lower
            .split(|c: char| !c.is_ascii_hexdigit())
            .any(|part| part.len() >= 7)
        || first && (lower.starts_with('/') || opens_block(word))
}

/// Whether a line that begins with this word is a list, a rule or a heading.
fn opens_block(word: &str) -> bool {
    word.chars().all(|c| "-+=".contains(c))
        || word
            .strip_suffix(['.', ')'])
            .is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

/// Adds a span of code whose marks are longer than any run of backticks within.
fn push_code(out: &mut String, code: &str) {
    if out.ends_with('`') {
        // Two spans of code that touch would be read as one.
        out.push(' ');
    }
    let marks = "`".repeat(longest_run(code) + 1);
    let pad = if code.starts_with('`') || code.ends_with('`') {
        " "
    } else {
        ""
    };
    out.push_str(&marks);
    out.push_str(pad);
    out.push_str(code);
    out.push_str(pad);
    out.push_str(&marks);
}

fn run_of_backticks(text: &str) -> usize {
    text.len() - text.trim_start_matches('`').len()
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
