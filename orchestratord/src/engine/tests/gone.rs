//! What a tracker does not show: issues that are gone, remarks that it has not listed yet.

use cloud_code_domain::id::TaskId;
use cloud_code_domain::issue::{Actor, IssueSnapshot, Permission, Trigger};
use cloud_code_domain::task::CancelledBy;

use super::*;

fn seen(issue: Option<IssueSnapshot>) -> Done {
    Done::Inspected(Box::new(Inspected {
        gone: issue.is_none(),
        issue,
        pull_request: None,
        remarks: Vec::new(),
    }))
}

fn issue() -> IssueSnapshot {
    let ada = Actor {
        login: "ada".into(),
        id: 1,
        permission: Permission::Admin,
        bot: false,
    };
    IssueSnapshot {
        project: "sample".parse().unwrap(),
        number: 7,
        url: None,
        title: "Say hello".into(),
        body: String::new(),
        labels: vec!["cloud-code".into()],
        open: true,
        closed_by: None,
        blocked_by: Vec::new(),
        trigger: Some(Trigger {
            label: "cloud-code".into(),
            at: Timestamp(1_000),
            actor: Some(ada),
        }),
        untriggered_by: None,
        edited_at: None,
        merged: false,
    }
}

async fn told(bench: &Bench, remark: Option<&str>) {
    let delivered = Input::Delivered {
        digest: None,
        about: vec![("sample".parse().unwrap(), 7)],
        remark: remark.map(str::to_owned),
    };
    bench.engine.send(delivered).await.unwrap();
}

/// A task that was made of an issue.
async fn task_of_an_issue(bench: &Bench) -> TaskId {
    told(bench, None).await;
    bench.effect("inspect", seen(Some(issue()))).await;
    let first = bench.engine.read(|world| {
        let task = world.tasks.values().next();
        task.map(|task| task.id.clone())
    });
    first.await.unwrap().unwrap()
}

/// In how many seconds the issue is looked at again.
async fn next_look(bench: &Bench) -> Option<u64> {
    let now = bench.now();
    let at = bench.engine.read(|world| {
        let record = world.effects.get("inspect/sample/7");
        record.map(|record| record.not_before)
    });
    at.await.unwrap().map(|at| at.since(now).as_secs())
}

#[tokio::test]
async fn a_task_whose_issue_is_gone_ends_when_a_second_look_says_so_too() {
    let bench = Bench::start().await;
    let task = task_of_an_issue(&bench).await;
    told(&bench, None).await;
    bench.effect("inspect", seen(None)).await;
    assert!(!bench.state(&task).await.is_finished());
    assert_eq!(next_look(&bench).await, Some(60));
    // It was a mistake.
    bench.later(60_000).await;
    bench.effect("inspect", seen(Some(issue()))).await;
    assert_eq!(next_look(&bench).await, None);

    told(&bench, None).await;
    bench.effect("inspect", seen(None)).await;
    bench.later(60_000).await;
    bench.effect("inspect", seen(None)).await;
    let ended = TaskState::Cancelled(CancelledBy::IssueGone);
    assert_eq!(bench.state(&task).await, ended);
}

#[tokio::test]
async fn a_pull_request_whose_issue_is_gone_loses_the_closing_line_alone() {
    let bench = Bench::start().await;
    let task = task_of_an_issue(&bench).await;
    let execution = bench.assigned(&task).await;
    let version = "1".to_owned();
    bench
        .says(&execution, RecordBody::Started { version })
        .await;
    bench.succeeds(&execution, oid('b')).await;
    let published = Done::Published {
        head: oid('c'),
        added: 3,
        removed: 1,
        files: 1,
        passed: Vec::new(),
    };
    bench.effect("publish", published).await;
    bench.effect("open", bench.opened(&task, 8)).await;
    told(&bench, None).await;
    bench.effect("inspect", seen(None)).await;
    assert!(!bench.task(&task).await.issue_gone);
    bench.later(60_000).await;
    bench.effect("inspect", seen(None)).await;
    assert_eq!(bench.state(&task).await, TaskState::Review);
    assert!(bench.task(&task).await.issue_gone);
    // Its text is brought up to date; nothing else is asked for.
    bench.effect("open", bench.opened(&task, 8)).await;
    assert_eq!(bench.state(&task).await, TaskState::Review);
    assert_eq!(next_look(&bench).await, None);
}

#[tokio::test]
async fn a_remark_that_is_not_listed_yet_is_looked_for_in_a_moment() {
    let bench = Bench::start().await;
    task_of_an_issue(&bench).await;
    told(&bench, Some("comment/9")).await;
    bench.effect("inspect", seen(Some(issue()))).await;
    assert_eq!(next_look(&bench).await, Some(5));
    bench.later(5_000).await;
    bench.effect("inspect", seen(Some(issue()))).await;
    assert_eq!(next_look(&bench).await, Some(30));
    bench.later(30_000).await;
    bench.effect("inspect", seen(Some(issue()))).await;
    assert_eq!(next_look(&bench).await, None);
}
