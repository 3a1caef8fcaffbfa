//! Text that a terminal can be given.
//!
//! Titles, reasons, logs and diffs come from issues, agents and coding CLIs: they are hostile. What
//! reaches the screen is a [`SafeText`], and making one is the only way to draw: nothing in it can
//! move the cursor, change a colour, reorder a line or hide a word.
//!
//! ```text
//! raw ──▶ NFC ──▶ controls made visible ──▶ bidi, TAG, C1 marked ──▶ zero-width dropped
//!                                            ──▶ at most 4 combining ──▶ bounded in cells
//! ```

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_width::UnicodeWidthChar;

/// Cells that one text may take at most; longer ones are cut.
pub(crate) const MAX_CELLS: usize = 4_096;

/// Combining characters that are kept on one base.
const MAX_COMBINING: usize = 4;

/// Stands for what must not be shown: SYMBOL FOR SUBSTITUTE FORM TWO, one cell everywhere.
const MARK: char = '\u{2426}';

/// A line of text without anything that a terminal obeys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SafeText {
    text: String,
    width: usize,
}

impl SafeText {
    /// Makes a text harmless, and cuts it after [`MAX_CELLS`]. Line breaks become blanks.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        Self::bounded(raw, MAX_CELLS)
    }

    /// The same with a bound of its own.
    #[must_use]
    pub fn bounded(raw: &str, cells: usize) -> Self {
        if raw.len() <= cells && raw.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            let (text, width) = (raw.to_owned(), raw.len());
            return Self { text, width };
        }
        let mut line = Builder::default();
        for c in raw.chars().take(cells.saturating_mul(8)).nfc() {
            if line.width >= cells {
                break;
            }
            line.push(c, cells);
        }
        Self {
            text: line.text,
            width: line.width,
        }
    }

    /// Every line of a text, at most `max` of them.
    #[must_use]
    pub fn lines(raw: &str, max: usize) -> Vec<Self> {
        raw.lines().take(max).map(Self::new).collect()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many cells it takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether there is nothing to show.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text in at most this many cells; what is cut ends in `…`.
    #[must_use]
    pub fn fit(&self, cells: usize) -> Self {
        if self.width <= cells {
            return self.clone();
        }
        let mut out = Self::default();
        for (cluster, width) in self.clusters() {
            if out.width + width + 1 > cells {
                break;
            }
            out.text.push_str(cluster);
            out.width += width;
        }
        if cells > 0 {
            out.text.push('…');
            out.width += 1;
        }
        out
    }

    /// What is left after this many cells.
    #[must_use]
    pub fn after(&self, cells: usize) -> Self {
        let mut gone = 0;
        let mut out = Self::default();
        for (cluster, width) in self.clusters() {
            if gone < cells {
                gone += width;
                continue;
            }
            out.text.push_str(cluster);
            out.width += width;
        }
        out
    }

    /// The text broken at blanks into lines of at most this many cells.
    #[must_use]
    pub fn wrap(&self, cells: usize) -> Vec<Self> {
        let cells = cells.max(1);
        let mut lines = Vec::new();
        let mut line = Self::default();
        for word in self.text.split(' ') {
            let mut word = Self::measured(word);
            if line.width > 0 && line.width + 1 + word.width > cells {
                lines.push(std::mem::take(&mut line));
            }
            if line.width > 0 {
                line.text.push(' ');
                line.width += 1;
            }
            while line.width + word.width > cells && word.width > 1 {
                let head = word.head(cells.saturating_sub(line.width).max(1));
                let tail = word.after(head.width);
                line.text.push_str(&head.text);
                lines.push(std::mem::take(&mut line));
                word = tail;
            }
            line.text.push_str(&word.text);
            line.width += word.width;
        }
        if line.width > 0 || lines.is_empty() {
            lines.push(line);
        }
        lines
    }

    /// What is shown in one cell, or in two, with the characters that combine with it.
    pub fn clusters(&self) -> impl Iterator<Item = (&str, usize)> {
        Clusters(&self.text)
    }

    fn head(&self, cells: usize) -> Self {
        let mut out = Self::default();
        for (cluster, width) in self.clusters() {
            if out.width > 0 && out.width + width > cells {
                break;
            }
            out.text.push_str(cluster);
            out.width += width;
        }
        out
    }

    /// A part of a text that is harmless already.
    fn measured(part: &str) -> Self {
        Self {
            text: part.to_owned(),
            width: Clusters(part).map(|(_, width)| width).sum(),
        }
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl From<&str> for SafeText {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

impl From<&String> for SafeText {
    fn from(raw: &String) -> Self {
        Self::new(raw)
    }
}

impl From<String> for SafeText {
    fn from(raw: String) -> Self {
        Self::new(&raw)
    }
}

impl From<&Self> for SafeText {
    fn from(text: &Self) -> Self {
        text.clone()
    }
}

struct Clusters<'a>(&'a str);

impl<'a> Iterator for Clusters<'a> {
    type Item = (&'a str, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let mut chars = self.0.char_indices();
        let (_, base) = chars.next()?;
        let end = chars
            .find(|(_, c)| c.width() != Some(0))
            .map_or(self.0.len(), |(at, _)| at);
        let (cluster, rest) = self.0.split_at(end);
        self.0 = rest;
        Some((cluster, base.width().unwrap_or(0)))
    }
}

#[derive(Default)]
struct Builder {
    text: String,
    width: usize,
    combining: usize,
    marked: bool,
}

impl Builder {
    fn push(&mut self, c: char, cells: usize) {
        let was_marked = std::mem::take(&mut self.marked);
        match Kind::of(c) {
            Kind::Tab => {
                let blanks = (4 - self.width % 4).min(cells - self.width);
                self.text.extend(std::iter::repeat_n(' ', blanks));
                self.width += blanks;
            }
            Kind::Shown(shown, width) => {
                if self.width + width <= cells {
                    self.text.push(shown);
                    self.width += width;
                    self.combining = 0;
                }
            }
            Kind::Combining => {
                if self.width > 0 && self.combining < MAX_COMBINING {
                    self.text.push(c);
                    self.combining += 1;
                }
            }
            Kind::Forbidden => {
                self.marked = true;
                if !was_marked {
                    self.text.push(MARK);
                    self.width += 1;
                    self.combining = 0;
                }
            }
            Kind::Dropped => self.marked = was_marked,
        }
    }
}

/// What becomes of a character.
enum Kind {
    Tab,
    Shown(char, usize),
    Combining,
    Forbidden,
    Dropped,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            '\t' => Self::Tab,
            '\n' | '\u{2028}' | '\u{2029}' => Self::Shown(' ', 1),
            '\r' => Self::Dropped,
            '\0'..='\u{1f}' => Self::Shown(picture(c), 1),
            '\u{7f}' => Self::Shown('\u{2421}', 1),
            _ if is_forbidden(c) => Self::Forbidden,
            _ if is_invisible(c) => Self::Dropped,
            '\u{1f1e6}'..='\u{1f1ff}' => Self::Shown(flag_letter(c), 1),
            _ => match c.width() {
                None => Self::Forbidden,
                Some(0) => Self::Combining,
                Some(width) => Self::Shown(c, width),
            },
        }
    }
}

/// The control picture of a C0 character: ESC is shown as `␛`.
fn picture(c: char) -> char {
    char::from_u32(0x2400 + u32::from(c)).unwrap_or(MARK)
}

/// Terminals disagree about flags: the letters alone have the same width everywhere.
fn flag_letter(c: char) -> char {
    let letter = u32::from(c).saturating_sub(0x1f1e6) + u32::from('A');
    char::from_u32(letter).unwrap_or(MARK)
}

/// C1 controls, what reorders a line, TAG characters, and what has no meaning outside one font.
fn is_forbidden(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{10ffff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Whether a terminal could obey a character, turn or hide text for it, or show nothing for it.
pub(crate) fn is_obeyed(c: char) -> bool {
    c.is_control() || is_forbidden(c) || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether this many characters that combine with their base are more than a terminal is given.
pub(crate) fn is_a_tower(run: &mut usize, c: char) -> bool {
    *run = if c.width() == Some(0) { *run + 1 } else { 0 };
    *run > MAX_COMBINING
}

/// What takes no room of its own, or joins what stands beside it.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}'
        | '\u{20e3}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn safe(raw: &str) -> String {
        SafeText::new(raw).to_string()
    }

    #[test]
    fn controls_are_made_visible() {
        assert_eq!(safe("a\x1b[31mb\x07\x7f"), "a␛[31mb␇␡");
        assert_eq!(safe("a\u{9b}2Jb"), "a␦2Jb");
        assert_eq!(safe("one\r\ntwo\nthree"), "one two three");
    }

    #[test]
    fn what_reorders_or_hides_is_marked_once() {
        assert_eq!(safe("a\u{202e}\u{202d}cba\u{2069}"), "a␦cba␦");
        assert_eq!(safe("x\u{e0041}\u{e0042}\u{e007f}y"), "x␦y");
        assert_eq!(safe("pa\u{200b}ss\u{feff}word\u{ad}"), "password");
    }

    #[test]
    fn a_base_keeps_four_combining_characters() {
        let zalgo = format!("z{}!", "\u{0323}".repeat(40));
        let text = SafeText::new(&zalgo);
        assert_eq!(text.as_str().chars().count(), 2 + MAX_COMBINING);
        assert_eq!(text.width(), 2);
        assert_eq!(safe("\u{301}a"), "a", "nothing to combine with");
    }

    #[test]
    fn joined_emoji_take_their_own_cells() {
        let text = SafeText::new("👩\u{200d}💻👍\u{1f3fd}🇩🇪");
        assert_eq!(text.as_str(), "👩💻👍DE");
        assert_eq!(text.width(), 8);
    }

    #[test]
    fn a_cut_text_says_so_and_never_splits_a_wide_character() {
        let text = SafeText::new("日本語");
        assert_eq!(text.fit(6).as_str(), "日本語");
        assert_eq!(text.fit(5).as_str(), "日本…");
        assert_eq!(text.fit(4).as_str(), "日…");
        assert_eq!(text.fit(0).as_str(), "");
    }

    #[test]
    fn long_words_are_broken() {
        let text = SafeText::new("ab cdefgh i");
        let lines: Vec<String> = text.wrap(4).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["ab", "cdef", "gh i"]);
    }

    proptest! {
        #[test]
        fn no_text_reaches_the_terminal_as_it_is(raw in "\\PC*|[\\x00-\\x{10ffff}]{0,64}", cells in 0usize..40) {
            let text = SafeText::bounded(&raw, cells);
            prop_assert!(text.width() <= cells);
            prop_assert!(text.as_str().chars().all(|c| !c.is_control() && !is_forbidden(c)));
            let measured: usize = text.clusters().map(|(_, width)| width).sum();
            prop_assert_eq!(measured, text.width());
            prop_assert_eq!(SafeText::bounded(text.as_str(), cells), text.clone());
            prop_assert!(text.fit(7).width() <= 7);
            for line in text.wrap(5) {
                prop_assert!(line.width() <= 5);
            }
        }
    }
}
