//! States, reasons and causes in words, and what an operator can do about them.

use std::fmt;

use super::{BlockedReason, CancelledBy, Task, TaskState, TaskType, TriageReason};
use crate::agent::AgentType;
use crate::id::{AccountName, AgentId};
use crate::time::Timestamp;

impl TaskType {
    /// The snake_case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Feature => "feature",
            Self::Bugfix => "bugfix",
            Self::Refactor => "refactor",
            Self::Docs => "docs",
            Self::Test => "test",
        }
    }
}

impl BlockedReason {
    /// The snake_case word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NeedsCredential => "needs_credential",
            Self::NeedsHuman(_) => "needs_human",
            Self::CostLimit => "cost_limit",
            Self::PublishRejected { .. } => "publish_rejected",
            Self::Handoff(_) => "handoff",
            Self::KeepsBeingInterrupted => "keeps_being_interrupted",
        }
    }
}

impl fmt::Display for BlockedReason {
    /// A part of a sentence: why the task waits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsCredential => f.write_str("a credential request waits for an answer"),
            Self::NeedsHuman(words) if words.is_empty() => {
                f.write_str("the agent ended without a change")
            }
            Self::NeedsHuman(words) => write!(f, "the agent needs a person: {words}"),
            Self::CostLimit => f.write_str("the cost limit is reached"),
            Self::PublishRejected { findings, .. } => {
                f.write_str("the result was refused")?;
                findings
                    .first()
                    .map_or(Ok(()), |finding| write!(f, ": {finding}"))?;
                match findings.len() {
                    0 | 1 => Ok(()),
                    more => write!(f, " (and {} more)", more - 1),
                }
            }
            Self::Handoff(Some(cli)) => write!(f, "the agent suggests the coding CLI {cli}"),
            Self::Handoff(None) => f.write_str("the agent suggests another coding CLI"),
            Self::KeepsBeingInterrupted => f.write_str("it keeps being interrupted"),
        }
    }
}

impl TriageReason {
    /// The snake_case word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::UntrustedActor { .. } => "untrusted_actor",
            Self::UnknownActor => "unknown_actor",
            Self::EditedAfterTrigger => "edited_after_trigger",
            Self::NoRoute => "no_route",
            Self::OverBudget => "over_budget",
        }
    }
}

impl fmt::Display for TriageReason {
    /// A part of a sentence: why the task waits for an operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manual => f.write_str("the project starts nothing by itself"),
            Self::UntrustedActor { login, permission } => write!(
                f,
                "the label was set by {login}, who may not start work (permission: {permission})"
            ),
            Self::UnknownActor => f.write_str("who set the label could not be found out"),
            Self::EditedAfterTrigger => f.write_str("the text was edited after the label was set"),
            Self::NoRoute => f.write_str("no configured agent type may take it"),
            Self::OverBudget => f.write_str("the project's daily limit is used up"),
        }
    }
}

impl fmt::Display for CancelledBy {
    /// A part of a sentence: what ended the task.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "an operator ended it",
            Self::PullRequestClosed => "its pull request was closed",
            Self::Issue => "its issue was closed or lost its label",
            Self::IssueGone => "its issue was deleted or is elsewhere by now",
        })
    }
}

/// The names of the actions that an operator can do to a task now, as
/// [`crate::operator::Action::name`] has them.
#[must_use]
pub fn possible_actions(task: &Task) -> Vec<&'static str> {
    let mut actions = Vec::new();
    match &task.state {
        TaskState::Triage(_) => actions.extend(["accept", "reject", "cancel", "priority"]),
        TaskState::Pending => {
            actions.extend(["cancel", "reassign", "priority", "steer", "grant"]);
        }
        TaskState::Assigned(_) | TaskState::InProgress(_) => {
            actions.extend(["cancel", "priority", "steer", "grant"]);
        }
        TaskState::Publishing(_) => actions.extend(["cancel", "priority"]),
        TaskState::Review => actions.extend(["cancel", "priority", "steer", "grant"]),
        TaskState::Blocked(reason) => {
            actions.extend(["retry", "cancel", "reassign", "priority", "steer", "grant"]);
            if let BlockedReason::PublishRejected { passable: true, .. } = reason {
                actions.push("pass");
            }
        }
        TaskState::Failed(_) => {
            actions.extend(["retry", "cancel", "reassign", "priority", "steer", "grant"]);
        }
        TaskState::Completed | TaskState::Cancelled(_) => {}
    }
    let open = task.pull_request.is_some() && !task.state.is_finished();
    if open && !matches!(task.state, TaskState::Triage(_)) {
        actions.extend(["merge", "close"]);
    }
    actions
}

/// One sentence: why the task waits, or what it does. Agent text in it is one line.
#[must_use]
pub fn waiting_sentence(task: &Task) -> String {
    match &task.state {
        TaskState::Triage(reason) => format!("waits for an operator: {reason}"),
        TaskState::Pending => pending(task),
        TaskState::Assigned(_) => "its agent makes the workspace ready".to_owned(),
        TaskState::InProgress(_) => task
            .report
            .current_step
            .clone()
            .unwrap_or_else(|| "an agent works on it".to_owned()),
        TaskState::Publishing(_) => "its result is being checked and pushed".to_owned(),
        TaskState::Review => "its pull request waits for people".to_owned(),
        TaskState::Blocked(BlockedReason::CostLimit) => {
            format!("{}: {}", BlockedReason::CostLimit, task.nearest_limit())
        }
        TaskState::Blocked(reason) => reason.to_string(),
        TaskState::Completed => "its pull request was merged".to_owned(),
        TaskState::Failed(cause) => cause.to_string(),
        TaskState::Cancelled(by) => by.to_string(),
    }
}

fn pending(task: &Task) -> String {
    let issues: Vec<String> = task.depends_on.iter().map(|n| format!("#{n}")).collect();
    if issues.is_empty() {
        "waits for its turn".to_owned()
    } else {
        format!("waits for its turn; it depends on {}", issues.join(", "))
    }
}

/// What a pending task waits for, as whoever tried to place it found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitsFor {
    /// These issues are still open.
    Issues(Vec<u64>),
    /// Its back-off ends then.
    Time(Timestamp),
    /// Its account is parked: until then, or until the operator acts.
    Account(AccountName, Option<Timestamp>),
    /// This agent holds its worktree and is busy, or gone for the moment.
    Agent(AgentId),
    /// No agent of this type is idle.
    AgentType(AgentType),
    /// Nothing is given out: its project, or the whole fleet, is halted.
    Halt,
    /// As many agents work as may.
    Slot,
    /// The disk is nearly full.
    Disk,
    /// The project's daily limit is used up.
    Budget,
}

impl fmt::Display for WaitsFor {
    /// A sentence without its full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issues(numbers) => {
                let issues: Vec<String> = numbers.iter().map(|n| format!("#{n}")).collect();
                write!(f, "waits for {}", issues.join(", "))
            }
            Self::Time(at) => write!(f, "tries again at {}", at.utc()),
            Self::Account(name, Some(until)) => {
                write!(f, "the account {name} is parked until {}", until.utc())
            }
            Self::Account(name, None) => write!(f, "the account {name} has to be logged in again"),
            Self::Agent(agent) => write!(f, "waits for {agent}, which holds its worktree"),
            Self::AgentType(agent_type) => write!(f, "waits for an idle {agent_type} agent"),
            Self::Halt => f.write_str("halted by an operator"),
            Self::Slot => f.write_str("as many agents work as may"),
            Self::Disk => f.write_str("the disk is nearly full"),
            Self::Budget => f.write_str("the project's daily limit is used up"),
        }
    }
}

#[cfg(test)]
mod tests;
