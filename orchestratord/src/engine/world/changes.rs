//! What has changed since the last commit, and the batch that it becomes.

use std::collections::BTreeSet;

use cloud_code_domain::event::Event;
use cloud_code_domain::id::{AccountName, AgentId, ExecutionId, ProjectName, RequestId, TaskId};

use crate::engine::meters::Meters;
use crate::store::{Batch, Table};

use super::World;

/// Names of what has changed. Live things are shown but not stored.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) host: bool,
    pub(crate) tasks: BTreeSet<TaskId>,
    pub(crate) executions: BTreeSet<ExecutionId>,
    pub(crate) agents: BTreeSet<AgentId>,
    pub(crate) requests: BTreeSet<RequestId>,
    pub(crate) accounts: BTreeSet<AccountName>,
    pub(crate) projects: BTreeSet<ProjectName>,
    pub(crate) effects: BTreeSet<String>,
    pub(crate) spend: BTreeSet<String>,
    pub(crate) reservations: BTreeSet<String>,
    pub(crate) deliveries: BTreeSet<String>,
    pub(crate) events: Vec<Event>,
    /// Tasks that left memory with this commit, whole.
    pub(crate) retired: Vec<cloud_code_domain::task::Task>,
    /// Agents whose live record has changed.
    pub(crate) live: BTreeSet<AgentId>,
    /// Something was applied that more may follow from than what it changed itself.
    pub(crate) more: bool,
    /// What the group counted; commits are not in it.
    pub(crate) counted: Meters,
}

impl Changes {
    /// Whether only agents that work were heard of: nothing can be placed because of it, nothing is
    /// over, and no time is waited for.
    pub(crate) fn routine(&self) -> bool {
        !self.more
    }

    /// Whether nobody has to be told of anything.
    pub(crate) fn are_nothing(&self) -> bool {
        let Self {
            host,
            tasks,
            executions,
            agents,
            requests,
            accounts,
            projects,
            effects,
            // Whatever changes these changes an account or a task as well.
            spend: _,
            reservations: _,
            deliveries: _,
            events,
            retired: _,
            live,
            more: _,
            counted: _,
        } = self;
        !host
            && tasks.is_empty()
            && executions.is_empty()
            && agents.is_empty()
            && requests.is_empty()
            && accounts.is_empty()
            && projects.is_empty()
            && effects.is_empty()
            && events.is_empty()
            && live.is_empty()
    }
}

/// `T` or its absence under a key becomes a put or a delete.
fn write<T: serde::Serialize>(batch: &mut Batch, table: Table, key: String, record: Option<&T>) {
    match record {
        Some(record) => batch.put(table, key, record),
        None => batch.delete(table, key),
    }
}

/// The key of a numbered thing of a task: sorts by number.
pub(crate) fn numbered_key(task: &TaskId, number: u32) -> String {
    format!("{task}/{number:08}")
}

impl World {
    /// Everything that has to be written for the changes so far.
    pub(crate) fn batch(&self) -> Batch {
        let mut batch = Batch::default();
        let changes = &self.changes;
        if changes.host {
            batch.put(Table::Meta, "host", &self.host);
        }
        for id in &changes.tasks {
            if let Some(task) = self.tasks.get(id) {
                batch.put(Table::Tasks, id.as_str(), task);
                if let Some(issue) = &task.issue {
                    batch.put(Table::Issues, issue_key(&task.project, issue.number), id);
                }
            }
        }
        for task in &changes.retired {
            batch.delete(Table::Tasks, task.id.as_str());
            batch.put(Table::Finished, task.id.as_str(), task);
        }
        for id in &changes.executions {
            // Executions of retired tasks stay in the store: they were written when they changed.
            if let Some(execution) = self.executions.get(id) {
                batch.put(
                    Table::Executions,
                    numbered_key(&id.task, id.number),
                    execution,
                );
            }
        }
        for id in &changes.requests {
            if let Some(request) = self.requests.get(id) {
                batch.put(Table::Requests, numbered_key(&id.task, id.number), request);
            }
        }
        self.put_the_rest(&mut batch);
        for event in &changes.events {
            batch.event(event.clone());
        }
        batch
    }

    /// Agents, accounts, projects, effects and money.
    fn put_the_rest(&self, batch: &mut Batch) {
        let changes = &self.changes;
        for id in &changes.agents {
            write(batch, Table::Agents, id.to_string(), self.agents.get(id));
        }
        for name in &changes.accounts {
            write(
                batch,
                Table::Accounts,
                name.to_string(),
                self.accounts.get(name),
            );
        }
        for name in &changes.projects {
            write(
                batch,
                Table::Projects,
                name.to_string(),
                self.projects.get(name),
            );
        }
        for key in &changes.effects {
            write(batch, Table::Effects, key.clone(), self.effects.get(key));
        }
        for key in &changes.spend {
            write(batch, Table::Spend, key.clone(), self.spend.get(key));
        }
        for key in &changes.reservations {
            write(
                batch,
                Table::Reservations,
                key.clone(),
                self.reservations.get(key),
            );
        }
        for key in &changes.deliveries {
            let day = self.deliveries.get(key);
            write(
                batch,
                Table::Deliveries,
                key.clone(),
                day.map(|day| (key, day)).as_ref(),
            );
        }
    }
}

/// The key of an issue.
pub(super) fn issue_key(project: &ProjectName, number: u64) -> String {
    format!("{project}#{number}")
}
