//! A project whose tasks get a workstation of their own.

use cloud_code_domain::agent::Agent;
use cloud_code_domain::id::{ExecutionId, TaskId};
use cloud_code_domain::tenancy::Tenancy;

use super::bench::Changes;
use super::*;

const ISOLATED: Changes = &[(
    "tracker = \"local\"",
    "tracker = \"local\"\nworkspace_mode = \"isolated\"",
)];

async fn agent(bench: &Bench) -> Agent {
    let agent = bench.agent.clone();
    let read = bench.engine.read(move |world| world.agents[&agent].clone());
    read.await.unwrap()
}

/// The fleet has removed what is over, and a new workstation says hello.
async fn renewed(bench: &Bench) {
    let agent = bench.agent.clone();
    let removed = Input::WorkspaceRemoved { agent };
    let reply = bench.engine.send(removed).await.unwrap();
    assert!(matches!(reply, Reply::Ok), "{reply:?}");
    bench.hello().await;
}

async fn ready() -> Bench {
    let bench = Bench::with(ISOLATED).await;
    renewed(&bench).await;
    bench
}

async fn is_over(bench: &Bench) -> bool {
    let agent = agent(bench).await;
    let over = agent.tenancy == Tenancy::Over;
    let recreating = matches!(agent.state, AgentState::Recreating(_));
    assert!(!over || recreating, "{agent:?}");
    over
}

fn published() -> Done {
    Done::Published {
        head: oid('c'),
        added: 3,
        removed: 1,
        files: 1,
        passed: Vec::new(),
    }
}

async fn in_review(bench: &Bench, execution: &ExecutionId) {
    bench.succeeds(execution, oid('b')).await;
    assert!(!is_over(bench).await, "the result is still there");
    bench.effect("publish", published()).await;
    assert!(!is_over(bench).await, "the pull request is not open yet");
    let opened = bench.opened(&execution.task, 7);
    bench.effect("open", opened).await;
    assert_eq!(bench.state(&execution.task).await, TaskState::Review);
}

fn question() -> EndedHow {
    EndedHow::Blocked {
        needs_credential: false,
        reason: "Which one?".into(),
    }
}

fn says(task: &TaskId) -> Action {
    Action::Steer {
        task: task.clone(),
        text: "Blue.".into(),
    }
}

#[tokio::test]
async fn nobody_works_before_what_an_agent_of_that_name_left_is_removed() {
    let bench = Bench::with(ISOLATED).await;
    assert_eq!(
        agent(&bench).await.state,
        AgentState::Provisioning,
        "its hello is not taken"
    );
    let task = bench.new_task("Add a greeting").await;
    assert_eq!(bench.state(&task).await, TaskState::Pending);
    renewed(&bench).await;
    assert_eq!(agent(&bench).await.tenancy, Tenancy::Fresh);
    bench.assigned(&task).await;
    assert_eq!(agent(&bench).await.tenancy, Tenancy::Of(task));
}

#[tokio::test]
async fn a_workstation_is_thrown_away_with_its_task_in_review_whoever_is_killed() {
    let bench = ready().await;
    let first = bench.new_task("Add a greeting").await;
    let execution = bench.assigned(&first).await;
    in_review(&bench, &execution).await;
    let second = bench.new_task("Add a farewell").await;
    for _ in 0..2 {
        assert!(is_over(&bench).await);
        let why = bench.shown(&second).await.1;
        assert!(why.contains(first.as_str()), "{why}");
        // The old agentd may live: it gets nothing, and is not taken for the new one.
        bench.hello_with(vec![first.clone()]).await;
        assert_eq!(bench.state(&second).await, TaskState::Pending);
    }
    let bench = bench.killed().await;
    assert!(is_over(&bench).await, "it is remembered");
    assert_eq!(bench.task(&first).await.agent, None);
    renewed(&bench).await;
    // Told twice by a fleet that was killed in between: the second has nothing to remove.
    let agent = bench.agent.clone();
    let again = bench.engine.send(Input::WorkspaceRemoved { agent }).await;
    assert!(matches!(again.unwrap(), Reply::NotWanted));
    bench.assigned(&second).await;
}

#[tokio::test]
async fn feedback_goes_to_a_fresh_session_that_is_told_what_was_done() {
    let bench = ready().await;
    let task = bench.new_task("Add a greeting").await;
    let first = bench.assigned(&task).await;
    in_review(&bench, &first).await;
    renewed(&bench).await;
    bench.act(says(&task)).await.unwrap();
    let second = bench.assigned_from(&task, oid('c')).await;
    let execution = bench.execution(&second).await;
    assert!(!execution.resume);
    assert_eq!(execution.base, oid('c'));
    let before = execution.predecessor.clone().unwrap();
    assert_eq!((before.agent, before.from), (bench.agent.clone(), oid('c')));
    assert_eq!(execution.checked_from(), &oid('c'), "it is checked once");
}

#[tokio::test]
async fn a_blocked_task_keeps_its_workstation_and_goes_on_in_its_session() {
    let bench = ready().await;
    let task = bench.new_task("Add a greeting").await;
    let first = bench.assigned(&task).await;
    let other = bench.new_task("Add a farewell").await;
    bench.ends(&first, question()).await;
    assert_eq!(agent(&bench).await.tenancy, Tenancy::Of(task.clone()));
    assert_eq!(bench.state(&other).await, TaskState::Pending);
    let why = bench.shown(&other).await.1;
    assert_eq!(why, format!("kept for task {task}"));
    let bench = bench.killed().await;
    assert_eq!(bench.state(&other).await, TaskState::Pending);
    bench.act(says(&task)).await.unwrap();
    let second = bench.assigned(&task).await;
    assert!(bench.execution(&second).await.resume);
    // As does one whose agentd was killed.
    bench.fails(&second, FailureCause::AgentLost).await;
    bench.later(60_000).await;
    let third = bench.assigned(&task).await;
    assert!(bench.execution(&third).await.resume);
    bench.act(Action::Cancel(task.clone())).await.unwrap();
    assert!(!is_over(&bench).await, "it is being ended");
    bench.ends(&third, EndedHow::Cancelled).await;
    assert!(is_over(&bench).await);
    renewed(&bench).await;
    bench.assigned(&other).await;
}

#[tokio::test]
async fn a_failed_attempt_begins_anew_in_a_workstation_of_its_own() {
    let bench = ready().await;
    let task = bench.new_task("Add a greeting").await;
    let first = bench.assigned(&task).await;
    bench.fails(&first, FailureCause::CheckFailed).await;
    assert!(is_over(&bench).await);
    renewed(&bench).await;
    bench.later(60_000).await;
    let second = bench.assigned(&task).await;
    assert!(!bench.execution(&second).await.resume);
}

#[tokio::test]
async fn what_is_to_be_brought_is_not_thrown_away_before() {
    let bench = ready().await;
    let task = bench.new_task("Add a greeting").await;
    let first = bench.assigned(&task).await;
    bench.ends_at(&first, question(), Some(oid('b'))).await;
    let reassign = Action::Reassign {
        task: task.clone(),
        agent: None,
        coding_cli: None,
    };
    bench.act(reassign).await.unwrap();
    assert!(!is_over(&bench).await);
    bench
        .effect("bring", Done::Brought { head: oid('d') })
        .await;
    assert!(is_over(&bench).await);
    renewed(&bench).await;
    let second = bench.assigned_from(&task, oid('d')).await;
    assert!(!bench.execution(&second).await.resume);
}

#[tokio::test]
async fn a_workspace_that_is_said_to_be_fresh_and_is_not_is_thrown_away() {
    let bench = ready().await;
    let task = bench.new_task("Add a greeting").await;
    bench.act(Action::Cancel(task.clone())).await.unwrap();
    bench.hello_with(vec![task]).await;
    assert!(is_over(&bench).await);
    renewed(&bench).await;
    assert_eq!(agent(&bench).await.state, AgentState::Idle);
}

#[tokio::test]
async fn a_project_that_becomes_isolated_ends_what_it_began_and_throws_the_rest_away() {
    let bench = Bench::start().await;
    let first = bench.new_task("Add a greeting").await;
    let execution = bench.assigned(&first).await;
    bench.ends(&execution, question()).await;
    let bench = bench.configured(ISOLATED).await;
    let second = bench.new_task("Add a farewell").await;
    assert_eq!(bench.state(&second).await, TaskState::Pending);
    bench.act(says(&first)).await.unwrap();
    let execution = bench.assigned(&first).await;
    assert!(bench.execution(&execution).await.resume);
    bench.says(&execution, RecordBody::Delivered(9)).await;
    in_review(&bench, &execution).await;
    assert!(is_over(&bench).await);
    // And back: what is over is removed all the same.
    let bench = bench.configured(&[]).await;
    assert!(is_over(&bench).await);
    renewed(&bench).await;
    assert_eq!(agent(&bench).await.tenancy, Tenancy::Open);
    bench.assigned(&second).await;
}

#[tokio::test]
async fn a_kept_workstation_that_fails_comes_back_with_what_is_in_it() {
    let bench = ready().await;
    let task = bench.new_task("Add a greeting").await;
    let first = bench.assigned(&task).await;
    bench.ends(&first, question()).await;
    bench.gone().await;
    let down = vec![(bench.agent.clone(), "it ended".to_owned())];
    bench
        .engine
        .send(Input::FleetObserved { down })
        .await
        .unwrap();
    assert_eq!(agent(&bench).await.tenancy, Tenancy::Of(task.clone()));
    bench.hello_with(vec![task.clone()]).await;
    bench.act(says(&task)).await.unwrap();
    let second = bench.assigned(&task).await;
    assert!(bench.execution(&second).await.resume);
}
