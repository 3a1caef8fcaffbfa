//! Every trait for the outside, on one page.
//!
//! Errors say what the outbox has to know: whether the call may have had an effect.

use std::pin::Pin;

use cloud_code_domain::agent::AgentType;
use cloud_code_domain::id::{AgentId, Oid, ProjectName};
use cloud_code_domain::issue::{IssueSnapshot, PullRequestSnapshot, Remark};
use cloud_code_domain::time::Timestamp;

/// A boxed future, so that ports can be held as objects.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send + 'a>>;

/// Why a call to the outside has no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It certainly had no effect, and repeating it later may help: not connected, 401, 403 by rate
    /// limit, 429, a read that failed.
    #[error("{what}")]
    Later {
        /// What happened.
        what: String,
        /// Not before this time, where the other side said so.
        until: Option<Timestamp>,
    },
    /// It may or may not have had an effect: timeout, connection lost, 5xx on a write.
    #[error("{what}")]
    Unknown {
        /// What happened.
        what: String,
    },
    /// It had no effect and never will: 404, 422, a rule broken.
    #[error("{what}")]
    Refused {
        /// What happened.
        what: String,
    },
}

/// What changed since a poll before.
#[derive(Debug, Clone, Default)]
pub struct Changed {
    /// Issues and pull requests with these numbers may have changed.
    pub numbers: Vec<u64>,
    /// Where to go on from; opaque to the caller, durable.
    pub cursor: String,
}

/// Where issues come from.
pub trait IssueTracker: Send + Sync + std::fmt::Debug {
    /// Numbers of issues and pull requests that may have changed since `cursor` (empty: from the
    /// start: all open issues with a trigger label).
    fn changed<'a>(&'a self, cursor: &'a str) -> Answer<'a, Changed>;

    /// An issue as it is now, with the facts that trust needs; none where there is none or it is a
    /// pull request.
    fn issue(&self, number: u64) -> Answer<'_, Option<IssueSnapshot>>;

    /// Comments on an issue or pull request, and reviews of a pull request, made at `since` or after
    /// by somebody else than us.
    fn remarks(&self, number: u64, since: Timestamp) -> Answer<'_, Vec<Remark>>;

    /// The id of our comment with this marker on the issue, if it is there.
    fn find_comment<'a>(&'a self, issue: u64, marker: &'a str) -> Answer<'a, Option<u64>>;

    /// Writes a comment; the id of the new one.
    fn create_comment<'a>(&'a self, issue: u64, text: &'a str) -> Answer<'a, u64>;

    /// Replaces the text of our comment. `Refused` where it is gone.
    fn edit_comment<'a>(&'a self, comment: u64, text: &'a str) -> Answer<'a, ()>;

    /// Its clock, as it answered just now to somebody who may read issues; none where it is ours.
    fn clock(&self) -> Answer<'_, Option<Timestamp>>;
}

/// A pull request to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPullRequest {
    /// The branch, without `refs/heads/`.
    pub branch: String,
    /// The branch it goes to.
    pub into: String,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
}

/// Where branches and pull requests are.
pub trait CodeHost: Send + Sync + std::fmt::Debug {
    /// The pull request of this branch, in whatever state, the newest.
    fn find_pull_request<'a>(&'a self, branch: &'a str) -> Answer<'a, Option<PullRequestSnapshot>>;

    /// The pull request with this number.
    fn pull_request(&self, number: u64) -> Answer<'_, Option<PullRequestSnapshot>>;

    /// Opens a pull request.
    fn open_pull_request<'a>(&'a self, new: &'a NewPullRequest) -> Answer<'a, PullRequestSnapshot>;

    /// Replaces title and body.
    fn edit_pull_request<'a>(&'a self, number: u64, new: &'a NewPullRequest) -> Answer<'a, ()>;

    /// Merges the pull request if its head is still `head`.
    fn merge<'a>(&'a self, number: u64, head: &'a Oid) -> Answer<'a, ()>;

    /// Closes the pull request without a merge.
    fn close(&self, number: u64) -> Answer<'_, ()>;

    /// What git needs to reach the repository: its URL and, for HTTP, an authorisation header that
    /// never appears in arguments, configuration files or logs.
    fn git_access(&self) -> Answer<'_, GitAccess>;
}

/// How git reaches a repository.
#[derive(Debug, Clone)]
pub struct GitAccess {
    /// A URL or a path.
    pub url: String,
    /// The value of an `Authorization` header.
    pub authorization: Option<secrecy::SecretString>,
}

/// A workstation to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkstationSpec {
    /// The agent.
    pub agent: AgentId,
    /// Its project.
    pub project: ProjectName,
    /// Its type.
    pub agent_type: AgentType,
    /// The image; empty under `process`.
    pub image: String,
    /// Memory limit in bytes.
    pub memory: u64,
    /// CPU limit in thousandths of a core.
    pub cpu_millis: u32,
    /// The agentd binary on the host.
    pub agentd: std::path::PathBuf,
    /// The directory on the host that holds the agent's socket, `agentd.sock`.
    pub socket_dir: std::path::PathBuf,
    /// A bundle of certificate authorities to mount.
    pub ca_bundle: Option<std::path::PathBuf>,
    /// Without tools and caches, which outlive a task.
    pub isolated: bool,
}

/// A workstation that a runtime found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The agent that it belongs to.
    pub agent: AgentId,
    /// Whether it runs; otherwise why not.
    pub state: ObservedState,
    /// Whether it was made from another specification than the wanted one.
    pub outdated: bool,
}

/// How a workstation is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObservedState {
    /// It runs.
    Running,
    /// It exists and does not run: exited, paused, dead; the reason.
    Stopped(String),
}

/// What runs workstations.
pub trait Runtime: Send + Sync + std::fmt::Debug {
    /// All workstations of ours, compared with those wanted.
    fn observe<'a>(&'a self, wanted: &'a [WorkstationSpec]) -> Answer<'a, Vec<Observed>>;

    /// Makes and starts the workstation; adopts one that is already there.
    fn start<'a>(&'a self, spec: &'a WorkstationSpec) -> Answer<'a, ()>;

    /// Stops and removes the workstation, keeping its volumes.
    fn remove<'a>(&'a self, agent: &'a AgentId) -> Answer<'a, ()>;

    /// Removes the workstation's volumes too.
    fn purge<'a>(&'a self, agent: &'a AgentId) -> Answer<'a, ()>;
}
