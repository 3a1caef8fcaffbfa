//! What keys mean besides the screen's own.

use super::{Composer, Now, unread};
use crate::effect::Ask;
use crate::safe_text::SafeText;

/// Who takes the keys.
#[derive(Debug, Default)]
pub(crate) enum Mode {
    /// The screen.
    #[default]
    Browse,
    /// A question.
    Confirm(Box<Confirm>),
    /// A digit for a task's priority.
    Priority(String),
    /// A line on the message line.
    Line(LinePrompt),
    /// A list to choose from.
    Pick(Picker),
    /// A form.
    Compose(Box<Composer>),
    /// The help; the first line shown.
    Help(usize),
}

/// A question that keeps the operator from a slip. The key of the action never answers it.
#[derive(Debug)]
pub(crate) struct Confirm {
    /// What would happen.
    pub question: SafeText,
    /// The word for yes.
    pub verb: &'static str,
    /// The name that has to be typed; none: `y` is enough.
    pub name: Option<String>,
    /// What was typed of it.
    pub typed: String,
    /// Another name was typed before.
    pub missed: bool,
    /// Since when it is asked, by the clock that never jumps.
    pub since: u64,
    /// What happens on yes.
    pub ask: Ask,
}

impl Confirm {
    /// How much longer the question has to be seen, in milliseconds; none: a key answers it. A name
    /// takes long enough to type.
    #[must_use]
    pub(crate) fn unread(&self, now: Now) -> Option<u64> {
        unread(self.since, now).filter(|_| self.name.is_none())
    }
}

/// What a line is typed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// The filter of the open list.
    Filter,
    /// A search in the log.
    Search,
    /// The filter of the log.
    LogFilter,
    /// What a task may cost, in dollars.
    CostLimit(String),
    /// What a task may use of a subscription, in tokens.
    TokenLimit(String),
}

/// A line that is being typed.
#[derive(Debug)]
pub(crate) struct LinePrompt {
    /// What for.
    pub kind: LineKind,
    /// What was typed.
    pub text: String,
    /// What it was before; Esc brings it back.
    pub before: String,
}

/// What is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PickKind {
    /// Anything.
    Palette,
    /// The agent that a task is given to.
    Agent(String),
    /// An account that is parked.
    Account,
    /// What is halted.
    Halt,
    /// What goes on.
    Resume,
}

/// A list to choose from.
#[derive(Debug)]
pub(crate) struct Picker {
    /// What for.
    pub kind: PickKind,
    /// What was typed to find it.
    pub text: String,
    /// The chosen row.
    pub row: usize,
}

impl Picker {
    /// A fresh list.
    #[must_use]
    pub(crate) fn new(kind: PickKind) -> Self {
        Self {
            kind,
            text: String::new(),
            row: 0,
        }
    }
}
