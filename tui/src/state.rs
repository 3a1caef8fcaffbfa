//! What the client knows of the fleet. It holds no truth: a snapshot replaces all of it, a change
//! replaces whole objects. Nothing here knows of terminals.

mod activity;
mod agents;
mod approvals;
mod costs;
mod detail;
mod link;
mod logs;
mod mark;
mod money;
mod tasks;

pub(crate) use activity::Activity;
pub(crate) use agents::{Agent, Agents};
pub(crate) use approvals::Approvals;
pub(crate) use costs::{CostLine, Costs, Dimension, sums};
pub(crate) use detail::Detail;
pub(crate) use link::Link;
pub(crate) use logs::{Line, LogSource, Logs};
pub(crate) use mark::Mark;
pub(crate) use money::{amount, bytes, is_over, roughly, spent, tokens, usd, usd_or_about};
pub(crate) use tasks::{Sort, Standing, Task, Tasks, changed};

use cloud_code_proto::v1;

/// Everything that is shown.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// How the link to the daemon is.
    pub link: Link,
    /// Whether a snapshot came in.
    pub loaded: bool,
    /// The machine's name.
    pub host: String,
    /// Who we are, as the server sees us.
    pub operator: String,
    /// The server's version.
    pub server_version: String,
    /// The last event that is in the state.
    pub seq: u64,
    /// Tasks that are not finished, and finished ones where they were asked for.
    pub tasks: Tasks,
    /// The agents.
    pub agents: Agents,
    /// Credential requests that wait.
    pub approvals: Approvals,
    /// The accounts.
    pub accounts: Vec<v1::Account>,
    /// The projects.
    pub projects: Vec<v1::Project>,
    /// The coding CLIs that are configured.
    pub coding_clis: Vec<String>,
    /// The newest events.
    pub activity: Activity,
    /// Sums over the fleet.
    pub totals: v1::Totals,
    /// The log that is open.
    pub logs: Logs,
    /// What was spent.
    pub costs: Costs,
    /// The task that is open.
    pub detail: Detail,
}

impl State {
    /// Takes a message of the watch stream.
    pub(crate) fn apply(&mut self, message: v1::watch_response::Message) {
        match message {
            v1::watch_response::Message::Snapshot(snapshot) => self.replace(snapshot),
            v1::watch_response::Message::Change(change) => self.change(change),
        }
    }

    fn replace(&mut self, snapshot: v1::Snapshot) {
        self.loaded = true;
        self.host = snapshot.host;
        self.operator = snapshot.operator;
        self.server_version = snapshot.server_version;
        self.seq = snapshot.seq;
        self.tasks.replace(snapshot.tasks, snapshot.finished_tasks);
        self.agents.replace(snapshot.agents);
        self.approvals.replace(snapshot.approvals);
        self.accounts = snapshot.accounts;
        self.projects = snapshot.projects;
        self.coding_clis = snapshot.coding_clis;
        self.activity.replace(snapshot.events);
        self.totals = snapshot.totals.unwrap_or_default();
    }

    fn change(&mut self, change: v1::Change) {
        self.seq = self.seq.max(change.seq);
        for task in change.tasks {
            self.detail.note_change(&task);
            self.tasks.put(task);
        }
        for agent in change.agents {
            self.agents.put(agent);
        }
        for gone in &change.agents_gone {
            self.agents.remove(gone);
        }
        for approval in change.approvals {
            self.approvals.put(approval);
        }
        for account in change.accounts {
            put_by(&mut self.accounts, account, |one| &one.name);
        }
        for project in change.projects {
            put_by(&mut self.projects, project, |one| &one.name);
        }
        self.activity.extend(change.events);
        if let Some(totals) = change.totals {
            self.tasks.finished_elsewhere = totals.finished_tasks;
            self.totals = totals;
        }
    }

    /// What the operator has to know and no row says, the most urgent first.
    #[must_use]
    pub(crate) fn warning(&self) -> Option<String> {
        if !self.totals.warning.is_empty() {
            return Some(self.totals.warning.clone());
        }
        let project = self.projects.iter().find(|one| !one.warning.is_empty())?;
        Some(format!("{}: {}", project.name, project.warning))
    }

    /// What people call a task: with its project where there are several, for each counts its
    /// issues by itself.
    #[must_use]
    pub(crate) fn name(&self, task: &Task) -> String {
        match task.wire.issue_number {
            Some(number) if self.has_projects() => format!("{}#{number}", task.wire.project),
            Some(_) | None => task.short(),
        }
    }

    /// What people call an agent: with its project where there are several.
    #[must_use]
    pub(crate) fn agent_name(&self, id: &str) -> String {
        match self.agents.find(id) {
            Some(agent) if !self.has_projects() => agent.wire.name.clone(),
            Some(agent) => agent.wire.id.clone(),
            None => id.to_owned(),
        }
    }

    /// Whether there are several projects, so that names have to say whose they are.
    #[must_use]
    pub(crate) fn has_projects(&self) -> bool {
        self.projects.len() > 1
    }

    /// The projects that are halted, or all of them.
    #[must_use]
    pub(crate) fn halted(&self) -> Option<String> {
        if self.totals.halted {
            return Some("HALTED".to_owned());
        }
        let halted: Vec<&str> = self
            .projects
            .iter()
            .filter(|project| project.halted)
            .map(|project| project.name.as_str())
            .collect();
        (!halted.is_empty()).then(|| format!("HALTED {}", halted.join(" ")))
    }
}

fn put_by<T>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> &String) {
    match list.iter_mut().find(|one| key(one) == key(&item)) {
        Some(slot) => *slot = item,
        None => list.push(item),
    }
}

#[cfg(test)]
mod tests;
