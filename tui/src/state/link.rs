//! How the link to the daemon is.

/// The link. Times are milliseconds of the client's own clock that never jumps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Link {
    /// The first attempt runs.
    #[default]
    Connecting,
    /// Changes come in.
    Live,
    /// The link is gone; what is shown is as old as `lost_at`.
    Retrying {
        /// When the next attempt starts.
        at: u64,
        /// When the link was lost, or the first attempt failed.
        lost_at: u64,
        /// Why, for the message line.
        why: String,
    },
}

impl Link {
    /// Whether actions can be sent.
    #[must_use]
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }
}
