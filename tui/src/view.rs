//! What is drawn: pure functions of the state, of what the operator does, and of the clock.
//!
//! ```text
//!  row 0      place › breadcrumb                 counts by state  spend  link state
//!  row 1      tabs (from 20 rows on)
//!  …          the screen
//!  row h-2    one message line: question, what is typed, the last answer, a warning
//!  row h-1    hints: the keys that work now
//! ```

mod activity;
mod approvals;
mod compose;
mod costs;
mod fleet;
mod frame;
mod help;
mod logs;
mod pen;
mod pick;
mod preview;
mod table;
mod task;
mod tasks;
mod timeline;

pub(crate) use pen::{DrawInfo, Look, Pen};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::state::State;
use crate::theme::Role;
use crate::ui::{Mode, Screen, Ui};

/// The smallest size that a screen is drawn at.
pub(crate) const SMALLEST: (u16, u16) = (40, 10);

/// From this many columns on there are panes side by side.
const WIDE: u16 = 140;

/// Draws everything.
pub(crate) fn draw(
    state: &State,
    ui: &Ui,
    look: &Look<'_>,
    area: Rect,
    buffer: &mut Buffer,
) -> DrawInfo {
    let mut pen = Pen::new(buffer, look);
    pen.clear(area);
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        frame::too_small(&mut pen, area);
        return pen.info;
    }
    let tabs = u16::from(area.height >= 20);
    frame::header(&mut pen, state, ui, row(area, 0));
    if tabs == 1 {
        frame::tabs(&mut pen, state, ui, row(area, 1));
    }
    let body = Rect {
        y: area.y + 1 + tabs,
        height: area.height - 3 - tabs,
        ..area
    };
    if let Mode::Help(top) = ui.mode {
        help::draw(&mut pen, state, ui, top, body);
    } else {
        screen(&mut pen, state, ui, body);
    }
    frame::message(&mut pen, state, ui, row(area, area.height - 2));
    frame::hints(&mut pen, state, ui, row(area, area.height - 1));
    match &ui.mode {
        Mode::Pick(picker) => pick::draw(&mut pen, state, ui, picker, body),
        Mode::Compose(composer) => compose::draw(&mut pen, composer, body),
        Mode::Browse | Mode::Confirm(_) | Mode::Priority(_) | Mode::Line(_) | Mode::Help(_) => {}
    }
    pen.info
}

fn screen(pen: &mut Pen<'_>, state: &State, ui: &Ui, body: Rect) {
    if !state.loaded {
        frame::not_loaded(pen, state, body);
        return;
    }
    match ui.screen {
        Screen::Fleet => fleet::draw(pen, state, ui, body),
        Screen::Tasks => tasks::draw(pen, state, ui, body),
        Screen::Task => task::draw(pen, state, ui, body),
        Screen::Logs => logs::draw(pen, state, ui, body),
        Screen::Costs => costs::draw(pen, state, ui, body),
        Screen::Approvals => approvals::draw(pen, state, ui, body),
        Screen::Activity => activity::draw(pen, state, ui, body),
    }
}

fn row(area: Rect, y: u16) -> Rect {
    Rect {
        y: area.y + y,
        height: 1,
        ..area
    }
}

/// Splits off the lowest rows.
fn split_bottom(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let upper = Rect {
        height: area.height - height,
        ..area
    };
    let lower = Rect {
        y: area.y + area.height - height,
        height,
        ..area
    };
    (upper, lower)
}

/// Splits off the columns on the right.
fn split_right(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    let left = Rect {
        width: area.width - width,
        ..area
    };
    let right = Rect {
        x: area.x + area.width - width,
        width,
        ..area
    };
    (left, right)
}

/// A text in a list: of a commit's name only the start.
fn brief(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let commit = word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        if commit {
            word.get(..12).unwrap_or(word)
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What an empty list says: why, and which key changes it.
fn empty(pen: &mut Pen<'_>, area: Rect, why: &str, what: &str) {
    let y = area.y + area.height / 3;
    pen.put(area.x + 2, y, area.width.saturating_sub(3), why, Role::Text);
    if area.height > 2 {
        pen.put(
            area.x + 2,
            y + 1,
            area.width.saturating_sub(3),
            what,
            Role::Muted,
        );
    }
}

#[cfg(test)]
mod tests;
