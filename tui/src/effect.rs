//! What follows from an action for the outside. Made by `update`, carried out by the loop.

use cloud_code_proto::v1;

use crate::state::LogSource;
use crate::ui::DraftKey;

/// Work for the outside.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Sends an action to the daemon.
    Act(Box<Ask>),
    /// Loads a task.
    LoadTask(String),
    /// Loads what happened to a task before the event with this number.
    LoadEarlier {
        /// Its id.
        task: String,
        /// The number.
        below: u64,
    },
    /// Loads what was spent in this many days.
    LoadCosts(u32),
    /// Loads the newest finished tasks.
    LoadFinished,
    /// Follows a log. Ends the one that was followed before.
    FollowLog {
        /// The number of the stream.
        stream: u64,
        /// Whose log.
        source: LogSource,
    },
    /// Looks for a text in a log where the daemon has it.
    FindInLog(Find),
    /// Puts a text on the terminal's clipboard.
    Copy(String),
    /// Draws the whole screen again.
    Repaint,
    /// Hands the terminal back until the process goes on.
    Suspend,
    /// Ends the wait for the next attempt of the link.
    Reconnect,
    /// Ends the program.
    Quit,
}

/// What is looked for in a log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Find {
    /// The number of the stream that it is looked for from.
    pub stream: u64,
    /// Whose log.
    pub source: LogSource,
    /// The execution, by its number.
    pub attempt: u32,
    /// The text.
    pub text: String,
    /// From this line on, or before it.
    pub from: u64,
    /// Towards the beginning.
    pub backwards: bool,
}

/// An action on its way to the daemon.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    /// What.
    pub action: v1::action::Action,
    /// The version of the task or request that was decided on; 0: any.
    pub expected_version: u64,
    /// The task or request that it is about, for the row; or empty.
    pub about: String,
    /// What takes it back, where a plain action does.
    pub inverse: Option<Inverse>,
    /// The draft that it was typed in. It is kept until the daemon has taken it.
    pub draft: Option<DraftKey>,
}

/// What an action changed, for as long as that can be taken back by another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inverse {
    /// The priority that the task had.
    pub before: u32,
    /// The one that it was given.
    pub after: u32,
}
