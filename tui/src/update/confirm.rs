//! Answers to questions.

use crossterm::event::KeyEvent;

use super::ask;
use super::typing::Typed;
use crate::effect::Effect;
use crate::keymap::Key;
use crate::state::State;
use crate::ui::{Confirm, Mode, Now, Tone, Ui};

/// Bytes of a name that are taken at most.
const NAME: usize = 100;

/// `y` is yes, where a name is wanted Enter after the name is, and after another
/// it is asked again; every other key is no. What was
/// typed before the question could be read answers nothing.
pub(super) fn answer(
    state: &State,
    ui: &mut Ui,
    mut confirm: Confirm,
    key: &KeyEvent,
    now: Now,
) -> Vec<Effect> {
    let key = Key::of(key);
    if let Some(name) = confirm.name.clone() {
        if key == Key::Enter && confirm.typed == name {
            return yes(state, ui, confirm);
        }
        if key == Key::Enter {
            confirm.missed |= !confirm.typed.is_empty();
            confirm.typed.clear();
        }
        if type_name(&mut confirm.typed, key) {
            ui.mode = Mode::Confirm(Box::new(confirm));
            return Vec::new();
        }
    } else if confirm.unread(now).is_some() && key != Key::Esc {
        ui.mode = Mode::Confirm(Box::new(confirm));
        return Vec::new();
    } else if key == Key::Char('y') {
        return yes(state, ui, confirm);
    }
    ui.say(Tone::Info, "nothing done");
    Vec::new()
}

/// Takes a key of the name; false for a key that gives up.
fn type_name(typed: &mut String, key: Key) -> bool {
    match Typed::of(key) {
        Typed::Char(c) if typed.len() < NAME => typed.push(c),
        Typed::Char(_) | Typed::Enter => {}
        Typed::Erase => {
            typed.pop();
        }
        Typed::Clear => typed.clear(),
        Typed::GiveUp | Typed::Next | Typed::Previous | Typed::Nothing => return false,
    }
    true
}

fn yes(state: &State, ui: &mut Ui, confirm: Confirm) -> Vec<Effect> {
    ask::send(state, ui, confirm.ask)
}

/// The digit after `p`.
pub(super) fn priority(state: &State, ui: &mut Ui, task: &str, key: &KeyEvent) -> Vec<Effect> {
    let digit = if let Key::Char(c) = Key::of(key) {
        c.to_digit(10).filter(|digit| *digit <= 4)
    } else {
        None
    };
    let (Some(priority), Some(task)) = (digit, state.tasks.get(task)) else {
        ui.say(Tone::Info, "nothing done: a priority is 0 to 4");
        return Vec::new();
    };
    ask::priority(state, ui, task, priority)
}
