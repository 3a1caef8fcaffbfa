//! Placement: which agent a task goes to.
//!
//! The most urgent task first, then the oldest. A task whose worktree lies with an agent goes back
//! there and nowhere else, however long it waits: elsewhere it would have to start anew.

use std::collections::BTreeSet;

use crate::agent::AgentType;
use crate::id::{AgentId, ProjectName, TaskId};
use crate::task::Priority;
use crate::tenancy::Admits;
use crate::time::Timestamp;

/// A pending task that could start now: nothing that it depends on is open, its back-off is over,
/// its account can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The task.
    pub task: TaskId,
    /// Its project.
    pub project: ProjectName,
    /// What routing chose.
    pub agent_type: AgentType,
    /// How urgent it is.
    pub priority: Priority,
    /// When it was created.
    pub created_at: Timestamp,
    /// The agent that it waits for, if any: the one that holds its worktree, or the operator's
    /// choice.
    pub bound_to: Option<AgentId>,
    /// The branch that it works on.
    pub branch: String,
}

/// An idle agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The agent.
    pub agent: AgentId,
    /// Its project.
    pub project: ProjectName,
    /// Its type.
    pub agent_type: AgentType,
    /// Which tasks it may be given.
    pub admits: Admits,
}

/// Gives tasks to idle agents: at most `free_slots`, one task per agent, one task per branch of a
/// project. The answer depends on nothing but the arguments, in whatever order they come.
#[must_use]
pub fn place(
    candidates: &[Candidate],
    seats: &[Seat],
    busy_branches: &BTreeSet<(ProjectName, String)>,
    free_slots: usize,
) -> Vec<(TaskId, AgentId)> {
    let mut waiting: Vec<&Candidate> = candidates.iter().collect();
    waiting.sort_by_key(|c| (c.priority, c.created_at, &c.task));
    let awaited: BTreeSet<&AgentId> = waiting.iter().filter_map(|c| c.bound_to.as_ref()).collect();
    let mut free: Vec<&Seat> = seats.iter().collect();
    // An agent that somebody waits for is taken by others last.
    free.sort_by_key(|seat| (awaited.contains(&seat.agent), &seat.agent));
    free.dedup_by_key(|seat| &seat.agent);
    let mut busy = busy_branches.clone();
    let mut placed = Vec::new();
    for candidate in waiting {
        if placed.len() == free_slots {
            break;
        }
        let branch = (candidate.project.clone(), candidate.branch.clone());
        if busy.contains(&branch) {
            continue;
        }
        let Some(index) = free.iter().position(|seat| suits(candidate, seat)) else {
            continue;
        };
        let seat = free.remove(index);
        busy.insert(branch);
        placed.push((candidate.task.clone(), seat.agent.clone()));
    }
    placed
}

fn suits(candidate: &Candidate, seat: &Seat) -> bool {
    // Private code never lies beside another project's, whoever asks for it.
    candidate.project == seat.project
        && seat.admits.admits(&candidate.task)
        && candidate
            .bound_to
            .as_ref()
            .map_or(candidate.agent_type == seat.agent_type, |agent| {
                *agent == seat.agent
            })
}

#[cfg(test)]
mod tests;
