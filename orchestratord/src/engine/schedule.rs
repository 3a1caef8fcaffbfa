//! What a pending task waits for, and which agent it goes to when it waits for nothing.

use std::collections::BTreeSet;

use cloud_code_domain::account::Parking;
use cloud_code_domain::agent::{Agent, AgentEvent, AgentState, AgentType};
use cloud_code_domain::dependencies::Verdict;
use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::execution::{Execution, ExecutionState};
use cloud_code_domain::handover::predecessor;
use cloud_code_domain::id::{AgentId, ExecutionId, ProjectName, TaskId};
use cloud_code_domain::limit::Level;
use cloud_code_domain::placement::{Candidate, Seat, place};
use cloud_code_domain::task::{Task, TaskEvent, TaskState};
use cloud_code_domain::tenancy::Tenancy;
use cloud_code_domain::time::Timestamp;

use super::effect::Effect;
use super::world::World;

/// Why a pending task is not placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// The operator halted the fleet or the project.
    Halted,
    /// A back-off runs until then.
    BackOff(Timestamp),
    /// Issues that are not done, each with how it stands.
    Dependencies(Vec<(u64, Verdict)>),
    /// It and these wait for each other: a person has to take one of the dependencies out.
    Circle(Vec<u64>),
    /// Its account is parked.
    Account(Parking),
    /// Its project's daily limit is reached; it goes on with the next day, or when an operator
    /// grants it.
    DailyLimit(Level),
    /// The host is short of room.
    Disk,
    /// What the agent before committed is being fetched from it.
    Handover(AgentId),
    /// Its base cannot be fetched; the last error.
    Base(String, Timestamp),
    /// An agent, or one of the places for running executions.
    Agent,
}

impl World {
    /// What a pending task waits for besides an agent.
    #[must_use]
    pub fn wait_of(&self, task: &Task) -> Option<Wait> {
        let config = self.config.project(&task.project)?;
        let halted = self
            .projects
            .get(&task.project)
            .is_some_and(|project| project.halted);
        if self.host.halted || halted || !config.enabled {
            return Some(Wait::Halted);
        }
        if let Some(until) = task.not_before.filter(|until| *until > self.now) {
            return Some(Wait::BackOff(until));
        }
        let before = task.bringing.as_ref();
        if let Some(before) = before.and_then(|id| self.executions.get(id)) {
            return Some(Wait::Handover(before.agent.clone()));
        }
        if let Some(circle) = self.circles.get(&task.id) {
            return Some(Wait::Circle(circle.clone()));
        }
        let mut open = self.dependencies_of(task);
        open.retain(|(_, verdict)| verdict.waits());
        if !open.is_empty() {
            return Some(Wait::Dependencies(open));
        }
        let account = self.account_of_task(task);
        if let Some(parking) = account.and_then(|account| self.parking(account)) {
            return Some(Wait::Account(parking.clone()));
        }
        if let Some(level) = self.daily_limit_of(task) {
            return Some(Wait::DailyLimit(level));
        }
        if self.disk_short {
            return Some(Wait::Disk);
        }
        let held_up = self.held_up("prepare", task);
        held_up.map(|(why, until)| Wait::Base(why.to_owned(), until))
    }

    /// Why the task's effect of this kind was put off, where it was, and until when.
    pub(crate) fn held_up(&self, kind: &str, task: &Task) -> Option<(&str, Timestamp)> {
        let record = self.effects.get(&format!("{kind}/{}", task.id))?;
        Some((record.last_error.as_deref()?, record.not_before))
    }

    /// Places what can be placed. A task whose base is not fetched yet is prepared first.
    pub(super) fn schedule(&mut self) {
        self.look_up_dependencies();
        self.find_circles();
        let candidates = self.candidates();
        if candidates.is_empty() {
            return;
        }
        let seats = self.seats();
        let running = self
            .executions
            .values()
            .filter(|e| !e.state.is_finished())
            .count();
        let most = usize::try_from(self.config.agents.max_running).unwrap_or(usize::MAX);
        let branches = self.busy_branches();
        for (task, agent) in place(&candidates, &seats, &branches, most.saturating_sub(running)) {
            self.assign_or_prepare(&task, &agent);
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        self.tasks
            .values()
            .filter(|task| task.state == TaskState::Pending && self.wait_of(task).is_none())
            .filter_map(|task| {
                Some(Candidate {
                    task: task.id.clone(),
                    project: task.project.clone(),
                    agent_type: task.agent_type?,
                    priority: task.priority,
                    created_at: task.created_at,
                    bound_to: task.agent.clone(),
                    branch: task.branch.clone(),
                })
            })
            .collect()
    }

    fn seats(&self) -> Vec<Seat> {
        let (needed, none) = (self.needed(), BTreeSet::new());
        self.agents
            .values()
            .filter(|agent| agent.state == AgentState::Idle)
            .filter(|agent| self.live.get(&agent.id).is_some_and(|live| live.connected))
            .map(|agent| Seat {
                agent: agent.id.clone(),
                project: agent.project.clone(),
                agent_type: agent.agent_type,
                admits: agent.tenancy.admits(
                    self.is_isolated(&agent.project),
                    needed.get(&agent.id).unwrap_or(&none),
                ),
            })
            .collect()
    }

    fn busy_branches(&self) -> BTreeSet<(ProjectName, String)> {
        self.tasks
            .values()
            .filter(|task| task.state.current_execution().is_some())
            .map(|task| (task.project.clone(), task.branch.clone()))
            .collect()
    }

    fn assign_or_prepare(&mut self, id: &TaskId, agent: &AgentId) {
        let now = self.now;
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let number = task.executions.saturating_add(1);
        match task.base.clone().filter(|_| task.prepared == number) {
            Some(base) => {
                let id = ExecutionId {
                    task: id.clone(),
                    number,
                };
                self.assign(&id, agent, base);
            }
            // One that is being made is not wanted again: it would come after the assignment, and
            // be taken for what the next execution starts from.
            None if self.effects.contains_key(&format!("prepare/{id}")) => {}
            None => self.want(Effect::Prepare { task: id.clone() }, now),
        }
    }

    fn assign(&mut self, id: &ExecutionId, agent: &AgentId, base: cloud_code_domain::id::Oid) {
        let now = self.now;
        let Some(task) = self.tasks.get(&id.task) else {
            return;
        };
        let resume = task.keep && task.agent.as_ref() == Some(agent);
        let last = ExecutionId {
            task: id.task.clone(),
            number: task.executions,
        };
        let execution = Execution {
            agent: agent.clone(),
            coding_cli: task.coding_cli.clone(),
            state: ExecutionState::Starting,
            predecessor: predecessor(task, &base, self.executions.get(&last), resume),
            base,
            resume,
            stop: None,
            head: None,
            conversation_to: task.conversation.next(),
            models: Vec::new(),
            usage: Default::default(),
            cost: Default::default(),
            summary: None,
            started_at: now,
            ended_at: None,
            id: id.clone(),
        };
        if !self.move_agent(agent, &AgentEvent::Assigned(id.clone())) {
            return;
        }
        if self
            .agents
            .get(agent)
            .is_some_and(|agent| agent.tenancy == Tenancy::Fresh)
        {
            self.set_tenancy(agent, Tenancy::Of(id.task.clone()));
        }
        self.executions.insert(id.clone(), execution);
        self.changes.executions.insert(id.clone());
        self.change_task(&id.task, |task| {
            task.agent = Some(agent.clone());
            task.executions = id.number;
            task.try_once();
            task.started_at.get_or_insert(now);
            task.report.error = None;
            task.report.blocked_reason = None;
        });
        let event = TaskEvent::Assigned(id.clone());
        // What is worked on here again is not cleaned under the hands of who does.
        self.live_mut(agent).cleaning.remove(&id.task);
        // It is pending, so it can be assigned.
        let _moved = self.move_task(&id.task, &event, EventActor::Engine, agent.as_str());
        self.live_mut(agent);
    }

    /// Agents, accounts and projects as the configuration wants them.
    pub(super) fn configured(&mut self) {
        let config = self.config.clone();
        let mut wanted = BTreeSet::new();
        for project in config.projects.iter().filter(|project| project.enabled) {
            for (agent_type, kind) in &config.agents.types {
                for number in 1..=kind.count {
                    if let Some(id) = self.wanted_agent(&project.name, *agent_type, number) {
                        wanted.insert(id);
                    }
                }
            }
        }
        for project in &config.projects {
            if !self.projects.contains_key(&project.name) {
                let record = crate::store::ProjectRecord {
                    name: project.name.clone(),
                    halted: false,
                    cursor: String::new(),
                    next_issue: 1,
                };
                self.projects.insert(project.name.clone(), record);
                self.changes.projects.insert(project.name.clone());
            }
        }
        let unwanted: Vec<AgentId> = self
            .agents
            .keys()
            .filter(|id| !wanted.contains(*id))
            .cloned()
            .collect();
        for id in unwanted {
            self.move_agent(&id, &AgentEvent::Unwanted);
        }
    }

    fn wanted_agent(
        &mut self,
        project: &ProjectName,
        agent_type: AgentType,
        number: u32,
    ) -> Option<AgentId> {
        let now = self.now;
        let id: AgentId = format!("{}.{agent_type}-{number}", project.slug())
            .parse()
            .ok()?;
        if self
            .agents
            .get(&id)
            .is_some_and(|agent| agent.state == AgentState::Retired)
        {
            self.move_agent(&id, &AgentEvent::Recreated);
        } else if !self.agents.contains_key(&id) {
            let agent = Agent {
                id: id.clone(),
                project: project.clone(),
                agent_type,
                number,
                state: AgentState::Provisioning,
                // An agent of this name may have left something behind.
                tenancy: if self.is_isolated(project) {
                    Tenancy::Over
                } else {
                    Tenancy::Open
                },
                spool: None,
                succeeded: 0,
                failed: 0,
                created_at: now,
                updated_at: now,
            };
            let state = agent.state.as_str();
            self.agents.insert(id.clone(), agent);
            self.changes.agents.insert(id.clone());
            let subject = Subject::Agent(id.to_string());
            self.record_move(EventActor::Engine, subject, state, "", state);
        }
        Some(id)
    }

    /// When something happens by itself next: a back-off or a parking is
    /// over, a new day begins. The outbox waits for
    /// its effects itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let now = self.now;
        let tasks = self
            .tasks
            .values()
            .filter(|task| task.state == TaskState::Pending)
            .filter_map(|task| task.not_before);
        let accounts = self
            .accounts
            .values()
            .filter_map(|account| account.parking.as_ref()?.until());
        let absent = self.live.values().filter_map(|live| {
            let ends = live.absent.as_ref()?.ends();
            Some(Timestamp(0).after(ends))
        });
        let held_back =
            |task: &Task| task.state == TaskState::Pending && self.daily_limit_of(task).is_some();
        let midnight = self.tasks.values().any(held_back).then(|| now.next_day());
        let all = tasks.chain(accounts).chain(absent).chain(midnight);
        all.filter(|at| *at > now).min()
    }
}
