//! A task of an operator's own, and what is said to one that is there.

use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::id::{ProjectName, TaskId};
use cloud_code_domain::issue::IssueRef;
use cloud_code_domain::task::{
    BlockedReason, Message, MessageKind, Priority, Task, TaskEvent, TaskState, TriageReason,
};
use cloud_code_domain::text;

use crate::config::TrackerConfig;
use crate::engine::apply::task::{MAX_DESCRIPTION, Seed};
use crate::engine::input::ActRefusal;
use crate::engine::world::World;

use super::{Acted, fits};

/// Characters of a message to an agent.
const MAX_STEER: usize = 16_000;

impl World {
    pub(super) fn new_by_operator(
        &mut self,
        actor: &EventActor,
        project: &ProjectName,
        title: String,
        body: String,
        priority: Option<Priority>,
    ) -> Acted {
        let Some(config) = self.config.project(project).filter(|config| config.enabled) else {
            return Err(ActRefusal::NotFound(format!(
                "there is no enabled project {project}"
            )));
        };
        if text::one_line(&title, 200).is_empty() {
            return Err(ActRefusal::Invalid("a task needs a title".into()));
        }
        fits("the text", &body, MAX_DESCRIPTION)?;
        let triage = (!config.auto_assign).then_some(TriageReason::Manual);
        let local = matches!(config.tracker, TrackerConfig::Local);
        let issue = local.then(|| IssueRef {
            number: self.next_issue(project),
            url: None,
        });
        let seed = Seed {
            issue,
            title,
            body,
            labels: Vec::new(),
            blocked_by: Vec::new(),
            priority,
            triage,
            triggered_at: None,
        };
        let id = self
            .make_task(project, seed, actor.clone())
            .ok_or_else(|| ActRefusal::NotFound(format!("there is no project {project}")))?;
        let waits = self
            .tasks
            .get(&id)
            .is_some_and(|t| matches!(t.state, TaskState::Triage(_)));
        let said = if waits {
            "made; it waits in triage"
        } else {
            "made; it waits for an agent"
        };
        Ok((said.to_owned(), Some(id)))
    }

    fn next_issue(&mut self, project: &ProjectName) -> u64 {
        let Some(record) = self.projects.get_mut(project) else {
            return 1;
        };
        let number = record.next_issue;
        record.next_issue = number.saturating_add(1);
        self.changes.projects.insert(project.clone());
        number
    }

    pub(super) fn accept(&mut self, actor: &EventActor, id: &TaskId) -> Acted {
        let task = self.known(id)?;
        if task.agent_type.is_none() {
            return Err(ActRefusal::NotPossible(format!(
                "task {id} has no route: no agent type takes it; set default_agent_type for \
                 {} and start again, or give the issue a label of the routing table",
                task.project
            )));
        }
        self.moved(
            actor,
            id,
            &TaskEvent::Accepted,
            "accepted; it waits for an agent",
        )
    }

    pub(super) fn retry(&mut self, actor: &EventActor, id: &TaskId) -> Acted {
        let task = self.known(id)?;
        if task.state == TaskState::Blocked(BlockedReason::NeedsCredential) {
            return Err(ActRefusal::NotPossible(format!(
                "task {id} waits for a credential; answer it: cloud-code approvals"
            )));
        }
        let limit = task.state == TaskState::Blocked(BlockedReason::CostLimit);
        let level = task.spent().level(self.measure_of(task), task.limits());
        if limit && level.is_reached() {
            return Err(ActRefusal::NotPossible(format!(
                "task {id} has spent {level}; raise its limit: cloud-code {}",
                task.grant_command()
            )));
        }
        let findings = self.findings_of(id);
        let acted = self.moved(actor, id, &TaskEvent::RetryRequested, "it is tried again")?;
        self.tell_findings(id, &findings);
        self.anew(id);
        Ok(acted)
    }

    pub(super) fn steer(
        &mut self,
        actor: &EventActor,
        operator: &str,
        id: &TaskId,
        words: &str,
    ) -> Acted {
        let running = self.known(id)?.state.working_execution().is_some();
        let finished = self.known(id)?.state.is_finished();
        fits("the message", words, MAX_STEER)?;
        let words = text::visible(words, MAX_STEER);
        if words.trim().is_empty() {
            return Err(ActRefusal::Invalid("there is nothing to say".into()));
        }
        if finished {
            return Err(ActRefusal::NotPossible(format!("task {id} is finished")));
        }
        let message = Message {
            kind: MessageKind::Steer,
            author: operator.to_owned(),
            text: words,
            source: None,
            at: self.now,
        };
        self.hear(id, message);
        self.record(actor.clone(), Subject::Task(id.to_string()), "steered", "");
        self.answered_by_words(id, actor.clone());
        let said = if running {
            "the running turn is told"
        } else {
            "the next turn is told"
        };
        Ok((said.to_owned(), Some(id.clone())))
    }

    /// Raises, or lowers, a limit of a task. What waits for just that goes on: a task blocked on
    /// the limit, or one that its project's daily limit holds back.
    pub(super) fn set_limit(
        &mut self,
        actor: &EventActor,
        id: &TaskId,
        shown: &str,
        change: impl FnOnce(&mut Task),
    ) -> Acted {
        let blocked = self.known(id)?.state == TaskState::Blocked(BlockedReason::CostLimit);
        self.change_task(id, change);
        let subject = Subject::Task(id.to_string());
        self.record(actor.clone(), subject, "cost_limit", shown);
        let task = self.known(id)?;
        let level = task.spent().level(self.measure_of(task), task.limits());
        let held_back = self.daily_limit_of(task).is_some();
        let mut said = format!("it may spend {shown}");
        if level.is_reached() {
            said = format!(
                "{said}, and has spent {level}: cloud-code {}",
                task.grant_command()
            );
            return Ok((said, Some(id.clone())));
        }
        if held_back {
            let today = self.now.day();
            self.change_task(id, |task| task.past_daily_limit = Some(today));
            said.push_str(", today past its project's limit,");
        }
        if blocked {
            self.moved(actor, id, &TaskEvent::Answered, "")?;
            self.anew(id);
        }
        if blocked || held_back {
            said.push_str(" and goes on");
        }
        Ok((said, Some(id.clone())))
    }
}
