//! Colours, and what a terminal can show of them.

use ratatui::style::Color;

/// How many colours the terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorLevel {
    /// None: `NO_COLOR`, or a terminal that has none.
    None,
    /// The terminal's own sixteen.
    Ansi16,
    /// The cube of 256.
    Ansi256,
    /// 24 bits.
    True,
}

impl ColorLevel {
    /// What the environment says: `NO_COLOR`, then `COLORTERM`, then `TERM`.
    #[must_use]
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Self {
        let term = get("TERM").unwrap_or_default();
        if get("NO_COLOR").is_some_and(|value| !value.is_empty()) || term == "dumb" {
            return Self::None;
        }
        let colorterm = get("COLORTERM").unwrap_or_default();
        if colorterm == "truecolor" || colorterm == "24bit" || term.ends_with("-direct") {
            Self::True
        } else if term.starts_with("linux") || term.starts_with("vt") || term == "ansi" {
            Self::Ansi16
        } else {
            Self::Ansi256
        }
    }

    /// The nearest colour that there is.
    #[must_use]
    pub fn map(self, color: Color) -> Color {
        let Color::Rgb(r, g, b) = color else {
            return color;
        };
        match self {
            Self::True => color,
            Self::Ansi256 => Color::Indexed(nearest(r, g, b, 16, 255)),
            Self::Ansi16 => Color::Indexed(nearest(r, g, b, 0, 15)),
            Self::None => Color::Reset,
        }
    }
}

/// Reads `#rrggbb`, `0` to `255`, `default`, or the name of an ANSI colour.
#[must_use]
pub(crate) fn parse_color(text: &str) -> Option<Color> {
    if let Some(hex) = text.strip_prefix('#') {
        let value = u32::from_str_radix(hex, 16)
            .ok()
            .filter(|_| hex.len() == 6)?;
        let [_, r, g, b] = value.to_be_bytes();
        return Some(Color::Rgb(r, g, b));
    }
    if text == "default" {
        return Some(Color::Reset);
    }
    let names = [
        "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
    ];
    let (bright, name) = match text.strip_prefix("bright-") {
        Some(name) => (8, name),
        None => (0, text),
    };
    (0u8..)
        .zip(names)
        .find(|(_, known)| *known == name)
        .map(|(index, _)| Color::Indexed(index + bright))
        .or_else(|| text.parse().ok().map(Color::Indexed))
}

fn nearest(r: u8, g: u8, b: u8, first: u8, last: u8) -> u8 {
    let distance = |index: u8| {
        let (x, y, z) = rgb_of(index);
        let part = |one: u8, other: u8| u32::from(one.abs_diff(other)).pow(2);
        // The eye tells greens apart best, blues worst.
        2 * part(r, x) + 4 * part(g, y) + 3 * part(b, z)
    };
    (first..=last)
        .min_by_key(|index| distance(*index))
        .unwrap_or(first)
}

/// What a colour of the cube of 256 looks like.
fn rgb_of(index: u8) -> (u8, u8, u8) {
    const BASE: [(u8, u8, u8); 16] = [
        (0, 0, 0),
        (205, 49, 49),
        (13, 188, 121),
        (229, 229, 16),
        (36, 114, 200),
        (188, 63, 188),
        (17, 168, 205),
        (204, 204, 204),
        (102, 102, 102),
        (241, 76, 76),
        (35, 209, 139),
        (245, 245, 67),
        (59, 142, 234),
        (214, 112, 214),
        (41, 184, 219),
        (242, 242, 242),
    ];
    if let Some(color) = BASE.get(usize::from(index)) {
        return *color;
    }
    if index >= 232 {
        let grey = 8 + 10 * (index - 232);
        return (grey, grey, grey);
    }
    let step = |level: u8| if level == 0 { 0 } else { 55 + 40 * level };
    let cube = index - 16;
    (step(cube / 36), step(cube / 6 % 6), step(cube % 6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(pairs: &[(&str, &str)]) -> ColorLevel {
        ColorLevel::from_env(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        })
    }

    #[test]
    fn no_color_wins() {
        assert_eq!(
            level(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]),
            ColorLevel::None
        );
        assert_eq!(
            level(&[("NO_COLOR", ""), ("COLORTERM", "24bit")]),
            ColorLevel::True
        );
        assert_eq!(level(&[("TERM", "linux")]), ColorLevel::Ansi16);
        assert_eq!(level(&[("TERM", "tmux-256color")]), ColorLevel::Ansi256);
    }

    #[test]
    fn a_colour_is_mapped_to_the_nearest() {
        assert_eq!(
            ColorLevel::Ansi256.map(Color::Rgb(255, 0, 0)),
            Color::Indexed(196)
        );
        assert_eq!(
            ColorLevel::Ansi256.map(Color::Rgb(8, 8, 8)),
            Color::Indexed(232)
        );
        assert_eq!(
            ColorLevel::Ansi16.map(Color::Rgb(0, 0, 0)),
            Color::Indexed(0)
        );
        assert_eq!(
            ColorLevel::True.map(Color::Rgb(1, 2, 3)),
            Color::Rgb(1, 2, 3)
        );
    }

    #[test]
    fn colours_are_read() {
        assert_eq!(parse_color("#0a0B0c"), Some(Color::Rgb(10, 11, 12)));
        assert_eq!(parse_color("bright-blue"), Some(Color::Indexed(12)));
        assert_eq!(parse_color("214"), Some(Color::Indexed(214)));
        assert_eq!(parse_color("#12"), None);
        assert_eq!(parse_color("mauve"), None);
    }
}
