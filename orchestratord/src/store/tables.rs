//! The tables. Keys are texts that sort in a useful order.

use redb::TableDefinition;

/// A table of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Schema and the like.
    Meta,
    /// `TaskId` → `Task`, all that are not finished.
    Tasks,
    /// `TaskId` → `Task`, completed and cancelled ones: queried, never loaded at start.
    Finished,
    /// `TaskId/number` → `Execution`.
    Executions,
    /// `AgentId` → `Agent`.
    Agents,
    /// `TaskId/number` → `CredentialRequest`.
    Requests,
    /// `AccountName` → `Account`.
    Accounts,
    /// `ProjectName` → `ProjectRecord`.
    Projects,
    /// The effect's key → `EffectRecord`: the outbox.
    Effects,
    /// `project#issue` → `TaskId` of the newest task of the issue.
    Issues,
    /// `day/project/agent/task/model/account` → `SpendRow`.
    Spend,
    /// `ExecutionId/call` → `Reservation` of a model call under way.
    Reservations,
    /// SHA-256 of a webhook delivery → the day it was taken.
    Deliveries,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 13] = [
        Self::Meta,
        Self::Tasks,
        Self::Finished,
        Self::Executions,
        Self::Agents,
        Self::Requests,
        Self::Accounts,
        Self::Projects,
        Self::Effects,
        Self::Issues,
        Self::Spend,
        Self::Reservations,
        Self::Deliveries,
    ];

    /// Its name in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Tasks => "tasks",
            Self::Finished => "finished",
            Self::Executions => "executions",
            Self::Agents => "agents",
            Self::Requests => "requests",
            Self::Accounts => "accounts",
            Self::Projects => "projects",
            Self::Effects => "effects",
            Self::Issues => "issues",
            Self::Spend => "spend",
            Self::Reservations => "reservations",
            Self::Deliveries => "deliveries",
        }
    }

    pub(super) fn definition(self) -> TableDefinition<'static, &'static str, &'static [u8]> {
        TableDefinition::new(self.name())
    }
}
