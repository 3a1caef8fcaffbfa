use super::*;
use crate::execution::FailureCause;
use crate::machine::Denied;
use crate::task::TaskEvent;
use crate::task::fixture::{execution, pull_request, worked_on};

fn states() -> Vec<TaskState> {
    let refused = |passable| BlockedReason::PublishRejected {
        execution: execution(2),
        findings: vec!["changes a protected path".to_owned(), "a secret".to_owned()],
        passable,
    };
    vec![
        TaskState::Triage(TriageReason::EditedAfterTrigger),
        TaskState::Pending,
        TaskState::Assigned(execution(2)),
        TaskState::InProgress(execution(2)),
        TaskState::Publishing(execution(2)),
        TaskState::Review,
        TaskState::Blocked(BlockedReason::NeedsCredential),
        TaskState::Blocked(BlockedReason::NeedsHuman("which API?".to_owned())),
        TaskState::Blocked(BlockedReason::NeedsHuman(String::new())),
        TaskState::Blocked(BlockedReason::CostLimit),
        TaskState::Blocked(refused(true)),
        TaskState::Blocked(refused(false)),
        TaskState::Blocked(BlockedReason::Handoff(Some("aider".parse().unwrap()))),
        TaskState::Blocked(BlockedReason::KeepsBeingInterrupted),
        TaskState::Completed,
        TaskState::Failed(FailureCause::CodingCli { exit: Some(1) }),
        TaskState::Cancelled(CancelledBy::Issue),
        TaskState::Cancelled(CancelledBy::IssueGone),
    ]
}

#[test]
fn the_words_and_actions_of_every_state() {
    let mut table = String::new();
    for state in states() {
        let mut task = worked_on(state);
        task.pull_request = Some(pull_request());
        let line = format!(
            "{:12} {}\n{:12} {}\n",
            task.state.name().as_str(),
            waiting_sentence(&task),
            "",
            possible_actions(&task).join(" ")
        );
        table.push_str(&line);
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_a_pending_task_waits_for() {
    let account = || "main".parse().unwrap();
    let sentences: Vec<String> = [
        WaitsFor::Issues(vec![3, 7]),
        WaitsFor::Time(Timestamp(0)),
        WaitsFor::Account(account(), Some(Timestamp(0))),
        WaitsFor::Account(account(), None),
        WaitsFor::Agent("acme-app.backend-1".parse().unwrap()),
        WaitsFor::AgentType(AgentType::Backend),
        WaitsFor::Halt,
        WaitsFor::Slot,
        WaitsFor::Disk,
        WaitsFor::Budget,
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    insta::assert_snapshot!(sentences.join("\n"));
}

/// What the engine makes of an action, where the machine has a say.
fn event(action: &str) -> Option<TaskEvent> {
    match action {
        "accept" => Some(TaskEvent::Accepted),
        "reject" => Some(TaskEvent::Rejected),
        "retry" => Some(TaskEvent::RetryRequested),
        "cancel" => Some(TaskEvent::CancelRequested(CancelledBy::Operator)),
        "steer" => Some(TaskEvent::ChangesRequested),
        "pass" => Some(TaskEvent::PassedOnce),
        "merge" => Some(TaskEvent::PullRequestMerged),
        "close" => Some(TaskEvent::PullRequestClosed),
        "reassign" | "priority" | "grant" => None,
        other => panic!("{other} is no action on a task"),
    }
}

#[test]
fn an_action_that_is_offered_is_possible() {
    for state in states() {
        let mut task = worked_on(state);
        task.pull_request = Some(pull_request());
        for action in possible_actions(&task) {
            if let Some(event) = event(action) {
                let step = task.state.on(&event);
                assert!(step.is_ok(), "{action} in {:?}: {step:?}", task.state);
            }
        }
    }
}

#[test]
fn an_action_that_would_move_a_task_is_offered() {
    for state in states() {
        let mut task = worked_on(state);
        task.pull_request = Some(pull_request());
        let offered = possible_actions(&task);
        for action in ["accept", "reject", "retry", "cancel", "steer", "pass"] {
            let moves = matches!(
                event(action).map(|event| task.state.on(&event)),
                Some(Ok(crate::machine::Outcome::Moved(_)))
            );
            assert!(
                !moves || offered.contains(&action),
                "{action} in {:?}",
                task.state
            );
        }
        let denied = Err(Denied::Finished);
        if task.state.is_finished() {
            assert!(offered.is_empty());
            assert_eq!(task.state.on(&TaskEvent::RetryRequested), denied);
        }
    }
}

#[test]
fn a_task_without_a_pull_request_has_nothing_to_merge() {
    for state in states() {
        let actions = possible_actions(&worked_on(state));
        assert!(!actions.contains(&"merge") && !actions.contains(&"close"));
    }
}
