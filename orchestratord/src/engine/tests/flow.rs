//! How work goes on when others had a hand in it: a person's push, another agent, another coding CLI.

use cloud_code_domain::dependencies::Verdict;
use cloud_code_domain::id::{ExecutionId, TaskId};
use cloud_code_domain::task::MessageKind;

use super::*;

fn overtaken(head: char) -> Done {
    Done::Overtaken {
        head: oid(head),
        commits: vec!["1a2b3c4 Ada: By hand".into()],
    }
}

#[tokio::test]
async fn a_push_of_a_person_is_the_base_of_the_next_execution_and_nobodys_fault() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    for (round, head) in (1..).zip(['1', '2', '3', '4']) {
        let execution = bench.assigned(&task).await;
        assert_eq!(bench.execution(&execution).await.resume, round > 1);
        bench.succeeds(&execution, oid('b')).await;
        bench.effect("publish", overtaken(head)).await;
        let record = bench.task(&task).await;
        assert_eq!(record.state, TaskState::Pending);
        assert_eq!((record.attempts, record.interruptions), (0, 0));
        assert_eq!(record.overtaken, round);
        let pull_request = record.pull_request.map(|record| record.head);
        assert_eq!(pull_request, Some(oid(head)), "the lease is theirs");
        let told = record.conversation.messages.last().cloned();
        assert_eq!(told.map(|told| told.kind), Some(MessageKind::Pushed));
    }
    let execution = bench.assigned(&task).await;
    bench.succeeds(&execution, oid('b')).await;
    bench.effect("publish", overtaken('5')).await;
    let TaskState::Blocked(BlockedReason::NeedsHuman(why)) = bench.state(&task).await else {
        panic!("it goes on for ever");
    };
    assert!(why.contains("5 times in a row"), "{why}");
    bench.act(Action::Retry(task.clone())).await.unwrap();
    assert_eq!(bench.task(&task).await.overtaken, 0);
}

fn asks_a_person() -> EndedHow {
    EndedHow::Blocked {
        needs_credential: false,
        reason: "Which one?".into(),
    }
}

/// A task that an agent left with a commit, and that is given to whoever is free.
async fn reassigned(bench: &Bench) -> (TaskId, ExecutionId) {
    let task = bench.new_task("Add a greeting").await;
    let first = bench.assigned(&task).await;
    bench.ends_at(&first, asks_a_person(), Some(oid('b'))).await;
    let reassign = Action::Reassign {
        task: task.clone(),
        agent: None,
        coding_cli: None,
    };
    bench.act(reassign).await.unwrap();
    assert_eq!(bench.state(&task).await, TaskState::Pending);
    (task, first)
}

async fn cleaned(bench: &Bench) -> Vec<TaskId> {
    bench.orders().await.clean
}

#[tokio::test]
async fn a_reassigned_task_takes_the_commits_of_its_agent_along() {
    let bench = Bench::start().await;
    let (task, first) = reassigned(&bench).await;
    assert_eq!(cleaned(&bench).await, [], "they are not on the host yet");
    let wait = bench.wait(&task).await;
    assert_eq!(wait, Some(Wait::Handover(bench.agent.clone())));
    // A kill in between: it is brought again, and its agent keeps it until then.
    let bench = bench.killed().await;
    bench.hello_with(vec![task.clone()]).await;
    assert_eq!(cleaned(&bench).await, []);
    bench
        .effect("bring", Done::Brought { head: oid('c') })
        .await;
    let next = bench.assigned_from(&task, oid('c')).await;
    let record = bench.execution(&next).await;
    assert_eq!(record.base, oid('c'));
    assert!(!record.resume);
    let by = record.predecessor.clone().unwrap();
    assert_eq!(
        (by.agent, by.from),
        (bench.execution(&first).await.agent, oid('a'))
    );
    assert_eq!(record.checked_from(), &oid('a'), "all of it is looked at");
    bench.succeeds(&next, oid('d')).await;
    let published = Done::Published {
        head: oid('e'),
        added: 1,
        removed: 0,
        files: 1,
        passed: Vec::new(),
    };
    bench.effect("publish", published).await;
    assert_eq!(bench.task(&task).await.brought, None, "it is pushed");
}

#[tokio::test]
async fn commits_that_cannot_be_had_hold_nothing_up_and_it_is_said() {
    let bench = Bench::start().await;
    let (task, _) = reassigned(&bench).await;
    let why = "the result was refused: it has a submodule".to_owned();
    bench.effect("bring", Done::NotBrought { why }).await;
    let next = bench.assigned(&task).await;
    assert_eq!(bench.execution(&next).await.base, oid('a'));
    assert!(bench.detail_of("commits_lost").await.contains("submodule"));
}

#[tokio::test]
async fn commits_of_an_agent_that_stays_away_are_given_up() {
    let bench = Bench::start().await;
    let (task, _) = reassigned(&bench).await;
    bench.gone().await;
    bench.later(60_000).await;
    assert!(bench.task(&task).await.bringing.is_some(), "it may be back");
    bench.minutes(60).await;
    assert_eq!(bench.task(&task).await.bringing, None);
    assert!(bench.detail_of("commits_lost").await.contains("stays away"));
}

#[tokio::test]
async fn a_task_that_comes_back_to_its_agent_leaves_everything_where_it_is() {
    let bench = Bench::start().await;
    let (task, _) = reassigned(&bench).await;
    let back = Action::Reassign {
        task: task.clone(),
        agent: Some(bench.agent.clone()),
        coding_cli: None,
    };
    bench.act(back).await.unwrap();
    let record = bench.task(&task).await;
    assert_eq!((record.bringing, record.keep), (None, true));
    let next = bench.assigned(&task).await;
    assert!(bench.execution(&next).await.resume);
    assert_eq!(cleaned(&bench).await, []);
}

#[tokio::test]
async fn a_task_that_ends_meanwhile_is_cleaned_where_it_was() {
    let bench = Bench::start().await;
    let (task, _) = reassigned(&bench).await;
    bench.act(Action::Cancel(task.clone())).await.unwrap();
    assert_eq!(cleaned(&bench).await, [task]);
}

#[tokio::test]
async fn a_handoff_is_answered_with_a_coding_cli_and_the_agent_stays() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    let first = bench.assigned(&task).await;
    let suggests = EndedHow::Blocked {
        needs_credential: false,
        reason: "recommend_handoff: other".into(),
    };
    bench.ends_at(&first, suggests, Some(oid('b'))).await;
    let state = bench.state(&task).await;
    assert!(matches!(
        state,
        TaskState::Blocked(BlockedReason::Handoff(_))
    ));
    let to = |name: &str| Action::Reassign {
        task: task.clone(),
        agent: None,
        coding_cli: Some(name.parse().unwrap()),
    };
    let refused = bench.act(to("unheard-of")).await.unwrap_err();
    let words = format!("{refused:?}");
    assert!(words.contains("configured are: other, scripted"), "{words}");
    bench.act(to("other")).await.unwrap();
    let next = bench.assigned(&task).await;
    let record = bench.execution(&next).await;
    assert_eq!(record.coding_cli.as_str(), "other");
    assert_eq!(record.agent, bench.agent);
    assert!(record.resume, "the worktree stays");
    let by = record.predecessor.unwrap();
    assert_eq!(by.coding_cli.as_str(), "scripted");
    assert_eq!(cleaned(&bench).await, []);
}

/// Files a task with a text; local issues are numbered from 1.
async fn filed(bench: &Bench, description: &str) -> TaskId {
    let action = Action::NewTask {
        project: "sample".parse().unwrap(),
        title: "A task".into(),
        description: description.into(),
        priority: None,
    };
    let input = Input::Act {
        operator: "ada".into(),
        action,
        expected_version: 0,
    };
    let reply = bench.engine.send(input).await.unwrap();
    let Reply::Acted {
        task: Some(task), ..
    } = &reply
    else {
        panic!("{reply:?}");
    };
    task.clone()
}

#[tokio::test]
async fn an_issue_of_the_operator_is_waited_for_until_its_task_ends() {
    let bench = Bench::start().await;
    let first = filed(&bench, "").await;
    let second = filed(&bench, "Depends on #1, #2 and #77").await;
    let open = vec![(1, Verdict::Task)];
    assert_eq!(bench.wait(&second).await, Some(Wait::Dependencies(open)));
    let named = bench.dependencies(&second).await;
    assert_eq!(named, [(1, Verdict::Task), (77, Verdict::Missing)]);
    bench.act(Action::Cancel(first)).await.unwrap();
    assert_eq!(bench.wait(&second).await, None);
}

#[tokio::test]
async fn a_circle_of_tasks_is_named_until_a_person_breaks_it() {
    let bench = Bench::start().await;
    let first = filed(&bench, "Depends on #3").await;
    let second = filed(&bench, "Depends on #1").await;
    let third = filed(&bench, "Depends on #2").await;
    let behind = filed(&bench, "Depends on #3").await;
    for task in [&first, &second, &third] {
        let wait = bench.wait(task).await;
        assert_eq!(wait, Some(Wait::Circle(vec![1, 2, 3])));
    }
    let wait = bench.wait(&behind).await;
    assert_eq!(wait, Some(Wait::Dependencies(vec![(3, Verdict::Task)])));
    bench.act(Action::Cancel(second)).await.unwrap();
    let wait = bench.wait(&first).await;
    assert_eq!(wait, Some(Wait::Dependencies(vec![(3, Verdict::Task)])));
    assert_eq!(bench.wait(&third).await, None);
}
