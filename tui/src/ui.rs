//! What the operator is doing: which screen, what is selected, what is being typed. None of it is
//! known to the daemon.

mod composer;
mod cursor;
mod mode;

pub(crate) use composer::{Composer, DraftKey, Drafts, Field};
pub(crate) use cursor::Cursor;
pub(crate) use mode::{Confirm, LineKind, LinePrompt, Mode, PickKind, Picker};

use std::collections::HashSet;

use crate::actions::Scope;
use crate::effect::Inverse;
use crate::keymap::Key;
use crate::safe_text::SafeText;
use crate::state::{Dimension, Sort};
use crate::theme::ThemeName;

/// Now, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Now {
    /// Milliseconds since 1970, for ages.
    pub wall: i64,
    /// Milliseconds of a clock that never jumps, for guards and deadlines.
    pub mono: u64,
}

/// A screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Screen {
    /// The agents.
    #[default]
    Fleet,
    /// The list of tasks.
    Tasks,
    /// One task.
    Task,
    /// A log, or what there are logs of.
    Logs,
    /// What was spent.
    Costs,
    /// What waits for an answer.
    Approvals,
    /// The events.
    Activity,
}

impl Screen {
    /// The screens that have a tab, in order.
    pub(crate) const TABS: [Self; 6] = [
        Self::Fleet,
        Self::Tasks,
        Self::Logs,
        Self::Costs,
        Self::Approvals,
        Self::Activity,
    ];

    /// Its title.
    #[must_use]
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Fleet => "Fleet",
            Self::Tasks | Self::Task => "Tasks",
            Self::Logs => "Logs",
            Self::Costs => "Costs",
            Self::Approvals => "Approvals",
            Self::Activity => "Activity",
        }
    }

    /// Which keys count.
    #[must_use]
    pub(crate) fn scope(self) -> Scope {
        match self {
            Self::Fleet => Scope::Fleet,
            Self::Tasks => Scope::Tasks,
            Self::Task => Scope::Task,
            Self::Logs => Scope::Logs,
            Self::Costs => Scope::Costs,
            Self::Approvals => Scope::Approvals,
            Self::Activity => Scope::Activity,
        }
    }
}

/// The parts of a task's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum TaskTab {
    /// Timeline and criteria.
    #[default]
    Overview,
    /// What the task has changed.
    Diff,
    /// What people said to the agent.
    Messages,
    /// The executions and what they cost.
    Runs,
}

impl TaskTab {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 4] = [Self::Overview, Self::Diff, Self::Messages, Self::Runs];

    /// Its title.
    #[must_use]
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Diff => "Diff",
            Self::Messages => "Messages",
            Self::Runs => "Executions",
        }
    }
}

/// How important a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It says what happens.
    Info,
    /// It went well.
    Good,
    /// It was not done.
    Warn,
    /// It failed.
    Error,
}

/// The message line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// How important.
    pub tone: Tone,
    /// What.
    pub text: SafeText,
}

/// What was done last, as long as it can be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undo {
    /// The task that it was done to.
    pub task: String,
    /// What takes it back.
    pub inverse: Inverse,
    /// Until when, by the clock that never jumps.
    pub until: u64,
}

impl Undo {
    /// How long it can be taken back, in milliseconds.
    pub(crate) const OPEN: u64 = 10_000;
}

/// The open task's screen.
#[derive(Debug, Default)]
pub(crate) struct TaskUi {
    /// The open part.
    pub tab: TaskTab,
    /// The first line shown, by part.
    pub scroll: [usize; 4],
    /// The timeline does not stay at its end, where it has a pane of its own.
    pub held: bool,
}

/// The log's screen.
#[derive(Debug)]
pub(crate) struct LogsUi {
    /// Stay at the end. Off: the screen does not move by one cell.
    pub follow: bool,
    /// The number of the first line shown, where it does not follow.
    pub top: u64,
    /// Break long lines.
    pub wrap: bool,
    /// Cells that are scrolled to the right.
    pub left: usize,
    /// What is searched for.
    pub search: String,
    /// Only lines with these words.
    pub filter: String,
    /// The line that the search stands at.
    pub hit: Option<u64>,
    /// How many lines have it, where the daemon said so.
    pub total: Option<u64>,
}

impl Default for LogsUi {
    fn default() -> Self {
        Self {
            follow: true,
            top: 0,
            wrap: false,
            left: 0,
            search: String::new(),
            filter: String::new(),
            hit: None,
            total: None,
        }
    }
}

/// What the operator is doing.
#[derive(Debug, Default)]
pub(crate) struct Ui {
    /// Columns and rows.
    pub size: (u16, u16),
    /// The open screen.
    pub screen: Screen,
    /// Where Esc leads.
    pub back: Vec<Screen>,
    /// The list of agents.
    pub fleet: Cursor,
    /// The list of tasks.
    pub tasks: Cursor,
    /// The list of logs.
    pub sources: Cursor,
    /// The list of costs.
    pub costs: Cursor,
    /// The list of requests. Nothing is selected at first.
    pub approvals: Cursor,
    /// The list of events.
    pub activity: Cursor,
    /// The open task.
    pub task: TaskUi,
    /// The open log.
    pub logs: LogsUi,
    /// Filters of agents, tasks and events.
    pub fleet_filter: String,
    /// See above.
    pub tasks_filter: String,
    /// See above.
    pub activity_filter: String,
    /// How tasks are ordered.
    pub sort: Sort,
    /// Finished tasks are shown.
    pub finished: bool,
    /// What costs are summed over.
    pub dimension: Dimension,
    /// How many days of costs.
    pub days: u32,
    /// What keys mean now.
    pub mode: Mode,
    /// The message line.
    pub message: Option<Message>,
    /// What was typed and not sent.
    pub drafts: Drafts,
    /// What `u` takes back.
    pub undo: Option<Undo>,
    /// What actions are under way for.
    pub in_flight: HashSet<String>,
    /// The theme.
    pub theme: ThemeName,
    /// Rows of the open list, as it was drawn last.
    pub page: usize,
    /// Since when the screen and what is selected on it have been as they are.
    pub settled_at: u64,
    /// The keys of an unfinished sequence.
    pub pending: Vec<Key>,
}

/// How long a question or a request has to be seen before a key answers it, in milliseconds.
/// What was typed ahead of it answers nothing.
pub(crate) const ARMING: u64 = 300;

/// How much longer what is seen since then has to be seen; none: a key answers it.
fn unread(since: u64, now: Now) -> Option<u64> {
    (since + ARMING)
        .checked_sub(now.mono)
        .filter(|left| *left > 0)
}

impl Ui {
    /// How much longer the screen and what is selected on it have to be seen, in milliseconds; none:
    /// a key answers the request.
    #[must_use]
    pub(crate) fn unread(&self, now: Now) -> Option<u64> {
        unread(self.settled_at, now)
    }

    /// The start.
    #[must_use]
    pub(crate) fn new(size: (u16, u16), theme: ThemeName) -> Self {
        Self {
            size,
            theme,
            days: 1,
            ..Self::default()
        }
    }

    /// Says something on the message line.
    pub(crate) fn say(&mut self, tone: Tone, text: impl Into<SafeText>) {
        self.message = Some(Message {
            tone,
            text: text.into(),
        });
    }

    /// The cursor of the open screen's list.
    pub(crate) fn cursor(&mut self) -> Option<&mut Cursor> {
        match self.screen {
            Screen::Fleet => Some(&mut self.fleet),
            Screen::Tasks => Some(&mut self.tasks),
            Screen::Task => None,
            Screen::Logs => Some(&mut self.sources),
            Screen::Costs => Some(&mut self.costs),
            Screen::Approvals => Some(&mut self.approvals),
            Screen::Activity => Some(&mut self.activity),
        }
    }
}
