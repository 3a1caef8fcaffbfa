//! What tasks depend on: issues of the same tracker, whether or not they are tasks of ours.
//!
//! ```text
//!  depends on #12 ──▶ a live task of ours? waited for ──▶ completed: done
//!        │ none
//!        └──▶ looked up at the tracker (an inspection): open, closed, or no such issue
//!                ▲ again with every hint about #12, and after a while without one
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_code_domain::dependencies::{Standing, Verdict, circles, verdict};
use cloud_code_domain::id::{ProjectName, TaskId};
use cloud_code_domain::task::{Task, TaskState};

use crate::config::TrackerConfig;
use crate::engine::effect::Effect;
use crate::engine::input::Inspected;
use crate::engine::world::World;

/// An issue that is waited for is looked up again after this time, should no hint come.
const AGAIN: Duration = Duration::from_secs(10 * 60);
/// Inspections that may wait at once for more of them to be wanted here.
const INSPECTIONS: usize = 20;

impl World {
    /// What each dependency of a task comes to.
    #[must_use]
    pub fn dependencies_of(&self, task: &Task) -> Vec<(u64, Verdict)> {
        let own = task.issue.as_ref().map(|issue| issue.number);
        let others = task
            .depends_on
            .iter()
            .filter(|number| Some(**number) != own);
        others
            .map(|number| (*number, self.verdict_of(task, *number)))
            .collect()
    }

    fn verdict_of(&self, task: &Task, number: u64) -> Verdict {
        let key = (task.project.clone(), number);
        let tasks = self.by_issue.get(&key).into_iter().flatten();
        let states = tasks
            .filter_map(|id| self.tasks.get(id))
            .map(|task| &task.state);
        let standing = if self.is_local(&task.project) {
            Some(self.local_standing(&task.project, number))
        } else {
            task.standings.get(&number).copied()
        };
        verdict(states, standing)
    }

    fn is_local(&self, project: &ProjectName) -> bool {
        self.config
            .project(project)
            .is_none_or(|config| matches!(config.tracker, TrackerConfig::Local))
    }

    /// An issue of a local project ends with its task: what has no live task any more is closed.
    fn local_standing(&self, project: &ProjectName, number: u64) -> Standing {
        let next = self
            .projects
            .get(project)
            .map_or(1, |record| record.next_issue);
        if (1..next).contains(&number) {
            Standing::Closed
        } else {
            Standing::Missing
        }
    }

    /// Asks the tracker for what pending tasks depend on and nobody has looked up for a while.
    pub(crate) fn look_up_dependencies(&mut self) {
        let now = self.now;
        let waiting = self.effects.range("inspect/".to_owned()..);
        let waiting = waiting.take_while(|(key, _)| key.starts_with("inspect/"));
        let room = INSPECTIONS.saturating_sub(waiting.take(INSPECTIONS).count());
        let due = |key: &(ProjectName, u64)| {
            let asked = self.looked_up.get(key);
            asked.is_none_or(|asked| now.since(*asked) >= AGAIN)
        };
        let pending = self.tasks.values().filter(|task| {
            let pending = task.state == TaskState::Pending && !task.depends_on.is_empty();
            pending && !self.is_local(&task.project)
        });
        let wanted: Vec<(ProjectName, u64)> = pending
            .flat_map(|task| {
                let open = self.dependencies_of(task).into_iter();
                let asked = open.filter(|(_, verdict)| match verdict {
                    Verdict::Open | Verdict::Unknown | Verdict::Missing => true,
                    Verdict::Done | Verdict::Task => false,
                });
                asked.map(|(number, _)| (task.project.clone(), number))
            })
            .filter(due)
            .take(room)
            .collect();
        for (project, number) in wanted {
            self.looked_up.insert((project.clone(), number), now);
            self.want(Effect::Inspect { project, number }, now);
        }
    }

    /// An inspection shows how an issue stands.
    pub(super) fn standing_seen(&mut self, project: &ProjectName, number: u64, seen: &Inspected) {
        match &seen.issue {
            Some(issue) if issue.open => self.stands(project, issue.number, Standing::Open),
            Some(issue) => self.stands(project, issue.number, Standing::Closed),
            // The number of a pull request of ours: the tracker was asked for its issue.
            None if self.task_by_number(project, number).is_some() => {}
            None => self.stands(project, number, Standing::Missing),
        }
    }

    /// Tells the tasks that depend on an issue how it stands.
    pub(super) fn stands(&mut self, project: &ProjectName, number: u64, standing: Standing) {
        let news = |task: &&Task| {
            task.project == *project
                && !task.state.is_finished()
                && task.depends_on.contains(&number)
                && task.standings.get(&number) != Some(&standing)
        };
        let told: Vec<TaskId> = self
            .tasks
            .values()
            .filter(news)
            .map(|task| task.id.clone())
            .collect();
        for id in told {
            self.change_task(&id, |task| {
                task.standings.insert(number, standing);
            });
        }
    }

    /// A task has ended. Its issue is done with a merge; else the tracker is asked anew.
    pub(super) fn issue_of_ended_task(&mut self, id: &TaskId, completed: bool) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let Some(number) = task.issue.as_ref().map(|issue| issue.number) else {
            return;
        };
        let project = task.project.clone();
        if completed {
            self.stands(&project, number, Standing::Closed);
        }
        self.looked_up.remove(&(project, number));
    }

    /// Finds pending tasks that wait for each other, once for all of them.
    pub(crate) fn find_circles(&mut self) {
        let mut edges: BTreeMap<ProjectName, BTreeMap<u64, Vec<u64>>> = BTreeMap::new();
        let mut tasks: Vec<(&Task, u64)> = Vec::new();
        for task in self.tasks.values() {
            let waits = task.state == TaskState::Pending && !task.depends_on.is_empty();
            if let Some(issue) = task.issue.as_ref().filter(|_| waits) {
                let of_project = edges.entry(task.project.clone()).or_default();
                let others = of_project.entry(issue.number).or_default();
                others.extend(&task.depends_on);
                tasks.push((task, issue.number));
            }
        }
        let found: BTreeMap<&ProjectName, _> = edges
            .iter()
            .map(|(project, edges)| (project, circles(edges)))
            .collect();
        let caught = tasks.into_iter().filter_map(|(task, number)| {
            let circle = found.get(&task.project)?.get(&number)?;
            Some((task.id.clone(), circle.clone()))
        });
        let caught: BTreeMap<TaskId, Vec<u64>> = caught.collect();
        // Who came in or got out has something else to show.
        let moved = |id: &&TaskId| caught.get(*id) != self.circles.get(*id);
        let moved = caught.keys().chain(self.circles.keys()).filter(moved);
        self.changes.tasks.extend(moved.cloned());
        self.circles = caught;
    }
}
