//! What an agent reports about its task: the content of reporting.yaml, bounded and typed.
//!
//! agentd merges what the coding CLI writes with what it knows itself, and sends the difference of
//! two reports as a [`ReportDelta`]. The engine applies it; nothing in it names a task or an agent.

mod bound;
mod delta;

pub use delta::diff;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The bounds of a report. What is longer is cut, what is more is refused.
pub mod bounds {
    /// Bytes of reporting.yaml that are read at most.
    pub const FILE: usize = 1 << 20;
    /// Characters of a one-line text.
    pub const LINE: usize = 300;
    /// Characters of a credential request's scope.
    pub const SCOPE: usize = 200;
    /// Characters of a credential request's reason.
    pub const REASON: usize = 400;
    /// Characters of a text of several lines.
    pub const TEXT: usize = 4_000;
    /// Entries of the progress list; the newest are kept.
    pub const PROGRESS: usize = 200;
    /// Entries of every other list; the first are kept.
    pub const LIST: usize = 100;
    /// Credential requests of one task.
    pub const REQUESTS: usize = 8;
}

/// How far the agent says that it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// Not started.
    #[default]
    Waiting,
    /// Taken note of.
    Received,
    /// Reading and thinking.
    Planning,
    /// Working.
    InProgress,
    /// It cannot go on by itself.
    Blocked,
    /// It says that it is done.
    Completed,
    /// It says that it failed.
    Failed,
}

/// How far an acceptance criterion is met, as the agent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CriterionStatus {
    /// Not begun.
    #[default]
    Pending,
    /// Begun.
    InProgress,
    /// Met.
    Done,
}

/// An acceptance criterion and how far it is met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// Its text, one line.
    pub criterion: String,
    /// How far it is met.
    pub status: CriterionStatus,
}

/// An entry of the progress list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// When, by agentd's clock: for showing only.
    pub at: Timestamp,
    /// The status then.
    pub status: ReportStatus,
    /// What happened, one line.
    pub message: String,
}

/// A file the agent says it changed. Git's facts count; this is shown as claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileClaim {
    /// Its path.
    pub path: String,
    /// Lines added.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
}

/// A credential that the agent asks for. Its status is ours and not part of this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialAsk {
    /// What the agent calls it.
    pub label: String,
    /// The kind, as written; parsed by the engine.
    pub kind: String,
    /// The scope, as written.
    pub scope: String,
    /// Why, in the agent's words.
    pub reason: String,
}

/// The report of one task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// How far the agent says that it is.
    pub status: ReportStatus,
    /// What it does now, one line.
    pub current_step: Option<String>,
    /// What it did, a few sentences.
    pub summary: Option<String>,
    /// Why it failed, as it says.
    pub error: Option<String>,
    /// Why it cannot go on, as it says.
    pub blocked_reason: Option<String>,
    /// What happened, oldest first.
    pub progress: Vec<Progress>,
    /// How many entries of `progress` were dropped at its front to keep the bound.
    pub progress_dropped: u64,
    /// What changed, for the pull request, a line each.
    pub changes_summary: Vec<String>,
    /// Files that it says it changed.
    pub files: Vec<FileClaim>,
    /// How far the acceptance criteria are met.
    pub criteria: Vec<Criterion>,
    /// Credentials it asks for.
    pub credential_requests: Vec<CredentialAsk>,
    /// Why the report file could not be read, if so; the last good report is kept.
    pub invalid: Option<String>,
}

/// The difference of two reports. `None` means unchanged; an empty text clears an optional one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReportDelta {
    /// The new status.
    pub status: Option<ReportStatus>,
    /// The new current step.
    pub current_step: Option<String>,
    /// The new summary.
    pub summary: Option<String>,
    /// The new error.
    pub error: Option<String>,
    /// The new blocked reason.
    pub blocked_reason: Option<String>,
    /// Entries appended to the progress list.
    pub progress: Vec<Progress>,
    /// Entries that came before those of `progress`, and that were dropped before they were sent.
    pub progress_dropped: u64,
    /// The whole new list.
    pub changes_summary: Option<Vec<String>>,
    /// The whole new list.
    pub files: Option<Vec<FileClaim>>,
    /// The whole new list.
    pub criteria: Option<Vec<Criterion>>,
    /// The whole new list.
    pub credential_requests: Option<Vec<CredentialAsk>>,
    /// The new complaint about the file.
    pub invalid: Option<String>,
}
