//! A task goes to another agent: what happens to the work of the one before.
//!
//! ```text
//!  reassigned ──▶ its commits are fetched, checked, kept on the host ──▶ base of the next agent
//!        │                            │
//!        │ nothing of its own         │ lost, or refused: the last base on the host, and it is said
//!        └────────────────────────────┴──▶ the old worktree is cleaned
//! ```

use crate::execution::Execution;
use crate::id::{AgentId, CodingCliName, ExecutionId, Oid};
use crate::task::Task;

use serde::{Deserialize, Serialize};

/// Work of an earlier agent, or of an earlier coding CLI, that an execution goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predecessor {
    /// The agent that did it.
    pub agent: AgentId,
    /// The coding CLI that did it.
    pub coding_cli: CodingCliName,
    /// The commit that it goes back to. Everything after it is looked at before it is pushed.
    pub from: Oid,
}

/// Commits that an agent left behind. They are in the mirror and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// The last of them.
    pub head: Oid,
    /// Whose they are.
    pub by: Predecessor,
}

/// What becomes of the work of the agent that a task leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handover {
    /// The commits of this execution are brought to the host first.
    Fetch(ExecutionId),
    /// It has nothing that the host does not have.
    Nothing,
    /// It had a hand in it, and what it committed is not known.
    Unknown,
}

/// Decides it from the executions of the task.
#[must_use]
pub fn handover<'a>(
    task: &Task,
    leaves: &AgentId,
    executions: impl Iterator<Item = &'a Execution>,
) -> Handover {
    let mut own: Vec<&Execution> = executions
        .filter(|execution| execution.id.task == task.id && execution.agent == *leaves)
        .collect();
    own.sort_by_key(|execution| std::cmp::Reverse(execution.id.number));
    let published = task
        .pull_request
        .as_ref()
        .and_then(|record| record.published.as_ref());
    // What it said last of its branch counts: a later execution may have ended without a word.
    let Some(known) = own.iter().find(|execution| execution.head.is_some()) else {
        return if own.is_empty() {
            Handover::Nothing
        } else {
            Handover::Unknown
        };
    };
    if known.head.as_ref() == Some(&known.base) || published == Some(&known.id) {
        Handover::Nothing
    } else {
        Handover::Fetch(known.id.clone())
    }
}

/// Whose work the next execution goes on with, and does not know of: `last` is the execution before,
/// `keeps` whether its worktree and session are kept. What is pushed is in the base already: nothing
/// of it is looked at again.
#[must_use]
pub fn predecessor(
    task: &Task,
    base: &Oid,
    last: Option<&Execution>,
    keeps: bool,
) -> Option<Predecessor> {
    let brought = task.brought.as_ref().filter(|one| one.head == *base);
    let from = brought.map_or(base, |one| &one.by.from);
    let is_another = |last: &Execution| {
        let pushed = task.pull_request.as_ref();
        let pushed = pushed.is_some_and(|record| record.published.is_some());
        if keeps {
            last.coding_cli != task.coding_cli
        } else {
            brought.is_none() && pushed
        }
    };
    match last {
        Some(last) if is_another(last) => Some(Predecessor {
            agent: last.agent.clone(),
            coding_cli: last.coding_cli.clone(),
            from: from.clone(),
        }),
        Some(_) | None => brought.map(|one| one.by.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::ExecutionState;
    use crate::task::TaskState;
    use crate::task::fixture::{bare, execution as id, pull_request};

    fn oid(digit: char) -> Oid {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn agent(number: u32) -> AgentId {
        format!("acme-app.backend-{number}").parse().unwrap()
    }

    fn execution(number: u32, of: u32, head: Option<char>) -> Execution {
        Execution {
            id: id(number),
            agent: agent(of),
            coding_cli: "claude-code".parse().unwrap(),
            state: ExecutionState::Blocked,
            base: oid('a'),
            resume: false,
            predecessor: None,
            stop: None,
            head: head.map(oid),
            conversation_to: 0,
            models: Vec::new(),
            usage: Default::default(),
            cost: Default::default(),
            summary: None,
            started_at: crate::time::Timestamp(0),
            ended_at: None,
        }
    }

    #[test]
    fn an_agents_commits_are_fetched_where_the_host_lacks_them() {
        let task = bare(TaskState::Pending);
        let decide = |all: &[Execution]| handover(&task, &agent(1), all.iter());
        assert_eq!(decide(&[]), Handover::Nothing);
        assert_eq!(decide(&[execution(1, 2, Some('b'))]), Handover::Nothing);
        assert_eq!(decide(&[execution(1, 1, Some('a'))]), Handover::Nothing);
        assert_eq!(decide(&[execution(1, 1, None)]), Handover::Unknown);
        let known = execution(1, 1, Some('b'));
        assert_eq!(decide(std::slice::from_ref(&known)), Handover::Fetch(id(1)));
        let silent = execution(2, 1, None);
        assert_eq!(
            decide(&[known.clone(), silent]),
            Handover::Fetch(id(1)),
            "a later execution that ended without a word takes nothing away"
        );
        let later = execution(3, 1, Some('c'));
        assert_eq!(decide(&[later, known]), Handover::Fetch(id(3)));
    }

    #[test]
    fn what_is_published_is_on_the_host() {
        let mut task = bare(TaskState::Review);
        task.pull_request = Some(pull_request());
        let pushed = [execution(2, 1, Some('b'))];
        assert_eq!(handover(&task, &agent(1), pushed.iter()), Handover::Nothing);
        let later = [execution(3, 1, Some('c'))];
        assert_eq!(
            handover(&task, &agent(1), later.iter()),
            Handover::Fetch(id(3))
        );
    }

    #[test]
    fn who_goes_on_with_the_work_of_others_is_told_and_nobody_else() {
        let mut task = bare(TaskState::Pending);
        let last = execution(1, 1, None);
        assert_eq!(predecessor(&task, &oid('a'), None, false), None);
        assert_eq!(predecessor(&task, &oid('a'), Some(&last), true), None);
        task.coding_cli = "codex".parse().unwrap();
        assert_eq!(predecessor(&task, &oid('a'), Some(&last), false), None);
        let told = predecessor(&task, &oid('a'), Some(&last), true).unwrap();
        assert_eq!(told.coding_cli.as_str(), "claude-code");
        // A session that begins at a pull request does not know whose it is.
        task.pull_request = Some(pull_request());
        let told = predecessor(&task, &oid('b'), Some(&last), false).unwrap();
        assert_eq!((told.agent, told.from), (agent(1), oid('b')));
        assert_eq!(predecessor(&task, &oid('b'), None, false), None);
        let by = Predecessor {
            agent: agent(1),
            coding_cli: last.coding_cli.clone(),
            from: oid('a'),
        };
        task.brought = Some(Brought {
            head: oid('b'),
            by: by.clone(),
        });
        assert_eq!(predecessor(&task, &oid('c'), None, false), None);
        assert_eq!(predecessor(&task, &oid('b'), None, false), Some(by));
        let told = predecessor(&task, &oid('b'), Some(&execution(2, 2, None)), true).unwrap();
        assert_eq!((told.agent, told.from), (agent(2), oid('a')));
    }
}
