//! A task changes hands: what the agent before committed is brought to the host, or given up.

use cloud_code_domain::agent::AgentType;
use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::execution::Execution;
use cloud_code_domain::handover::{Brought, Handover, Predecessor, handover};
use cloud_code_domain::id::{AgentId, CodingCliName, ExecutionId, Oid, TaskId};
use cloud_code_domain::task::{Task, TaskEvent};

use crate::engine::effect::Effect;
use crate::engine::input::ActRefusal;
use crate::engine::world::World;

use super::operator::Acted;

impl World {
    /// Gives a task to another agent, to another coding CLI, or to both. With a coding CLI alone the
    /// agent stays, and with it the worktree and everything in it.
    pub(super) fn reassign(
        &mut self,
        actor: &EventActor,
        id: &TaskId,
        agent: Option<AgentId>,
        coding_cli: Option<&CodingCliName>,
    ) -> Acted {
        let task = self.known(id)?;
        if task.state.current_execution().is_some() || task.state.is_finished() {
            return Err(ActRefusal::NotPossible(format!(
                "task {id} is {}; it can be reassigned while no agent works on it",
                task.state.name().as_str()
            )));
        }
        let before = task.agent.clone();
        let agent = match agent {
            None if coding_cli.is_some() => before.clone(),
            agent => agent,
        };
        let agent_type = self.type_of(task, agent.as_ref())?;
        self.must_know(coding_cli)?;
        let back = agent.as_ref().is_some_and(|to| self.stays_with(id, to));
        let stays = back || (agent.is_some() && agent == before);
        self.change_task(id, |task| {
            task.agent.clone_from(&agent);
            task.agent_type = agent_type.or(task.agent_type);
            if let Some(coding_cli) = coding_cli {
                task.coding_cli.clone_from(coding_cli);
            }
            task.keep = stays;
            task.prepared = 0;
        });
        if let Some(before) = before.filter(|before| agent.as_ref() != Some(before)) {
            self.hand_over(id, &before);
        }
        let to = whom(agent.as_ref(), coding_cli);
        let subject = Subject::Task(id.to_string());
        self.record(actor.clone(), subject, "reassigned", to.clone());
        self.anew(id);
        self.answered_by_reassignment(id, actor);
        Ok((format!("it goes to {to}"), Some(id.clone())))
    }

    /// The type of the agent that is wanted, which has to be one of the task's project.
    fn type_of(
        &self,
        task: &Task,
        agent: Option<&AgentId>,
    ) -> Result<Option<AgentType>, ActRefusal> {
        let Some(name) = agent else {
            return Ok(None);
        };
        let known = self.agents.get(name).filter(|a| a.project == task.project);
        known.map(|agent| Some(agent.agent_type)).ok_or_else(|| {
            ActRefusal::NotFound(format!("project {} has no agent {name}", task.project))
        })
    }

    fn must_know(&self, coding_cli: Option<&CodingCliName>) -> Result<(), ActRefusal> {
        let configured = &self.config.coding_clis;
        match coding_cli {
            Some(name) if !configured.contains_key(name) => {
                let names: Vec<&str> = configured.keys().map(CodingCliName::as_str).collect();
                Err(ActRefusal::NotFound(format!(
                    "there is no coding CLI {name}; configured are: {}",
                    names.join(", ")
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What waits for a person to decide who goes on is decided; a credential or a limit is not.
    fn answered_by_reassignment(&mut self, id: &TaskId, actor: &EventActor) {
        let answered = self
            .tasks
            .get(id)
            .is_some_and(|task| task.state.is_answered_by_reassignment());
        if answered {
            // It is possible in each of these states.
            let _moved = self.move_task(id, &TaskEvent::RetryRequested, actor.clone(), "");
        }
    }

    /// The task leaves an agent. Its worktree is cleaned when its commits are on the host, or when it
    /// is clear that they cannot be had.
    pub(super) fn hand_over(&mut self, id: &TaskId, leaves: &AgentId) {
        let now = self.now;
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        // The commits of an agent before are still on their way; this one has done nothing.
        if task.bringing.is_some() {
            self.leave(leaves, id);
            return;
        }
        match handover(task, leaves, self.executions.values()) {
            Handover::Fetch(execution) => {
                self.change_task(id, |task| task.bringing = Some(execution.clone()));
                self.want(Effect::Bring { execution }, now);
            }
            Handover::Nothing => self.leave(leaves, id),
            Handover::Unknown => {
                self.commits_lost(id, leaves, "it did not say what it committed");
                self.leave(leaves, id);
            }
        }
    }

    /// The task comes back to the agent whose commits were to be brought: they stay where they are.
    pub(super) fn stays_with(&mut self, id: &TaskId, agent: &AgentId) -> bool {
        let Some(execution) = self.tasks.get(id).and_then(|task| task.bringing.clone()) else {
            return false;
        };
        let back = self
            .executions
            .get(&execution)
            .is_some_and(|record| record.agent == *agent);
        if back {
            self.change_task(id, |task| task.bringing = None);
            self.unwant(&format!("bring/{id}"));
        }
        back
    }

    /// The commits are in the mirror: the next execution starts from them.
    pub(super) fn brought(&mut self, execution: &ExecutionId, head: Oid) {
        let id = &execution.task;
        let Some(record) = self.expected(execution) else {
            return;
        };
        let by = Predecessor {
            agent: record.agent.clone(),
            coding_cli: record.coding_cli.clone(),
            from: record.checked_from().clone(),
        };
        let agent = by.agent.clone();
        self.record(
            EventActor::Engine,
            Subject::Task(id.to_string()),
            "commits_brought",
            format!("{head}, of {agent}"),
        );
        self.change_task(id, |task| {
            task.bringing = None;
            task.prepared = 0;
            task.brought = Some(Brought { head, by });
        });
        self.leave(&agent, id);
    }

    /// The commits cannot be had: the next execution starts from the last base on the host.
    pub(super) fn not_brought(&mut self, execution: &ExecutionId, why: &str) {
        let id = &execution.task;
        let Some(record) = self.expected(execution) else {
            return;
        };
        let agent = record.agent.clone();
        self.commits_lost(id, &agent, why);
        self.change_task(id, |task| task.bringing = None);
        self.unwant(&format!("bring/{id}"));
        self.leave(&agent, id);
    }

    /// Gives up what is to be brought from an agent that is gone for good.
    pub(super) fn nothing_comes_from(&mut self, agent: &AgentId, why: &str) {
        let waiting: Vec<ExecutionId> = self
            .tasks
            .values()
            .filter_map(|task| task.bringing.clone())
            .filter(|id| self.executions.get(id).is_some_and(|e| e.agent == *agent))
            .collect();
        for execution in &waiting {
            self.not_brought(execution, why);
        }
    }

    /// The agents whose commits are to be brought.
    pub(super) fn bringing_from(&self) -> Vec<AgentId> {
        let executions = self
            .tasks
            .values()
            .filter_map(|task| task.bringing.as_ref());
        executions
            .filter_map(|id| Some(self.executions.get(id)?.agent.clone()))
            .collect()
    }

    /// Whether the agent may still be asked for what it did of the task.
    pub(crate) fn still_needed(&self, agent: &AgentId, task: &TaskId) -> bool {
        self.tasks.get(task).is_some_and(|task| {
            let bringing = task.bringing.as_ref();
            !task.state.is_finished()
                && (task.agent.as_ref() == Some(agent)
                    || bringing
                        .and_then(|id| self.executions.get(id))
                        .is_some_and(|record| record.agent == *agent))
        })
    }

    fn expected(&self, execution: &ExecutionId) -> Option<&Execution> {
        let task = self.tasks.get(&execution.task)?;
        self.executions
            .get(execution)
            .filter(|_| task.bringing.as_ref() == Some(execution))
    }

    fn commits_lost(&mut self, id: &TaskId, agent: &AgentId, why: &str) {
        let detail = format!(
            "what {agent} committed is not taken along: {}",
            cloud_code_domain::text::one_line(why, 400)
        );
        let subject = Subject::Task(id.to_string());
        self.record(EventActor::Engine, subject, "commits_lost", detail);
    }

    /// The agent removes what it has of the task, unless the task is its own.
    fn leave(&mut self, agent: &AgentId, id: &TaskId) {
        if !self.still_needed(agent, id) {
            let id = id.clone();
            self.live_mut(agent).cleaning.insert(id);
        }
    }
}

/// Who goes on, in words.
fn whom(agent: Option<&AgentId>, coding_cli: Option<&CodingCliName>) -> String {
    let agent = agent.map_or_else(|| "the next free agent".to_owned(), ToString::to_string);
    match coding_cli {
        Some(coding_cli) => format!("{agent} with {coding_cli}"),
        None => agent,
    }
}
