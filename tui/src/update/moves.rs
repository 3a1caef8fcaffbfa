//! Moving about.

use crossterm::event::KeyEvent;

use crate::effect::{Effect, Find};
use crate::event::Found;
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

/// Stays at the end of the log, or holds it still; of a part of it, goes to the end.
pub(super) fn follow(state: &mut State, ui: &mut Ui) -> Vec<Effect> {
    if let Some(source) = state.logs.source.clone().filter(|_| state.logs.part) {
        ui.logs.follow = true;
        ui.logs.hit = None;
        let stream = state.logs.open(source.clone());
        return vec![Effect::FollowLog { stream, source }];
    }
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

/// Goes to the next or the previous line that was searched for. What is not here, the daemon has.
pub(super) fn find(state: &State, ui: &mut Ui, forward: bool) -> Vec<Effect> {
    let wanted = ui.logs.search.clone();
    if wanted.is_empty() {
        return Vec::new();
    }
    let from = ui.logs.hit.unwrap_or(ui.logs.top);
    let lines = state.logs.lines().iter().zip(state.logs.first()..);
    let hits = lines
        .filter(|(line, _)| line.has(&wanted))
        .map(|(_, number)| number);
    let ahead = if forward {
        hits.clone().find(|number| *number > from)
    } else {
        hits.clone().filter(|number| *number < from).last()
    };
    if let Some(hit) = ahead {
        stand_at(state, ui, hit);
    } else if let Some(find) = elsewhere(state, ui, forward) {
        return vec![Effect::FindInLog(find)];
    } else {
        // Nobody knows of more than is here.
        let round = if forward {
            hits.clone().next()
        } else {
            hits.last()
        };
        match round {
            Some(hit) => stand_at(state, ui, hit),
            None => nowhere(ui, &wanted),
        }
    }
    Vec::new()
}

/// What the daemon is asked, where it says of its lines where they are.
fn elsewhere(state: &State, ui: &Ui, forward: bool) -> Option<Find> {
    let logs = &state.logs;
    let from = ui.logs.hit.or_else(|| match forward {
        true => logs.end().checked_sub(1),
        false => Some(logs.first()),
    })?;
    let place = logs.line(from)?.place.as_ref()?;
    Some(Find {
        stream: logs.stream(),
        source: logs.source.clone()?,
        attempt: place.attempt()?,
        text: ui.logs.search.clone(),
        from: place.number + u64::from(forward),
        backwards: !forward,
    })
}

/// Takes what the daemon found.
pub(super) fn found(state: &mut State, ui: &mut Ui, find: &Find, found: Option<Found>) {
    if find.stream != state.logs.stream() || find.text != ui.logs.search {
        return;
    }
    let Some(found) = found else {
        nowhere(ui, &find.text);
        return;
    };
    ui.logs.total = Some(found.total);
    if let Some(hit) = state.logs.find(&found.execution, found.number) {
        stand_at(state, ui, hit);
        return;
    }
    state.logs.show(&found.part);
    ui.logs.top = state.logs.first();
    if let Some(hit) = state.logs.find(&found.execution, found.number) {
        stand_at(state, ui, hit);
    }
}

fn stand_at(state: &State, ui: &mut Ui, hit: u64) {
    ui.logs.hit = Some(hit);
    ui.logs.follow = false;
    let page = u64::try_from(ui.page).unwrap_or(1);
    if hit < ui.logs.top || hit >= ui.logs.top + page {
        ui.logs.top = hit.saturating_sub(page / 2).max(state.logs.first());
    }
}

fn nowhere(ui: &mut Ui, wanted: &str) {
    ui.logs.hit = None;
    ui.say(crate::ui::Tone::Info, format!("no line has {wanted:?}"));
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
