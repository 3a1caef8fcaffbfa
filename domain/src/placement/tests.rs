use proptest::prelude::*;

use super::*;

fn agent(name: &str) -> AgentId {
    name.parse().unwrap()
}

fn candidate(task: &str, priority: Priority, created_at: i64) -> Candidate {
    Candidate {
        task: task.parse().unwrap(),
        project: "acme/app".parse().unwrap(),
        agent_type: AgentType::Backend,
        priority,
        created_at: Timestamp(created_at),
        bound_to: None,
        branch: format!("cloud-code/{task}"),
    }
}

fn seat(name: &str) -> Seat {
    Seat {
        agent: agent(name),
        project: "acme/app".parse().unwrap(),
        agent_type: AgentType::Backend,
        admits: Admits::All,
    }
}

fn placed(candidates: &[Candidate], seats: &[Seat], slots: usize) -> Vec<(String, String)> {
    place(candidates, seats, &BTreeSet::new(), slots)
        .into_iter()
        .map(|(task, agent)| (task.to_string(), agent.to_string()))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|&(task, agent)| (task.to_owned(), agent.to_owned()))
        .collect()
}

#[test]
fn the_most_urgent_goes_first_then_the_oldest() {
    let candidates = [
        candidate("aaaaaaaa", Priority::Low, 1),
        candidate("cccccccc", Priority::High, 9),
        candidate("dddddddd", Priority::High, 5),
        candidate("bbbbbbbb", Priority::High, 5),
    ];
    assert_eq!(
        placed(&candidates, &[seat("a2"), seat("a1"), seat("a3")], 9),
        pairs(&[("bbbbbbbb", "a1"), ("dddddddd", "a2"), ("cccccccc", "a3")])
    );
    assert_eq!(placed(&candidates, &[seat("a1"), seat("a2")], 1).len(), 1);
    assert!(placed(&candidates, &[seat("a1")], 0).is_empty());
}

#[test]
fn a_task_whose_worktree_lies_with_an_agent_waits_for_it() {
    let mut bound = candidate("aaaaaaaa", Priority::Critical, 1);
    bound.bound_to = Some(agent("a1"));
    assert!(placed(std::slice::from_ref(&bound), &[seat("a2")], 9).is_empty());
    // and a task that may go anywhere leaves that agent to it
    let free = candidate("bbbbbbbb", Priority::Critical, 0);
    assert_eq!(
        placed(&[bound, free], &[seat("a1"), seat("a2")], 9),
        pairs(&[("bbbbbbbb", "a2"), ("aaaaaaaa", "a1")])
    );
}

#[test]
fn an_operator_may_choose_an_agent_of_another_type_but_not_of_another_project() {
    let mut chosen = candidate("aaaaaaaa", Priority::Medium, 1);
    chosen.bound_to = Some(agent("a1"));
    chosen.agent_type = AgentType::Frontend;
    assert_eq!(
        placed(std::slice::from_ref(&chosen), &[seat("a1")], 9).len(),
        1
    );
    chosen.project = "acme/other".parse().unwrap();
    assert!(placed(&[chosen], &[seat("a1")], 9).is_empty());
}

#[test]
fn a_branch_is_never_worked_on_twice() {
    let one = candidate("aaaaaaaa", Priority::Medium, 1);
    let mut twin = candidate("bbbbbbbb", Priority::Medium, 2);
    twin.branch.clone_from(&one.branch);
    let seats = [seat("a1"), seat("a2")];
    assert_eq!(
        placed(&[one.clone(), twin], &seats, 9),
        pairs(&[("aaaaaaaa", "a1")])
    );
    let busy = BTreeSet::from([(one.project.clone(), one.branch.clone())]);
    assert!(place(&[one], &seats, &busy, 9).is_empty());
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (
        0_u64..40,
        0_usize..5,
        0_i64..4,
        0_usize..8,
        0_usize..3,
        0_usize..2,
        0_u8..6,
    );
    proptest::collection::vec(one, 0..16).prop_map(|rows| {
        let mut seen = BTreeSet::new();
        rows.into_iter()
            .map(
                |(id, priority, at, bound_to, kind, project, branch)| Candidate {
                    task: TaskId::from_random(id),
                    project: ["acme/app", "acme/two"][project].parse().unwrap(),
                    agent_type: AgentType::ALL[kind],
                    priority: Priority::ALL[priority],
                    created_at: Timestamp(at),
                    bound_to: (bound_to < 4).then(|| agent(&format!("a{bound_to}"))),
                    branch: format!("b{branch}"),
                },
            )
            .filter(|candidate| seen.insert(candidate.task.clone()))
            .collect()
    })
}

fn seats() -> impl Strategy<Value = Vec<Seat>> {
    proptest::collection::vec((0_usize..3, 0_usize..2), 0..8).prop_map(|rows| {
        rows.into_iter()
            .enumerate()
            .map(|(number, (kind, project))| Seat {
                agent: agent(&format!("a{number}")),
                project: ["acme/app", "acme/two"][project].parse().unwrap(),
                agent_type: AgentType::ALL[kind],
                admits: Admits::All,
            })
            .collect()
    })
}

#[test]
fn an_agent_that_is_kept_for_a_task_waits_for_it() {
    let urgent = candidate("aaaaaaaa", Priority::Critical, 1);
    let kept = candidate("bbbbbbbb", Priority::Low, 2);
    let mut seat = seat("a");
    seat.admits = Admits::Only(BTreeSet::from([kept.task.clone()]));
    let alone = placed(
        std::slice::from_ref(&urgent),
        std::slice::from_ref(&seat),
        9,
    );
    assert_eq!(alone, pairs(&[]));
    let both = placed(&[urgent, kept], &[seat], 9);
    assert_eq!(both, pairs(&[("bbbbbbbb", "a")]));
}

proptest! {
    #[test]
    fn whatever_is_placed_suits_and_nothing_that_suits_is_left(
        candidates in candidates(), seats in seats(), slots in 0_usize..8
    ) {
        let placed = place(&candidates, &seats, &BTreeSet::new(), slots);
        let find = |task: &TaskId| candidates.iter().find(|c| c.task == *task).unwrap();
        let at = |agent: &AgentId| seats.iter().find(|s| s.agent == *agent).unwrap();
        prop_assert!(placed.len() <= slots);
        let tasks: BTreeSet<_> = placed.iter().map(|(task, _)| task).collect();
        let agents: BTreeSet<_> = placed.iter().map(|(_, agent)| agent).collect();
        let branches: BTreeSet<_> = placed
            .iter()
            .map(|(task, _)| (&find(task).project, &find(task).branch))
            .collect();
        prop_assert_eq!(tasks.len(), placed.len());
        prop_assert_eq!(agents.len(), placed.len());
        prop_assert_eq!(branches.len(), placed.len());
        for (task, agent) in &placed {
            prop_assert!(suits(find(task), at(agent)));
            prop_assert!(find(task).bound_to.iter().all(|wanted| wanted == agent));
        }
        if placed.len() < slots {
            for left in candidates.iter().filter(|c| !tasks.contains(&c.task)) {
                let branch_free = !branches.contains(&(&left.project, &left.branch));
                let could = seats.iter().any(|s| !agents.contains(&s.agent) && suits(left, s));
                prop_assert!(!(branch_free && could), "{left:?} could have been placed");
            }
        }
    }

    #[test]
    fn the_order_of_the_arguments_does_not_matter(
        candidates in candidates(), seats in seats(), slots in 0_usize..8
    ) {
        let forwards = place(&candidates, &seats, &BTreeSet::new(), slots);
        let mut reversed = (candidates, seats);
        reversed.0.reverse();
        reversed.1.reverse();
        prop_assert_eq!(forwards, place(&reversed.0, &reversed.1, &BTreeSet::new(), slots));
    }
}
