//! Forms: a new task, a message for an agent, the note of a denial.

use cloud_code_proto::v1::{self, action};
use crossterm::event::KeyEvent;

use super::ask;
use super::typing::Typed;
use crate::effect::{Ask, Effect};
use crate::keymap::Key;
use crate::selection;
use crate::state::State;
use crate::ui::{Composer, DraftKey, Field, Mode, Tone, Ui};

/// Opens the form of a new task.
pub(super) fn new_task(state: &State, ui: &mut Ui) -> Vec<Effect> {
    let project = selection::task(state, ui)
        .map(|task| task.wire.project.clone())
        .or_else(|| state.projects.first().map(|project| project.name.clone()))
        .unwrap_or_default();
    let draft = ui.drafts.get(&DraftKey::NewTask).map(<[String]>::to_vec);
    let text = |index: usize| draft.as_ref().and_then(|draft| draft.get(index)).cloned();
    let fields = vec![
        Field::new("project", true, &text(0).unwrap_or(project)),
        Field::new("title", true, &text(1).unwrap_or_default()),
        Field::new("description", false, &text(2).unwrap_or_default()),
    ];
    open(
        ui,
        DraftKey::NewTask,
        "New task".to_owned(),
        fields,
        1,
        "create",
    )
}

/// Opens the form of a message for the agent of a task.
pub(super) fn steer(state: &State, ui: &mut Ui) -> Vec<Effect> {
    let Some(task) = selection::task(state, ui) else {
        return Vec::new();
    };
    let name = task.short();
    let key = DraftKey::Steer(task.wire.id.clone());
    let draft = ui.drafts.get(&key).and_then(|draft| draft.first()).cloned();
    let fields = vec![Field::new("message", false, &draft.unwrap_or_default())];
    open(
        ui,
        key,
        format!("Message to the agent of {name}"),
        fields,
        0,
        "send",
    )
}

/// Opens the form of a denial.
pub(super) fn deny(state: &State, ui: &mut Ui) -> Vec<Effect> {
    let Some(request) = selection::approval(state, ui) else {
        return Vec::new();
    };
    let key = DraftKey::Deny(request.id.clone(), request.version);
    let title = format!(
        "Deny {} {} for {}",
        request.kind, request.scope, request.agent
    );
    let draft = ui.drafts.get(&key).and_then(|draft| draft.first()).cloned();
    let fields = vec![Field::new(
        "note for the agent",
        false,
        &draft.unwrap_or_default(),
    )];
    open(ui, key, title, fields, 0, "deny")
}

fn open(
    ui: &mut Ui,
    key: DraftKey,
    title: String,
    fields: Vec<Field>,
    focus: usize,
    verb: &'static str,
) -> Vec<Effect> {
    ui.mode = Mode::Compose(Box::new(Composer {
        key,
        title: title.into(),
        fields,
        focus,
        verb,
        problem: None,
    }));
    Vec::new()
}

/// A key for a form. Esc keeps what was typed; ctrl-d, or Enter on the button, sends it.
pub(super) fn typed(
    state: &State,
    ui: &mut Ui,
    mut composer: Box<Composer>,
    event: KeyEvent,
) -> Vec<Effect> {
    let key = Key::of(&event);
    if Typed::of(key) == Typed::GiveUp {
        ui.drafts.keep(composer.key.clone(), composer.texts());
        if ui.drafts.get(&composer.key).is_some() {
            ui.say(Tone::Info, "the draft is kept: the same key opens it again");
        }
        return Vec::new();
    }
    if key == Key::Ctrl('d') || (key == Key::Enter && composer.on_button()) {
        return send(state, ui, composer);
    }
    let focus = composer.focus;
    match composer.fields.get_mut(focus) {
        _ if key == Key::Tab => composer.turn(true),
        _ if key == Key::BackTab => composer.turn(false),
        Some(field) if field.single && key == Key::Enter => composer.turn(true),
        Some(field) if takes(key) && field.text().len() < Composer::FIELD => {
            field.area.input(event);
            composer.problem = None;
        }
        Some(_) | None => {}
    }
    ui.mode = Mode::Compose(composer);
    Vec::new()
}

/// Keys of the editor. Characters that a terminal could obey or hide are not taken.
fn takes(key: Key) -> bool {
    match key {
        Key::Char(c) => {
            let typed = format!("a{c}");
            crate::safe_text::SafeText::new(&typed).as_str() == typed
        }
        Key::Ctrl(c) => "aekwu".contains(c),
        Key::Esc | Key::Tab | Key::BackTab | Key::F1 | Key::Other => false,
        Key::Enter
        | Key::Backspace
        | Key::Up
        | Key::Down
        | Key::Left
        | Key::Right
        | Key::Home
        | Key::End
        | Key::PageUp
        | Key::PageDown => true,
    }
}

fn send(state: &State, ui: &mut Ui, mut composer: Box<Composer>) -> Vec<Effect> {
    let texts = composer.texts();
    ui.drafts.keep(composer.key.clone(), texts.clone());
    let ask = match ask_of(&composer.key, &texts) {
        Ok(ask) => ask,
        Err((field, problem)) => {
            composer.focus = field;
            composer.problem = Some(problem.into());
            ui.mode = Mode::Compose(composer);
            return Vec::new();
        }
    };
    if !state.link.is_live() {
        composer.problem = Some("not connected: nothing was sent, what you typed is kept".into());
        ui.mode = Mode::Compose(composer);
        return Vec::new();
    }
    ask::send(state, ui, ask)
}

fn ask_of(key: &DraftKey, texts: &[String]) -> Result<Ask, (usize, &'static str)> {
    let text = |index: usize| texts.get(index).map_or("", |text| text.trim()).to_owned();
    let (action, about, expected_version) = match key {
        DraftKey::NewTask => {
            if text(1).is_empty() {
                return Err((1, "a task needs a title"));
            }
            let task = v1::NewTask {
                project: text(0),
                title: text(1),
                description: text(2),
                priority: None,
            };
            (action::Action::NewTask(task), String::new(), 0)
        }
        DraftKey::Steer(task) => {
            if text(0).is_empty() {
                return Err((0, "the message is empty"));
            }
            let steer = v1::SteerTask {
                task: task.clone(),
                text: text(0),
            };
            (action::Action::Steer(steer), task.clone(), 0)
        }
        DraftKey::Deny(request, version) => {
            let deny = v1::Deny {
                request: request.clone(),
                note: text(0),
            };
            (action::Action::Deny(deny), request.clone(), *version)
        }
    };
    Ok(Ask {
        action,
        expected_version,
        about,
        inverse: None,
        draft: Some(key.clone()),
    })
}
