//! How the workspace of a task is made.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Setting, asked_until};
use cloud_code_tests::sample;

use super::{Scene, ends};

/// An installation with one agent, whose project wants this mode.
async fn set(mode: &str) -> Result<Scene> {
    let setting = Setting {
        seats: 1,
        ..Setting::default()
    };
    let project = format!("workspace_mode = \"{mode}\"\nmax_attempts = 2");
    Scene::with(&project, setting, |_| Ok(())).await
}

/// The agent's clone.
fn clone_of(scene: &Scene, task: &str) -> Result<PathBuf> {
    let worktree = scene.0.worktree(task).context("there is no worktree")?;
    let workspace = worktree.ancestors().nth(3).context("it lies too high")?;
    Ok(workspace.join("repo.git"))
}

async fn say(scene: &Scene, task: &str, text: &str) -> Result<()> {
    let steer = v1::SteerTask {
        task: task.into(),
        text: text.into(),
    };
    scene.act(Action::Steer(steer)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_breaks_its_repository_breaks_no_other_one() -> Result<()> {
    let scene = set("copy_on_write").await?;
    let first = scene.task("write a.txt 1\ncommit A").await?;
    scene.reviewed(&first).await?;
    let breaks = "write b.txt 1\ncommit B\nrun git gc -q --prune=now && find .git/objects -type f \
                  -exec chmod u+w {} + -exec sh -c 'echo broken > \"$1\"' - {} \\;";
    let breaker = scene.task(breaks).await?;
    scene.0.task_in(&breaker, "failed").await?;
    let detail = scene.0.operator()?.task(&breaker).await?;
    ensure!(ends(&detail) == ["failed", "failed"], "{detail:?}");
    sample::git(&clone_of(&scene, &first)?, &["fsck", "--full"])?;
    // Both who comes after it and who was there before go on.
    let last = scene.task("write c.txt 1\ncommit C").await?;
    scene.reviewed(&last).await?;
    say(&scene, &first, "And greet Grace.").await?;
    asked_until("the second result", async || {
        let detail = scene.0.operator()?.task(&first).await?;
        Ok((ends(&detail) == ["succeeded", "succeeded"]).then_some(()))
    })
    .await?;
    let detail = scene.reviewed(&first).await?;
    ensure!(detail.diff.contains("And greet Grace."), "{}", detail.diff);
    let branch = detail.task.context("no task")?.branch;
    let log = scene.git(&["log", "--format=%s", &format!("main..{branch}")])?;
    ensure!(log.lines().last() == Some("A"), "{log}");
    let agents = scene.0.operator()?.snapshot().await?.agents;
    let shown: Vec<&str> = agents
        .iter()
        .map(|one| one.workspace_mode.as_str())
        .collect();
    ensure!(shown == ["copy_on_write"], "{shown:?}");
    Ok(())
}
