//! The one registry of what an operator can do.
//!
//! Keys, the palette, the help, the footer's hints and the names of subcommands all come from
//! [`ENTRIES`]. Rules that a test keeps: lower case is safe or can be taken back, upper case is
//! disruptive and asks; nothing disruptive is on Enter, Backspace or Delete; the only Ctrl keys
//! are c, d, l, u and z, so that nothing collides with tmux, screen, zellij or a slow link.

mod table;

pub(crate) use table::ENTRIES;

/// Something that a key, the palette or a subcommand can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    Down,
    Up,
    Left,
    Right,
    PageDown,
    PageUp,
    Top,
    Bottom,
    Open,
    Back,
    NextTab,
    Fleet,
    Tasks,
    Logs,
    Costs,
    Approvals,
    Activity,
    NextAttention,
    Palette,
    Filter,
    Help,
    New,
    Accept,
    Reject,
    Retry,
    Reassign,
    Priority,
    Undo,
    Steer,
    Grant,
    Pass,
    Merge,
    Close,
    Cancel,
    ShowLog,
    ShowDiff,
    CopyId,
    CopyLink,
    SortBy,
    Finished,
    Follow,
    Earlier,
    NextHit,
    PreviousHit,
    LogFilter,
    Wrap,
    Dimension,
    Range,
    Approve,
    ApproveForTask,
    Deny,
    Halt,
    Resume,
    ResumeAccount,
    Theme,
    Reconnect,
    Repaint,
    Suspend,
    Quit,
}

/// Where a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// On every screen.
    Everywhere,
    /// The agents.
    Fleet,
    /// The list of tasks.
    Tasks,
    /// One task.
    Task,
    /// A log.
    Logs,
    /// What was spent.
    Costs,
    /// What waits for an answer.
    Approvals,
    /// The events.
    Activity,
}

/// How sure the operator has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// Changes what is shown, nothing else.
    View,
    /// Runs at once.
    Now,
    /// Asks for `y`.
    Ask,
    /// Asks for the name of what it is about.
    Name,
}

/// A row of the registry.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What.
    pub command: Command,
    /// The word for the palette, and of the subcommand where there is one.
    pub name: &'static str,
    /// The keys; several for the same.
    pub keys: &'static [&'static str],
    /// Where the keys count.
    pub scopes: &'static [Scope],
    /// The footer's word.
    pub label: &'static str,
    /// What it does, in a sentence without a full stop.
    pub help: &'static str,
    /// How sure the operator has to be.
    pub tier: Tier,
    /// The subcommand that does the same, as typed after `cloud-code`.
    pub subcommand: Option<&'static str>,
}

impl Command {
    /// Its row.
    ///
    /// Every command has one: a test says so.
    #[must_use]
    pub(crate) fn entry(self) -> Option<&'static Entry> {
        ENTRIES.iter().find(|entry| entry.command == self)
    }

    /// Whether it answers a request, which has to be read first.
    #[must_use]
    pub(crate) fn answers(self) -> bool {
        matches!(self, Self::Approve | Self::ApproveForTask | Self::Deny)
    }

    /// The first of its keys, or nothing.
    #[must_use]
    pub(crate) fn key(self) -> &'static str {
        self.entry()
            .and_then(|entry| entry.keys.first())
            .copied()
            .unwrap_or_default()
    }
}

impl Entry {
    /// Whether its keys count there.
    #[must_use]
    pub(crate) fn counts_in(&self, scope: Scope) -> bool {
        self.scopes.contains(&Scope::Everywhere) || self.scopes.contains(&scope)
    }
}

#[cfg(test)]
mod tests;
