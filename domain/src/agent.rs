//! An agent: a workstation, that is a container, agentd and a coding CLI.
//!
//! ```text
//!  provisioning ──▶ idle ⇄ working
//!       ▲            │ ▲
//!       │            ▼ │
//!  recreating   maintenance        any ──▶ retired
//! ```
//!
//! Health is derived from heartbeats and never stored.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, BadName, ExecutionId, ProjectName};
use crate::machine::{Denied, Outcome, Step};
use crate::tenancy::Tenancy;
use crate::time::Timestamp;

/// The seven kinds of workstation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentType {
    /// User interfaces.
    Frontend,
    /// Services and APIs.
    Backend,
    /// Schemas, migrations, queries.
    Database,
    /// Deployment and infrastructure.
    Devops,
    /// Reading others' changes.
    Reviewer,
    /// Writing and running tests.
    Testing,
    /// Splitting work.
    Planner,
}

impl AgentType {
    /// All seven.
    pub const ALL: [Self; 7] = [
        Self::Frontend,
        Self::Backend,
        Self::Database,
        Self::Devops,
        Self::Reviewer,
        Self::Testing,
        Self::Planner,
    ];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Backend => "backend",
            Self::Database => "database",
            Self::Devops => "devops",
            Self::Reviewer => "reviewer",
            Self::Testing => "testing",
            Self::Planner => "planner",
        }
    }
}

impl fmt::Display for AgentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AgentType {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::ALL
            .into_iter()
            .find(|agent_type| agent_type.as_str() == text)
            .ok_or_else(|| BadName {
                kind: "agent type",
                text: text.chars().take(80).collect(),
                rule: "one of frontend, backend, database, devops, reviewer, testing, planner",
            })
    }
}

/// Where an agent stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Its container is being made; it has not said hello.
    Provisioning,
    /// It waits for work.
    Idle,
    /// It works on this execution.
    Working(ExecutionId),
    /// It cleans up and takes no work.
    Maintenance,
    /// Its container is being replaced, for this reason.
    Recreating(String),
    /// It is not wanted any more.
    Retired,
}

/// Something that happened to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentEvent {
    /// It said hello and is ready.
    Ready,
    /// An execution was given to it.
    Assigned(ExecutionId),
    /// The execution ended.
    Freed(ExecutionId),
    /// It starts cleaning up.
    MaintenanceStarted,
    /// It has cleaned up.
    MaintenanceEnded,
    /// Its container has to be replaced.
    Broke(String),
    /// Its replacement is being made.
    Recreated,
    /// The configuration no longer wants it.
    Unwanted,
}

impl AgentState {
    /// The state after `event`, or why it cannot be.
    ///
    /// # Errors
    /// [`Denied`] where the event has no meaning in this state.
    pub fn on(&self, event: &AgentEvent) -> Step<Self> {
        if *self == Self::Retired {
            return match event {
                AgentEvent::Unwanted => Ok(Outcome::Unchanged),
                // The configuration wants it again.
                AgentEvent::Recreated => Ok(Outcome::Moved(Self::Provisioning)),
                AgentEvent::Ready
                | AgentEvent::Assigned(_)
                | AgentEvent::Freed(_)
                | AgentEvent::MaintenanceStarted
                | AgentEvent::MaintenanceEnded
                | AgentEvent::Broke(_) => Err(Denied::Finished),
            };
        }
        match event {
            AgentEvent::Ready => match self {
                Self::Provisioning | Self::Recreating(_) => Ok(Outcome::Moved(Self::Idle)),
                Self::Idle | Self::Working(_) | Self::Maintenance | Self::Retired => {
                    Ok(Outcome::Unchanged)
                }
            },
            AgentEvent::Assigned(execution) => match self {
                Self::Idle => Ok(Outcome::Moved(Self::Working(execution.clone()))),
                Self::Working(current) if current == execution => Ok(Outcome::Unchanged),
                Self::Working(_)
                | Self::Provisioning
                | Self::Maintenance
                | Self::Recreating(_)
                | Self::Retired => Err(Denied::NotPossible),
            },
            AgentEvent::Freed(execution) => match self {
                Self::Working(current) if current == execution => Ok(Outcome::Moved(Self::Idle)),
                Self::Working(_) => Err(Denied::Stale),
                Self::Idle
                | Self::Provisioning
                | Self::Maintenance
                | Self::Recreating(_)
                | Self::Retired => Ok(Outcome::Unchanged),
            },
            AgentEvent::MaintenanceStarted => match self {
                Self::Idle => Ok(Outcome::Moved(Self::Maintenance)),
                Self::Maintenance => Ok(Outcome::Unchanged),
                Self::Working(_) | Self::Provisioning | Self::Recreating(_) | Self::Retired => {
                    Err(Denied::NotPossible)
                }
            },
            AgentEvent::MaintenanceEnded => match self {
                Self::Maintenance => Ok(Outcome::Moved(Self::Idle)),
                Self::Idle
                | Self::Working(_)
                | Self::Provisioning
                | Self::Recreating(_)
                | Self::Retired => Ok(Outcome::Unchanged),
            },
            AgentEvent::Broke(cause) => match self {
                Self::Recreating(_) => Ok(Outcome::Unchanged),
                Self::Provisioning
                | Self::Idle
                | Self::Working(_)
                | Self::Maintenance
                | Self::Retired => Ok(Outcome::Moved(Self::Recreating(cause.clone()))),
            },
            AgentEvent::Recreated => match self {
                Self::Recreating(_) => Ok(Outcome::Moved(Self::Provisioning)),
                Self::Provisioning
                | Self::Idle
                | Self::Working(_)
                | Self::Maintenance
                | Self::Retired => Ok(Outcome::Unchanged),
            },
            AgentEvent::Unwanted => Ok(Outcome::Moved(Self::Retired)),
        }
    }

    /// The snake_case word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Provisioning => "provisioning",
            Self::Idle => "idle",
            Self::Working(_) => "working",
            Self::Maintenance => "maintenance",
            Self::Recreating(_) => "recreating",
            Self::Retired => "retired",
        }
    }
}

/// An agent as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// `<project slug>.<type>-<n>`.
    pub id: AgentId,
    /// The project it belongs to: private code never lies beside another project's.
    pub project: ProjectName,
    /// What kind it is.
    pub agent_type: AgentType,
    /// Its number among those of its project and type, from 1.
    pub number: u32,
    /// Where it stands.
    pub state: AgentState,
    /// Whose its workspace is.
    #[serde(default)]
    pub tenancy: Tenancy,
    /// The spool that its last session sent from, and the last record of it that is committed.
    pub spool: Option<SpoolPosition>,
    /// Executions that succeeded on it.
    pub succeeded: u64,
    /// Executions that failed on it.
    pub failed: u64,
    /// When it was first wanted.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

impl Agent {
    /// The short name, for example `backend-1`.
    #[must_use]
    pub fn short_name(&self) -> String {
        format!("{}-{}", self.agent_type, self.number)
    }
}

/// How far an agent's records are committed. A new spool starts again at 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolPosition {
    /// The random id that agentd gave its spool when it made it.
    pub spool_id: String,
    /// The last sequence number that is committed.
    pub seq: u64,
}

#[cfg(test)]
mod tests;
