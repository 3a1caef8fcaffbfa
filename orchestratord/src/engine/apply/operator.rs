//! What operators do. Each answer says what follows; a refusal says what would be possible.

mod credential;
mod halt;
mod pull_request;
mod task;

use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::id::TaskId;
use cloud_code_domain::machine::Denied;
use cloud_code_domain::operator::Action;
use cloud_code_domain::task::{CancelledBy, Task, TaskEvent, possible_actions};

use crate::engine::input::{ActRefusal, Reply};
use crate::engine::world::World;

pub(super) type Acted = Result<(String, Option<TaskId>), ActRefusal>;

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
            Action::ResumeAccount(account) => self.resume_account(actor, &account),
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

    /// A person had a hand in it: the count of attempts starts anew.
    pub(super) fn anew(&mut self, id: &TaskId) {
        self.change_task(id, |task| {
            task.count_anew();
            task.finished_at = None;
        });
    }
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
