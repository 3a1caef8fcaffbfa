//! An execution: one attempt at a task on one agent.
//!
//! ```text
//!  starting ──▶ running ──▶ succeeded | blocked | failed(cause) | cancelled | lost
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cost::{MicroUsd, Usage};
use crate::handover::Predecessor;
use crate::id::{AgentId, CodingCliName, ExecutionId, Oid};
use crate::machine::{Denied, Outcome, Step};
use crate::time::Timestamp;

/// Where an execution stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// Given to an agent; its workspace is being made.
    Starting,
    /// The coding CLI runs.
    Running,
    /// It ended with a result.
    Succeeded,
    /// It ended, and a person is needed.
    Blocked,
    /// It ended without a result.
    Failed(FailureCause),
    /// It was ended on purpose.
    Cancelled,
    /// Its agent was not heard of any more.
    Lost,
}

/// Why an execution failed. Causes differ because the retry policy and the operator's next step
/// differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCause {
    /// The coding CLI ended with this exit status, or its terminal event said that it failed.
    CodingCli {
        /// The exit status, where it exited.
        exit: Option<i32>,
    },
    /// The wall-clock limit was reached.
    TimedOut,
    /// The coding CLI lived but was silent.
    Stalled,
    /// The agent died or was not heard of any more.
    AgentLost,
    /// The report file could not be read.
    InvalidReport,
    /// The project's `check` command failed more often than `check_returns` allows.
    CheckFailed,
    /// The workspace could not be made: clone, worktree, or `setup` failed.
    WorkspaceUnavailable,
    /// The coding CLI left a worktree that git does not know as one any more.
    WorktreeDamaged,
    /// The provider limits requests.
    RateLimited,
    /// The account's usage limit is reached, or it is parked.
    AccountParked,
    /// The provider refused the account's secret.
    Authentication,
    /// The operator halted the fleet or the project.
    Halted,
    /// The provider refused the request itself; a retry cannot help.
    BadRequest,
    /// The coding CLI could not be started.
    CodingCliUnavailable,
}

impl FailureCause {
    /// The snake_case word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::CodingCli { .. } => "coding_cli",
            Self::TimedOut => "timed_out",
            Self::Stalled => "stalled",
            Self::AgentLost => "agent_lost",
            Self::InvalidReport => "invalid_report",
            Self::CheckFailed => "check_failed",
            Self::WorkspaceUnavailable => "workspace_unavailable",
            Self::WorktreeDamaged => "worktree_damaged",
            Self::RateLimited => "rate_limited",
            Self::AccountParked => "account_parked",
            Self::Authentication => "authentication",
            Self::Halted => "halted",
            Self::BadRequest => "bad_request",
            Self::CodingCliUnavailable => "coding_cli_unavailable",
        }
    }
}

/// Why the orchestrator ends an execution before its coding CLI does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Its task ended.
    Cancelled,
    /// The task's cost limit, or its project's daily limit, is reached.
    CostLimit,
    /// Its account is parked until a usage limit is over.
    AccountParked,
    /// Its account has to be logged in again.
    Authentication,
    /// The operator halted the fleet or the project.
    Halted,
    /// Its model calls failed one after the other, and none succeeded in between.
    RetryStorm,
}

impl fmt::Display for FailureCause {
    /// A part of a sentence: what went wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CodingCli { exit: Some(status) } => {
                return write!(f, "the coding CLI failed with exit status {status}");
            }
            Self::CodingCli { exit: None } => "the coding CLI failed",
            Self::TimedOut => "the time limit was reached",
            Self::Stalled => "the coding CLI fell silent",
            Self::AgentLost => "its agent was lost",
            Self::InvalidReport => "the report could not be read",
            Self::CheckFailed => "the project's check failed",
            Self::WorkspaceUnavailable => "the workspace could not be made",
            Self::WorktreeDamaged => "its worktree is no git worktree any more; it is made anew",
            Self::RateLimited => "the provider limits requests",
            Self::AccountParked => "the account's usage limit is reached",
            Self::Authentication => "the provider refused the account's secret",
            Self::Halted => "the operator halted it",
            Self::BadRequest => "the provider refused the request; a retry cannot help",
            Self::CodingCliUnavailable => "the coding CLI could not be started",
        })
    }
}

/// Something that happened to an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutionEvent {
    /// The coding CLI was started.
    Started,
    /// It ended with a result.
    Succeeded,
    /// It ended, and a person is needed.
    Blocked,
    /// It ended without a result.
    Failed(FailureCause),
    /// It was ended on purpose.
    Cancelled,
    /// Its agent is gone.
    Lost,
}

impl ExecutionState {
    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match self {
            Self::Starting | Self::Running => false,
            Self::Succeeded | Self::Blocked | Self::Failed(_) | Self::Cancelled | Self::Lost => {
                true
            }
        }
    }

    /// The state after `event`, or why it cannot be. A report is a snapshot, so running may be
    /// skipped.
    ///
    /// # Errors
    /// [`Denied::Finished`] where it has already ended otherwise.
    pub fn on(&self, event: &ExecutionEvent) -> Step<Self> {
        let next = match event {
            ExecutionEvent::Started => Self::Running,
            ExecutionEvent::Succeeded => Self::Succeeded,
            ExecutionEvent::Blocked => Self::Blocked,
            ExecutionEvent::Failed(cause) => Self::Failed(cause.clone()),
            ExecutionEvent::Cancelled => Self::Cancelled,
            ExecutionEvent::Lost => Self::Lost,
        };
        if *self == next {
            Ok(Outcome::Unchanged)
        } else if self.is_finished() {
            Err(Denied::Finished)
        } else {
            Ok(Outcome::Moved(next))
        }
    }

    /// The snake_case word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Blocked => "blocked",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }
}

/// An execution as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Its id; the fence of everything it sends.
    pub id: ExecutionId,
    /// The agent it was given to.
    pub agent: AgentId,
    /// The coding CLI that runs in it.
    pub coding_cli: CodingCliName,
    /// Where it stands.
    pub state: ExecutionState,
    /// The commit it starts from.
    pub base: Oid,
    /// Whether worktree and session of the execution before are kept.
    pub resume: bool,
    /// Whose work it goes on with, where it does not know of it.
    #[serde(default)]
    pub predecessor: Option<Predecessor>,
    /// Why it has to end now, if so: the agent is told until it says that it has ended.
    pub stop: Option<StopReason>,
    /// The commit that its branch was at when it ended, as the agent claims.
    pub head: Option<Oid>,
    /// Messages of the conversation below this number are in its first prompt.
    pub conversation_to: u64,
    /// The models that were called for it.
    pub models: Vec<String>,
    /// Tokens, as the gateway counted them.
    pub usage: Usage,
    /// Cost, as the gateway priced it.
    pub cost: MicroUsd,
    /// The coding CLI's last words, or the error, bounded.
    pub summary: Option<String>,
    /// When it was assigned.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl Execution {
    /// The commit from which on its result is looked at: what an agent before it did is not pushed
    /// yet, so that it is looked at with it.
    #[must_use]
    pub fn checked_from(&self) -> &Oid {
        self.predecessor
            .as_ref()
            .map_or(&self.base, |before| &before.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::laws;

    fn states() -> Vec<ExecutionState> {
        vec![
            ExecutionState::Starting,
            ExecutionState::Running,
            ExecutionState::Succeeded,
            ExecutionState::Blocked,
            ExecutionState::Failed(FailureCause::TimedOut),
            ExecutionState::Cancelled,
            ExecutionState::Lost,
        ]
    }

    fn events() -> Vec<ExecutionEvent> {
        vec![
            ExecutionEvent::Started,
            ExecutionEvent::Succeeded,
            ExecutionEvent::Blocked,
            ExecutionEvent::Failed(FailureCause::TimedOut),
            ExecutionEvent::Failed(FailureCause::Stalled),
            ExecutionEvent::Cancelled,
            ExecutionEvent::Lost,
        ]
    }

    #[test]
    fn the_table_of_an_execution() {
        let table = laws::table(&states(), &events(), ExecutionState::on);
        insta::with_settings!({snapshot_path => "../tables", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("execution", table);
        });
    }

    #[test]
    fn the_laws_of_every_machine() {
        laws::the_same_event_twice_moves_once(&states(), &events(), ExecutionState::on);
        for state in states() {
            if state.is_finished() {
                laws::nothing_moves(&state, &events(), ExecutionState::on);
            } else {
                let cancelled = Ok(Outcome::Moved(ExecutionState::Cancelled));
                assert_eq!(state.on(&ExecutionEvent::Cancelled), cancelled);
            }
        }
    }

    #[test]
    fn an_end_counts_even_if_the_start_was_never_seen() {
        for event in &events()[1..] {
            let step = ExecutionState::Starting.on(event);
            assert!(matches!(step, Ok(Outcome::Moved(_))), "{event:?}");
        }
    }
}
