//! A task: our unit of work, and its state machine.
//!
//! ```text
//!            accepted            assigned             progress
//!  triage ───────────▶ pending ───────────▶ assigned ─────────▶ in_progress
//!    │ rejected          ▲  ▲                  │ succeeded           │ succeeded
//!    ▼                   │  │ answered         ▼                     ▼
//!  cancelled             │  └── blocked ◀── (blocked) ───────▶ publishing ──▶ review ──▶ completed
//!                        │                                                     │ changes requested
//!                        └── failed(retry) ◀── gave up                         └──▶ pending
//!  publishing ──▶ pending: somebody else pushed to its branch first (overtaken)
//! ```
//!
//! A report is a snapshot of a file, so a state may never be seen: assigned accepts success directly.
//! Waiting for a dependency or a parked account is no state: the task is pending and cannot be
//! placed.

mod machine;
mod record;
mod words;

#[cfg(test)]
pub(crate) mod fixture;

pub use machine::{AfterFailure, TaskEvent};
pub use record::{Conversation, MAX_MESSAGES, Message, MessageKind, PullRequestRecord, Task};
pub use words::{WaitsFor, possible_actions, waiting_sentence};

use serde::{Deserialize, Serialize};

use crate::execution::FailureCause;
use crate::id::{CodingCliName, ExecutionId};

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// An operator has to accept or reject it.
    Triage(TriageReason),
    /// It waits for an agent, a dependency, an account, or the end of a back-off.
    Pending,
    /// An execution of it was given to an agent that has not reported progress yet.
    Assigned(ExecutionId),
    /// An agent works on it.
    InProgress(ExecutionId),
    /// Its result is being checked, pushed and opened; shown as in_progress.
    Publishing(ExecutionId),
    /// Its pull request is open and waits for people.
    Review,
    /// It waits for a person.
    Blocked(BlockedReason),
    /// Its pull request was merged.
    Completed,
    /// Its attempts are used up; an operator's retry makes it pending again.
    Failed(FailureCause),
    /// Somebody ended it.
    Cancelled(CancelledBy),
}

/// Why a task waits for an operator before it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriageReason {
    /// The project does not assign by itself (`auto_assign = false`).
    Manual,
    /// Who set the label may not trigger work.
    UntrustedActor {
        /// The login as the tracker shows it.
        login: String,
        /// Their permission as the API gave it, for example `read`.
        permission: String,
    },
    /// Who set the label could not be found out.
    UnknownActor,
    /// The text was edited after the trigger.
    EditedAfterTrigger,
    /// No agent type is configured that could take it.
    NoRoute,
    /// The project's daily limit is used up.
    OverBudget,
}

/// Why a task waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockedReason {
    /// A credential request waits for an answer.
    NeedsCredential,
    /// The coding CLI ended without a change, or said that it is blocked; its last words.
    NeedsHuman(String),
    /// The task's cost limit is reached.
    CostLimit,
    /// The gate refused the result; nothing was pushed. A person may send it back or pass it once.
    PublishRejected {
        /// The execution whose result was refused.
        execution: ExecutionId,
        /// What the gate found, a sentence each.
        findings: Vec<String>,
        /// Whether an operator may pass it: true for findings that are a matter of judgement
        /// (protected paths, secrets), false for those that are not (closure, modes, names).
        passable: bool,
    },
    /// The agent suggests another coding CLI.
    Handoff(Option<CodingCliName>),
    /// Executions ended without fault of the task more often than the bound allows.
    KeepsBeingInterrupted,
}

impl BlockedReason {
    /// Whether a sentence settles it. A credential and a limit have answers of their own.
    #[must_use]
    pub fn waits_for_words(&self) -> bool {
        match self {
            Self::NeedsHuman(_)
            | Self::PublishRejected { .. }
            | Self::Handoff(_)
            | Self::KeepsBeingInterrupted => true,
            Self::NeedsCredential | Self::CostLimit => false,
        }
    }
}

/// Who or what ended a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelledBy {
    /// The operator cancelled or rejected it.
    Operator,
    /// Its pull request was closed without a merge.
    PullRequestClosed,
    /// Its issue was closed, or lost its trigger label.
    Issue,
    /// Its issue was deleted, or is elsewhere by now.
    IssueGone,
}

/// The word for a state that `--json`, the wire and the screens use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStateName {
    /// See [`TaskState::Triage`].
    Triage,
    /// See [`TaskState::Pending`].
    Pending,
    /// See [`TaskState::Assigned`].
    Assigned,
    /// See [`TaskState::InProgress`] and [`TaskState::Publishing`].
    InProgress,
    /// See [`TaskState::Review`].
    Review,
    /// See [`TaskState::Blocked`].
    Blocked,
    /// See [`TaskState::Completed`].
    Completed,
    /// See [`TaskState::Failed`].
    Failed,
    /// See [`TaskState::Cancelled`].
    Cancelled,
}

impl TaskStateName {
    /// All names, in the order of a task's life.
    pub const ALL: [Self; 9] = [
        Self::Triage,
        Self::Pending,
        Self::Assigned,
        Self::InProgress,
        Self::Review,
        Self::Blocked,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The snake_case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::InProgress => "in_progress",
            Self::Review => "review",
            Self::Blocked => "blocked",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl TaskState {
    /// The word for this state.
    #[must_use]
    pub fn name(&self) -> TaskStateName {
        match self {
            Self::Triage(_) => TaskStateName::Triage,
            Self::Pending => TaskStateName::Pending,
            Self::Assigned(_) => TaskStateName::Assigned,
            Self::InProgress(_) | Self::Publishing(_) => TaskStateName::InProgress,
            Self::Review => TaskStateName::Review,
            Self::Blocked(_) => TaskStateName::Blocked,
            Self::Completed => TaskStateName::Completed,
            Self::Failed(_) => TaskStateName::Failed,
            Self::Cancelled(_) => TaskStateName::Cancelled,
        }
    }

    /// Whether only what succeeded leads here.
    #[must_use]
    pub fn follows_success(&self) -> bool {
        match self {
            Self::Publishing(_) | Self::Review | Self::Completed => true,
            Self::Triage(_)
            | Self::Pending
            | Self::Assigned(_)
            | Self::InProgress(_)
            | Self::Blocked(_)
            | Self::Failed(_)
            | Self::Cancelled(_) => false,
        }
    }

    /// The execution whose messages may still move this task.
    #[must_use]
    pub fn current_execution(&self) -> Option<&ExecutionId> {
        match self {
            Self::Assigned(execution)
            | Self::InProgress(execution)
            | Self::Publishing(execution) => Some(execution),
            Self::Triage(_)
            | Self::Pending
            | Self::Review
            | Self::Blocked(_)
            | Self::Completed
            | Self::Failed(_)
            | Self::Cancelled(_) => None,
        }
    }

    /// The execution that an agent is busy with: publishing no longer needs its hands.
    #[must_use]
    pub fn working_execution(&self) -> Option<&ExecutionId> {
        match self {
            Self::Assigned(execution) | Self::InProgress(execution) => Some(execution),
            Self::Publishing(_)
            | Self::Triage(_)
            | Self::Pending
            | Self::Review
            | Self::Blocked(_)
            | Self::Completed
            | Self::Failed(_)
            | Self::Cancelled(_) => None,
        }
    }

    /// Whether the task has ended for good. A failed task has not: an operator may retry it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled(_))
    }

    /// Whether the words of a person start the next execution: a review, a failure, or a question that
    /// words answer.
    #[must_use]
    pub fn is_answered_by_words(&self) -> bool {
        match self {
            Self::Review | Self::Failed(_) => true,
            Self::Blocked(reason) => reason.waits_for_words(),
            Self::Triage(_)
            | Self::Pending
            | Self::Assigned(_)
            | Self::InProgress(_)
            | Self::Publishing(_)
            | Self::Completed
            | Self::Cancelled(_) => false,
        }
    }

    /// Whether another agent is the answer. To a pull request in review it is none.
    #[must_use]
    pub fn is_answered_by_reassignment(&self) -> bool {
        self.is_answered_by_words() && *self != Self::Review
    }

    /// Whether anything can still happen to the task without an operator.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.is_finished() && !matches!(self, Self::Failed(_))
    }
}

/// What kind of work a task is; routing and the prompt depend on it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum TaskType {
    /// Something new.
    #[default]
    Feature,
    /// Something broken.
    Bugfix,
    /// Same behaviour, better code.
    Refactor,
    /// Documentation.
    Docs,
    /// Tests.
    Test,
}

/// How urgent a task is; 0 is most urgent. `Ord` puts the most urgent first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// P0: production is broken, security.
    Critical,
    /// P1: promised for soon.
    High,
    /// P2: regular work.
    #[default]
    Medium,
    /// P3: nice to have.
    Low,
    /// P4: cleaning up, documentation.
    Background,
}

impl Priority {
    /// All, most urgent first.
    pub const ALL: [Self; 5] = [
        Self::Critical,
        Self::High,
        Self::Medium,
        Self::Low,
        Self::Background,
    ];

    /// 0 to 4.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Critical => 0,
            Self::High => 1,
            Self::Medium => 2,
            Self::Low => 3,
            Self::Background => 4,
        }
    }

    /// The priority with this number, 0 to 4.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Background => "background",
        }
    }
}
