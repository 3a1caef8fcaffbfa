//! What an operator does with a pull request, or with a result that waits to become one.

use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::id::TaskId;
use cloud_code_domain::task::{Task, TaskEvent, TaskState};

use crate::engine::effect::Effect;
use crate::engine::input::ActRefusal;
use crate::engine::world::World;

use super::Acted;

impl World {
    pub(super) fn pass(&mut self, actor: &EventActor, id: &TaskId) -> Acted {
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

    pub(super) fn merge(&mut self, actor: &EventActor, id: &TaskId) -> Acted {
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

    pub(super) fn close(&mut self, actor: &EventActor, id: &TaskId) -> Acted {
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
}

/// Where the pull request lives is asked after the answer to the operator: it may refuse.
fn under_way(what: &str) -> String {
    format!("it is being {what}; should that be refused, the task says why")
}
