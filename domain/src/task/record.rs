//! What is kept of a task.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agent::AgentType;
use crate::cost::{MicroUsd, Tokens, Usage};
use crate::dependencies::Standing;
use crate::handover::Brought;
use crate::id::{AgentId, CodingCliName, ExecutionId, Oid, ProjectName, TaskId};
use crate::issue::IssueRef;
use crate::limit::{Amount, Level, Measure};
use crate::passed::PassedChanges;
use crate::report::{Criterion, CriterionStatus, Report};
use crate::time::Timestamp;

use super::{Priority, TaskState, TaskType};

/// A task as the store keeps it and the screens show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its id, forever.
    pub id: TaskId,
    /// Grows by one with every change; an operator's action names the version it was decided on.
    pub version: u64,
    /// The project it belongs to.
    pub project: ProjectName,
    /// The issue it was made from; none for a task that the operator wrote on a GitHub project.
    pub issue: Option<IssueRef>,
    /// One line, visible text only.
    pub title: String,
    /// The issue's text, visible text only.
    pub description: String,
    /// The acceptance criteria: the task list of the issue's text.
    pub criteria: Vec<String>,
    /// The issue's labels when it was read last.
    pub labels: Vec<String>,
    /// What kind of work it is.
    pub task_type: TaskType,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether an operator set the priority, so that labels no longer do.
    pub priority_pinned: bool,
    /// Where it stands.
    pub state: TaskState,
    /// The agent type that routing chose; none in triage for want of a route.
    pub agent_type: Option<AgentType>,
    /// The agent whose workspace holds its worktree: it goes back there.
    pub agent: Option<AgentId>,
    /// The coding CLI that works on it.
    pub coding_cli: CodingCliName,
    /// Numbers of the issues it waits for.
    pub depends_on: Vec<u64>,
    /// How those of them stand that the tracker was asked for.
    #[serde(default)]
    pub standings: BTreeMap<u64, Standing>,
    /// The branch it owns, without `refs/heads/`.
    pub branch: String,
    /// The commit that the current or next execution starts from.
    pub base: Option<Oid>,
    /// What it may cost where an account with a key pays.
    pub cost_limit: MicroUsd,
    /// What it may use where a subscription pays.
    #[serde(default = "per_task")]
    pub token_limit: Tokens,
    /// What it has cost by the price table, `notional` included.
    pub cost: MicroUsd,
    /// The part of `cost` that subscriptions gave: it counts towards no limit.
    #[serde(default)]
    pub notional: MicroUsd,
    /// Tokens that count towards `token_limit`.
    #[serde(default)]
    pub tokens: Tokens,
    /// The day on which an operator lets it go past its project's daily limit.
    #[serde(default)]
    pub past_daily_limit: Option<i64>,
    /// Tokens of all its executions.
    pub usage: Usage,
    /// Failed executions since the last human input.
    pub attempts: u32,
    /// The bound of `attempts`.
    pub max_attempts: u32,
    /// The attempt that the last execution was; 0 where none was assigned since the last human input.
    #[serde(default)]
    pub tried: u32,
    /// Executions since the last human input that ended without fault of the task.
    pub interruptions: u32,
    /// How often in a row somebody else's push came before its result.
    #[serde(default)]
    pub overtaken: u32,
    /// It is not placed before this time.
    pub not_before: Option<Timestamp>,
    /// The number of the last execution; 0 where there was none.
    pub executions: u32,
    /// What people said that the next turn has to answer.
    pub conversation: Conversation,
    /// What the agent reports.
    pub report: Report,
    /// Its pull request, once there is one.
    pub pull_request: Option<PullRequestRecord>,
    /// The id of our progress comment on the issue, once it is known.
    pub comment_id: Option<u64>,
    /// The last failure, in a sentence; none once it was followed by a success.
    pub last_error: Option<String>,
    /// When the trigger label that made it was set: a later one makes a new task of the same issue.
    pub triggered_at: Option<Timestamp>,
    /// Whether the next execution keeps worktree and session of the one before.
    pub keep: bool,
    /// The execution that `base` was fetched for.
    pub prepared: u32,
    /// The execution whose commits are being brought to the host, because the task leaves its agent.
    #[serde(default)]
    pub bringing: Option<ExecutionId>,
    /// Commits of an earlier agent that are on the host and not pushed.
    #[serde(default)]
    pub brought: Option<Brought>,
    /// Changes of protected paths that an operator let pass.
    #[serde(default)]
    pub passed: PassedChanges,
    /// Whether the tracker has its issue no more: it was deleted, or is elsewhere.
    #[serde(default)]
    pub issue_gone: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its first execution was assigned.
    pub started_at: Option<Timestamp>,
    /// When it was completed, cancelled or failed.
    pub finished_at: Option<Timestamp>,
    /// When it changed last.
    pub updated_at: Timestamp,
}

fn per_task() -> Tokens {
    Tokens::PER_TASK
}

impl Task {
    /// The number of the attempt that runs, or that ran last since a person had a hand in it: the
    /// first is 1, and 0 says that none has run since. Never more than `max_attempts`.
    ///
    /// Only failures count towards the bound, so an attempt that was interrupted has the same number
    /// when it is made again.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.tried.max(self.attempts).min(self.max_attempts)
    }

    /// It comes to stand here. Once it has worked out, a failure on the way there is no news any more;
    /// the executions still tell of it.
    pub fn enter(&mut self, state: TaskState) {
        if state.follows_success() {
            self.last_error = None;
        }
        self.state = state;
    }

    /// An execution is assigned.
    pub fn try_once(&mut self) {
        self.tried = self.attempts.saturating_add(1);
    }

    /// A person had a hand in it: everything is counted anew. What runs is the first attempt then.
    pub fn count_anew(&mut self) {
        self.tried = u32::from(self.state.current_execution().is_some());
        self.attempts = 0;
        self.interruptions = 0;
        self.overtaken = 0;
        self.not_before = None;
    }

    /// What its limits allow.
    #[must_use]
    pub fn limits(&self) -> Amount {
        Amount {
            cost: self.cost_limit,
            tokens: self.token_limit,
        }
    }

    /// What counts towards its limits.
    #[must_use]
    pub fn spent(&self) -> Amount {
        Amount {
            cost: MicroUsd(self.cost.0.saturating_sub(self.notional.0)),
            tokens: self.tokens,
        }
    }

    /// The limit that stops it, as far as its numbers tell: one that is reached, else the one that
    /// it spends from.
    #[must_use]
    pub fn nearest_limit(&self) -> Level {
        let level = |measure| self.spent().level(measure, self.limits());
        let (dollars, tokens) = (level(Measure::Dollars), level(Measure::Tokens));
        if tokens.is_reached() || (self.tokens > Tokens(0) && !dollars.is_reached()) {
            tokens
        } else {
            dollars
        }
    }

    /// The words after `cloud-code` that raise that limit.
    #[must_use]
    pub fn grant_command(&self) -> String {
        match self.nearest_limit() {
            Level::Dollars { .. } => format!("grant {} <dollars>", self.id),
            Level::Tokens { .. } => format!("grant {} --tokens <tokens>", self.id),
        }
    }

    /// The acceptance criteria, each with what the agent says of it. The list is the issue's; where
    /// the issue has none, it is the agent's.
    #[must_use]
    pub fn criteria_met(&self) -> Vec<Criterion> {
        if self.criteria.is_empty() {
            return self.report.criteria.clone();
        }
        let said = |text: &String| {
            self.report
                .criteria
                .iter()
                .find(|one| one.criterion == *text)
                .map_or(CriterionStatus::Pending, |one| one.status)
        };
        self.criteria
            .iter()
            .map(|text| Criterion {
                criterion: text.clone(),
                status: said(text),
            })
            .collect()
    }

    /// What people say at the tracker counts from here on: the second in which the label was set,
    /// by the tracker's clock, or in which the task was made. Trackers tell whole seconds.
    #[must_use]
    pub fn hears_since(&self) -> Timestamp {
        let since = self.triggered_at.unwrap_or(self.created_at);
        Timestamp(since.0.div_euclid(1_000).saturating_mul(1_000))
    }
}

/// Messages of a conversation that are kept.
pub const MAX_MESSAGES: usize = 200;

/// What people want an agent to know, in order. Messages up to `delivered` have reached a turn.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// The messages, oldest first; numbers are `first + index`.
    pub messages: Vec<Message>,
    /// The number of the oldest message kept.
    pub first: u64,
    /// Messages with a smaller number have been handed to a coding CLI.
    pub delivered: u64,
}

impl Conversation {
    /// The number that the next message gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.first
            .saturating_add(u64::try_from(self.messages.len()).unwrap_or(u64::MAX))
    }

    /// Adds a message and returns its number. Of more than [`MAX_MESSAGES`] the oldest goes, its
    /// number with it: those before the last hundreds have been answered or overtaken.
    pub fn push(&mut self, message: Message) -> u64 {
        let number = self.next();
        self.messages.push(message);
        while self.messages.len() > MAX_MESSAGES {
            self.messages.remove(0);
            self.first = self.first.saturating_add(1);
        }
        number
    }

    /// Whether something from this source is among the messages.
    #[must_use]
    pub fn has(&self, source: &str) -> bool {
        self.messages
            .iter()
            .any(|message| message.source.as_deref() == Some(source))
    }

    /// The messages that no turn has seen, with their numbers.
    pub fn waiting(&self) -> impl Iterator<Item = (u64, &Message)> {
        (self.first..)
            .zip(&self.messages)
            .filter(|(number, _)| *number >= self.delivered)
    }
}

/// Something a person, or a check on a person's behalf, has to say to the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What it is.
    pub kind: MessageKind,
    /// Who said it, as the tracker or the operator's login names them.
    pub author: String,
    /// The text, visible text only, bounded.
    pub text: String,
    /// Where the text comes from, so that the same comment is never taken twice; for example
    /// `comment/77` or `review/12`.
    pub source: Option<String>,
    /// When we took it.
    pub at: Timestamp,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// The operator's steering, or a comment on the issue or pull request.
    Steer,
    /// A review of the pull request, with the lines it speaks of.
    Review,
    /// The answer to what the task was blocked on (approved, denied, limit raised).
    Answer,
    /// What the gate found in the result.
    Gate,
    /// The commits that somebody else pushed to the branch while the agent worked.
    Pushed,
}

/// A task's pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequestRecord {
    /// Its number; none while it is pushed but not yet opened.
    pub number: Option<u64>,
    /// Its page, or the branch for a local project.
    pub url: Option<String>,
    /// The head that we pushed or fetched last: a push replaces nothing but this.
    pub head: Oid,
    /// The head of the result that we last published.
    pub published: Option<ExecutionId>,
    /// Lines added and removed against the default branch, as git counts them.
    pub added: u64,
    /// See `added`.
    pub removed: u64,
    /// Files changed.
    pub files: u64,
}

#[cfg(test)]
mod tests;
