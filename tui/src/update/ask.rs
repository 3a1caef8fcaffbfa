//! Actions on their way to the daemon.

use cloud_code_proto::v1::{self, action};

use crate::effect::{Ask, Effect, Inverse};
use crate::selection;
use crate::state::{State, Task, changed, usd};
use crate::ui::{Confirm, Mode, Now, Tone, Ui};

/// Sends an action, and says so.
pub(super) fn send(state: &State, ui: &mut Ui, ask: Ask) -> Vec<Effect> {
    if !state.link.is_live() {
        ui.say(Tone::Error, "not connected: nothing was sent");
        return Vec::new();
    }
    if !ask.about.is_empty() {
        ui.in_flight.insert(ask.about.clone());
    }
    vec![Effect::Act(Box::new(ask))]
}

/// An action on a task. `exact`: only on the version that is seen.
pub(super) fn on_task(task: &Task, action: action::Action, exact: bool) -> Ask {
    Ask {
        action,
        expected_version: if exact { task.wire.version } else { 0 },
        about: task.wire.id.clone(),
        inverse: None,
        draft: None,
    }
}

/// Sets a priority; within a while it can be taken back.
pub(super) fn priority(state: &State, ui: &mut Ui, task: &Task, priority: u32) -> Vec<Effect> {
    let set = v1::SetPriority {
        task: task.wire.id.clone(),
        priority,
    };
    let before = task.wire.priority;
    let mut ask = on_task(task, action::Action::SetPriority(set), false);
    ask.inverse = (before != priority).then_some(Inverse {
        before,
        after: priority,
    });
    send(state, ui, ask)
}

/// Takes back what was done last, unless somebody has changed it again.
pub(super) fn undo(state: &State, ui: &mut Ui) -> Vec<Effect> {
    let Some(undo) = ui.undo.take() else {
        return Vec::new();
    };
    let task = state.tasks.get(&undo.task);
    let Some(task) = task.filter(|task| task.wire.priority == undo.inverse.after) else {
        ui.say(Tone::Warn, "nothing done: it was changed again since");
        return Vec::new();
    };
    let set = v1::SetPriority {
        task: undo.task,
        priority: undo.inverse.before,
    };
    let ask = on_task(task, action::Action::SetPriority(set), false);
    send(state, ui, ask)
}

/// Sends an action on the selected task.
pub(super) fn at_once(
    state: &State,
    ui: &mut Ui,
    action: fn(String) -> action::Action,
    exact: bool,
) -> Vec<Effect> {
    match selection::task(state, ui) {
        Some(task) => send(
            state,
            ui,
            on_task(task, action(task.wire.id.clone()), exact),
        ),
        None => Vec::new(),
    }
}

/// An action that asks first.
pub(super) struct Question {
    action: fn(String) -> action::Action,
    exact: bool,
    question: fn(&Task) -> String,
    verb: &'static str,
}

pub(super) const REJECT: Question = Question {
    action: action::Action::Reject,
    exact: true,
    question: |task| format!("reject {} {}?", task.short(), task.wire.title),
    verb: "reject",
};

pub(super) const CANCEL: Question = Question {
    action: action::Action::Cancel,
    exact: false,
    question: |task| {
        let (name, title) = (task.short(), &task.wire.title);
        format!("end {name} {title}? its worktree is removed")
    },
    verb: "end it",
};

pub(super) const PASS: Question = Question {
    action: action::Action::Pass,
    exact: true,
    question: |task| {
        format!(
            "let the refused result of {} pass, and publish it?",
            task.short()
        )
    },
    verb: "pass",
};

pub(super) const CLOSE: Question = Question {
    action: action::Action::Close,
    exact: true,
    question: |task| {
        format!(
            "close the pull request of {} without a merge?",
            task.short()
        )
    },
    verb: "close",
};

/// Asks about the selected task.
pub(super) fn first(state: &State, ui: &mut Ui, now: Now, question: &Question) -> Vec<Effect> {
    if let Some(task) = selection::task(state, ui) {
        let ask = on_task(
            task,
            (question.action)(task.wire.id.clone()),
            question.exact,
        );
        ui.mode = confirm((question.question)(task), question.verb, None, ask, now);
    }
    Vec::new()
}

/// A question.
pub(super) fn confirm(
    question: String,
    verb: &'static str,
    name: Option<String>,
    ask: Ask,
    now: Now,
) -> Mode {
    Mode::Confirm(Box::new(Confirm {
        question: question.into(),
        verb,
        name,
        typed: String::new(),
        missed: false,
        since: now.mono,
        ask,
    }))
}

/// Asks for the pull request's number before it is merged.
pub(super) fn merge(state: &State, ui: &mut Ui, now: Now) -> Vec<Effect> {
    let Some(task) = selection::task(state, ui) else {
        return Vec::new();
    };
    let request = task.wire.pull_request.clone().unwrap_or_default();
    let number = request.number.map(|number| format!("#{number}"));
    let name = number.unwrap_or_else(|| task.short());
    let head: String = request.head.chars().take(8).collect();
    let question = format!(
        "merge {name} {}? {}, head {head}, {} spent",
        task.wire.title,
        changed(&request),
        usd(task.wire.cost_micro_usd),
    );
    let ask = on_task(task, action::Action::Merge(task.wire.id.clone()), true);
    ui.mode = confirm(question, "merge", Some(name), ask, now);
    Vec::new()
}

/// Asks before the selected request is granted.
pub(super) fn approve(state: &State, ui: &mut Ui, now: Now, for_task: bool) -> Vec<Effect> {
    let Some(request) = selection::approval(state, ui) else {
        return Vec::new();
    };
    let how_long = if for_task {
        "for the whole task"
    } else {
        "this once"
    };
    let question = format!(
        "grant {} {} to {} {how_long}?",
        request.kind, request.scope, request.agent
    );
    let ask = Ask {
        action: action::Action::Approve(v1::Approve {
            request: request.id.clone(),
            for_task,
        }),
        expected_version: request.version,
        about: request.id.clone(),
        inverse: None,
        draft: None,
    };
    ui.mode = confirm(question, "grant", None, ask, now);
    Vec::new()
}
