//! What is told after a commit. What operators' clients are shown is made only while one watches: it
//! is much more work than what the parts of the daemon need to know.

use std::collections::BTreeSet;

use cloud_code_domain::agent::{Agent, AgentState};
use cloud_code_domain::id::{AccountName, AgentId, TaskId};
use cloud_code_proto::v1;

use crate::operator::view;

use super::world::World;

/// One commit, or signs of life, as the parts of the daemon see it.
#[derive(Debug)]
pub struct Update {
    /// Tasks that changed.
    pub tasks: BTreeSet<TaskId>,
    /// Whether facts were recorded.
    pub events: bool,
    /// Whether effects may have become due.
    pub effects: bool,
    /// Whether the fleet has to be looked at: an agent among what changed is not connected, or is to
    /// be made anew.
    pub fleet: bool,
}

impl World {
    /// The agents that have changed since the last commit, or whose work has.
    pub(super) fn touched_agents(&self) -> BTreeSet<AgentId> {
        let changes = &self.changes;
        let mut agents: BTreeSet<AgentId> = changes.agents.union(&changes.live).cloned().collect();
        agents.extend(
            changes
                .tasks
                .iter()
                .filter_map(|id| self.tasks.get(id)?.agent.clone()),
        );
        agents.extend(changes.executions.iter().filter_map(|id| {
            self.executions
                .get(id)
                .map(|execution| execution.agent.clone())
        }));
        agents
    }

    /// What the changes since the last commit mean for the daemon.
    pub(super) fn update(&mut self, agents: &BTreeSet<AgentId>) -> Update {
        let connected = |agent: &AgentId| self.live.get(agent).is_some_and(|live| live.connected);
        let to_be_looked_at = |agent: &Agent| {
            !connected(&agent.id) || matches!(agent.state, AgentState::Recreating(_))
        };
        let mut known = agents.iter().filter_map(|agent| self.agents.get(agent));
        Update {
            fleet: known.any(to_be_looked_at),
            events: !self.changes.events.is_empty(),
            effects: !self.changes.effects.is_empty(),
            tasks: std::mem::take(&mut self.changes.tasks),
        }
    }

    /// What the changes since the last commit mean for those who watch.
    pub(super) fn change(&self, agents: &BTreeSet<AgentId>) -> v1::Change {
        let changes = &self.changes;
        let totals = changes.host
            || !changes.spend.is_empty()
            || !changes.retired.is_empty()
            || !changes.projects.is_empty();
        let projects = if changes.spend.is_empty() && changes.projects.is_empty() {
            Vec::new()
        } else {
            self.config
                .projects
                .iter()
                .map(|project| view::project(self, project))
                .collect()
        };
        v1::Change {
            seq: self.next_event.saturating_sub(1),
            tasks: changes
                .tasks
                .iter()
                .filter_map(|id| self.tasks.get(id))
                .map(|task| view::task(self, task))
                .collect(),
            agents: agents
                .iter()
                .filter_map(|id| self.agents.get(id))
                .map(|agent| view::agent(self, agent))
                .collect(),
            agents_gone: Vec::new(),
            approvals: changes
                .requests
                .iter()
                .filter_map(|id| self.requests.get(id))
                .map(|request| view::approval(self, request))
                .collect(),
            accounts: self.changed_accounts(),
            projects,
            events: changes.events.iter().cloned().map(Into::into).collect(),
            totals: totals.then(|| view::totals(self)),
        }
    }

    /// The accounts that changed or were spent from.
    fn changed_accounts(&self) -> Vec<v1::Account> {
        let spent = self.changes.spend.iter();
        let spent = spent.filter_map(|key| self.spend.get(key));
        let mut names: BTreeSet<&AccountName> = spent.map(|row| &row.account).collect();
        names.extend(&self.changes.accounts);
        let accounts = names.into_iter();
        accounts.map(|name| view::account(self, name)).collect()
    }
}
