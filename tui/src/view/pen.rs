//! The only way to draw. It takes [`SafeText`] and roles, and clips at the edge of the screen.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use crate::glyphs;
use crate::safe_text::SafeText;
use crate::state::Mark;
use crate::theme::{Role, Theme};
use crate::ui::Now;

/// How things look here and now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The colours.
    pub theme: &'a Theme,
    /// Only ASCII can be shown.
    pub ascii: bool,
    /// The operator's time zone.
    pub zone: &'a TimeZone,
    /// Now.
    pub now: Now,
}

/// What the loop has to know about what was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DrawInfo {
    /// When something on the screen changes by itself, by the wall clock.
    pub next_change: Option<i64>,
    /// Where the terminal's cursor belongs, so that magnifiers and readers follow.
    pub cursor: Option<(u16, u16)>,
    /// The cursor is seen: something is typed there.
    pub typing: bool,
    /// The first row of the list that was drawn.
    pub top: Option<usize>,
    /// The end of what follows its end was drawn; none: nothing here does.
    pub at_end: Option<bool>,
    /// The rows of the list or text that was drawn.
    pub page: usize,
}

/// Ages that are told in minutes and more grow at these times, in milliseconds.
const AGEING: i64 = 30_000;

/// When an age that is older from `at` on is drawn so.
fn together(at: i64) -> i64 {
    let past = at.rem_euclid(AGEING);
    if past == 0 {
        at
    } else {
        at.saturating_add(AGEING - past)
    }
}

/// A piece of a line.
pub(super) type Span = (SafeText, Role);

/// Makes a piece of a line.
pub(super) fn span(text: impl Into<SafeText>, role: Role) -> Span {
    (text.into(), role)
}

/// Draws into a buffer.
#[derive(Debug)]
pub(crate) struct Pen<'a> {
    buffer: &'a mut Buffer,
    look: Look<'a>,
    /// What the loop has to know.
    pub info: DrawInfo,
}

impl<'a> Pen<'a> {
    /// A pen for a buffer.
    pub(crate) fn new(buffer: &'a mut Buffer, look: &Look<'a>) -> Self {
        Self {
            buffer,
            look: *look,
            info: DrawInfo::default(),
        }
    }

    /// Now.
    #[must_use]
    pub(crate) fn now(&self) -> Now {
        self.look.now
    }

    /// Empties an area.
    pub(crate) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        let style = self.style(Role::Background);
        for position in area.positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
                cell.set_style(style);
            }
        }
    }

    /// Lays a role over what is there.
    pub(crate) fn tint(&mut self, area: Rect, role: Role) {
        let area = area.intersection(self.buffer.area);
        let style = self.style(role);
        self.buffer.set_style(area, style);
    }

    /// Writes a text in at most `width` cells, cut with `…`. Gives the cells it took.
    pub(crate) fn put(
        &mut self,
        x: u16,
        y: u16,
        width: u16,
        text: impl Into<SafeText>,
        role: Role,
    ) -> u16 {
        let text = text.into().fit(usize::from(width));
        let style = self.style(role);
        let mut at = x;
        for (cluster, cells) in text.clusters() {
            let cells = u16::try_from(cells).unwrap_or(1).max(1);
            let end = at.saturating_add(cells);
            if end > self.buffer.area.right() || !self.buffer.area.contains((at, y).into()) {
                break;
            }
            let shown = if self.look.ascii {
                glyphs::ascii(cluster)
            } else {
                cluster
            };
            if let Some(cell) = self.buffer.cell_mut((at, y)) {
                cell.set_symbol(shown).set_style(style);
            }
            for rest in at + 1..end {
                if let Some(cell) = self.buffer.cell_mut((rest, y)) {
                    cell.set_symbol(" ").set_style(style);
                }
            }
            at = end;
        }
        at - x
    }

    /// Writes a text so that it ends at `x + width`.
    pub(crate) fn put_right(
        &mut self,
        x: u16,
        y: u16,
        width: u16,
        text: impl Into<SafeText>,
        role: Role,
    ) {
        let text = text.into().fit(usize::from(width));
        let indent = width.saturating_sub(u16::try_from(text.width()).unwrap_or(width));
        self.put(x + indent, y, width - indent, text, role);
    }

    /// Writes pieces one after the other. Gives the cells they took.
    pub(super) fn spans(&mut self, x: u16, y: u16, width: u16, spans: &[Span]) -> u16 {
        let mut used = 0;
        for (text, role) in spans {
            used += self.put(x + used, y, width - used, text, *role);
        }
        used
    }

    /// A line across, with a title.
    pub(crate) fn rule(&mut self, area: Rect, title: impl Into<SafeText>) {
        let line = "─".repeat(usize::from(area.width));
        self.put(area.x, area.y, area.width, line, Role::Border);
        let title = title.into();
        if !title.is_empty() && area.width > 6 {
            let title = SafeText::new(&format!(" {title} ")).fit(usize::from(area.width - 4));
            self.put(area.x + 1, area.y, area.width - 4, title, Role::Title);
        }
    }

    /// A box with a title. Gives what is inside.
    pub(crate) fn frame(&mut self, area: Rect, title: impl Into<SafeText>) -> Rect {
        if area.width < 4 || area.height < 2 {
            return Rect { height: 0, ..area };
        }
        let (left, right) = (area.x, area.x + area.width - 1);
        let (top, bottom) = (area.y, area.y + area.height - 1);
        let line = "─".repeat(usize::from(area.width - 2));
        for (y, ends) in [(top, ["┌", "┐"]), (bottom, ["└", "┘"])] {
            self.put(left, y, 1, ends[0], Role::Border);
            self.put(left + 1, y, area.width - 2, line.as_str(), Role::Border);
            self.put(right, y, 1, ends[1], Role::Border);
        }
        for y in top + 1..bottom {
            self.put(left, y, 1, "│", Role::Border);
            self.put(right, y, 1, "│", Role::Border);
        }
        let title = title.into();
        if !title.is_empty() {
            let title = SafeText::new(&format!(" {title} "));
            self.put(
                left + 2,
                top,
                area.width.saturating_sub(4),
                title,
                Role::Title,
            );
        }
        Rect {
            x: left + 2,
            y: top + 1,
            width: area.width.saturating_sub(4),
            height: area.height - 2,
        }
    }

    /// A mark's glyph.
    pub(crate) fn mark(&mut self, x: u16, y: u16, mark: Mark) {
        self.put(x, y, 1, glyphs::glyph(mark), glyphs::role(mark));
    }

    /// A bar that is filled to `percent`.
    pub(crate) fn bar(&mut self, x: u16, y: u16, width: u16, percent: u64, role: Role) {
        let percent = u16::try_from(percent.min(100)).unwrap_or(100);
        let full = (u32::from(width) * u32::from(percent)).div_ceil(100);
        let full = u16::try_from(full).unwrap_or(width).min(width);
        self.put(x, y, full, "█".repeat(usize::from(full)), role);
        let rest = width - full;
        self.put(
            x + full,
            y,
            rest,
            "░".repeat(usize::from(rest)),
            Role::Faint,
        );
    }

    /// How long ago something was, to the second within the first minute.
    pub(crate) fn exact_age(&mut self, at: i64) -> String {
        let age = self.look.now.wall.saturating_sub(at).max(0);
        if age >= 60_000 {
            return self.age(at);
        }
        self.changes_at(at.saturating_add((age / 1_000 + 1) * 1_000));
        format!("{} s", age / 1_000)
    }

    /// How long ago something was: minutes, hours or days. It changes at most once a minute. Ages grow
    /// together: a full screen of them wakes us no more often than one.
    pub(crate) fn age(&mut self, at: i64) -> String {
        const MINUTE: i64 = 60_000;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        let age = self.look.now.wall.saturating_sub(at).max(0);
        let (unit, text) = match age {
            0..MINUTE => (MINUTE, "<1m".to_owned()),
            MINUTE..HOUR => (MINUTE, format!("{}m", age / MINUTE)),
            HOUR..DAY => (HOUR, format!("{}h", age / HOUR)),
            _ => (DAY, format!("{}d", age / DAY)),
        };
        let older = at.saturating_add((age / unit + 1) * unit);
        self.changes_at(together(older));
        text
    }

    /// Says that what is drawn is only right until then.
    pub(crate) fn changes_at(&mut self, at: i64) {
        let next = self.info.next_change.map_or(at, |next| next.min(at));
        self.info.next_change = Some(next);
    }

    /// Says that what is drawn is only right for so many milliseconds.
    pub(crate) fn changes_in(&mut self, left: u64) {
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        self.changes_at(self.look.now.wall.saturating_add(left));
    }

    /// A time of day.
    #[must_use]
    pub(crate) fn clock(&self, at: i64) -> String {
        self.time(at, "%H:%M:%S")
    }

    /// A day and time.
    #[must_use]
    pub(crate) fn time(&self, at: i64, format: &str) -> String {
        Timestamp::from_millisecond(at)
            .map(|at| {
                at.to_zoned(self.look.zone.clone())
                    .strftime(format)
                    .to_string()
            })
            .unwrap_or_default()
    }

    /// Where a word stands in a row, one character a cell.
    pub(super) fn find(&self, area: Rect, y: u16, word: &[char]) -> Vec<u16> {
        let lower = |x: u16| {
            let cell = self.buffer.cell((x, y))?;
            cell.symbol().chars().next()?.to_lowercase().next()
        };
        let row: Vec<Option<char>> = (area.left()..area.right()).map(lower).collect();
        let wanted: Vec<Option<char>> = word.iter().copied().map(Some).collect();
        (area.left()..)
            .zip(row.windows(wanted.len().max(1)))
            .filter(|(_, window)| *window == wanted)
            .map(|(x, _)| x)
            .collect()
    }

    /// Lets a widget of ratatui draw. What it draws has to be harmless already.
    pub(super) fn widget(&mut self, widget: impl ratatui::widgets::Widget, area: Rect) {
        let area = area.intersection(self.buffer.area);
        widget.render(area, self.buffer);
    }

    /// How a role looks.
    #[must_use]
    pub(crate) fn style(&self, role: Role) -> Style {
        let style = self.look.theme.style(role);
        // A piece of text keeps the background that it is written on.
        if role == Role::Background && style.bg.is_none() {
            style.bg(Color::Reset).fg(Color::Reset)
        } else {
            style
        }
    }
}
