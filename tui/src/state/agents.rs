//! Agents, as their reports say they are.

use std::collections::BTreeMap;

use cloud_code_proto::v1;

use super::tasks::{Task, Tasks, matches, terms};
use super::{Mark, Standing};

/// An agent as the server sent it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Agent {
    /// What the server sent.
    pub wire: v1::Agent,
}

impl Agent {
    /// The task that it works on; where it works on none, the one of its own that waits for the
    /// operator, for an agent is idle while what it began waits for an answer.
    #[must_use]
    pub(crate) fn task<'a>(&self, tasks: &'a Tasks) -> Option<&'a Task> {
        if self.wire.task.is_empty() {
            tasks.waiting_of(&self.wire.id)
        } else {
            tasks.get(&self.wire.task)
        }
    }

    /// Glyph and word. An agent whose task waits for the operator needs the operator; one that nothing was heard of says so and claims nothing.
    #[must_use]
    pub(crate) fn standing(&self, tasks: &Tasks) -> (Mark, &'static str) {
        let task = self.task(tasks);
        let idle = match task {
            Some(task) if task.wire.needs_operator => (Mark::Attention, "needs you"),
            Some(task) if task.standing == Standing::Blocked => (Mark::Blocked, "blocked"),
            Some(_) | None => (Mark::Idle, "idle"),
        };
        match self.wire.state.as_str() {
            "retired" => (Mark::Stopped, "retired"),
            "provisioning" => (Mark::Starting, "starting"),
            "recreating" => (Mark::Starting, "recreating"),
            _ if !self.wire.connected => (Mark::Unknown, "no report"),
            "idle" => idle,
            "working" if idle.0 == Mark::Attention => idle,
            "working" => (Mark::Working, "working"),
            "maintenance" => (Mark::Starting, "upkeep"),
            _ => (Mark::Unknown, "? (new)"),
        }
    }
}

fn rank(mark: Mark) -> u8 {
    match mark {
        Mark::Attention => 0,
        Mark::Failed => 1,
        Mark::Unknown => 2,
        Mark::Blocked => 3,
        Mark::Working | Mark::Review | Mark::Assigned => 4,
        Mark::Starting => 5,
        Mark::Idle | Mark::Done => 6,
        Mark::Stopped => 7,
    }
}

/// The agents by id.
#[derive(Debug, Default)]
pub(crate) struct Agents(BTreeMap<String, Agent>);

impl Agents {
    /// Takes a snapshot.
    pub(crate) fn replace(&mut self, agents: Vec<v1::Agent>) {
        self.0.clear();
        for agent in agents {
            self.put(agent);
        }
    }

    /// Takes an agent.
    pub(crate) fn put(&mut self, wire: v1::Agent) {
        self.0.insert(wire.id.clone(), Agent { wire });
    }

    /// Forgets an agent that is gone.
    pub(crate) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// An agent, by id or by name.
    #[must_use]
    pub(crate) fn find(&self, id_or_name: &str) -> Option<&Agent> {
        self.0.get(id_or_name).or_else(|| {
            self.0
                .values()
                .find(|agent| agent.wire.name == id_or_name && !id_or_name.is_empty())
        })
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Agent> {
        self.0.values()
    }

    /// The rows of the list: what needs the operator first.
    #[must_use]
    pub(crate) fn rows(&self, tasks: &Tasks, filter: &str) -> Vec<&Agent> {
        let terms = terms(filter);
        let mut rows: Vec<&Agent> = self
            .0
            .values()
            .filter(|agent| matches(&terms, &|| haystack(agent, tasks)))
            .collect();
        rows.sort_by_cached_key(|agent| {
            (
                rank(agent.standing(tasks).0),
                agent.wire.project.clone(),
                agent.wire.name.clone(),
            )
        });
        rows
    }
}

fn haystack(agent: &Agent, tasks: &Tasks) -> String {
    let wire = &agent.wire;
    let task = agent.task(tasks);
    let short = task.map(Task::short).unwrap_or_default();
    let title = task.map_or("", |task| task.wire.title.as_str());
    [
        wire.name.as_str(),
        &wire.project,
        &wire.agent_type,
        agent.standing(tasks).1,
        &short,
        title,
    ]
    .join(" ")
    .to_lowercase()
}
