//! The engine's state: the live part of the store in memory, what of it has changed since the last
//! commit, and what is never stored (who is connected, heartbeats).

mod changes;
mod clock;
mod load;

pub(crate) use changes::Changes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloud_code_domain::account::{Account, Unanswered};
use cloud_code_domain::agent::{Agent, AgentEvent};
use cloud_code_domain::credential::{CredentialEvent, CredentialRequest};
use cloud_code_domain::event::{Event, EventActor, Subject};
use cloud_code_domain::execution::{Execution, ExecutionEvent};
use cloud_code_domain::id::{
    AccountName, AgentId, ExecutionId, Oid, ProjectName, RequestId, TaskId,
};
use cloud_code_domain::limit::Amount;
use cloud_code_domain::machine::{Denied, Outcome};
use cloud_code_domain::silence::Silence;
use cloud_code_domain::task::{Task, TaskEvent, TaskState};
use cloud_code_domain::time::Timestamp;
use cloud_code_domain::vitals::Vitals;

use crate::config::{Config, ProjectConfig};
use crate::store::{HostRecord, ProjectRecord, Reservation, SpendRow, Store};

use super::again::Again;
use super::effect::{Effect, EffectRecord, EffectState};
use super::input::SecretId;
use super::meters::Meters;

/// See the module.
#[derive(Debug)]
pub struct World {
    /// The configuration.
    pub config: Arc<Config>,
    pub(crate) store: Arc<Store>,
    /// The host's own record.
    pub host: HostRecord,
    /// Tasks that are not finished, and finished ones that are still being cleaned up.
    pub tasks: BTreeMap<TaskId, Task>,
    /// Those tasks by the issues that they are made from; derived.
    pub(crate) by_issue: BTreeMap<(ProjectName, u64), BTreeSet<TaskId>>,
    /// Pending tasks that wait for each other, with the issues of their circle; derived.
    pub(crate) circles: BTreeMap<TaskId, Vec<u64>>,
    /// When the tracker was asked last for an issue that a task depends on; never stored.
    pub(crate) looked_up: BTreeMap<(ProjectName, u64), Timestamp>,
    /// Executions of those tasks.
    pub executions: BTreeMap<ExecutionId, Execution>,
    /// Agents, retired ones too.
    pub agents: BTreeMap<AgentId, Agent>,
    /// Credential requests of those tasks.
    pub requests: BTreeMap<RequestId, CredentialRequest>,
    /// Accounts.
    pub accounts: BTreeMap<AccountName, Account>,
    /// Projects.
    pub projects: BTreeMap<ProjectName, ProjectRecord>,
    /// The outbox.
    pub effects: BTreeMap<String, EffectRecord>,
    /// Today's spending.
    pub spend: BTreeMap<String, SpendRow>,
    /// Model calls under way.
    pub reservations: BTreeMap<String, Reservation>,
    /// Webhook deliveries of the last days: digest → day.
    pub(crate) deliveries: BTreeMap<String, i64>,
    /// How many finished tasks the store holds.
    pub finished: u64,
    /// What is known of agents right now; never stored.
    pub live: BTreeMap<AgentId, Live>,
    /// Which secrets are stored; never stored here.
    pub secrets: BTreeSet<SecretId>,
    /// Whether there is too little room for new work.
    pub disk_short: bool,
    /// Bytes that the host's file system has free, once it was looked at; never stored.
    pub(crate) disk_free: Option<u64>,
    /// What was counted since the program began; never stored.
    pub(crate) meters: Meters,
    /// When the program began; never stored.
    pub(crate) since: Timestamp,
    /// What the operator has to know of the host; never stored.
    pub warning: String,
    /// Why the runtime does not say what runs; never stored.
    pub fleet_trouble: Option<String>,
    /// How many model calls of an execution failed one after the other; never stored.
    pub(crate) failing: BTreeMap<ExecutionId, u32>,
    /// The same of an account, whichever executions made them; never stored.
    pub(crate) unanswered: BTreeMap<AccountName, Unanswered>,
    /// Looks that are taken again; never stored.
    pub(crate) again: Again,
    /// What keeps trackers from answering; never stored.
    pub troubles: BTreeMap<ProjectName, String>,
    /// The time of the input that is being applied.
    pub now: Timestamp,
    pub(crate) next_event: u64,
    pub(crate) next_call: u64,
    pub(crate) changes: Changes,
    pub(crate) random: Random,
}

/// What is known of an agent right now.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// Whether its session stands.
    pub connected: bool,
    /// The number of its link.
    pub link: u64,
    /// When its last message came in.
    pub last_heard: Option<Timestamp>,
    /// How long it has been away, where it is.
    pub absent: Option<Silence>,
    /// Its heartbeats, as far as they were news.
    pub vitals: Vitals,
    /// When those who watch were told of it last.
    pub(crate) told_at: Timestamp,
    /// Why its workstation could not be started, until it says hello.
    pub stuck: Option<String>,
    /// Its program's version.
    pub version: String,
    /// The execution it said it was busy with when it connected.
    pub busy: Option<ExecutionId>,
    /// Tasks that it has to remove.
    pub cleaning: BTreeSet<TaskId>,
    /// Pushed heads that its branches have to move to.
    pub published: BTreeMap<TaskId, Oid>,
}

/// Random numbers from a seed: what the engine decides can be told again from its inputs.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// A source with this seed.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number (SplitMix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number from 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl World {
    /// The configuration of a project.
    #[must_use]
    pub fn project_config(&self, name: &ProjectName) -> Option<&ProjectConfig> {
        self.config.project(name)
    }

    /// The newest task of an issue, finished or not.
    pub(crate) fn task_of_issue(&self, project: &ProjectName, number: u64) -> Option<Task> {
        let of_issue = |task: &&Task| {
            task.project == *project && task.issue.as_ref().is_some_and(|i| i.number == number)
        };
        let live = self
            .tasks
            .values()
            .filter(of_issue)
            .max_by_key(|task| task.created_at);
        live.cloned()
            .or_else(|| self.finished_task_of_issue(project, number))
    }

    /// The live task whose issue or pull request has this number.
    pub(crate) fn task_by_number(&self, project: &ProjectName, number: u64) -> Option<&Task> {
        let of_project = || self.tasks.values().filter(|task| task.project == *project);
        let pull_request = |task: &&Task| {
            let record = task.pull_request.as_ref();
            record.is_some_and(|record| record.number == Some(number))
        };
        let issue = |task: &&Task| {
            let issue = task.issue.as_ref();
            issue.is_some_and(|issue| issue.number == number)
        };
        // At GitHub a number is one or the other. Of a local project only pull requests are told of.
        of_project()
            .find(pull_request)
            .or_else(|| of_project().find(issue))
    }

    /// Changes a task; its version grows.
    pub(crate) fn change_task(&mut self, id: &TaskId, change: impl FnOnce(&mut Task)) {
        let now = self.now;
        if let Some(task) = self.tasks.get_mut(id) {
            change(task);
            task.version = task.version.saturating_add(1);
            task.updated_at = now;
            self.changes.tasks.insert(id.clone());
        }
    }

    /// Moves a task, and records it. False where the event says what is already so.
    ///
    /// # Errors
    /// As the machine.
    pub(crate) fn move_task(
        &mut self,
        id: &TaskId,
        event: &TaskEvent,
        actor: EventActor,
        detail: impl Into<String>,
    ) -> Result<bool, Denied> {
        let task = self.tasks.get(id).ok_or(Denied::Finished)?;
        let Outcome::Moved(next) = task.state.on(event)? else {
            return Ok(false);
        };
        let kind = super::apply::event_kind(event, &next);
        let mut detail = detail.into();
        if let TaskState::Blocked(reason) = &next
            && detail.is_empty()
        {
            detail = reason.to_string();
        }
        let state = next.name().as_str();
        self.record_move(actor, Subject::Task(id.to_string()), kind, detail, state);
        self.change_task(id, |task| task.enter(next));
        self.entered(id);
        Ok(true)
    }

    /// Moves an execution. False where nothing changed or it is not known.
    pub(crate) fn move_execution(&mut self, id: &ExecutionId, event: &ExecutionEvent) -> bool {
        let now = self.now;
        let Some(execution) = self.executions.get_mut(id) else {
            return false;
        };
        let Ok(Outcome::Moved(next)) = execution.state.on(event) else {
            return false;
        };
        execution.state = next;
        if execution.state.is_finished() {
            execution.ended_at = Some(now);
        }
        self.changes.executions.insert(id.clone());
        true
    }

    /// Changes an execution.
    pub(crate) fn change_execution(
        &mut self,
        id: &ExecutionId,
        change: impl FnOnce(&mut Execution),
    ) {
        if let Some(execution) = self.executions.get_mut(id) {
            change(execution);
            self.changes.executions.insert(id.clone());
        }
    }

    /// Moves an agent, and records it. False where nothing changed.
    pub(crate) fn move_agent(&mut self, id: &AgentId, event: &AgentEvent) -> bool {
        let now = self.now;
        let Some(agent) = self.agents.get_mut(id) else {
            return false;
        };
        let Ok(Outcome::Moved(next)) = agent.state.on(event) else {
            return false;
        };
        agent.state = next;
        agent.updated_at = now;
        let kind = agent.state.as_str();
        let detail = match event {
            AgentEvent::Broke(why) => why.clone(),
            AgentEvent::Assigned(execution) | AgentEvent::Freed(execution) => execution.to_string(),
            AgentEvent::Ready
            | AgentEvent::MaintenanceStarted
            | AgentEvent::MaintenanceEnded
            | AgentEvent::Recreated
            | AgentEvent::Unwanted => String::new(),
        };
        self.changes.agents.insert(id.clone());
        let subject = Subject::Agent(id.to_string());
        self.record_move(EventActor::Engine, subject, kind, detail, kind);
        true
    }

    /// Moves a credential request, and records it.
    ///
    /// # Errors
    /// As the machine; [`Denied::Finished`] where it is not known.
    pub(crate) fn move_request(
        &mut self,
        id: &RequestId,
        event: &CredentialEvent,
        actor: EventActor,
    ) -> Result<bool, Denied> {
        let now = self.now;
        let request = self.requests.get_mut(id).ok_or(Denied::Finished)?;
        let Outcome::Moved(next) = request.state.on(event)? else {
            return Ok(false);
        };
        request.state = next;
        request.version = request.version.saturating_add(1);
        request.updated_at = now;
        let kind = request.state.as_str();
        let detail = format!("{} {}", request.kind.as_str(), request.scope);
        self.changes.requests.insert(id.clone());
        self.changes.tasks.insert(id.task.clone());
        let subject = Subject::Credential(id.to_string());
        self.record_move(actor, subject, kind, detail, kind);
        Ok(true)
    }

    /// Records a fact that moved nothing.
    pub(crate) fn record(
        &mut self,
        actor: EventActor,
        subject: Subject,
        kind: &str,
        detail: impl Into<String>,
    ) {
        self.append(actor, subject, kind, detail.into(), None);
    }

    /// Records that the subject came to a state, also where it came into being with it.
    pub(crate) fn record_move(
        &mut self,
        actor: EventActor,
        subject: Subject,
        kind: &str,
        detail: impl Into<String>,
        state: &str,
    ) {
        self.append(actor, subject, kind, detail.into(), Some(state.to_owned()));
    }

    fn append(
        &mut self,
        actor: EventActor,
        subject: Subject,
        kind: &str,
        detail: String,
        state: Option<String>,
    ) {
        let event = Event {
            seq: self.next_event,
            at: self.now,
            actor,
            subject,
            kind: kind.to_owned(),
            detail,
            state,
        };
        self.next_event = self.next_event.saturating_add(1);
        self.changes.events.push(event);
    }

    /// Wants an effect, not before this time. One that is wanted already stays as it is; one that
    /// is being made is made again.
    pub(crate) fn want(&mut self, effect: Effect, not_before: Timestamp) {
        let key = effect.key();
        match self.effects.get_mut(&key) {
            Some(record) if record.state == EffectState::Pending => {
                record.effect = effect;
                if record.last_error.is_none() {
                    record.not_before = record.not_before.min(not_before);
                }
            }
            Some(record) => {
                record.again = true;
                record.effect = effect;
            }
            None => {
                let mut record = EffectRecord::new(effect, not_before);
                record.wanted_at = Some(self.now);
                self.effects.insert(key.clone(), record);
            }
        }
        self.changes.effects.insert(key);
    }

    /// The agent that an effect has to hear from: what it committed can only be had from itself.
    fn source(&self, effect: &Effect) -> Option<&AgentId> {
        match effect {
            Effect::Bring { execution } | Effect::Publish { execution, .. } => self
                .executions
                .get(execution)
                .map(|execution| &execution.agent),
            Effect::Inspect { .. }
            | Effect::Prepare { .. }
            | Effect::OpenPullRequest { .. }
            | Effect::Comment { .. }
            | Effect::Merge { .. }
            | Effect::Close { .. }
            | Effect::NotifyTask { .. }
            | Effect::NotifyRequest { .. } => None,
        }
    }

    /// The agent that an effect waits for, which is away.
    pub(crate) fn awaited(&self, effect: &Effect) -> Option<&AgentId> {
        let is_there = |agent: &AgentId| self.live.get(agent).is_some_and(|live| live.connected);
        self.source(effect).filter(|agent| !is_there(agent))
    }

    /// The agent is there: what waited for it is due, if its time has come.
    pub(super) fn no_longer_awaited(&mut self, agent: &AgentId) {
        let waited = self
            .effects
            .iter()
            .filter(|(_, record)| self.source(&record.effect) == Some(agent));
        let keys: Vec<String> = waited.map(|(key, _)| key.clone()).collect();
        self.changes.effects.extend(keys);
    }

    /// Gives up an effect that is not being made.
    pub(crate) fn unwant(&mut self, key: &str) {
        if self
            .effects
            .get(key)
            .is_some_and(|record| record.state == EffectState::Pending)
        {
            self.effects.remove(key);
            self.changes.effects.insert(key.to_owned());
        }
    }

    /// The live record of an agent.
    pub(crate) fn live_mut(&mut self, agent: &AgentId) -> &mut Live {
        self.changes.live.insert(agent.clone());
        self.live.entry(agent.clone()).or_default()
    }

    /// The execution that an agent works on.
    #[must_use]
    pub fn working_on(&self, agent: &AgentId) -> Option<&Execution> {
        use cloud_code_domain::agent::AgentState;
        match &self.agents.get(agent)?.state {
            AgentState::Working(execution) => self.executions.get(execution),
            AgentState::Provisioning
            | AgentState::Idle
            | AgentState::Maintenance
            | AgentState::Recreating(_)
            | AgentState::Retired => None,
        }
    }

    /// The number of the last event.
    #[must_use]
    pub fn last_event(&self) -> u64 {
        self.next_event.saturating_sub(1)
    }

    /// What a project has spent today, as far as it counts towards its limit.
    #[must_use]
    pub fn spent_today(&self, project: &ProjectName) -> Amount {
        let today = self.now.day();
        self.spend
            .values()
            .filter(|row| row.day == today && row.project == *project)
            .fold(Amount::default(), |sum, row| sum.plus(self.counts(row)))
    }

    /// What a row of spending counts as.
    #[must_use]
    pub fn counts(&self, row: &SpendRow) -> Amount {
        Amount::of_call(self.measure(&row.account), row.cost, row.tokens)
    }
}
