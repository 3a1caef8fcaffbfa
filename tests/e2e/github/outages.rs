//! GitHub is out of order for a while, in every way it can be: no task fails of it, nothing is there
//! twice, and the operator sees what is waited for.

use std::fs;

use anyhow::{Context, Result, ensure};
use cloud_code_tests::cluster::{asked_until, until};
use cloud_code_tests::forge::Fault;
use futures_util::{StreamExt, TryStreamExt};

use super::{LABEL, Scene, script};

/// Installations that run at once.
const AT_ONCE: usize = 3;

/// What GitHub does, and where.
const OUTAGES: [(&str, Fault); 15] = [
    ("/api/", Fault::FailBefore(401)),
    ("/api/", Fault::FailBefore(403)),
    ("/api/", Fault::FailBefore(404)),
    ("/api/", Fault::FailBefore(422)),
    ("/api/", Fault::Limited(2)),
    ("/api/", Fault::Spent(2)),
    ("/api/", Fault::FailBefore(500)),
    ("/api/", Fault::FailAfter(502)),
    ("/api/", Fault::LoseAnswer),
    ("/api/", Fault::Reset),
    ("/api/", Fault::HalfAnswer),
    ("/api/", Fault::Page),
    (".git/", Fault::FailBefore(404)),
    (".git/", Fault::FailBefore(403)),
    (".git/", Fault::FailBefore(503)),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_task_fails_because_github_is_out_of_order_for_a_while() -> Result<()> {
    let runs = futures_util::stream::iter(OUTAGES).map(|(part, fault)| async move {
        let outlived = outlived(part, fault).await;
        outlived.with_context(|| format!("{fault:?} at {part}"))
    });
    runs.buffer_unordered(AT_ONCE).try_collect().await
}

/// An issue is being worked on when it begins; another one is labelled before it ends.
async fn outlived(part: &str, fault: Fault) -> Result<()> {
    let scene = Scene::polling(1).await?;
    scene.cluster.listen_to(&scene.forge);
    let gate = scene.cluster.root().join("go");
    let waits = format!("wait-for {}\nwrite one.txt 1\ncommit One", gate.display());
    let first = scene.issue("One", &waits);
    let task = scene.cluster.task_of(first).await?;
    scene.cluster.task_in(&task, "in_progress").await?;
    scene.comment_says(first, "in progress").await?;

    scene.forge.out_of_order(part, fault);
    // Nobody tells of what happens meanwhile.
    scene.forge.send_webhooks(None);
    let body = script("Please.", "write two.txt 2\ncommit Two");
    let second = scene
        .forge
        .create_issue_labelled("ada", "Two", &body, &[LABEL]);
    fs::write(&gate, "")?;
    waited_for(&scene, &task, part).await?;

    scene.forge.mend();
    scene.cluster.task_in(&task, "review").await?;
    let other = scene.cluster.task_of(second).await?;
    scene.cluster.task_in(&other, "review").await?;
    for (issue, task) in [(first, &task), (second, &other)] {
        scene.comment_says(issue, "ready for review").await?;
        let comments = scene.own_comments(issue);
        ensure!(comments.len() == 1, "#{issue} has {comments:?}");
        let executions = scene.cluster.operator()?.task(task).await?.executions;
        let states: Vec<&str> = executions.iter().map(|one| one.state.as_str()).collect();
        ensure!(states == ["succeeded"], "#{issue}: {states:?}");
    }
    let pulls = scene.forge.pull_requests();
    ensure!(pulls.len() == 2, "{pulls:?}");
    ensure!(scene.forge.branches().len() == 3);
    scene.cluster.warned(str::is_empty).await?;
    scene.end();
    Ok(())
}

/// The operator sees that GitHub is waited for, and of a task until when.
async fn waited_for(scene: &Scene, task: &str, part: &str) -> Result<()> {
    if part == "/api/" {
        scene.cluster.warned(|said| !said.is_empty()).await?;
    }
    asked_until("what the task waits for", async || {
        let shown = scene.cluster.operator()?.task(task).await?.task;
        let shown = shown.context("no task")?;
        let (state, detail) = (shown.state, shown.state_detail);
        ensure!(state == "in_progress", "it is {state}: {detail}");
        Ok(shown.waits_until_ms.map(drop))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_come_late_twice_and_backwards_do_what_they_would_have_done() -> Result<()>
{
    let scene = Scene::polling(3_600).await?;
    let told = async |scene: &Scene, of: usize| {
        // They are lost at first.
        until("what happened", || {
            (scene.forge.deliveries().len() >= of).then_some(())
        })
        .await?;
        scene.cluster.listen_to(&scene.forge);
        scene.forge.deliver_backwards().await;
        scene.forge.send_webhooks(None);
        anyhow::Ok(())
    };
    let issue = scene.issue("Say hello", "write a.txt a\ncommit A");
    told(&scene, 2).await?;
    let task = scene.cluster.task_of(issue).await?;
    scene.cluster.task_in(&task, "review").await?;
    let pull = scene.pull_of(&task).await?;
    let before = scene.forge.deliveries().len();
    scene.forge.merge("ada", pull.number).await?;
    told(&scene, before + 1).await?;
    scene.cluster.task_in(&task, "completed").await?;
    scene.comment_says(issue, "done").await?;
    ensure!(scene.own_comments(issue).len() == 1);
    ensure!(scene.forge.pull_requests().len() == 1);
    let tasks = scene.cluster.operator()?.tasks().await?;
    ensure!(tasks.len() == 1, "{tasks:?}");
    scene.end();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_whose_answer_is_cut_off_is_found_to_have_arrived() -> Result<()> {
    let scene = Scene::set().await?;
    let cut = Fault::HalfAnswer;
    scene.forge.fault("POST", "/git-receive-pack", cut, 1);
    let (_, _, pull) = scene
        .reviewed("Say hello", "write a.txt a\ncommit A")
        .await?;
    ensure!(scene.forge.read_file(&pull.branch, "a.txt").await? == "a");
    ensure!(scene.forge.branches().len() == 2);
    scene.end();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_that_somebody_deleted_is_written_anew_and_once() -> Result<()> {
    let scene = Scene::set().await?;
    let (issue, task, pull) = scene
        .reviewed("Say hello", "write a.txt a\ncommit A")
        .await?;
    let comment = scene.comment_says(issue, "ready for review").await?;
    scene.forge.delete_comment(comment.id);
    scene.forge.merge("ada", pull.number).await?;
    scene.cluster.task_in(&task, "completed").await?;
    let anew = until("another comment", || scene.own_comments(issue).pop()).await?;
    ensure!(anew.id != comment.id, "{anew:?}");
    scene.comment_says(issue, "done").await?;
    ensure!(scene.own_comments(issue).len() == 1);
    scene.end();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_that_is_not_shown_for_a_moment_is_not_written_twice() -> Result<()> {
    let scene = Scene::set().await?;
    let (issue, task, pull) = scene
        .reviewed("Say hello", "write a.txt a\ncommit A")
        .await?;
    scene.comment_says(issue, "ready for review").await?;
    // Its edit says that it is gone, and the list does not show it either.
    let stale = Fault::StaleList;
    let gone = Fault::FailBefore(404);
    scene.forge.fault("PATCH", "/comments/", gone, 2);
    scene
        .forge
        .fault("GET", &format!("/issues/{issue}/comments"), stale, 1);
    scene.forge.merge("ada", pull.number).await?;
    scene.cluster.task_in(&task, "completed").await?;
    scene.comment_says(issue, "done").await?;
    ensure!(scene.own_comments(issue).len() == 1);
    scene.end();
    Ok(())
}
