//! What everybody who watches is told after a commit.

use std::collections::BTreeSet;

use cloud_code_domain::event::Event;
use cloud_code_domain::id::{AccountName, AgentId};
use cloud_code_proto::v1;

use crate::operator::view;

use super::world::World;

/// One commit, or signs of life, as those who watch see it.
#[derive(Debug)]
pub struct Update {
    /// For operators' clients.
    pub change: v1::Change,
    /// The recorded facts.
    pub events: Vec<Event>,
    /// Whether effects may have become due.
    pub effects: bool,
}

impl World {
    /// The agents whose orders may have changed since the last commit.
    pub(super) fn to_be_told(&self) -> BTreeSet<AgentId> {
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

    /// What the changes since the last commit mean for those who watch; nothing where nothing did.
    pub(super) fn update(&self) -> Option<Update> {
        let changes = &self.changes;
        let agents = self.to_be_told();
        let nothing = agents.is_empty()
            && changes.tasks.is_empty()
            && changes.requests.is_empty()
            && changes.accounts.is_empty()
            && changes.projects.is_empty()
            && changes.effects.is_empty()
            && changes.events.is_empty()
            && !changes.host;
        if nothing {
            return None;
        }
        Some(Update {
            change: self.change(&agents),
            events: changes.events.clone(),
            effects: !changes.effects.is_empty(),
        })
    }

    fn change(&self, agents: &BTreeSet<AgentId>) -> v1::Change {
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
