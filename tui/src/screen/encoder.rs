//! From the difference of two buffers to bytes.
//!
//! Attributes are set when they change and for what they are seen on: a blank has no foreground.
//! Short gaps of unchanged cells are written again where that is shorter than a move; a blank rest
//! of a row is erased; what moved is moved. A row starts with a move of its own.

use std::io::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

use super::scroll::{self, Scroll};

/// What the terminal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Capabilities {
    /// Erasing fills with the background colour.
    pub erases_in_colour: bool,
    /// A part of the screen can be moved.
    pub scrolls: bool,
}

impl Capabilities {
    /// By the name of the terminal: those that are known to do both.
    #[must_use]
    pub(crate) fn of(term: &str) -> Self {
        let known = [
            "xterm",
            "tmux",
            "alacritty",
            "foot",
            "kitty",
            "wezterm",
            "ghostty",
        ];
        let is_known = known.iter().any(|start| term.starts_with(start));
        Self {
            erases_in_colour: is_known,
            scrolls: is_known,
        }
    }
}

/// Blanks at the end of a row from which on erasing is shorter.
const ERASE: usize = 4;

/// Unchanged cells that are written again instead of a move.
const GAP: u16 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attributes {
    fg: Color,
    bg: Color,
    mods: Modifier,
}

const PLAIN: Attributes = Attributes {
    fg: Color::Reset,
    bg: Color::Reset,
    mods: Modifier::empty(),
};

const SEEN_ON_BLANKS: Modifier = Modifier::REVERSED.union(Modifier::UNDERLINED);

/// Makes the bytes of a frame.
#[derive(Debug)]
pub(super) struct Encoder {
    bytes: Vec<u8>,
    now: Attributes,
    at: Option<(u16, u16)>,
    capabilities: Capabilities,
}

impl Encoder {
    pub(super) fn new(capabilities: Capabilities) -> Self {
        Self {
            bytes: Vec::new(),
            now: PLAIN,
            at: None,
            capabilities,
        }
    }

    /// Empties the terminal. Only for the first frame, another size, and on demand.
    pub(super) fn clear(&mut self) {
        self.bytes.extend_from_slice(b"\x1b[m\x1b[2J");
    }

    /// Writes what is different in `next`.
    pub(super) fn difference(&mut self, shown: &Buffer, next: &Buffer) {
        let scroll = self.capabilities.scrolls.then(|| scroll::find(shown, next));
        let moved = scroll.flatten().map(|scroll| {
            self.scroll(scroll);
            scroll.apply(shown)
        });
        let shown = moved.as_ref().unwrap_or(shown);
        let width = usize::from(next.area.width).max(1);
        let rows = shown.content.chunks(width).zip(next.content.chunks(width));
        for (y, (shown, next)) in (0..).zip(rows) {
            if shown != next {
                self.row(y, shown, next);
            }
        }
    }

    /// Moves a part of the screen; afterwards the cursor is anywhere.
    fn scroll(&mut self, scroll: Scroll) {
        let row = |y: usize| u16::try_from(y + 1).unwrap_or(u16::MAX);
        self.sequence(&[row(scroll.top), row(scroll.bottom)], b'r');
        let rows = u16::try_from(scroll.rows).unwrap_or(1);
        self.sequence(&[rows], if scroll.up { b'S' } else { b'T' });
        self.sequence(&[], b'r');
        self.at = None;
    }

    /// The bytes; attributes are as they were before.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.now != PLAIN {
            self.bytes.extend_from_slice(b"\x1b[m");
        }
        self.bytes
    }

    fn row(&mut self, y: u16, shown: &[Cell], next: &[Cell]) {
        let blank_from = self.blank_from(next);
        let mut x: u16 = 0;
        let mut covered = false; // by the wide character before
        let mut bared = false; // by a wide character that was there
        for (old, new) in shown.iter().zip(next) {
            let changed = old != new || bared;
            bared = width(old) > 1;
            if std::mem::take(&mut covered) {
                x += 1;
                continue;
            }
            if usize::from(x) >= blank_from {
                let rest = usize::from(x)..;
                let same = shown.get(rest.clone()) == next.get(rest) && !changed;
                if !same {
                    self.erase(x, y, new);
                }
                return;
            }
            covered = width(new) > 1;
            if changed {
                self.reach(x, y, next);
                self.write(new);
                let cells = u16::try_from(width(new)).unwrap_or(1);
                self.at = Some((x + cells, y));
            }
            x += 1;
        }
    }

    /// The column from which on the row is blank and can be erased.
    fn blank_from(&self, row: &[Cell]) -> usize {
        let Some(last) = row.last() else {
            return 0;
        };
        let erasable = last.bg == Color::Reset || self.capabilities.erases_in_colour;
        if !erasable {
            return row.len();
        }
        let is_rest = |cell: &&Cell| is_blank(cell) && cell.bg == last.bg;
        let blanks = row.iter().rev().take_while(is_rest).count();
        // The cell after a wide character is part of it.
        let from = row.len() - blanks;
        let after_wide = from > 0 && row.get(from - 1).is_some_and(|cell| width(cell) > 1);
        let from = if after_wide { from + 1 } else { from };
        if row.len() - from.min(row.len()) < ERASE {
            row.len()
        } else {
            from
        }
    }

    fn erase(&mut self, x: u16, y: u16, cell: &Cell) {
        self.go(x, y);
        let blank = Attributes {
            fg: self.now.fg,
            bg: cell.bg,
            mods: self.now.mods.difference(SEEN_ON_BLANKS),
        };
        self.attributes(blank);
        self.bytes.extend_from_slice(b"\x1b[K");
    }

    /// Gets to a cell: by writing a short gap again, or by a move.
    fn reach(&mut self, x: u16, y: u16, row: &[Cell]) {
        if let Some((from, at)) = self.at
            && at == y
            && from < x
            && x - from <= GAP
        {
            let gap = row
                .get(usize::from(from)..usize::from(x))
                .unwrap_or_default();
            let now = self.now;
            if gap
                .iter()
                .all(|cell| width(cell) == 1 && wanted(cell, now) == now)
            {
                for cell in gap {
                    self.write(cell);
                }
                self.at = Some((x, y));
                return;
            }
        }
        self.go(x, y);
    }

    fn go(&mut self, x: u16, y: u16) {
        match self.at {
            Some(at) if at == (x, y) => {}
            Some((from, at)) if at == y && from < x => self.sequence(&[x - from], b'C'),
            Some(_) | None => self.sequence(&[y + 1, x + 1], b'H'),
        }
        self.at = Some((x, y));
    }

    fn write(&mut self, cell: &Cell) {
        self.attributes(wanted(cell, self.now));
        let symbol = cell.symbol();
        // Text is made harmless long before. Whatever comes here all the same obeys nothing.
        if symbol.is_empty() || symbol.chars().any(char::is_control) {
            self.bytes.push(b' ');
        } else {
            self.bytes.extend_from_slice(symbol.as_bytes());
        }
    }

    fn attributes(&mut self, next: Attributes) {
        if next == self.now {
            return;
        }
        let mut codes: Vec<u16> = Vec::new();
        let mut now = self.now;
        if !next.mods.contains(now.mods) {
            codes.push(0);
            now = PLAIN;
        }
        let added = next.mods.difference(now.mods);
        for (modifier, code) in [
            (Modifier::BOLD, 1),
            (Modifier::DIM, 2),
            (Modifier::ITALIC, 3),
            (Modifier::UNDERLINED, 4),
            (Modifier::REVERSED, 7),
        ] {
            if added.contains(modifier) {
                codes.push(code);
            }
        }
        if next.fg != now.fg {
            color(&mut codes, next.fg, 30);
        }
        if next.bg != now.bg {
            color(&mut codes, next.bg, 40);
        }
        self.sequence(&codes, b'm');
        self.now = next;
    }

    fn sequence(&mut self, numbers: &[u16], last: u8) {
        self.bytes.extend_from_slice(b"\x1b[");
        for (index, number) in numbers.iter().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            // Writing to a Vec cannot fail.
            let _ok = write!(self.bytes, "{separator}{number}");
        }
        self.bytes.push(last);
    }
}

fn width(cell: &Cell) -> usize {
    let symbol = cell.symbol();
    if symbol.len() == 1 {
        1
    } else {
        symbol.width().max(1)
    }
}

fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(SEEN_ON_BLANKS)
}

/// The attributes that a cell needs: a blank needs no foreground.
fn wanted(cell: &Cell, now: Attributes) -> Attributes {
    if is_blank(cell) {
        return Attributes {
            fg: now.fg,
            bg: cell.bg,
            mods: if now.mods.intersects(SEEN_ON_BLANKS) {
                Modifier::empty()
            } else {
                now.mods
            },
        };
    }
    Attributes {
        fg: cell.fg,
        bg: cell.bg,
        mods: cell.modifier,
    }
}

fn color(codes: &mut Vec<u16>, color: Color, base: u16) {
    let index = match color {
        Color::Reset => {
            codes.push(base + 9);
            return;
        }
        Color::Rgb(r, g, b) => {
            codes.extend([base + 8, 2, r.into(), g.into(), b.into()]);
            return;
        }
        Color::Indexed(index) => u16::from(index),
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    };
    match index {
        0..8 => codes.push(base + index),
        8..16 => codes.push(base + 60 + index - 8),
        _ => codes.extend([base + 8, 5, index]),
    }
}
