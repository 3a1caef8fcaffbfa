//! Records that are the host's alone. The others are the domain's nouns.

use serde::{Deserialize, Serialize};

use cloud_code_domain::cost::{MicroUsd, Tokens, Usage};
use cloud_code_domain::id::{AccountName, AgentId, ExecutionId, ProjectName, TaskId};
use cloud_code_domain::time::Timestamp;

/// The host as a whole; one record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostRecord {
    /// Whether the operator halted the whole fleet.
    pub halted: bool,
    /// How often the secrets file was written: an older one is refused.
    pub secrets_version: u64,
}

/// What is kept of a project. The rest is configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectRecord {
    /// Its name.
    pub name: ProjectName,
    /// Whether the operator halted it.
    pub halted: bool,
    /// Where polling goes on from.
    pub cursor: String,
    /// The number that the next local issue gets.
    pub next_issue: u64,
}

/// What was spent on one day for one combination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendRow {
    /// Days since 1970-01-01, UTC.
    pub day: i64,
    /// The project.
    pub project: ProjectName,
    /// The agent.
    pub agent: AgentId,
    /// The task.
    pub task: TaskId,
    /// The model, as the provider named it.
    pub model: String,
    /// The account.
    pub account: AccountName,
    /// Tokens.
    pub usage: Usage,
    /// Money; notional where the account is a subscription.
    pub cost: MicroUsd,
    /// Tokens that count towards a limit.
    #[serde(default)]
    pub tokens: Tokens,
    /// Model calls.
    pub calls: u64,
}

impl SpendRow {
    /// Its key: sorts by day first.
    #[must_use]
    pub fn key(&self) -> String {
        format!(
            "{:08}/{}/{}/{}/{}/{}",
            self.day, self.project, self.agent, self.task, self.model, self.account
        )
    }
}

/// Money set aside for a model call under way. One that is found at start is charged whole: whether
/// the provider answered is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The execution that calls.
    pub execution: ExecutionId,
    /// Its number among the calls of this host's life.
    pub call: u64,
    /// The account it is made from.
    pub account: AccountName,
    /// The model.
    pub model: String,
    /// The most that it can cost.
    pub most: MicroUsd,
    /// The most tokens of it that can count towards a limit.
    #[serde(default)]
    pub most_tokens: Tokens,
    /// When it was made.
    pub at: Timestamp,
}

impl Reservation {
    /// Its key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.execution, self.call)
    }
}
