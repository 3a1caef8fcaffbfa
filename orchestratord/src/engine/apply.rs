//! Applies an input to the world. Nothing here waits: state changes, and what follows from it is
//! noted; the engine commits it.

mod account;
mod agent;
mod credential;
mod dependencies;
mod effect;
mod ended;
mod handover;
mod issue;
mod issue_gone;
mod operator;
mod task;
mod tenancy;

use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::id::ProjectName;
use cloud_code_domain::task::{TaskEvent, TaskState};

use super::effect::Effect;
use super::input::{Input, Reply};
use super::world::World;

/// Days that a delivery is remembered.
const DELIVERIES_DAYS: i64 = 30;

impl World {
    /// Applies one input.
    pub(crate) fn apply(&mut self, input: Input) -> Reply {
        self.changes.more |= !input.is_routine();
        match input {
            Input::Delivered {
                digest,
                about,
                remark,
            } => self.delivered(digest, about, remark.as_deref()),
            Input::Polled {
                project,
                numbers,
                cursor,
            } => self.polled(&project, numbers, cursor),
            Input::Hello { agent, hello } => self.hello(&agent, hello),
            Input::Gone { agent, link } => self.gone(&agent, link),
            Input::Heartbeat { agent, vitals } => self.heartbeat(&agent, vitals),
            Input::Record {
                agent,
                seq,
                execution,
                body,
            } => self.agent_record(&agent, seq, &execution, body),
            Input::Unreadable { agent, seq, why } => self.unreadable(&agent, seq, &why),
            Input::TaskCleaned { agent, task } => self.task_cleaned(&agent, &task),
            Input::CredentialHeld { agent, request } => self.credential_held(&agent, &request),
            Input::FleetObserved { down } => self.fleet_observed(down),
            Input::WorkspaceRemoved { agent } => self.workspace_removed(&agent),
            Input::FleetAsked { trouble } => self.fleet_asked(trouble),
            Input::WorkstationStuck { agent, why } => self.workstation_stuck(&agent, &why),
            Input::CallOpened {
                execution,
                model,
                most,
            } => self.open_call(&execution, model, most),
            Input::CallSettled {
                execution,
                call,
                usage,
                came_to,
                answer,
            } => {
                self.settle_call(&execution, call, Some((usage, came_to)));
                self.note_answer(&execution, answer);
                Reply::Ok
            }
            Input::AccountParked { account, parking } => self.park_account(&account, parking),
            Input::TrackerAsked { project, trouble } => self.tracker_asked(&project, trouble),
            Input::EffectStarted { key } => self.effect_started(&key),
            Input::EffectFinished { key, outcome } => self.effect_finished(&key, outcome),
            Input::Act {
                operator,
                action,
                expected_version,
            } => self.act(&operator, action, expected_version),
            Input::SecretsKnown {
                secrets,
                version,
                change,
            } => self.secrets_known(secrets, version, change),
            Input::DiskFree(free) => self.disk_free(free),
            Input::Tick => {
                self.tick();
                Reply::Ok
            }
        }
    }

    /// What follows from a group of inputs as a whole: placement, and finished tasks leave memory.
    pub(crate) fn follow_up(&mut self) {
        self.settle_tenancies();
        self.schedule();
        self.retire_finished();
    }

    /// A delivery is a hint to look, and the same one is taken once, whatever its headers say.
    fn delivered(
        &mut self,
        digest: Option<[u8; 32]>,
        about: Vec<(ProjectName, u64)>,
        remark: Option<&str>,
    ) -> Reply {
        let now = self.now;
        if let Some(key) = digest.map(hex::encode) {
            if self.deliveries.contains_key(&key) {
                return Reply::Duplicate;
            }
            self.deliveries.insert(key.clone(), now.day());
            self.changes.deliveries.insert(key);
        }
        self.changes.counted.deliveries = self.changes.counted.deliveries.saturating_add(1);
        for (project, number) in about {
            if let Some(remark) = remark
                && self.task_by_number(&project, number).is_some()
            {
                let about = (project.clone(), number);
                self.again.expect(about, remark.to_owned());
            }
            self.want(Effect::Inspect { project, number }, now);
        }
        Reply::Ok
    }

    /// What a poll found and where the next goes on from are committed together.
    fn polled(&mut self, project: &ProjectName, numbers: Vec<u64>, cursor: String) -> Reply {
        let now = self.now;
        for number in numbers {
            let project = project.clone();
            self.want(Effect::Inspect { project, number }, now);
        }
        if let Some(record) = self.projects.get_mut(project)
            && record.cursor != cursor
        {
            record.cursor = cursor;
            self.changes.projects.insert(project.clone());
        }
        Reply::Ok
    }

    /// Forgets deliveries that are older than GitHub lets anybody send them again.
    fn forget_old_deliveries(&mut self) {
        let oldest = self.now.day().saturating_sub(DELIVERIES_DAYS);
        let old = self.deliveries.iter().filter(|(_, day)| **day < oldest);
        let old: Vec<String> = old.map(|(key, _)| key.clone()).collect();
        for key in old {
            self.deliveries.remove(&key);
            self.changes.deliveries.insert(key);
        }
    }

    /// What keeps a tracker from answering is the operator's to know, once: nothing of the work is
    /// wrong, and it goes on when the tracker answers again.
    fn tracker_asked(&mut self, project: &ProjectName, trouble: Option<String>) -> Reply {
        let (kind, detail) = match &trouble {
            Some(what) => ("tracker_trouble", what.clone()),
            None => ("tracker_answers", String::new()),
        };
        let before = match trouble {
            Some(what) => self.troubles.insert(project.clone(), what),
            None => self.troubles.remove(project),
        };
        if before.as_ref() != self.troubles.get(project) {
            self.changes.projects.insert(project.clone());
            let subject = Subject::Project(project.to_string());
            self.record(EventActor::Engine, subject, kind, detail);
        }
        if before.is_some() && !self.troubles.contains_key(project) {
            self.tracker_is_back(project);
        }
        Reply::Ok
    }

    /// What was put off while a tracker was out of order is made now.
    fn tracker_is_back(&mut self, project: &ProjectName) {
        let now = self.now;
        let held_up = self.effects.iter().filter(|(_, record)| {
            record.is_held_up_by_a_tracker(now)
                && self.project_of(&record.effect).as_ref() == Some(project)
        });
        let held_up: Vec<String> = held_up.map(|(key, _)| key.clone()).collect();
        for key in held_up {
            if let Some(record) = self.effects.get_mut(&key) {
                record.not_before = now;
                self.changes.effects.insert(key);
            }
        }
    }

    fn disk_free(&mut self, free: u64) -> Reply {
        self.disk_free = Some(free);
        let short = free < self.config.agents.min_free_disk;
        if short != self.disk_short {
            self.disk_short = short;
            self.changes.host = true;
            let kind = if short { "disk_short" } else { "disk_ok" };
            self.record(
                EventActor::Engine,
                Subject::Fleet,
                kind,
                format!("{free} bytes free"),
            );
        }
        Reply::Ok
    }

    /// What is over by now: parkings, agents that have been away for too long, old deliveries.
    fn tick(&mut self) {
        self.unpark_accounts();
        self.forget_old_deliveries();
        self.give_up_absent();
    }
}

/// What a task's move is called among the events: the state it moved to, but for moves to pending,
/// which say why, and for publishing, which is shown as in_progress.
pub(super) fn event_kind(event: &TaskEvent, next: &TaskState) -> &'static str {
    match (event, next) {
        (TaskEvent::Accepted, _) => "accepted",
        (TaskEvent::Answered, _) => "answered",
        (TaskEvent::ChangesRequested, _) => "changes_requested",
        (TaskEvent::RetryRequested, _) => "retry_requested",
        (TaskEvent::ExecutionFailed(..), TaskState::Pending) => "retrying",
        (TaskEvent::Overtaken(_), _) => "overtaken",
        (_, TaskState::Publishing(_)) => "publishing",
        (
            TaskEvent::Rejected
            | TaskEvent::Assigned(_)
            | TaskEvent::ProgressReported(_)
            | TaskEvent::ExecutionSucceeded(_)
            | TaskEvent::BlockedReported(..)
            | TaskEvent::CostLimitReached(_)
            | TaskEvent::ExecutionFailed(..)
            | TaskEvent::PullRequestOpened(_)
            | TaskEvent::PublishFailed(..)
            | TaskEvent::PassedOnce
            | TaskEvent::PullRequestMerged
            | TaskEvent::PullRequestClosed
            | TaskEvent::CancelRequested(_),
            next,
        ) => next.name().as_str(),
    }
}
