//! Whose the workspace of an isolated agent is: one task's, from its first execution until nothing of
//! the task is needed there any more. Then all of it is thrown away.
//!
//! ```text
//!  over ──▶ removed ──▶ fresh ──▶ of one task ──▶ over
//!   ▲                                 ⇅ blocked, parked, limited, tried again in the same session
//!   └── open: whatever an agent did before its project was isolated
//! ```
//!
//! Throwing away follows from a committed state: whoever is killed in between finds it over, and
//! removes it again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, TaskId};
use crate::task::{Task, TaskState};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tenancy {
    /// Any task's, one after the other.
    #[default]
    Open,
    /// Nobody's yet: nothing has been in it since it was made.
    Fresh,
    /// This task's and nobody else's.
    Of(TaskId),
    /// It is to be removed. No task gets it.
    Over,
}

/// Which tasks an idle agent may be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admits {
    /// Any.
    All,
    /// These alone.
    Only(BTreeSet<TaskId>),
}

impl Tenancy {
    /// The tenancy of an agent whose workspace these tasks need, between two executions. `isolated`
    /// is what its project wants now.
    #[must_use]
    pub fn settled(&self, isolated: bool, needed_by: &BTreeSet<TaskId>) -> Self {
        match self {
            Self::Over => Self::Over,
            Self::Open | Self::Fresh | Self::Of(_) if !isolated => Self::Open,
            Self::Fresh => Self::Fresh,
            Self::Open | Self::Of(_) if needed_by.is_empty() => Self::Over,
            Self::Open | Self::Of(_) => self.clone(),
        }
    }

    /// Which tasks the agent may be given, some of which need its workspace. One that was not
    /// isolated finishes what it has begun.
    #[must_use]
    pub fn admits(&self, isolated: bool, needed_by: &BTreeSet<TaskId>) -> Admits {
        match self {
            Self::Open if isolated => Admits::Only(needed_by.clone()),
            Self::Open | Self::Fresh => Admits::All,
            Self::Of(task) => Admits::Only(BTreeSet::from([task.clone()])),
            Self::Over => Admits::Only(BTreeSet::new()),
        }
    }
}

impl Admits {
    /// Whether the task is among them.
    #[must_use]
    pub fn admits(&self, task: &TaskId) -> bool {
        match self {
            Self::All => true,
            Self::Only(tasks) => tasks.contains(task),
        }
    }
}

/// Whether something of a task is still needed in the workspace of an agent: it is worked on there, is
/// on its way from there, or goes on there in the same session. `brings` is the agent that its commits
/// are brought from.
#[must_use]
pub fn needs(task: &Task, agent: &AgentId, brings: Option<&AgentId>) -> bool {
    let brought = brings == Some(agent) && !task.state.is_finished();
    brought || (task.agent.as_ref() == Some(agent) && goes_on(task))
}

fn goes_on(task: &Task) -> bool {
    match task.state {
        TaskState::Assigned(_)
        | TaskState::InProgress(_)
        | TaskState::Publishing(_)
        // Also what the gate refused: an operator may let it pass, and it is fetched once more.
        | TaskState::Blocked(_) => true,
        TaskState::Pending => task.keep,
        TaskState::Triage(_)
        | TaskState::Review
        | TaskState::Completed
        | TaskState::Failed(_)
        | TaskState::Cancelled(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::FailureCause;
    use crate::task::fixture::{bare, execution};
    use crate::task::{BlockedReason, CancelledBy, TriageReason};

    fn agent(number: u32) -> AgentId {
        format!("acme-app.backend-{number}").parse().unwrap()
    }

    fn task(id: &str) -> TaskId {
        id.parse().unwrap()
    }

    #[test]
    fn a_task_needs_its_workspace_as_long_as_it_goes_on_there() {
        let execution = execution(1);
        let rejected = BlockedReason::PublishRejected {
            execution: execution.clone(),
            findings: Vec::new(),
            passable: true,
        };
        let table = [
            (TaskState::Triage(TriageReason::NoRoute), false),
            (TaskState::Assigned(execution.clone()), true),
            (TaskState::InProgress(execution.clone()), true),
            (TaskState::Publishing(execution), true),
            (TaskState::Blocked(BlockedReason::NeedsCredential), true),
            (TaskState::Blocked(rejected), true),
            (TaskState::Review, false),
            (TaskState::Completed, false),
            (TaskState::Failed(FailureCause::CheckFailed), false),
            (TaskState::Cancelled(CancelledBy::Operator), false),
        ];
        for (state, needed) in table {
            let mut task = bare(state.clone());
            for keep in [false, true] {
                task.keep = keep;
                task.agent = Some(agent(1));
                assert_eq!(needs(&task, &agent(1), None), needed, "{state:?}");
                assert!(!needs(&task, &agent(2), None), "{state:?}");
                task.agent = None;
                assert!(!needs(&task, &agent(1), None), "{state:?}");
                let brought = needs(&task, &agent(1), Some(&agent(1)));
                assert_eq!(brought, !state.is_finished(), "{state:?}");
            }
        }
    }

    #[test]
    fn what_is_tried_again_stays_only_where_its_session_goes_on() {
        let mut pending = bare(TaskState::Pending);
        pending.agent = Some(agent(1));
        assert!(!needs(&pending, &agent(1), None));
        pending.keep = true;
        assert!(needs(&pending, &agent(1), None));
    }

    #[test]
    fn the_table_of_tenancies() {
        use Tenancy::{Fresh, Of, Open, Over};
        let (one, other) = (task("k3f9x2ab"), task("zzzzzzzz"));
        let none = BTreeSet::new();
        let some = BTreeSet::from([one.clone()]);
        let of = || Of(one.clone());
        let only = |tasks: &BTreeSet<TaskId>| Admits::Only(tasks.clone());
        for (tenancy, isolated, needed, then, admits) in [
            (Open, false, &none, Open, Admits::All),
            (Open, false, &some, Open, Admits::All),
            (Open, true, &none, Over, only(&none)),
            (Open, true, &some, Open, only(&some)),
            (Fresh, false, &none, Open, Admits::All),
            (Fresh, true, &none, Fresh, Admits::All),
            (Fresh, true, &some, Fresh, Admits::All),
            (of(), false, &some, Open, Admits::All),
            (of(), true, &some, of(), only(&some)),
            (of(), true, &none, Over, only(&none)),
            (Over, true, &none, Over, only(&none)),
            (Over, true, &some, Over, only(&none)),
            (Over, false, &none, Over, only(&none)),
        ] {
            let settled = tenancy.settled(isolated, needed);
            assert_eq!(
                settled, then,
                "{tenancy:?}, isolated: {isolated}, {needed:?}"
            );
            let admitted = settled.admits(isolated, needed);
            assert_eq!(
                admitted, admits,
                "{tenancy:?}, isolated: {isolated}, {needed:?}"
            );
        }
        assert!(Admits::All.admits(&other) && !Admits::Only(some).admits(&other));
    }
}
