//! What an operator can do. Keys, palette, subcommands and tests all make the same actions.

use serde::{Deserialize, Serialize};

use crate::cost::{MicroUsd, Tokens};
use crate::id::{AccountName, AgentId, CodingCliName, ProjectName, RequestId, TaskId};
use crate::task::Priority;

/// Something that an operator does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Makes a task, on a local project also its issue.
    NewTask {
        /// The project.
        project: ProjectName,
        /// One line.
        title: String,
        /// The text, with the acceptance criteria as a task list.
        description: String,
        /// How urgent.
        priority: Option<Priority>,
    },
    /// Accepts a task out of triage.
    Accept(TaskId),
    /// Rejects a task in triage.
    Reject(TaskId),
    /// Tries a failed or blocked task again.
    Retry(TaskId),
    /// Ends a task.
    Cancel(TaskId),
    /// Gives a task that is not being worked on to another agent, or to another coding CLI.
    Reassign {
        /// The task.
        task: TaskId,
        /// The agent. None: it stays with its agent where a coding CLI is named, else placement
        /// chooses.
        agent: Option<AgentId>,
        /// The coding CLI; none leaves it as it is.
        coding_cli: Option<CodingCliName>,
    },
    /// Sets the priority.
    SetPriority {
        /// The task.
        task: TaskId,
        /// The new priority.
        priority: Priority,
    },
    /// Tells the agent something: a running turn at once, else the next.
    Steer {
        /// The task.
        task: TaskId,
        /// What.
        text: String,
    },
    /// Lets a result pass that the gate refused, this once.
    Pass(TaskId),
    /// Merges the pull request.
    Merge(TaskId),
    /// Closes the pull request without a merge.
    Close(TaskId),
    /// Sets what a task may cost; a task blocked on its limit goes on.
    SetCostLimit {
        /// The task.
        task: TaskId,
        /// The new limit.
        limit: MicroUsd,
    },
    /// Sets what a task may use of a subscription; a task blocked on its limit goes on.
    SetTokenLimit {
        /// The task.
        task: TaskId,
        /// The new limit.
        limit: Tokens,
    },
    /// Grants a credential request.
    Approve {
        /// The request.
        request: RequestId,
        /// Also every later request of the task with the same kind and scope.
        for_task: bool,
    },
    /// Denies a credential request.
    Deny {
        /// The request.
        request: RequestId,
        /// What the agent is told.
        note: String,
    },
    /// Stops giving out work, and stops what runs: of one project, or of the whole fleet.
    Halt(Option<ProjectName>),
    /// Goes on after a halt.
    Resume(Option<ProjectName>),
    /// Says that an account can be used again.
    ResumeAccount(AccountName),
}

impl Action {
    /// The action's name, as the subcommand and the palette call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NewTask { .. } => "new",
            Self::Accept(_) => "accept",
            Self::Reject(_) => "reject",
            Self::Retry(_) => "retry",
            Self::Cancel(_) => "cancel",
            Self::Reassign { .. } => "reassign",
            Self::SetPriority { .. } => "priority",
            Self::Steer { .. } => "steer",
            Self::Pass(_) => "pass",
            Self::Merge(_) => "merge",
            Self::Close(_) => "close",
            Self::SetCostLimit { .. } | Self::SetTokenLimit { .. } => "grant",
            Self::Approve { .. } => "approve",
            Self::Deny { .. } => "deny",
            Self::Halt(_) => "halt",
            Self::Resume(_) => "resume",
            Self::ResumeAccount(_) => "resume-account",
        }
    }
}
