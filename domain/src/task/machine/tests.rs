use proptest::prelude::*;

use super::*;
use crate::machine::laws;
use crate::task::fixture::execution;
use crate::task::{TaskStateName, TriageReason};

fn refused(number: u32, passable: bool) -> BlockedReason {
    BlockedReason::PublishRejected {
        execution: execution(number),
        findings: Vec::new(),
        passable,
    }
}

/// Every state; executions carry the number 2.
fn states() -> Vec<TaskState> {
    vec![
        TaskState::Triage(TriageReason::Manual),
        TaskState::Pending,
        TaskState::Assigned(execution(2)),
        TaskState::InProgress(execution(2)),
        TaskState::Publishing(execution(2)),
        TaskState::Review,
        TaskState::Blocked(BlockedReason::NeedsCredential),
        TaskState::Blocked(BlockedReason::NeedsHuman("why?".to_owned())),
        TaskState::Blocked(BlockedReason::CostLimit),
        TaskState::Blocked(refused(2, true)),
        TaskState::Blocked(refused(2, false)),
        TaskState::Blocked(BlockedReason::Handoff(None)),
        TaskState::Blocked(BlockedReason::KeepsBeingInterrupted),
        TaskState::Completed,
        TaskState::Failed(FailureCause::TimedOut),
        TaskState::Cancelled(CancelledBy::Operator),
    ]
}

/// Events that only the execution with this number may send.
fn fenced(number: u32) -> Vec<TaskEvent> {
    let id = || execution(number);
    let failed = |after| TaskEvent::ExecutionFailed(id(), FailureCause::TimedOut, after);
    vec![
        TaskEvent::ProgressReported(id()),
        TaskEvent::ExecutionSucceeded(id()),
        TaskEvent::BlockedReported(id(), BlockedReason::NeedsCredential),
        TaskEvent::CostLimitReached(id()),
        failed(AfterFailure::Retry),
        failed(AfterFailure::GiveUp),
        failed(AfterFailure::Block(BlockedReason::KeepsBeingInterrupted)),
        TaskEvent::PullRequestOpened(id()),
        TaskEvent::PublishFailed(id(), refused(number, true)),
        TaskEvent::Overtaken(id()),
    ]
}

fn unfenced() -> Vec<TaskEvent> {
    vec![
        TaskEvent::Accepted,
        TaskEvent::Rejected,
        TaskEvent::Assigned(execution(2)),
        TaskEvent::Assigned(execution(3)),
        TaskEvent::Answered,
        TaskEvent::PassedOnce,
        TaskEvent::ChangesRequested,
        TaskEvent::RetryRequested,
        TaskEvent::PullRequestMerged,
        TaskEvent::PullRequestClosed,
        TaskEvent::CancelRequested(CancelledBy::Operator),
        TaskEvent::CancelRequested(CancelledBy::Issue),
    ]
}

fn events() -> Vec<TaskEvent> {
    [unfenced(), fenced(2), fenced(1)].concat()
}

#[test]
fn the_table_of_a_task() {
    let table = laws::table(&states(), &events(), TaskState::on);
    insta::with_settings!({snapshot_path => "../../../tables", prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!("task", table);
    });
}

#[test]
fn the_laws_of_every_machine() {
    laws::the_same_event_twice_moves_once(&states(), &events(), TaskState::on);
    for state in states() {
        if state.is_finished() {
            laws::nothing_moves(&state, &events(), TaskState::on);
        }
    }
}

#[test]
fn every_state_that_is_not_finished_can_be_cancelled_closed_and_merged() {
    for state in states().into_iter().filter(|state| !state.is_finished()) {
        for (event, name) in [
            (
                TaskEvent::CancelRequested(CancelledBy::Operator),
                TaskStateName::Cancelled,
            ),
            (TaskEvent::PullRequestClosed, TaskStateName::Cancelled),
            (TaskEvent::PullRequestMerged, TaskStateName::Completed),
        ] {
            match state.on(&event) {
                Ok(Outcome::Moved(next)) => assert_eq!(next.name(), name),
                other => panic!("{state:?}, {event:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_stale_execution_never_moves_a_task() {
    for state in states() {
        for event in fenced(1) {
            let denied = if state.is_finished() {
                Denied::Finished
            } else {
                Denied::Stale
            };
            assert_eq!(state.on(&event), Err(denied), "{state:?}, {event:?}");
        }
    }
}

#[test]
fn success_counts_even_if_progress_was_never_seen() {
    let step = TaskState::Assigned(execution(2)).on(&TaskEvent::ExecutionSucceeded(execution(2)));
    assert_eq!(
        step,
        Ok(Outcome::Moved(TaskState::Publishing(execution(2))))
    );
}

#[test]
fn only_a_matter_of_judgement_is_passed() {
    for state in states() {
        let passed = matches!(state.on(&TaskEvent::PassedOnce), Ok(Outcome::Moved(_)));
        assert_eq!(passed, state == TaskState::Blocked(refused(2, true)));
    }
}

/// What a task's life is made of: everything that can happen, with executions 1 to 3.
fn any_event() -> impl Strategy<Value = TaskEvent> {
    let all = [
        unfenced(),
        fenced(1),
        fenced(2),
        fenced(3),
        vec![TaskEvent::Assigned(execution(1))],
    ]
    .concat();
    prop::sample::select(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Walks with a model beside the machine that knows only who was given the task, and when it
    /// ended.
    #[test]
    fn whatever_happens_a_result_comes_from_who_was_given_the_task(
        events in prop::collection::vec(any_event(), 0..60)
    ) {
        let mut state = TaskState::Pending;
        let mut given = Vec::new();
        let mut ended = false;
        for event in events {
            let step = state.on(&event);
            if ended {
                prop_assert!(!matches!(step, Ok(Outcome::Moved(_))), "{state:?}, {event:?}");
            }
            let Ok(Outcome::Moved(next)) = step else { continue };
            if let TaskEvent::Assigned(id) = &event {
                prop_assert_eq!(&state, &TaskState::Pending);
                given.push(id.clone());
            }
            if let Some(id) = next.current_execution() {
                prop_assert_eq!(Some(id), given.last());
            }
            if next == TaskState::Review {
                prop_assert_eq!(state.name(), TaskStateName::InProgress);
            }
            state = next;
            ended = state.is_finished();
        }
    }
}

#[test]
fn what_answers_a_state_moves_it() {
    for state in states() {
        let words = state.on(&TaskEvent::ChangesRequested);
        assert!(!state.is_answered_by_words() || words.is_ok(), "{state:?}");
        let retried = state.on(&TaskEvent::RetryRequested);
        assert!(
            !state.is_answered_by_reassignment() || retried.is_ok(),
            "{state:?}"
        );
    }
    let words = |state: &TaskState| {
        if let TaskState::Blocked(reason) = state {
            reason.as_str()
        } else {
            state.name().as_str()
        }
    };
    let all = states();
    let answered = all.iter().filter(|state| state.is_answered_by_words());
    let answered: Vec<&str> = answered.map(words).collect();
    assert_eq!(
        answered,
        [
            "review",
            "needs_human",
            "publish_rejected",
            "publish_rejected",
            "handoff",
            "keeps_being_interrupted",
            "failed",
        ]
    );
}
