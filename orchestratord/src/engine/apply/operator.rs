//! What operators do. Each answer says what follows; a refusal says what would be possible.

use cloud_code_domain::credential::{
    CredentialEvent, CredentialState, Decision, GrantedBy, decide,
};
use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::execution::StopReason;
use cloud_code_domain::id::{ExecutionId, ProjectName, RequestId, TaskId};
use cloud_code_domain::issue::IssueRef;
use cloud_code_domain::machine::Denied;
use cloud_code_domain::operator::Action;
use cloud_code_domain::task::{
    BlockedReason, CancelledBy, Message, MessageKind, Task, TaskEvent, TaskState, TriageReason,
    possible_actions,
};
use cloud_code_domain::text;

use crate::config::TrackerConfig;
use crate::engine::effect::Effect;
use crate::engine::input::{ActRefusal, Reply};
use crate::engine::world::World;

use super::task::{MAX_DESCRIPTION, Seed};

pub(super) type Acted = Result<(String, Option<TaskId>), ActRefusal>;

/// Characters of a message to an agent.
const MAX_STEER: usize = 16_000;

impl World {
    pub(super) fn act(&mut self, operator: &str, action: Action, expected: u64) -> Reply {
        let actor = EventActor::Operator(operator.to_owned());
        let done = self
            .unchanged_since(&action, expected)
            .and_then(|()| self.act_checked(&actor, operator, action));
        match done {
            Ok((message, task)) => Reply::Acted { message, task },
            Err(refusal) => Reply::ActRefused(refusal),
        }
    }

    /// An answer to an outdated version is refused.
    fn unchanged_since(&self, action: &Action, expected: u64) -> Result<(), ActRefusal> {
        let version = match action {
            Action::Approve { request, .. } | Action::Deny { request, .. } => {
                self.requests.get(request).map(|request| request.version)
            }
            Action::Accept(task)
            | Action::Reject(task)
            | Action::Retry(task)
            | Action::Cancel(task)
            | Action::Pass(task)
            | Action::Merge(task)
            | Action::Close(task)
            | Action::Reassign { task, .. }
            | Action::SetPriority { task, .. }
            | Action::Steer { task, .. }
            | Action::SetCostLimit { task, .. }
            | Action::SetTokenLimit { task, .. } => self.tasks.get(task).map(|task| task.version),
            Action::NewTask { .. }
            | Action::Halt(_)
            | Action::Resume(_)
            | Action::ResumeAccount(_) => None,
        };
        match version {
            Some(version) if expected != 0 && expected != version => {
                Err(ActRefusal::Changed { version })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn act_checked(&mut self, actor: &EventActor, operator: &str, action: Action) -> Acted {
        match action {
            Action::NewTask {
                project,
                title,
                description,
                priority,
            } => self.new_by_operator(actor, &project, title, description, priority),
            Action::Accept(task) => self.accept(actor, &task),
            Action::Reject(task) => self.moved(actor, &task, &TaskEvent::Rejected, "rejected"),
            Action::Retry(task) => self.retry(actor, &task),
            Action::Cancel(task) => {
                let event = TaskEvent::CancelRequested(CancelledBy::Operator);
                self.moved(
                    actor,
                    &task,
                    &event,
                    "cancelled; its workspace is being cleaned",
                )
            }
            Action::Reassign {
                task,
                agent,
                coding_cli,
            } => self.reassign(actor, &task, agent, coding_cli.as_ref()),
            Action::SetPriority { task, priority } => {
                self.known(&task)?;
                self.change_task(&task, |task| {
                    task.priority = priority;
                    task.priority_pinned = true;
                });
                let subject = Subject::Task(task.to_string());
                self.record(actor.clone(), subject, "priority", priority.as_str());
                Ok((format!("priority is {}", priority.as_str()), Some(task)))
            }
            Action::Steer { task, text } => self.steer(actor, operator, &task, &text),
            Action::Pass(task) => self.pass(actor, &task),
            Action::Merge(task) => self.merge(actor, &task),
            Action::Close(task) => self.close(actor, &task),
            Action::SetCostLimit { task, limit } => {
                let shown = format!("${limit}");
                self.set_limit(actor, &task, &shown, |task| task.cost_limit = limit)
            }
            Action::SetTokenLimit { task, limit } => {
                let shown = format!("{limit} tokens");
                self.set_limit(actor, &task, &shown, |task| task.token_limit = limit)
            }
            Action::Approve { request, for_task } => {
                self.approve(actor, operator, &request, for_task)
            }
            Action::Deny { request, note } => self.deny(actor, operator, &request, &note),
            Action::Halt(project) => self.halt(actor, project.as_ref()),
            Action::Resume(project) => self.resume(actor, project.as_ref()),
            Action::ResumeAccount(account) => {
                if !self.config.accounts.contains_key(&account) {
                    return Err(ActRefusal::NotFound(format!("account {account}")));
                }
                self.unpark(&account, actor.clone());
                Ok((
                    format!(
                        "account {account} is used again, with the secret that is in its file now"
                    ),
                    None,
                ))
            }
        }
    }

    pub(super) fn known(&self, id: &TaskId) -> Result<&Task, ActRefusal> {
        self.tasks.get(id).ok_or_else(|| {
            ActRefusal::NotFound(format!("there is no task {id} that is not finished"))
        })
    }

    fn moved(&mut self, actor: &EventActor, id: &TaskId, event: &TaskEvent, said: &str) -> Acted {
        self.known(id)?;
        match self.move_task(id, event, actor.clone(), "") {
            Ok(_) => Ok((said.to_owned(), Some(id.clone()))),
            Err(denied) => Err(self.not_possible(id, denied)),
        }
    }

    fn not_possible(&self, id: &TaskId, denied: Denied) -> ActRefusal {
        let Some(task) = self.tasks.get(id) else {
            return ActRefusal::NotFound(format!("there is no task {id}"));
        };
        let possible = possible_actions(task).join(", ");
        ActRefusal::NotPossible(format!(
            "task {id} is {}: {denied}; possible now: {possible}",
            task.state.name().as_str()
        ))
    }

    fn new_by_operator(
        &mut self,
        actor: &EventActor,
        project: &ProjectName,
        title: String,
        body: String,
        priority: Option<cloud_code_domain::task::Priority>,
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

    fn accept(&mut self, actor: &EventActor, id: &TaskId) -> Acted {
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

    fn retry(&mut self, actor: &EventActor, id: &TaskId) -> Acted {
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

    /// A person had a hand in it: the count of attempts starts anew.
    pub(super) fn anew(&mut self, id: &TaskId) {
        self.change_task(id, |task| {
            task.count_anew();
            task.finished_at = None;
        });
    }

    fn steer(&mut self, actor: &EventActor, operator: &str, id: &TaskId, words: &str) -> Acted {
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

    fn pass(&mut self, actor: &EventActor, id: &TaskId) -> Acted {
        let now = self.now;
        let acted = self.moved(
            actor,
            id,
            &TaskEvent::PassedOnce,
            "it is published as it is",
        )?;
        let execution = self
            .tasks
            .get(id)
            .and_then(|task| task.state.current_execution().cloned());
        let head = execution
            .as_ref()
            .and_then(|id| self.executions.get(id)?.head.clone());
        if let (Some(execution), Some(head)) = (execution, head) {
            self.want(
                Effect::Publish {
                    execution,
                    head,
                    passed: true,
                },
                now,
            );
        }
        Ok(acted)
    }

    fn merge(&mut self, actor: &EventActor, id: &TaskId) -> Acted {
        let now = self.now;
        let task = self.with_open_pull_request(id)?;
        if task.state != TaskState::Review {
            return Err(ActRefusal::NotPossible(format!(
                "task {id} is {}; a pull request is merged while it is in review",
                task.state.name().as_str()
            )));
        }
        self.want(Effect::Merge { task: id.clone() }, now);
        let subject = Subject::Task(id.to_string());
        self.record(actor.clone(), subject, "merge_requested", "");
        Ok((under_way("merged"), Some(id.clone())))
    }

    fn close(&mut self, actor: &EventActor, id: &TaskId) -> Acted {
        let now = self.now;
        self.with_open_pull_request(id)?;
        let merge = Effect::Merge { task: id.clone() };
        if self.effects.contains_key(&merge.key()) {
            return Err(ActRefusal::NotPossible(format!(
                "the pull request of task {id} is being merged"
            )));
        }
        self.want(Effect::Close { task: id.clone() }, now);
        let subject = Subject::Task(id.to_string());
        self.record(actor.clone(), subject, "close_requested", "");
        Ok((under_way("closed"), Some(id.clone())))
    }

    fn with_open_pull_request(&self, id: &TaskId) -> Result<&Task, ActRefusal> {
        let task = self.known(id)?;
        let record = task.pull_request.as_ref();
        let open = record.is_some_and(|record| record.number.is_some());
        if !open || task.state.is_finished() {
            return Err(ActRefusal::NotPossible(format!(
                "task {id} has no open pull request"
            )));
        }
        Ok(task)
    }

    /// Raises, or lowers, a limit of a task. What waits for just that goes on: a task blocked on
    /// the limit, or one that its project's daily limit holds back.
    fn set_limit(
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

    fn request_of(
        &self,
        id: &RequestId,
    ) -> Result<&cloud_code_domain::credential::CredentialRequest, ActRefusal> {
        self.requests
            .get(id)
            .ok_or_else(|| ActRefusal::NotFound(format!("there is no open request {id}")))
    }

    fn approve(
        &mut self,
        actor: &EventActor,
        operator: &str,
        id: &RequestId,
        for_task: bool,
    ) -> Acted {
        let request = self.request_of(id)?;
        if let Decision::Refuse(why) = decide(request.kind, &request.scope) {
            return Err(ActRefusal::NotPossible(format!(
                "{why}; deny it with a note"
            )));
        }
        if !self.secret_is_stored(request) {
            return Err(ActRefusal::NotPossible(format!(
                "no secret is stored for it; store one: cloud-code secret set {} '{}' --project {}",
                request.kind.as_str(),
                request.scope,
                request.project
            )));
        }
        let by = if for_task {
            GrantedBy::OperatorForTask(operator.to_owned())
        } else {
            GrantedBy::Operator(operator.to_owned())
        };
        self.answer(actor, id, &CredentialEvent::Approved(by))?;
        Ok((
            "granted; the agent has it in its next turn".into(),
            Some(id.task.clone()),
        ))
    }

    fn deny(&mut self, actor: &EventActor, operator: &str, id: &RequestId, note: &str) -> Acted {
        self.request_of(id)?;
        let note = text::one_line(note, 500);
        let event = CredentialEvent::Denied {
            by: operator.to_owned(),
            note,
        };
        self.answer(actor, id, &event)?;
        Ok(("denied; the agent is told".into(), Some(id.task.clone())))
    }

    fn answer(
        &mut self,
        actor: &EventActor,
        id: &RequestId,
        event: &CredentialEvent,
    ) -> Result<(), ActRefusal> {
        match self.move_request(id, event, actor.clone()) {
            Ok(moved) => {
                if moved {
                    self.told(id, actor.clone());
                }
                Ok(())
            }
            Err(_) => {
                let state = self
                    .requests
                    .get(id)
                    .map_or("gone", |r| state_word(&r.state));
                Err(ActRefusal::NotPossible(format!(
                    "request {id} is {state} already"
                )))
            }
        }
    }

    fn halt(&mut self, actor: &EventActor, project: Option<&ProjectName>) -> Acted {
        self.set_halted(actor, project, true)?;
        let running: Vec<ExecutionId> = self
            .executions
            .values()
            .filter(|execution| !execution.state.is_finished())
            .map(|execution| execution.id.clone())
            .filter(|id| {
                let of = self.tasks.get(&id.task).map(|task| &task.project);
                project.is_none() || of == project
            })
            .collect();
        for execution in &running {
            self.stop(execution, StopReason::Halted);
        }
        let what = project.map_or_else(|| "the fleet".to_owned(), ToString::to_string);
        Ok((
            format!(
                "{what} is halted; {} running turns are ended",
                running.len()
            ),
            None,
        ))
    }

    fn resume(&mut self, actor: &EventActor, project: Option<&ProjectName>) -> Acted {
        self.set_halted(actor, project, false)?;
        let what = project.map_or_else(|| "the fleet".to_owned(), ToString::to_string);
        Ok((format!("{what} goes on"), None))
    }

    fn set_halted(
        &mut self,
        actor: &EventActor,
        project: Option<&ProjectName>,
        halted: bool,
    ) -> Result<(), ActRefusal> {
        let kind = if halted { "halted" } else { "resumed" };
        match project {
            None => {
                self.host.halted = halted;
                self.changes.host = true;
                self.record(actor.clone(), Subject::Fleet, kind, "");
            }
            Some(name) => {
                let record = self
                    .projects
                    .get_mut(name)
                    .ok_or_else(|| ActRefusal::NotFound(format!("there is no project {name}")))?;
                record.halted = halted;
                self.changes.projects.insert(name.clone());
                self.record(actor.clone(), Subject::Project(name.to_string()), kind, "");
            }
        }
        Ok(())
    }
}

/// Where the pull request lives is asked after the answer to the operator: it may refuse.
fn under_way(what: &str) -> String {
    format!("it is being {what}; should that be refused, the task says why")
}

/// What an operator typed is taken whole or not at all: nothing of it is lost in silence.
fn fits(what: &str, text: &str, most: usize) -> Result<(), ActRefusal> {
    let count = text.chars().count();
    if count <= most {
        return Ok(());
    }
    Err(ActRefusal::Invalid(format!(
        "{what} has {count} characters, at most {most} are taken; put the rest into a file of the \
         repository"
    )))
}

fn state_word(state: &CredentialState) -> &'static str {
    state.as_str()
}
