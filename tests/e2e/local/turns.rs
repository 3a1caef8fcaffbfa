//! A turn: retried, steered, cancelled.

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::until;

use super::{Scene, ends};

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_execution_is_tried_again() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene.task("fail 3 once\nwrite a.txt 1\ncommit A").await?;
    let detail = scene.reviewed(&task).await?;
    assert_eq!(ends(&detail), ["failed", "succeeded"]);
    let causes: Vec<bool> = detail
        .executions
        .iter()
        .map(|one| one.cause.is_empty())
        .collect();
    assert_eq!(causes, [false, true], "its history tells of the failure");
    assert_eq!(detail.task.context("no task")?.last_error, "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_too_often_waits_for_an_operators_retry() -> Result<()> {
    let scene = Scene::set("max_attempts = 2").await?;
    let gate = scene.0.root().join("go");
    let task = scene
        .task(&format!(
            "run test -e {}\nwrite a.txt 1\ncommit A",
            gate.display()
        ))
        .await?;
    scene.0.task_in(&task, "failed").await?;
    let detail = scene.0.operator()?.task(&task).await?;
    assert_eq!(ends(&detail), ["failed", "failed"]);
    std::fs::write(gate, "")?;
    scene.act(Action::Retry(task.clone())).await?;
    scene.reviewed(&task).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_turn_is_steered() -> Result<()> {
    let scene = Scene::set("").await?;
    let gate = scene.0.root().join("go");
    let task = scene
        .task(&format!(
            "write a.txt 1\ncommit A\nwait-for {}",
            gate.display()
        ))
        .await?;
    scene.0.task_in(&task, "in_progress").await?;
    let steer = v1::SteerTask {
        task: task.clone(),
        text: "And greet Grace.".into(),
    };
    scene.act(Action::Steer(steer)).await?;
    std::fs::write(gate, "")?;
    let detail = scene.reviewed(&task).await?;
    assert!(detail.diff.contains("And greet Grace."), "{}", detail.diff);
    assert_eq!(ends(&detail), ["succeeded"], "it is the same execution");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_turn_leaves_no_process_behind() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene
        .task("run (setsid nohup sleep 987654 >/dev/null 2>&1 &)\nrun (trap '' TERM INT HUP; sleep 987653 & wait) >/dev/null 2>&1 &\nwrite a.txt 1\nhang")
        .await?;
    let strays = || {
        let processes = scene.0.processes();
        let found = processes
            .into_iter()
            .filter(|(_, line)| line.contains("98765") || line.contains("bin/scripted"));
        found.count()
    };
    until("the turn's processes", || (strays() >= 3).then_some(())).await?;
    scene.act(Action::Cancel(task.clone())).await?;
    scene.0.task_in(&task, "cancelled").await?;
    until("nothing is left", || (strays() == 0).then_some(())).await?;
    until("a clean workspace", || {
        scene.0.worktree(&task).is_none().then_some(())
    })
    .await?;
    // The agent is free for the next one.
    let next = scene.task("write a.txt 1\ncommit A").await?;
    scene.reviewed(&next).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_changes_nothing_needs_a_person() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene.task("say I do not know what is meant").await?;
    let blocked = scene.0.task_blocked(&task, "needs_human").await?;
    ensure!(blocked.needs_operator, "nobody is asked");
    let detail = scene.0.operator()?.task(&task).await?;
    ensure!(
        detail.last_words.contains("I do not know"),
        "{}",
        detail.last_words
    );
    Ok(())
}
