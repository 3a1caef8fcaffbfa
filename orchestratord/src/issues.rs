//! IN: what may have changed at a tracker.
//!
//! ```text
//!   webhook ─┐
//!            ├─▶ Hint ─▶ Intake (the engine: recorded, then acknowledged) ─▶ the issue is fetched
//!   poll ────┘
//! ```
//!
//! A hint says where to look and nothing else: what is acted on is fetched from the tracker. So a
//! delivery that is forged, replayed or out of order can at worst make us look, and one that is lost
//! costs the time until the next poll.

pub mod poll;
pub mod webhook;

use cloud_code_domain::id::ProjectName;
use futures_util::future::BoxFuture;

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The projects it is about; never empty. From a webhook: whose secret signed it, and whose
    /// repository it names.
    pub projects: Vec<ProjectName>,
    /// What may have changed.
    pub about: About,
    /// SHA-256 of a delivery's event name, a zero byte and its body; none from a poll. The same twice
    /// is the same delivery sent again, whatever its headers say.
    pub digest: Option<[u8; 32]>,
    /// The comment or review that was just made, as [`Remark::source`] names it.
    ///
    /// [`Remark::source`]: cloud_code_domain::issue::Remark::source
    pub remark: Option<String>,
}

/// What may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The issue with this number.
    Issue(u64),
    /// The pull request with this number.
    PullRequest(u64),
    /// The issue or pull request with this number: a poll does not say which.
    Either(u64),
    /// A webhook was set up.
    Ping,
    /// The app was installed, removed, or may see other repositories.
    Installation,
    /// Another event, of this name: recorded only.
    Recorded(String),
}

/// What became of a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is recorded and will be looked at.
    Accepted,
    /// It was recorded before.
    Duplicate,
}

/// A hint could not be recorded; whoever sent it must keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("hints are not recorded at present")]
pub struct Unavailable;

/// Who takes hints: answers when the hint is durable, not before.
pub trait Intake: Send + Sync + std::fmt::Debug {
    /// Records the hint.
    fn hint(&self, hint: Hint) -> BoxFuture<'_, Result<Taken, Unavailable>>;
}
