//! Forms, and what was typed into them. Nothing typed is lost: a form that is closed, that could
//! not be sent or that the link broke under leaves a draft, and opens with it again, also after
//! the program was left or its terminal went away.

use ratatui_textarea::{TextArea, WrapMode};
use serde::{Deserialize, Serialize};

use crate::safe_text::SafeText;

/// Characters that one field takes at most.
const FIELD: usize = 64 << 10;

/// What a draft is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum DraftKey {
    /// A new task.
    NewTask,
    /// A message for the agent of a task.
    Steer(String),
    /// The note of a denial: the request, and its version that was looked at.
    Deny(String, u64),
}

/// What was typed and not sent, oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Drafts {
    kept: Vec<(DraftKey, Vec<String>)>,
    #[serde(skip)]
    changed: bool,
}

impl Drafts {
    /// Keeps a draft; an empty one is forgotten.
    pub(crate) fn keep(&mut self, key: DraftKey, fields: Vec<String>) {
        self.forget(&key);
        if fields.iter().any(|field| !field.trim().is_empty()) {
            self.kept.push((key, fields));
            self.changed = true;
        }
    }

    /// Forgets a draft.
    pub(crate) fn forget(&mut self, key: &DraftKey) {
        let before = self.kept.len();
        self.kept.retain(|(known, _)| !same(known, key));
        self.changed |= self.kept.len() != before;
    }

    /// The draft.
    #[must_use]
    pub(crate) fn get(&self, key: &DraftKey) -> Option<&[String]> {
        let found = self.kept.iter().find(|(known, _)| same(known, key));
        found.map(|(_, fields)| fields.as_slice())
    }

    /// Whether there is none.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether they are others than when this was asked last.
    pub(crate) fn changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

impl PartialEq for Drafts {
    fn eq(&self, other: &Self) -> bool {
        self.kept == other.kept
    }
}

/// A note is for the request, whatever its version.
fn same(one: &DraftKey, other: &DraftKey) -> bool {
    match (one, other) {
        (DraftKey::Deny(one, _), DraftKey::Deny(other, _)) => one == other,
        (one, other) => one == other,
    }
}

/// A field.
#[derive(Debug)]
pub(crate) struct Field {
    /// What belongs into it.
    pub label: &'static str,
    /// One line only.
    pub single: bool,
    /// What was typed.
    pub area: TextArea<'static>,
}

impl Field {
    /// A field with what was typed before.
    #[must_use]
    pub(crate) fn new(label: &'static str, single: bool, text: &str) -> Self {
        let lines = SafeText::lines(text, 10_000);
        let mut area = TextArea::new(lines.iter().map(ToString::to_string).collect());
        area.set_max_histories(200);
        if !single {
            area.set_wrap_mode(WrapMode::WordOrGlyph);
        }
        area.move_cursor(ratatui_textarea::CursorMove::Bottom);
        area.move_cursor(ratatui_textarea::CursorMove::End);
        Self {
            label,
            single,
            area,
        }
    }

    /// What was typed.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Takes pasted text, made harmless.
    pub(crate) fn paste(&mut self, raw: &str) {
        let room = FIELD.saturating_sub(self.text().len());
        let raw: String = raw.chars().take(room).collect();
        let raw = raw.replace("\r\n", "\n").replace('\r', "\n");
        let separator = if self.single { " " } else { "\n" };
        let lines: Vec<String> = raw
            .split('\n')
            .map(|line| SafeText::new(line).to_string())
            .collect();
        self.area.insert_str(lines.join(separator));
    }
}

/// A form.
#[derive(Debug)]
pub(crate) struct Composer {
    /// What it is for.
    pub key: DraftKey,
    /// Its title.
    pub title: SafeText,
    /// The fields.
    pub fields: Vec<Field>,
    /// The field that takes keys; after the last one comes the button.
    pub focus: usize,
    /// The button's word.
    pub verb: &'static str,
    /// What is wrong with what was typed.
    pub problem: Option<SafeText>,
}

impl Composer {
    /// Bytes that one field takes at most.
    pub(crate) const FIELD: usize = FIELD;

    /// What was typed.
    #[must_use]
    pub(crate) fn texts(&self) -> Vec<String> {
        self.fields.iter().map(Field::text).collect()
    }

    /// Whether the button has the focus.
    #[must_use]
    pub(crate) fn on_button(&self) -> bool {
        self.focus >= self.fields.len()
    }

    /// Moves the focus.
    pub(crate) fn turn(&mut self, forward: bool) {
        let stops = self.fields.len() + 1;
        self.focus = (self.focus + if forward { 1 } else { stops - 1 }) % stops;
    }
}
