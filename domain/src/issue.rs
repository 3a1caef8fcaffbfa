//! An issue as a tracker shows it, and the facts that decide whether it may become a task.

use serde::{Deserialize, Serialize};

use crate::id::ProjectName;
use crate::time::Timestamp;

/// Where an issue is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueRef {
    /// Its number in the project's tracker.
    pub number: u64,
    /// Its page; none for a local project.
    pub url: Option<String>,
}

/// An issue, read from its tracker now. Texts are as the tracker gave them: hostile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueSnapshot {
    /// The project whose tracker it is in.
    pub project: ProjectName,
    /// Its number.
    pub number: u64,
    /// Its page; none for a local project.
    pub url: Option<String>,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Whether it is open.
    pub open: bool,
    /// Who closed it, where it is closed and that is known.
    pub closed_by: Option<Actor>,
    /// Numbers of the issues that the tracker says block it.
    pub blocked_by: Vec<u64>,
    /// The last time a trigger label was set on it, if it carries one.
    pub trigger: Option<Trigger>,
    /// Who took the trigger label away, where it carries none any more and that is known.
    pub untriggered_by: Option<Actor>,
    /// When title or body was edited last, if ever.
    pub edited_at: Option<Timestamp>,
    /// Whether its pull request, if we made one, was merged. Merged wins over closed.
    pub merged: bool,
}

/// The setting of a trigger label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The label.
    pub label: String,
    /// When it was set.
    pub at: Timestamp,
    /// Who set it; none where it could not be found out.
    pub actor: Option<Actor>,
}

/// Somebody at a tracker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Their login, for showing.
    pub login: String,
    /// Their id, which does not change with a new login.
    pub id: u64,
    /// Their permission on the repository, through the API.
    pub permission: Permission,
    /// Whether it is a bot or an app.
    pub bot: bool,
}

/// A permission on a repository. `Ord` grows with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// None, or not to be found out.
    None,
    /// May read.
    Read,
    /// May sort issues.
    Triage,
    /// May push.
    Write,
    /// May set up the repository.
    Maintain,
    /// May do everything.
    Admin,
}

impl Permission {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }
}

impl Actor {
    /// Whether what they do counts as an instruction: a person with write permission or more.
    #[must_use]
    pub fn may_instruct(&self) -> bool {
        !self.bot && self.permission >= Permission::Write
    }
}

/// A comment or review that a tracker shows on an issue or its pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Where it comes from, for example `comment/77` or `review/12`: never taken twice.
    pub source: String,
    /// Who wrote it.
    pub author: Actor,
    /// What it says, for a review with the file and line of each remark; hostile.
    pub text: String,
    /// When it was made.
    pub at: Timestamp,
    /// What it does.
    pub kind: RemarkKind,
}

/// What a remark does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// It steers a running task or starts the next execution.
    Comment,
    /// It asks for changes.
    Review,
}

/// A pull request of ours, read from its code host now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestSnapshot {
    /// The project.
    pub project: ProjectName,
    /// Its number.
    pub number: u64,
    /// Its page.
    pub url: Option<String>,
    /// Its head branch, without `refs/heads/`.
    pub branch: String,
    /// Its head commit.
    pub head: Option<crate::id::Oid>,
    /// Where it stands.
    pub state: PullRequestState,
}

/// Where a pull request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullRequestState {
    /// Open.
    Open,
    /// Merged.
    Merged,
    /// Closed without a merge.
    Closed,
}
