//! What is not there: a remark that the lists do not show yet, an issue that is deleted or elsewhere.

use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::id::{ProjectName, TaskId};
use cloud_code_domain::task::{CancelledBy, TaskEvent};

use crate::engine::again::CONFIRMED_AFTER;
use crate::engine::effect::Effect;
use crate::engine::input::Inspected;
use crate::engine::world::World;

impl World {
    /// Has an inspection made again where it did not show all that there is, or was the first to say
    /// that an issue is gone.
    pub(super) fn look_again(&mut self, project: &ProjectName, number: u64, seen: &Inspected) {
        let about = (project.clone(), number);
        if let Some(pause) = self.again.shown(&about, &seen.remarks) {
            let project = project.clone();
            let effect = Effect::Inspect { project, number };
            self.want(effect, self.now.after(pause));
        }
        let task = self.task_by_number(project, number);
        let live = task.filter(|task| !task.state.is_finished() && !task.issue_gone);
        let Some(task) = live.map(|task| task.id.clone()) else {
            return;
        };
        if !seen.gone {
            self.again.is_there(&task);
        } else if self.again.is_gone(&task, self.now) {
            self.issue_gone(&task);
        } else {
            let project = project.clone();
            let effect = Effect::Inspect { project, number };
            self.want(effect, self.now.after(CONFIRMED_AFTER));
        }
    }

    /// A task without an issue is nobody's wish any more. What is a pull request already stays, and
    /// says no longer that it closes the issue.
    fn issue_gone(&mut self, id: &TaskId) {
        const WHY: &str = "its issue was deleted or is elsewhere by now";
        let pull_request = self.tasks.get(id).map(|task| task.pull_request.clone());
        let Some(Some(pull_request)) = pull_request else {
            let event = TaskEvent::CancelRequested(CancelledBy::IssueGone);
            // A task that has ended otherwise stays as it is.
            let _moved = self.move_task(id, &event, EventActor::Engine, WHY);
            return;
        };
        self.change_task(id, |task| task.issue_gone = true);
        let subject = Subject::Task(id.to_string());
        self.record(EventActor::Engine, subject, "issue_gone", WHY);
        if pull_request.number.is_some() {
            let task = id.clone();
            self.want(Effect::OpenPullRequest { task }, self.now);
        }
    }

    /// A comment that is refused may be so because its issue is gone.
    pub(super) fn look_whether_it_is_there(&mut self, task: &TaskId) {
        let Some(task) = self.tasks.get(task).filter(|task| !task.issue_gone) else {
            return;
        };
        if let Some(number) = task.issue.as_ref().map(|issue| issue.number) {
            let project = task.project.clone();
            self.want(Effect::Inspect { project, number }, self.now);
        }
    }
}
