use super::*;
use crate::execution::FailureCause;
use crate::report::bounds;
use crate::task::fixture::{execution, hostile, pull_request, worked_on};
use crate::task::{BlockedReason, CancelledBy, TriageReason};

fn message(text: &str, source: Option<&str>) -> Message {
    Message {
        kind: MessageKind::Steer,
        author: "mona".to_owned(),
        text: text.to_owned(),
        source: source.map(str::to_owned),
        at: Timestamp(1),
    }
}

#[test]
fn messages_keep_their_numbers_and_only_new_ones_wait() {
    let mut conversation = Conversation::default();
    assert_eq!(conversation.push(message("a", Some("comment/1"))), 0);
    assert_eq!(conversation.push(message("b", None)), 1);
    conversation.delivered = 1;
    let waiting: Vec<u64> = conversation.waiting().map(|(number, _)| number).collect();
    assert_eq!(waiting, [1]);
    assert!(conversation.has("comment/1"));
    assert!(!conversation.has("comment/2"));
}

#[test]
fn what_is_said_in_the_second_of_the_label_is_heard() {
    let mut task = worked_on(TaskState::Review);
    task.created_at = Timestamp(10_900);
    task.triggered_at = None;
    assert_eq!(task.hears_since(), Timestamp(10_000));
    task.triggered_at = Some(Timestamp(7_000));
    assert_eq!(task.hears_since(), Timestamp(7_000));
}

#[test]
fn a_long_conversation_loses_its_beginning_and_no_number() {
    let mut conversation = Conversation::default();
    for number in 0..1_000 {
        assert_eq!(conversation.push(message("x", None)), number);
    }
    assert_eq!(conversation.messages.len(), MAX_MESSAGES);
    assert_eq!((conversation.first, conversation.next()), (800, 1_000));
    conversation.delivered = 999;
    assert_eq!(conversation.waiting().count(), 1);
}

#[test]
fn the_criteria_are_the_issues_and_their_status_the_agents() {
    let mut task = worked_on(TaskState::Review);
    let of = |task: &Task| -> Vec<CriterionStatus> {
        task.criteria_met().iter().map(|one| one.status).collect()
    };
    let [done, going, pending] = [
        CriterionStatus::Done,
        CriterionStatus::InProgress,
        CriterionStatus::Pending,
    ];
    assert_eq!(of(&task), [done, going, pending]);
    // what the agent invents does not count
    task.report.criteria[0].criterion = "Something else".to_owned();
    assert_eq!(of(&task), [pending, going, pending]);
    // where the issue has no list, the agent's is shown
    task.criteria.clear();
    assert_eq!(of(&task), [done, going]);
}

#[test]
fn a_task_comes_back_from_the_store_as_it_went() {
    let refused = BlockedReason::PublishRejected {
        execution: execution(2),
        findings: vec!["a secret".to_owned()],
        passable: true,
    };
    for state in [
        TaskState::Triage(TriageReason::UntrustedActor {
            login: "mallory".to_owned(),
            permission: "read".to_owned(),
        }),
        TaskState::Pending,
        TaskState::Assigned(execution(1)),
        TaskState::InProgress(execution(1)),
        TaskState::Publishing(execution(1)),
        TaskState::Review,
        TaskState::Blocked(refused),
        TaskState::Blocked(BlockedReason::NeedsHuman("\u{202e}\0".to_owned())),
        TaskState::Blocked(BlockedReason::Handoff(Some("aider".parse().unwrap()))),
        TaskState::Completed,
        TaskState::Failed(FailureCause::CodingCli { exit: Some(-9) }),
        TaskState::Cancelled(CancelledBy::Issue),
        TaskState::Cancelled(CancelledBy::IssueGone),
    ] {
        let mut task = hostile(state);
        task.pull_request = Some(pull_request());
        task.not_before = Some(Timestamp(i64::MAX));
        task.conversation.push(message("x", Some("review/12")));
        let stored = serde_json::to_vec(&task).unwrap();
        let back: Task = serde_json::from_slice(&stored).unwrap();
        assert_eq!(back, task);
    }
}

#[test]
fn a_report_that_comes_in_is_bounded_in_every_part() {
    let report = hostile(TaskState::Pending).report;
    assert!(report.summary.unwrap().chars().count() <= bounds::TEXT);
    assert!(report.progress[0].message.chars().count() <= bounds::LINE);
}

/// What was done to a task before.
type Change = fn(&mut Task);

#[test]
fn the_attempt_is_the_one_that_runs_or_ran_last() {
    let mut task = worked_on(TaskState::Pending);
    (task.attempts, task.max_attempts) = (0, 3);
    let running = TaskState::InProgress(execution(1));
    // What happens, and the attempt then.
    let table: [(&str, TaskState, Change, u32); 12] = [
        ("nothing ran", TaskState::Pending, |_| {}, 0),
        ("the first", running.clone(), Task::try_once, 1),
        (
            "interrupted",
            TaskState::Pending,
            |task| task.interruptions = 1,
            1,
        ),
        ("made again", running.clone(), Task::try_once, 1),
        ("failed", TaskState::Pending, |task| task.attempts = 1, 1),
        ("the second", running.clone(), Task::try_once, 2),
        ("a message to it", running.clone(), Task::count_anew, 1),
        ("it went well", TaskState::Review, |_| {}, 1),
        ("a comment", TaskState::Review, Task::count_anew, 0),
        ("the next round", running.clone(), Task::try_once, 1),
        (
            "failed for good",
            TaskState::Pending,
            |task| task.attempts = 3,
            3,
        ),
        ("never above its bound", running, Task::try_once, 3),
    ];
    for (what, state, happens, attempt) in table {
        task.state = state;
        happens(&mut task);
        assert_eq!(task.attempt(), attempt, "{what}");
    }
}

#[test]
fn a_later_success_clears_the_error_and_nothing_else_does() {
    let states = [
        (TaskState::Pending, false),
        (TaskState::Assigned(execution(2)), false),
        (TaskState::InProgress(execution(2)), false),
        (TaskState::Blocked(BlockedReason::NeedsCredential), false),
        (TaskState::Failed(FailureCause::TimedOut), false),
        (TaskState::Cancelled(CancelledBy::Issue), false),
        (TaskState::Publishing(execution(2)), true),
        (TaskState::Review, true),
        (TaskState::Completed, true),
    ];
    for (state, clears) in states {
        let mut task = worked_on(TaskState::InProgress(execution(1)));
        task.last_error = Some("the check failed".to_owned());
        task.enter(state.clone());
        assert_eq!(task.last_error.is_none(), clears, "{state:?}");
        assert_eq!(task.state, state);
    }
}
