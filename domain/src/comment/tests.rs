use super::*;
use crate::execution::FailureCause;
use crate::task::fixture::{HOSTILE, START, bare, execution, hostile, pull_request, worked_on};
use crate::task::{CancelledBy, TriageReason};

const MARKER: &str = "<!-- cloud-code:0123456789abcdef -->";

fn now() -> Timestamp {
    Timestamp(START.0 + 3_600_000)
}

fn refused(findings: Vec<String>, passable: bool) -> TaskState {
    TaskState::Blocked(BlockedReason::PublishRejected {
        execution: execution(2),
        findings,
        passable,
    })
}

fn with_pull_request(state: TaskState) -> Task {
    Task {
        pull_request: Some(pull_request()),
        ..worked_on(state)
    }
}

#[test]
fn the_comment_in_every_state() {
    let untrusted = TriageReason::UntrustedActor {
        login: "mallory".to_owned(),
        permission: "read".to_owned(),
    };
    let waiting = Task {
        depends_on: vec![3, 7],
        ..bare(TaskState::Pending)
    };
    let again = Task {
        last_error: Some("the coding CLI failed with exit status 1".to_owned()),
        ..worked_on(TaskState::Pending)
    };
    let needs_human = BlockedReason::NeedsHuman("Which of the two APIs do you mean?".to_owned());
    let findings = vec!["changes the protected path .github/workflows/ci.yml".to_owned()];
    for (name, task) in [
        ("triage", bare(TaskState::Triage(untrusted))),
        ("pending_dependencies", waiting),
        ("pending_again", again),
        ("assigned", worked_on(TaskState::Assigned(execution(2)))),
        (
            "in_progress",
            worked_on(TaskState::InProgress(execution(2))),
        ),
        ("publishing", worked_on(TaskState::Publishing(execution(2)))),
        ("review", with_pull_request(TaskState::Review)),
        ("blocked_human", worked_on(TaskState::Blocked(needs_human))),
        (
            "blocked_credential",
            worked_on(TaskState::Blocked(BlockedReason::NeedsCredential)),
        ),
        (
            "blocked_cost",
            worked_on(TaskState::Blocked(BlockedReason::CostLimit)),
        ),
        ("blocked_publish", worked_on(refused(findings, true))),
        (
            "blocked_interrupted",
            worked_on(TaskState::Blocked(BlockedReason::KeepsBeingInterrupted)),
        ),
        ("completed", with_pull_request(TaskState::Completed)),
        (
            "failed",
            worked_on(TaskState::Failed(FailureCause::CheckFailed)),
        ),
        (
            "cancelled",
            with_pull_request(TaskState::Cancelled(CancelledBy::PullRequestClosed)),
        ),
    ] {
        insta::assert_snapshot!(name, progress(&task, MARKER, now()));
    }
}

#[test]
fn hostile_text_is_inert() {
    let words = TaskState::Blocked(BlockedReason::NeedsHuman(format!("{HOSTILE}\n/merge")));
    for (name, state) in [
        ("hostile_in_progress", TaskState::InProgress(execution(2))),
        ("hostile_blocked", words),
        ("hostile_findings", refused(vec![HOSTILE.to_owned()], false)),
        ("hostile_failed", TaskState::Failed(FailureCause::TimedOut)),
    ] {
        let text = progress(&hostile(state), MARKER, now());
        assert_eq!(text.matches("<!--").count(), 1, "only our own marker");
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn a_comment_is_bounded_and_whole_whatever_is_in_it() {
    let mut task = hostile(TaskState::Blocked(BlockedReason::NeedsHuman(
        "````\n/x\n".repeat(10_000),
    )));
    task.criteria = vec!["` ".repeat(5_000); 100];
    task.report.summary = Some("`".repeat(4_000));
    let text = progress(&task, MARKER, now());
    assert!(text.chars().count() <= MAX_CHARS);
    assert!(text.starts_with(MARKER));
    assert!(text.contains("(Left out: too long to show here.)"));
    assert!(text.trim_end().ends_with("</sub>"));
}

#[test]
fn the_same_task_makes_the_same_comment() {
    let task = with_pull_request(TaskState::Review);
    assert_eq!(
        progress(&task, MARKER, now()),
        progress(&task.clone(), MARKER, now())
    );
}

#[test]
fn an_address_that_is_no_page_makes_no_link() {
    let mut task = with_pull_request(TaskState::Review);
    for url in ["javascript:alert(1)", "https://x.example/a) <img>", "main"] {
        task.pull_request.as_mut().unwrap().url = Some(url.to_owned());
        let text = progress(&task, MARKER, now());
        assert!(text.contains("Pull request #57: 3 files"), "{text}");
    }
}
