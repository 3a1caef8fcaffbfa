//! The end of an execution, and what follows for its task.

use std::time::Duration;

use cloud_code_domain::agent::AgentEvent;
use cloud_code_domain::event::EventActor;
use cloud_code_domain::execution::{ExecutionEvent, FailureCause, StopReason};
use cloud_code_domain::id::{AgentId, CodingCliName, ExecutionId, Oid, TaskId};
use cloud_code_domain::retry::{self, Tally, decide};
use cloud_code_domain::task::{
    AfterFailure, BlockedReason, Message, MessageKind, PullRequestRecord, TaskEvent,
};
use cloud_code_domain::text;

use crate::engine::effect::Effect;
use crate::engine::input::{Ended, EndedHow};
use crate::engine::world::World;

/// Characters of a coding CLI's last words that are kept.
const MAX_LAST_WORDS: usize = 2_000;

/// What an agent writes before the coding CLI that it suggests.
const HANDOFF: &str = "recommend_handoff";

impl World {
    pub(super) fn ended(&mut self, agent: &AgentId, id: &ExecutionId, ended: Ended) {
        let event = match &ended.how {
            EndedHow::Succeeded { .. } => ExecutionEvent::Succeeded,
            EndedHow::Blocked { .. } => ExecutionEvent::Blocked,
            EndedHow::Failed(cause) => ExecutionEvent::Failed(cause.clone()),
            // It was stopped because its task is blocked.
            EndedHow::Cancelled if self.stop_of(id) == Some(StopReason::CostLimit) => {
                ExecutionEvent::Blocked
            }
            EndedHow::Cancelled => ExecutionEvent::Cancelled,
        };
        self.failing.remove(id);
        self.move_agent(agent, &AgentEvent::Freed(id.clone()));
        if !self.move_execution(id, &event) {
            return;
        }
        let words = text::visible(&ended.last_words, MAX_LAST_WORDS);
        self.change_execution(id, |execution| {
            execution.summary = Some(words.clone()).filter(|words| !words.is_empty());
            execution.head = ended.head.clone();
        });
        self.count(agent, &ended.how);
        match ended.how {
            EndedHow::Succeeded { head } => self.succeeded(agent, id, head),
            EndedHow::Blocked {
                needs_credential,
                reason,
            } => {
                self.blocked(agent, id, needs_credential, &reason, words);
            }
            EndedHow::Failed(cause) => self.failed(id, &cause, &words),
            EndedHow::Cancelled => self.stopped(id),
        }
    }

    fn count(&mut self, agent: &AgentId, how: &EndedHow) {
        if let Some(agent) = self.agents.get_mut(agent) {
            match how {
                EndedHow::Succeeded { .. } => agent.succeeded = agent.succeeded.saturating_add(1),
                EndedHow::Failed(_) => agent.failed = agent.failed.saturating_add(1),
                EndedHow::Blocked { .. } | EndedHow::Cancelled => {}
            }
        }
    }

    fn succeeded(&mut self, agent: &AgentId, id: &ExecutionId, head: Oid) {
        let now = self.now;
        self.change_execution(id, |execution| execution.head = Some(head.clone()));
        let event = TaskEvent::ExecutionSucceeded(id.clone());
        let actor = EventActor::Agent(agent.to_string());
        if self.move_task(&id.task, &event, actor, head.as_str()) == Ok(true) {
            self.keep_workspace(&id.task);
            self.want(
                Effect::Publish {
                    execution: id.clone(),
                    head,
                    passed: false,
                },
                now,
            );
        }
    }

    fn blocked(
        &mut self,
        agent: &AgentId,
        id: &ExecutionId,
        needs_credential: bool,
        reason: &str,
        words: String,
    ) {
        let reason = text::one_line(reason, 500);
        let why = if needs_credential {
            BlockedReason::NeedsCredential
        } else if let Some(rest) = reason.strip_prefix(HANDOFF) {
            let name = rest.trim_start_matches(':').trim();
            let known = name.parse::<CodingCliName>().ok();
            BlockedReason::Handoff(known.filter(|name| self.config.coding_clis.contains_key(name)))
        } else if reason.is_empty() {
            let words = if words.is_empty() {
                "it changed nothing".to_owned()
            } else {
                words
            };
            BlockedReason::NeedsHuman(words)
        } else {
            BlockedReason::NeedsHuman(reason)
        };
        let event = TaskEvent::BlockedReported(id.clone(), why);
        let actor = EventActor::Agent(agent.to_string());
        if self.move_task(&id.task, &event, actor, "") == Ok(true) {
            self.keep_workspace(&id.task);
            // What it asked for may have been answered while the turn ran on.
            self.answered_if_nothing_is_open(&id.task, EventActor::Engine);
        }
    }

    /// Why the execution was told to end, if it was.
    fn stop_of(&self, id: &ExecutionId) -> Option<StopReason> {
        self.executions.get(id).and_then(|execution| execution.stop)
    }

    /// The execution ended because it was told to.
    fn stopped(&mut self, id: &ExecutionId) {
        let cause = match self.stop_of(id) {
            // The task has ended or is blocked on its limit already: the fence holds.
            Some(StopReason::Cancelled | StopReason::CostLimit) => return,
            Some(StopReason::AccountParked) => FailureCause::AccountParked,
            Some(StopReason::Authentication) => FailureCause::Authentication,
            Some(StopReason::Halted) => FailureCause::Halted,
            Some(StopReason::RetryStorm) => FailureCause::RateLimited,
            None => FailureCause::AgentLost,
        };
        self.failed(id, &cause, "");
    }

    /// The execution came to nothing: try again, give up, or ask a person.
    pub(super) fn failed(&mut self, id: &ExecutionId, cause: &FailureCause, words: &str) {
        let jitter = self.random.fraction();
        let Some(task) = self.tasks.get(&id.task) else {
            return;
        };
        // An execution that we were ending did not fail by itself.
        let cause = match self.stop_of(id) {
            Some(StopReason::AccountParked) => &FailureCause::AccountParked,
            Some(StopReason::Authentication) => &FailureCause::Authentication,
            Some(StopReason::Halted) => &FailureCause::Halted,
            Some(StopReason::RetryStorm) => &FailureCause::RateLimited,
            Some(StopReason::Cancelled | StopReason::CostLimit) | None => cause,
        };
        let tally = Tally {
            attempts: task.attempts,
            max_attempts: task.max_attempts,
            interruptions: task.interruptions,
            pause: self.config.agents.retry,
        };
        let retry = decide(cause, tally, jitter);
        let event = TaskEvent::ExecutionFailed(id.clone(), cause.clone(), retry.after.clone());
        let detail = failure_sentence(cause, words);
        if self.move_task(&id.task, &event, EventActor::Engine, detail.clone()) != Ok(true) {
            return;
        }
        let not_before = Some(self.now.after(retry.delay))
            .filter(|_| retry.after == AfterFailure::Retry && retry.delay > Duration::ZERO);
        self.change_task(&id.task, |task| {
            task.attempts = task.attempts.saturating_add(u32::from(retry.counts));
            task.interruptions = task
                .interruptions
                .saturating_add(u32::from(retry.interrupts));
            task.keep = retry.keep;
            task.not_before = not_before;
            task.last_error = Some(detail);
        });
    }

    /// Somebody else pushed to the branch first. What they pushed is the base of the next execution,
    /// in the same worktree and session, and the agent is told whose commits it has to build on.
    pub(super) fn overtaken(&mut self, id: &ExecutionId, head: Oid, commits: &[String]) {
        let now = self.now;
        let Some(task) = self.tasks.get(&id.task) else {
            return;
        };
        if let Some(reason) = retry::overtaken(task.overtaken, &task.branch) {
            self.publish_failed(id, reason);
            return;
        }
        let detail = format!("{head}: {}", commits.join("; "));
        let event = TaskEvent::Overtaken(id.clone());
        let moved = self.move_task(&id.task, &event, EventActor::Engine, detail);
        // A task that was ended meanwhile stays ended.
        if moved != Ok(true) {
            return;
        }
        self.change_task(&id.task, |task| {
            task.overtaken = task.overtaken.saturating_add(1);
            task.keep = true;
            task.brought = None;
            let record = task.pull_request.get_or_insert_with(|| PullRequestRecord {
                number: None,
                url: None,
                head: head.clone(),
                published: None,
                added: 0,
                removed: 0,
                files: 0,
            });
            record.head = head;
            task.conversation.push(Message {
                kind: MessageKind::Pushed,
                author: "git".to_owned(),
                text: commits.join("\n"),
                source: None,
                at: now,
            });
        });
    }

    fn keep_workspace(&mut self, task: &TaskId) {
        self.change_task(task, |task| task.keep = true);
    }
}

fn failure_sentence(cause: &FailureCause, words: &str) -> String {
    let words = text::one_line(words, 300);
    if words.is_empty() {
        cause.to_string()
    } else {
        format!("{cause}: {words}")
    }
}
