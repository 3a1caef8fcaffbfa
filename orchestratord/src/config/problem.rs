//! A mistake in the configuration: where it is, what it is, and what would be right.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The full name of the key, for example `accounts.main.kind`; empty where the file is no TOML.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = visible(&self.file.to_string_lossy());
        write!(f, "{file}:{}:{}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", visible(&self.key))?;
        }
        let (message, remedy) = (visible(&self.message), visible(&self.remedy));
        write!(f, "{message}\n  fix: {remedy}")
    }
}

/// A text that names what stands in the file, such as a path: what a terminal would obey, turn round
/// or not show is escaped.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let escaped = c.escape_debug();
        if escaped.len() > 1 && !matches!(c, '"' | '\'' | '\\') {
            shown.extend(escaped);
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Every mistake of a configuration, in the order of the file. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        let count = self.0.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} mistake{plural} in the configuration")
    }
}

impl Problems {
    /// The file cannot be read at all.
    pub(super) fn unreadable(file: &Path, error: &io::Error) -> Self {
        let remedy = if error.kind() == io::ErrorKind::PermissionDenied {
            "let the daemon's user read it"
        } else {
            "name the file with --config; orchestratord print-config shows every key"
        };
        Self::of_the_file(file, 1, format!("it cannot be read: {error}"), remedy)
    }

    /// The file is longer than any configuration.
    pub(super) fn too_long(file: &Path, most: usize) -> Self {
        let message = format!("it has more than {most} bytes");
        let remedy = "name the file with --config; this is no configuration";
        Self::of_the_file(file, 1, message, remedy)
    }

    /// The file is no text; `before` is what is, from its beginning.
    pub(super) fn not_utf8(file: &Path, before: &[u8]) -> Self {
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = "is not UTF-8".to_owned();
        Self::of_the_file(file, line, message, "save the file as UTF-8")
    }

    fn of_the_file(file: &Path, line: usize, message: String, remedy: &str) -> Self {
        Self(vec![Problem {
            file: file.to_owned(),
            line,
            column: 1,
            key: String::new(),
            message,
            remedy: remedy.to_owned(),
        }])
    }
}

impl std::error::Error for Problems {}

/// A value as a message quotes it: escaped, so that nothing in it reaches a terminal, and cut.
pub(super) fn quoted(value: &str) -> String {
    const SHOWN: usize = 60;
    let cut: String = value.chars().take(SHOWN).collect();
    let dots = if value.chars().nth(SHOWN).is_some() {
        "…"
    } else {
        ""
    };
    format!("{cut:?}{dots}")
}

/// The candidate that the word was most likely meant to be.
pub(super) fn meant<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be added, dropped or changed to make one word of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_the_one_that_was_meant() {
        let words = ["runtime", "agentd", "egress"];
        assert_eq!(meant("runtme", words), Some("runtime"));
        assert_eq!(meant("engress", words), Some("egress"));
        assert_eq!(meant("privilegd", words), None);
    }

    #[test]
    fn a_byte_that_is_no_text_is_told_with_its_line() {
        let found = Problems::not_utf8(Path::new("f.toml"), b"a = 1\nb = ");
        assert!(found.to_string().starts_with("f.toml:2:1: is not UTF-8"));
    }

    #[test]
    fn a_path_in_a_message_cannot_steer_a_terminal_either() {
        let problem = Problem {
            file: "a\u{1b}c.toml".into(),
            line: 1,
            column: 1,
            key: "agents.\u{202e}x".to_owned(),
            message: "there is no file /etc/\u{17}\n/etc/\"b\"".to_owned(),
            remedy: "make it: touch /etc/\u{9b}2J".to_owned(),
        };
        let shown = problem.to_string();
        assert_eq!(shown.lines().count(), 2, "{shown:?}");
        assert!(shown.contains(r#"/etc/\u{17}\n/etc/"b""#), "{shown}");
        let obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!shown.contains(obeyed), "{shown:?}");
    }

    #[test]
    fn what_a_message_quotes_is_short_and_cannot_steer_a_terminal() {
        let shown = quoted(&format!("5\u{202e}GB\u{1b}]0;x\u{7}{}", "x".repeat(500)));
        assert!(
            shown.chars().count() < 100
                && !shown.contains(|c: char| c.is_control() || c == '\u{202e}')
        );
    }
}
