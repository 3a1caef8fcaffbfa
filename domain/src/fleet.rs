//! The fleet plan: the wanted workstations against those found.
//!
//! | found | wanted | step |
//! | --- | --- | --- |
//! | nothing | yes | start |
//! | stopped | yes, or its agent is busy | restart |
//! | runs, outdated, idle | yes | restart |
//! | idle, or stopped | no, and its agent is not busy | remove |
//! | runs, busy | – | nothing: work is never torn down for tidiness |

use std::collections::{BTreeMap, BTreeSet};

use crate::id::AgentId;

/// A workstation that a runtime found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The agent that it belongs to.
    pub agent: AgentId,
    /// Whether it runs.
    pub running: bool,
    /// Why not, where it does not.
    pub why: String,
    /// Whether it was made from another specification than the wanted one.
    pub outdated: bool,
}

/// A step that brings the found fleet closer to the wanted one. Each may be repeated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FleetStep {
    /// Make the workstation and start it.
    Start(AgentId),
    /// Replace it; its volumes stay.
    Restart {
        /// The agent.
        agent: AgentId,
        /// Why, a part of a sentence.
        why: String,
    },
    /// Stop it and remove it; its volumes stay.
    Remove(AgentId),
}

/// What to do, at most one step per agent, in the order of their ids.
#[must_use]
pub fn plan(
    wanted: &BTreeSet<AgentId>,
    busy: &BTreeSet<AgentId>,
    found: &[Found],
) -> Vec<FleetStep> {
    let found: BTreeMap<&AgentId, &Found> = found.iter().map(|one| (&one.agent, one)).collect();
    let agents: BTreeSet<&AgentId> = wanted.iter().chain(found.keys().copied()).collect();
    agents
        .into_iter()
        .filter_map(|agent| {
            let needed = wanted.contains(agent);
            step(
                agent,
                needed,
                busy.contains(agent),
                found.get(agent).copied(),
            )
        })
        .collect()
}

fn step(agent: &AgentId, wanted: bool, busy: bool, found: Option<&Found>) -> Option<FleetStep> {
    let restart = |why: &str| FleetStep::Restart {
        agent: agent.clone(),
        why: why.to_owned(),
    };
    let Some(found) = found else {
        return wanted.then(|| FleetStep::Start(agent.clone()));
    };
    match (wanted, busy) {
        (false, false) => Some(FleetStep::Remove(agent.clone())),
        // What a busy agent has done lies on its volume: it comes back to hand it over.
        _ if !found.running => Some(restart(&found.why)),
        (true, false) if found.outdated => Some(restart("its specification has changed")),
        (true | false, true | false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str) -> AgentId {
        name.parse().unwrap()
    }

    fn step_for(wanted: bool, busy: bool, found: Option<(bool, bool)>) -> Vec<FleetStep> {
        let set = |yes: bool| yes.then(|| agent("a")).into_iter().collect();
        let found: Vec<Found> = found
            .map(|(running, outdated)| Found {
                agent: agent("a"),
                running,
                why: "exited (137)".to_owned(),
                outdated,
            })
            .into_iter()
            .collect();
        plan(&set(wanted), &set(busy), &found)
    }

    #[test]
    fn the_table_of_steps() {
        let mut table = String::new();
        for wanted in [true, false] {
            for busy in [false, true] {
                for found in [
                    None,
                    Some((true, false)),
                    Some((true, true)),
                    Some((false, false)),
                    Some((false, true)),
                ] {
                    let state = match found {
                        None => "missing",
                        Some((true, false)) => "running",
                        Some((true, true)) => "running, outdated",
                        Some((false, false)) => "stopped",
                        Some((false, true)) => "stopped, outdated",
                    };
                    let steps = step_for(wanted, busy, found);
                    assert!(steps.len() <= 1);
                    let step = steps.first().map_or("-".to_owned(), |s| format!("{s:?}"));
                    let line = format!("wanted={wanted:5} busy={busy:5} {state:17} {step}\n");
                    table.push_str(&line);
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn a_healthy_busy_agent_is_never_touched() {
        for wanted in [true, false] {
            for outdated in [true, false] {
                assert_eq!(step_for(wanted, true, Some((true, outdated))), []);
            }
        }
    }

    #[test]
    fn steps_come_in_the_order_of_ids() {
        let wanted = [agent("b"), agent("a"), agent("c")].into();
        let steps = plan(&wanted, &BTreeSet::new(), &[]);
        assert_eq!(
            steps,
            ["a", "b", "c"].map(|name| FleetStep::Start(agent(name)))
        );
    }
}
