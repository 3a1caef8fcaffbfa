//! What an action changes, and what follows from it for the outside. No input or output here.

mod ask;
mod commands;
mod compose;
mod confirm;
mod hear;
mod moves;
mod prompt;
mod typing;

use crate::action::Action;
use crate::effect::Effect;
use crate::link::LinkEvent;
use crate::selection;
use crate::state::{Link, State};
use crate::ui::{Mode, Now, Screen, Tone, Ui};

pub(crate) use prompt::{Choice, Item, items};

/// Carries out an action.
pub(crate) fn update(state: &mut State, ui: &mut Ui, action: Action, now: Now) -> Vec<Effect> {
    if ui.undo.as_ref().is_some_and(|undo| undo.until <= now.mono) {
        ui.undo = None;
    }
    let before = (ui.screen, ui.approvals.id.clone());
    let mut effects = match action {
        Action::Do(command) => {
            ui.pending.clear();
            ui.message = None;
            commands::run(state, ui, command, now)
        }
        Action::Prefix(key) => {
            ui.pending.push(key);
            Vec::new()
        }
        Action::Unbound => {
            ui.pending.clear();
            Vec::new()
        }
        Action::Type(key) => typed(state, ui, key, now),
        Action::Paste(text) => paste(ui, &text),
        Action::Resize(columns, rows) => {
            ui.size = (columns, rows);
            Vec::new()
        }
        Action::Link(event) => link(state, ui, event, now),
        Action::Hear(reply) => hear::hear(state, ui, reply, now),
        Action::Stop => vec![Effect::Quit],
        Action::Tick | Action::Nothing => Vec::new(),
    };
    if before != (ui.screen, ui.approvals.id.clone()) {
        ui.settled_at = now.mono;
    }
    if state.detail.wants_loading() && state.link.is_live() {
        effects.push(Effect::LoadTask(state.detail.task.clone()));
    }
    effects
}

fn typed(state: &mut State, ui: &mut Ui, key: crossterm::event::KeyEvent, now: Now) -> Vec<Effect> {
    match std::mem::take(&mut ui.mode) {
        Mode::Browse => Vec::new(),
        Mode::Confirm(confirm) => confirm::answer(state, ui, *confirm, &key, now),
        Mode::Priority(task) => confirm::priority(state, ui, &task, &key),
        Mode::Line(line) => prompt::line(state, ui, line, &key),
        Mode::Pick(picker) => prompt::pick(state, ui, picker, &key, now),
        Mode::Compose(composer) => compose::typed(state, ui, composer, key),
        Mode::Help(top) => moves::help(ui, top, &key),
    }
}

fn paste(ui: &mut Ui, text: &str) -> Vec<Effect> {
    match &mut ui.mode {
        Mode::Compose(composer) => {
            let focus = composer.focus;
            if let Some(field) = composer.fields.get_mut(focus) {
                field.paste(text);
            }
        }
        Mode::Line(line) => prompt::extend(&mut line.text, text),
        Mode::Pick(picker) => prompt::extend(&mut picker.text, text),
        Mode::Confirm(_) | Mode::Browse | Mode::Priority(_) | Mode::Help(_) => {
            ui.say(
                Tone::Warn,
                "pasted text is only taken where something is typed",
            );
        }
    }
    Vec::new()
}

fn link(state: &mut State, ui: &mut Ui, event: LinkEvent, now: Now) -> Vec<Effect> {
    match event {
        LinkEvent::Up(_) => Vec::new(),
        LinkEvent::Message(message) => {
            let was_live = state.link.is_live();
            state.link = Link::Live;
            state.apply(*message);
            settle(state, ui);
            if was_live {
                Vec::new()
            } else {
                resumed(state, ui)
            }
        }
        LinkEvent::Down { why, retry_in } => {
            let lost_at = match &state.link {
                Link::Retrying { lost_at, .. } => *lost_at,
                Link::Connecting | Link::Live => now.mono,
            };
            state.link = Link::Retrying {
                at: now.mono + u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX),
                lost_at,
                why,
            };
            state.detail.loading = false;
            ui.in_flight.clear();
            Vec::new()
        }
    }
}

/// What was open is asked for again on a new link.
fn resumed(state: &mut State, ui: &Ui) -> Vec<Effect> {
    let mut effects = Vec::new();
    state.detail.outdated = !state.detail.task.is_empty();
    if let Some(source) = state
        .logs
        .source
        .clone()
        .filter(|_| state.logs.ended.is_some())
    {
        let stream = state.logs.open(source.clone());
        effects.push(Effect::FollowLog { stream, source });
    }
    if ui.screen == Screen::Costs {
        effects.push(Effect::LoadCosts(ui.days));
    }
    if ui.finished {
        effects.push(Effect::LoadFinished);
    }
    effects
}

/// Selections follow their objects. A list that nothing was chosen in yet starts at its first row,
/// but for requests: there nothing is selected before the operator selects it.
fn settle(state: &State, ui: &mut Ui) {
    let open = ui.screen;
    for screen in [
        Screen::Fleet,
        Screen::Tasks,
        Screen::Approvals,
        Screen::Activity,
    ] {
        ui.screen = screen;
        let ids = selection::ids(state, ui);
        let Some(cursor) = ui.cursor() else { continue };
        let fresh = cursor.id.is_none() && cursor.index == 0 && screen != Screen::Approvals;
        // At its top the list of events stays at the newest one, as a log does at its end.
        let fresh = fresh || (screen == Screen::Activity && cursor.index == 0);
        cursor.settle(&ids);
        if fresh {
            cursor.select(&ids, 0);
        }
    }
    ui.screen = open;
}

#[cfg(test)]
mod tests;
