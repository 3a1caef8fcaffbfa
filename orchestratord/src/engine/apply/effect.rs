//! The outbox: effects are started and finished, and what they found is applied.

use std::time::Duration;

use cloud_code_domain::dependencies::Standing;
use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::execution::FailureCause;
use cloud_code_domain::id::{ExecutionId, Oid, ProjectName, TaskId};
use cloud_code_domain::issue::{PullRequestSnapshot, PullRequestState};
use cloud_code_domain::passed::ProtectedChange;
use cloud_code_domain::task::{BlockedReason, PullRequestRecord, Task, TaskEvent, TaskState};

use crate::config::TrackerConfig;
use crate::engine::effect::{Effect, EffectState, Next, Outcome};
use crate::engine::input::{Done, Facts, Inspected, Reply};
use crate::engine::world::World;

impl World {
    pub(super) fn effect_started(&mut self, key: &str) -> Reply {
        let now = self.now;
        let Some(record) = self.effects.get(key) else {
            return Reply::NotWanted;
        };
        if record.not_before > now {
            return Reply::NotWanted;
        }
        let started = record.started(now);
        let facts = self.facts(&started.effect);
        self.effects.insert(key.to_owned(), started.clone());
        // What only reads, or sets what is to be so, is made again after a kill whether the store says that
        // it was begun or not: nothing waits for a commit that says so.
        if started.effect.creates() {
            self.changes.effects.insert(key.to_owned());
        }
        Reply::Make(Box::new((started, facts)))
    }

    /// The project that an effect is for, where its task is known.
    pub(crate) fn project_of(&self, effect: &Effect) -> Option<ProjectName> {
        if let Effect::Inspect { project, .. } = effect {
            return Some(project.clone());
        }
        let task = effect.task().and_then(|task| self.tasks.get(task));
        task.map(|task| task.project.clone())
    }

    fn facts(&self, effect: &Effect) -> Facts {
        let mut facts = Facts {
            task: effect.task().and_then(|task| self.tasks.get(task)).cloned(),
            ..Facts::default()
        };
        match effect {
            Effect::Inspect { project, number } => {
                facts.task = self.task_by_number(project, *number).cloned();
            }
            Effect::Bring { execution } | Effect::Publish { execution, .. } => {
                facts.execution = self.executions.get(execution).cloned();
            }
            Effect::NotifyRequest { request } => {
                facts.request = self.requests.get(request).cloned();
            }
            Effect::Prepare { .. }
            | Effect::OpenPullRequest { .. }
            | Effect::Comment { .. }
            | Effect::Merge { .. }
            | Effect::Close { .. }
            | Effect::NotifyTask { .. } => {}
        }
        facts
    }

    pub(super) fn effect_finished(&mut self, key: &str, outcome: Outcome<Done>) -> Reply {
        let jitter = self.random.fraction();
        let Some(record) = self.effects.get(key).cloned() else {
            return Reply::NotWanted;
        };
        let settle = self.settle_time(&record.effect);
        let refused = matches!(outcome, Outcome::Refused { .. });
        let outcome = if self.is_elsewhere(&record.effect) {
            record.believed(outcome, self.now)
        } else {
            outcome
        };
        match record.after(&outcome, self.now, settle, jitter) {
            Next::Gone => self.effects.remove(key),
            Next::Kept(next) => self.effects.insert(key.to_owned(), next),
        };
        self.changes.effects.insert(key.to_owned());
        if let Some(task) = record.effect.task() {
            self.changes.tasks.insert(task.clone());
        }
        // What is put off stands in the project's warning.
        let put_off = self
            .effects
            .get(key)
            .and_then(|kept| kept.last_error.as_ref());
        if put_off != record.last_error.as_ref()
            && let Some(project) = self.project_of(&record.effect)
        {
            self.changes.projects.insert(project);
        }
        match outcome {
            Outcome::Done(done) => self.effect_done(&record.effect, done),
            Outcome::Refused { why } => self.effect_refused(&record.effect, &why),
            Outcome::Later { why, .. } | Outcome::Unknown { why } => {
                tracing::debug!(key, why, "an effect has to wait");
                if let Effect::Comment { task } = &record.effect
                    && refused
                {
                    self.look_whether_it_is_there(task);
                }
            }
            Outcome::Absent => self.comment_gone(key),
        }
        Reply::Ok
    }

    /// A comment of ours that was looked for and is not there, and cannot be on its way any more, is
    /// written anew.
    fn comment_gone(&mut self, key: &str) {
        let settled = self
            .effects
            .get(key)
            .filter(|record| record.state == EffectState::Pending);
        if let Some(Effect::Comment { task }) = settled.map(|record| record.effect.clone())
            && self
                .tasks
                .get(&task)
                .is_some_and(|task| task.comment_id.is_some())
        {
            self.change_task(&task, |task| task.comment_id = None);
        }
    }

    fn settle_time(&self, effect: &Effect) -> Duration {
        if self.is_elsewhere(effect) {
            self.config.settle.github
        } else {
            // Our own disk: a call that we stopped waiting for has ended with us.
            Duration::ZERO
        }
    }

    /// Whether an effect is made over a network, at a tracker with moods of its own.
    fn is_elsewhere(&self, effect: &Effect) -> bool {
        let project = effect
            .task()
            .and_then(|task| self.tasks.get(task))
            .map(|task| &task.project);
        let config = project.and_then(|project| self.config.project(project));
        match config.map(|config| &config.tracker) {
            Some(TrackerConfig::Github(_)) => true,
            Some(TrackerConfig::Local) | None => false,
        }
    }

    fn effect_done(&mut self, effect: &Effect, done: Done) {
        match (effect, done) {
            (Effect::Inspect { project, number }, Done::Inspected(inspected)) => {
                self.inspection_made(project, *number, *inspected);
            }
            (
                Effect::Prepare { task },
                Done::Prepared {
                    base,
                    pull_request_head,
                },
            ) => {
                self.prepared(task, base, pull_request_head);
            }
            (
                Effect::Publish { execution, .. },
                Done::Published {
                    head,
                    added,
                    removed,
                    files,
                    passed,
                },
            ) => self.published(execution, head, (added, removed, files), passed),
            (Effect::Publish { execution, .. }, Done::Rejected { findings, passable }) => {
                let reason = BlockedReason::PublishRejected {
                    execution: execution.clone(),
                    findings,
                    passable,
                };
                self.publish_failed(execution, reason);
            }
            (Effect::Publish { execution, .. }, Done::Overtaken { head, commits }) => {
                self.overtaken(execution, head, &commits);
            }
            (Effect::Publish { execution, .. }, Done::ResultLost { why }) => {
                self.failed(execution, &FailureCause::AgentLost, &why);
            }
            (Effect::Bring { execution }, Done::Brought { head }) => {
                self.brought(execution, head);
            }
            (Effect::Bring { execution }, Done::NotBrought { why }) => {
                self.not_brought(execution, &why);
            }
            (Effect::OpenPullRequest { task }, Done::PullRequestOpened(seen)) => {
                self.pull_request_opened(task, &seen);
            }
            (Effect::Comment { task }, Done::Commented { id }) => {
                if self
                    .tasks
                    .get(task)
                    .is_some_and(|task| task.comment_id != Some(id))
                {
                    self.change_task(task, |task| task.comment_id = Some(id));
                }
            }
            (Effect::Merge { task }, Done::Merged) => {
                // A merge that the tracker told us of before is merged.
                let _moved =
                    self.move_task(task, &TaskEvent::PullRequestMerged, EventActor::Engine, "");
            }
            (Effect::Close { task }, Done::Closed) => {
                let _moved =
                    self.move_task(task, &TaskEvent::PullRequestClosed, EventActor::Engine, "");
            }
            (
                _,
                Done::Notified
                | Done::Inspected(_)
                | Done::Prepared { .. }
                | Done::Published { .. }
                | Done::Rejected { .. }
                | Done::Overtaken { .. }
                | Done::ResultLost { .. }
                | Done::Brought { .. }
                | Done::NotBrought { .. }
                | Done::PullRequestOpened(_)
                | Done::Commented { .. }
                | Done::Merged
                | Done::Closed,
            ) => {}
        }
    }

    fn inspection_made(&mut self, project: &ProjectName, number: u64, inspected: Inspected) {
        self.standing_seen(project, number, &inspected);
        self.look_again(project, number, &inspected);
        self.inspected(inspected);
    }

    fn prepared(&mut self, task: &TaskId, base: Oid, pull_request_head: Option<Oid>) {
        // One that was begun before commits were brought does not know of them.
        let wanted = |task: &Task| {
            let brought = task.brought.as_ref().map(|brought| &brought.head);
            task.state == TaskState::Pending
                && task.bringing.is_none()
                && brought.is_none_or(|head| *head == base)
        };
        if !self.tasks.get(task).is_some_and(wanted) {
            return;
        }
        self.change_task(task, |task| {
            task.base = Some(base);
            task.prepared = task.executions.saturating_add(1);
            if let (Some(record), Some(head)) = (&mut task.pull_request, pull_request_head) {
                record.head = head;
            }
        });
    }

    /// What an operator let pass is not asked for again.
    fn remember_passed(&mut self, task: &TaskId, passed: Vec<ProtectedChange>) {
        if !passed.is_empty() {
            self.change_task(task, |task| {
                for change in passed {
                    task.passed.add(change);
                }
            });
        }
    }

    fn published(
        &mut self,
        execution: &ExecutionId,
        head: Oid,
        stat: (u64, u64, u64),
        passed: Vec<ProtectedChange>,
    ) {
        let now = self.now;
        self.remember_passed(&execution.task, passed);
        let (added, removed, files) = stat;
        let published = head.clone();
        self.change_task(&execution.task, |task| {
            task.overtaken = 0;
            task.brought = None;
            let before = task.pull_request.take();
            task.pull_request = Some(PullRequestRecord {
                number: before.as_ref().and_then(|record| record.number),
                url: before.and_then(|record| record.url),
                head,
                published: Some(execution.clone()),
                added,
                removed,
                files,
            });
        });
        let subject = Subject::Task(execution.task.to_string());
        self.record(EventActor::Engine, subject, "pushed", published.as_str());
        if let Some(agent) = self
            .tasks
            .get(&execution.task)
            .and_then(|task| task.agent.clone())
        {
            let task = execution.task.clone();
            self.live_mut(&agent).published.insert(task, published);
        }
        self.want(
            Effect::OpenPullRequest {
                task: execution.task.clone(),
            },
            now,
        );
    }

    pub(super) fn publish_failed(&mut self, execution: &ExecutionId, reason: BlockedReason) {
        let event = TaskEvent::PublishFailed(execution.clone(), reason);
        // A task that was ended meanwhile stays ended.
        let _moved = self.move_task(&execution.task, &event, EventActor::Engine, "");
    }

    fn pull_request_opened(&mut self, id: &TaskId, seen: &PullRequestSnapshot) {
        self.change_task(id, |task| {
            if let Some(record) = &mut task.pull_request {
                record.number = Some(seen.number);
                record.url.clone_from(&seen.url);
            }
        });
        let execution = self
            .tasks
            .get(id)
            .and_then(|task| task.state.current_execution().cloned());
        if let Some(execution) = execution {
            let detail = format!("pull request #{}", seen.number);
            let event = TaskEvent::PullRequestOpened(execution);
            // The task is publishing, or was ended meanwhile.
            let _moved = self.move_task(id, &event, EventActor::Engine, detail);
        }
        if seen.state != PullRequestState::Open {
            self.pull_request_observed(seen);
        }
        // What people said while it was being published is waiting to be answered.
        if self
            .tasks
            .get(id)
            .is_some_and(|task| task.conversation.waiting().next().is_some())
        {
            self.answered_by_words(id, EventActor::Engine);
        }
    }

    /// The outside said no, for good. A person has to know, and to decide.
    fn effect_refused(&mut self, effect: &Effect, why: &str) {
        let why = cloud_code_domain::text::one_line(why, 500);
        match effect {
            Effect::Publish { execution, .. } => {
                self.publish_failed(execution, BlockedReason::NeedsHuman(why));
            }
            Effect::Bring { execution } => self.not_brought(execution, &why),
            Effect::OpenPullRequest { task } => {
                let current = self
                    .tasks
                    .get(task)
                    .and_then(|task| task.state.current_execution().cloned());
                if let Some(execution) = current {
                    self.publish_failed(&execution, BlockedReason::NeedsHuman(why));
                }
            }
            Effect::Merge { task }
            | Effect::Close { task }
            | Effect::Prepare { task }
            | Effect::Comment { task } => {
                let subject = Subject::Task(task.to_string());
                let kind = refused_kind(effect);
                self.record(EventActor::Engine, subject, kind, why.clone());
                // What has ended in the meantime has ended well without it.
                let ended = |task: &Task| task.state.is_finished();
                if !self.tasks.get(task).is_some_and(ended) {
                    self.change_task(task, |task| task.last_error = Some(why));
                }
                if matches!(effect, Effect::Comment { .. }) {
                    self.look_whether_it_is_there(task);
                }
            }
            Effect::Inspect { project, number } => {
                self.stands(project, *number, Standing::Missing);
                let subject = Subject::Project(project.to_string());
                self.record(
                    EventActor::Engine,
                    subject,
                    "refused",
                    format!("#{number}: {why}"),
                );
            }
            Effect::NotifyTask { .. } | Effect::NotifyRequest { .. } => {
                self.record(EventActor::Engine, Subject::Fleet, "notify_failed", why);
            }
        }
        if let Effect::Prepare { task } = effect {
            let now = self.now;
            // Without a base nothing can start; look again in a while.
            self.change_task(task, |task| {
                task.not_before = Some(now.after(Duration::from_secs(60)));
            });
        }
    }
}

/// What a refusal is called in the history. Whoever asked for a merge or a close waits for its own.
fn refused_kind(effect: &Effect) -> &'static str {
    match effect {
        Effect::Merge { .. } => "merge_refused",
        Effect::Close { .. } => "close_refused",
        Effect::Prepare { .. }
        | Effect::Publish { .. }
        | Effect::Bring { .. }
        | Effect::OpenPullRequest { .. }
        | Effect::Comment { .. }
        | Effect::Inspect { .. }
        | Effect::NotifyTask { .. }
        | Effect::NotifyRequest { .. } => "refused",
    }
}
