//! The signs that lists and header share.

/// What a row's glyph says. Each has a glyph of its own and a word: colour is never the only sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mark {
    /// It works.
    Working,
    /// It waits for nothing and nobody.
    Idle,
    /// It is being made.
    Starting,
    /// It waits for the operator.
    Attention,
    /// It waits for something else.
    Blocked,
    /// It failed.
    Failed,
    /// It is done.
    Done,
    /// Its pull request is open.
    Review,
    /// It was given to an agent that has not started.
    Assigned,
    /// It does nothing any more.
    Stopped,
    /// Nothing is known: no report.
    Unknown,
}

impl Mark {
    /// All marks, in the order of the header and of the help.
    pub(crate) const ALL: [Self; 11] = [
        Self::Attention,
        Self::Failed,
        Self::Blocked,
        Self::Working,
        Self::Starting,
        Self::Assigned,
        Self::Review,
        Self::Idle,
        Self::Done,
        Self::Stopped,
        Self::Unknown,
    ];

    /// The word in the help.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Idle => "idle, pending",
            Self::Starting => "starting",
            Self::Attention => "needs you",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Done => "done",
            Self::Review => "review",
            Self::Assigned => "assigned",
            Self::Stopped => "stopped",
            Self::Unknown => "no report",
        }
    }
}
