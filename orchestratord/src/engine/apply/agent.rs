//! What agents say: sessions, records, signs of life.

use std::time::Duration;

use cloud_code_domain::agent::{Agent, AgentEvent, AgentState, SpoolPosition};
use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::execution::{ExecutionEvent, FailureCause};
use cloud_code_domain::id::{AgentId, ExecutionId, TaskId};
use cloud_code_domain::report::ReportDelta;
use cloud_code_domain::silence::{Silence, Sound};
use cloud_code_domain::task::{TaskEvent, TaskState};
use cloud_code_domain::time::Timestamp;
use cloud_code_domain::vitals::{TOLD_ALONG, TOLD_EVERY, Vitals};

use crate::engine::input::{Hello, RecordBody, Reply};
use crate::engine::world::World;

/// The engine looks at least every minute ([`crate::engine::Engine::keep_time`]).
const LATE: Duration = Duration::from_secs(3 * 60);

/// Whether so much time has passed; where a clock was set back, nobody knows, and it may have.
fn is_past(then: Timestamp, now: Timestamp, time: Duration) -> bool {
    now < then || now.since(then) >= time
}

impl World {
    pub(super) fn hello(&mut self, agent: &AgentId, hello: Hello) -> Reply {
        let now = self.now;
        if self.is_over(agent, &hello.worktrees) {
            return Reply::NotWanted;
        }
        let Some(record) = self.agents.get(agent) else {
            return Reply::NotWanted;
        };
        let known = record
            .spool
            .clone()
            .filter(|spool| spool.spool_id == hello.spool_id);
        if record.spool.is_some() && known.is_none() {
            self.spool_lost(agent);
        }
        let spool = known.unwrap_or(SpoolPosition {
            spool_id: hello.spool_id,
            seq: 0,
        });
        let seq = spool.seq;
        if let Some(record) = self.agents.get_mut(agent) {
            record.spool = Some(spool);
            self.changes.agents.insert(agent.clone());
        }
        self.move_agent(agent, &AgentEvent::Ready);
        let stale: Vec<TaskId> = hello
            .worktrees
            .into_iter()
            .filter(|task| !self.still_needed(agent, task))
            .collect();
        let live = self.live_mut(agent);
        live.connected = true;
        live.absent = None;
        live.stuck = None;
        live.link = hello.link;
        live.last_heard = Some(now);
        live.version = hello.version;
        live.busy = hello.execution;
        live.cleaning.extend(stale);
        self.no_longer_awaited(agent);
        Reply::Committed { seq }
    }

    /// The agent's workspace is a new one: what ran in the old one is gone.
    fn spool_lost(&mut self, agent: &AgentId) {
        let running = self.working_on(agent).map(|execution| execution.id.clone());
        let detail = "its workspace is a new one";
        self.record(
            EventActor::Engine,
            Subject::Agent(agent.to_string()),
            "reset",
            detail,
        );
        if let Some(execution) = running {
            self.lost(&execution, detail);
        }
        self.nothing_comes_from(agent, detail);
    }

    /// The execution is gone with its agent.
    pub(super) fn lost(&mut self, execution: &ExecutionId, why: &str) {
        if self.move_execution(execution, &ExecutionEvent::Lost) {
            let agent = self
                .executions
                .get(execution)
                .map(|record| record.agent.clone());
            if let Some(agent) = agent {
                self.move_agent(&agent, &AgentEvent::Freed(execution.clone()));
            }
            self.failed(execution, &FailureCause::AgentLost, why);
        }
    }

    pub(super) fn gone(&mut self, agent: &AgentId, link: u64) -> Reply {
        let absent = self.absence();
        let live = self.live_mut(agent);
        if live.link == link {
            live.connected = false;
            live.absent = Some(absent);
        }
        Reply::Ok
    }

    /// Who watches is woken only by what is news.
    pub(super) fn heartbeat(&mut self, agent: &AgentId, vitals: Vitals) -> Reply {
        let now = self.now;
        let live = self.live.entry(agent.clone()).or_default();
        live.last_heard = Some(now);
        let news = vitals.differ_from(&live.vitals);
        if is_past(live.told_at, now, TOLD_EVERY) {
            self.tell_along();
        }
        if news {
            let live = self.live_mut(agent);
            live.vitals = vitals;
            live.told_at = now;
        }
        Reply::Ok
    }

    /// All that would soon be overdue are told of at once.
    fn tell_along(&mut self) {
        let now = self.now;
        for (agent, live) in &mut self.live {
            if live.connected && is_past(live.told_at, now, TOLD_ALONG) {
                live.told_at = now;
                self.changes.live.insert(agent.clone());
            }
        }
    }

    pub(super) fn agent_record(
        &mut self,
        agent: &AgentId,
        seq: u64,
        execution: &ExecutionId,
        body: RecordBody,
    ) -> Reply {
        match self.next_in_spool(agent, seq) {
            Ok(()) => {}
            Err(reply) => return reply,
        }
        // The fence: only the agent that the execution was given to speaks for it.
        let owner = self.executions.get(execution).map(|record| &record.agent);
        if owner == Some(agent) {
            self.execution_said(agent, execution, body);
        } else if let RecordBody::Ended(_) = body {
            self.move_agent(agent, &AgentEvent::Freed(execution.clone()));
        }
        Reply::Committed { seq }
    }

    pub(super) fn unreadable(&mut self, agent: &AgentId, seq: u64, why: &str) -> Reply {
        match self.next_in_spool(agent, seq) {
            Ok(()) => {
                let subject = Subject::Agent(agent.to_string());
                self.record(EventActor::Engine, subject, "record_unreadable", why);
                Reply::Committed { seq }
            }
            Err(reply) => reply,
        }
    }

    /// Takes the number if it is the next one of the agent's spool; else says what to answer.
    fn next_in_spool(&mut self, agent: &AgentId, seq: u64) -> Result<(), Reply> {
        let now = self.now;
        let spool = self
            .agents
            .get_mut(agent)
            .and_then(|agent| agent.spool.as_mut());
        let Some(spool) = spool else {
            return Err(Reply::NotWanted);
        };
        if seq <= spool.seq {
            return Err(Reply::Committed { seq: spool.seq });
        }
        if seq != spool.seq.saturating_add(1) {
            return Err(Reply::Gap {
                committed: spool.seq,
            });
        }
        spool.seq = seq;
        self.changes.agents.insert(agent.clone());
        self.live_mut(agent).last_heard = Some(now);
        Ok(())
    }

    fn execution_said(&mut self, agent: &AgentId, execution: &ExecutionId, body: RecordBody) {
        match body {
            RecordBody::Started { version } => {
                if self.move_execution(execution, &ExecutionEvent::Started) {
                    self.progressed(agent, execution, &format!("coding CLI {version}"));
                }
            }
            RecordBody::Report(delta) => self.reported(agent, execution, delta),
            RecordBody::Logged => {}
            RecordBody::LogsDropped(lines) => {
                let lost = &mut self.changes.counted.log_lines_lost;
                *lost = lost.saturating_add(lines);
                let subject = Subject::Agent(agent.to_string());
                self.record(
                    EventActor::Engine,
                    subject,
                    "logs_dropped",
                    format!("{lines} lines"),
                );
            }
            RecordBody::Delivered(below) => {
                self.change_task(&execution.task, |task| {
                    let known = task.conversation.next();
                    let delivered = task.conversation.delivered.max(below.min(known));
                    task.conversation.delivered = delivered;
                });
                self.live_mut(agent);
            }
            RecordBody::Ended(ended) => self.ended(agent, execution, ended),
        }
    }

    fn progressed(&mut self, agent: &AgentId, execution: &ExecutionId, detail: &str) {
        let event = TaskEvent::ProgressReported(execution.clone());
        let actor = EventActor::Agent(agent.to_string());
        // A report of an execution that is not current moves nothing: that is the fence.
        let _moved = self.move_task(&execution.task, &event, actor, detail);
    }

    fn reported(&mut self, agent: &AgentId, execution: &ExecutionId, delta: ReportDelta) {
        let current = self
            .tasks
            .get(&execution.task)
            .is_some_and(|task| task.state.current_execution() == Some(execution));
        if !current {
            return;
        }
        let delta = delta.bounded();
        let asks = delta.credential_requests.clone();
        self.progressed(agent, execution, "");
        self.change_task(&execution.task, |task| task.report.apply(delta));
        if let Some(asks) = asks {
            self.asked(agent, &execution.task, &asks);
        }
        self.comment_soon(&execution.task);
    }

    pub(super) fn task_cleaned(&mut self, agent: &AgentId, task: &TaskId) -> Reply {
        self.live_mut(agent).cleaning.remove(task);
        Reply::Ok
    }

    /// An absence that begins now.
    fn absence(&self) -> Silence {
        Silence::new(self.config.agents.lost, LATE, self.now.since_epoch())
    }

    /// Agents that stay away lose their executions, and their tasks go to whoever is free: whatever
    /// brings workstations up again has had its time. Should one come back, the fence holds, and what
    /// it has of them is cleaned.
    pub(super) fn give_up_absent(&mut self) {
        let working = |agent: &Agent| match &agent.state {
            AgentState::Working(execution) => Some((agent.id.clone(), execution.clone())),
            AgentState::Provisioning
            | AgentState::Idle
            | AgentState::Maintenance
            | AgentState::Recreating(_)
            | AgentState::Retired => None,
        };
        let working: Vec<(AgentId, ExecutionId)> =
            self.agents.values().filter_map(working).collect();
        for (agent, execution) in working {
            if self.stays_away(agent) {
                self.lost(&execution, "its agent stays away");
                self.change_task(&execution.task, |task| {
                    task.agent = None;
                    task.keep = false;
                });
            }
        }
        for agent in self.bringing_from() {
            if self.stays_away(agent.clone()) {
                self.nothing_comes_from(&agent, "it stays away");
            }
        }
    }

    /// Whether an agent has been away for too long. After a start nothing is known yet: its time
    /// begins now.
    fn stays_away(&mut self, agent: AgentId) -> bool {
        let (now, absence) = (self.now.since_epoch(), self.absence());
        let live = self.live.entry(agent).or_default();
        if live.connected {
            return false;
        }
        let absent = live.absent.get_or_insert(absence);
        matches!(absent.look(now), Sound::Silent(_))
    }

    /// Workstations that do not run are being brought up again by the fleet; what they did is
    /// reported by their agentd when it is back.
    pub(super) fn fleet_observed(&mut self, down: Vec<(AgentId, String)>) -> Reply {
        for (agent, why) in down {
            let connected = self.live.get(&agent).is_some_and(|live| live.connected);
            if !connected {
                self.move_idle_agent_down(&agent, why);
            }
        }
        Reply::Ok
    }

    /// Said once for each reason, however often it is tried again.
    /// Nothing of the work is wrong where workstations cannot be looked at: those that run, run on.
    pub(super) fn fleet_asked(&mut self, trouble: Option<String>) -> Reply {
        let trouble = trouble.map(|what| cloud_code_domain::text::one_line(&what, 500));
        if trouble != self.fleet_trouble {
            let (kind, detail) = match &trouble {
                Some(what) => ("runtime_trouble", what.clone()),
                None => ("runtime_answers", String::new()),
            };
            self.fleet_trouble = trouble;
            self.changes.host = true;
            self.record(EventActor::Engine, Subject::Fleet, kind, detail);
        }
        Reply::Ok
    }

    pub(super) fn workstation_stuck(&mut self, agent: &AgentId, why: &str) -> Reply {
        let why = cloud_code_domain::text::one_line(why, 500);
        let known = self
            .live
            .get(agent)
            .is_some_and(|live| live.connected || live.stuck.as_ref() == Some(&why));
        if !known && self.agents.contains_key(agent) {
            self.live_mut(agent).stuck = Some(why.clone());
            let subject = Subject::Agent(agent.to_string());
            self.record(EventActor::Engine, subject, "stuck", why);
        }
        Reply::Ok
    }

    fn move_idle_agent_down(&mut self, agent: &AgentId, why: String) {
        let idle = self
            .agents
            .get(agent)
            .is_some_and(|agent| agent.state == AgentState::Idle);
        if idle {
            self.move_agent(agent, &AgentEvent::Broke(why));
        }
    }

    /// Whether the task is still one that its agent holds a worktree of.
    pub(crate) fn holds(&self, agent: &AgentId, task: &TaskId) -> bool {
        self.tasks.get(task).is_some_and(|task| {
            task.agent.as_ref() == Some(agent)
                && match task.state {
                    TaskState::Completed | TaskState::Cancelled(_) => false,
                    TaskState::Triage(_)
                    | TaskState::Pending
                    | TaskState::Assigned(_)
                    | TaskState::InProgress(_)
                    | TaskState::Publishing(_)
                    | TaskState::Review
                    | TaskState::Blocked(_)
                    | TaskState::Failed(_) => true,
                }
        })
    }
}
