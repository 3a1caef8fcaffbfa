//! Moving about.

use crossterm::event::KeyEvent;

use crate::effect::Effect;
use crate::keymap::Key;
use crate::selection;
use crate::state::State;
use crate::ui::{Cursor, Mode, Screen, TaskTab, Ui};

/// Moves by rows.
pub(super) fn step(state: &State, ui: &mut Ui, by: isize) -> Vec<Effect> {
    match ui.screen {
        Screen::Task => {
            let tab = ui.task.tab as usize;
            ui.task.held = true;
            if let Some(scroll) = ui.task.scroll.get_mut(tab) {
                // The view draws no further than the end, and gives the line back.
                *scroll = scroll.saturating_add_signed(by);
            }
        }
        Screen::Logs if state.logs.source.is_some() => scroll_log(state, ui, by),
        Screen::Fleet
        | Screen::Tasks
        | Screen::Logs
        | Screen::Costs
        | Screen::Approvals
        | Screen::Activity => {
            let ids = selection::ids(state, ui);
            if let Some(cursor) = ui.cursor() {
                cursor.step(&ids, by);
            }
        }
    }
    Vec::new()
}

fn scroll_log(state: &State, ui: &mut Ui, by: isize) {
    let end = state.logs.end();
    let page = u64::try_from(ui.page).unwrap_or(1);
    let last = end.saturating_sub(page).max(state.logs.first());
    let top = if ui.logs.follow { last } else { ui.logs.top };
    let by = i64::try_from(by).unwrap_or(0);
    ui.logs.top = top
        .saturating_add_signed(by)
        .clamp(state.logs.first(), last);
    ui.logs.follow = by > 0 && ui.logs.top == last;
}

/// Stays at the end of the log, or holds it still.
pub(super) fn follow(state: &State, ui: &mut Ui) -> Vec<Effect> {
    ui.logs.follow = !ui.logs.follow;
    let page = u64::try_from(ui.page).unwrap_or(1);
    ui.logs.top = state
        .logs
        .end()
        .saturating_sub(page)
        .max(state.logs.first());
    Vec::new()
}

/// Turns to the next tab, or scrolls sideways.
pub(super) fn turn(state: &State, ui: &mut Ui, forward: bool) -> Vec<Effect> {
    match ui.screen {
        Screen::Task => {
            let count = TaskTab::ALL.len();
            let at = ui.task.tab as usize + if forward { 1 } else { count - 1 };
            ui.task.tab = TaskTab::ALL.get(at % count).copied().unwrap_or_default();
        }
        Screen::Logs if state.logs.source.is_some() => {
            let left = ui.logs.left;
            ui.logs.left = if forward {
                left + 16
            } else {
                left.saturating_sub(16)
            };
        }
        Screen::Costs => {
            ui.dimension = ui.dimension.next();
            ui.costs = Cursor::default();
        }
        Screen::Fleet | Screen::Tasks | Screen::Logs | Screen::Approvals | Screen::Activity => {}
    }
    Vec::new()
}

/// Clears what narrows the view, else goes back.
pub(super) fn back(state: &mut State, ui: &mut Ui) -> Vec<Effect> {
    let filter = match ui.screen {
        Screen::Fleet => Some(&mut ui.fleet_filter),
        Screen::Tasks => Some(&mut ui.tasks_filter),
        Screen::Activity => Some(&mut ui.activity_filter),
        Screen::Logs if !ui.logs.search.is_empty() => Some(&mut ui.logs.search),
        Screen::Logs => Some(&mut ui.logs.filter),
        Screen::Task | Screen::Costs | Screen::Approvals => None,
    };
    if let Some(filter) = filter.filter(|filter| !filter.is_empty()) {
        filter.clear();
        return Vec::new();
    }
    if let Some(screen) = ui.back.pop() {
        ui.screen = screen;
    } else if ui.screen == Screen::Logs && state.logs.source.is_some() {
        state.logs.source = None;
    }
    Vec::new()
}

/// Goes to the next or the previous line that was searched for.
pub(super) fn find(state: &State, ui: &mut Ui, forward: bool) -> Vec<Effect> {
    let wanted = ui.logs.search.to_lowercase();
    if wanted.is_empty() {
        return Vec::new();
    }
    let first = state.logs.first();
    let from = ui.logs.hit.unwrap_or(ui.logs.top);
    let lines = state.logs.lines();
    let hits = lines
        .iter()
        .zip(first..)
        .filter(|(line, _)| line.text.as_str().to_lowercase().contains(&wanted))
        .map(|(_, number)| number);
    let hit = if forward {
        hits.clone()
            .find(|number| *number > from)
            .or_else(|| hits.clone().next())
    } else {
        hits.clone()
            .filter(|number| *number < from)
            .last()
            .or_else(|| hits.clone().last())
    };
    let Some(hit) = hit else {
        ui.logs.hit = None;
        ui.say(crate::ui::Tone::Info, format!("no line has {wanted:?}"));
        return Vec::new();
    };
    ui.logs.hit = Some(hit);
    ui.logs.follow = false;
    let page = u64::try_from(ui.page).unwrap_or(1);
    if hit < ui.logs.top || hit >= ui.logs.top + page {
        ui.logs.top = hit.saturating_sub(page / 2).max(first);
    }
    Vec::new()
}

/// A key for the help.
pub(super) fn help(ui: &mut Ui, top: usize, key: &KeyEvent) -> Vec<Effect> {
    let page = ui.page.max(2) / 2;
    let top = match Key::of(key) {
        Key::Char('j' | ' ') | Key::Down => top + 1,
        Key::Char('k') | Key::Up => top.saturating_sub(1),
        Key::PageDown | Key::Ctrl('d') => top + page,
        Key::PageUp | Key::Ctrl('u') => top.saturating_sub(page),
        Key::Home => 0,
        Key::Char(_)
        | Key::Ctrl(_)
        | Key::Enter
        | Key::Esc
        | Key::Tab
        | Key::BackTab
        | Key::Backspace
        | Key::Left
        | Key::Right
        | Key::End
        | Key::F1
        | Key::Other => return Vec::new(),
    };
    ui.mode = Mode::Help(top);
    Vec::new()
}
