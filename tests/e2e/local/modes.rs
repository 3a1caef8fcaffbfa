//! How the workspace of a task is made.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Setting, asked_until, until};
use cloud_code_tests::sample;

use super::{Scene, ends};

/// The failpoint of orchestratord that only isolated projects come by.
pub(in super::super) const DIES_AT: &str = "fleet::purged=return";

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

/// Waits until a task's worktree is gone, and with it everything around it.
async fn thrown_away(scene: &Scene, task: &str) -> Result<()> {
    let gone = || scene.0.worktree(task).is_none().then_some(());
    until("the workspace is gone", gone).await
}

/// Leaves something wherever a coding CLI can write, and sees what others left there.
const LEAVES: &str = "\
run W=$PWD/../../..; test -z \"$(find $W/.. $TMPDIR -name 'left*' -not -path '*/workspace/.agentd/*')\"
run test \"$(ls ../.. | wc -l)\" = 1 && test -z \"$(git tag)\" && ! test -e ../../../../tools
run ! env | grep -qi -e cache -e tools
run mkdir -p ~/.cache/left && touch ~/left ../left ../../../left $TMPDIR/left ../../../../left && git tag left
run mkdir -p ~/left-locked/deep && touch ~/left-locked/deep/x && chmod 500 ~/left-locked/deep ~/left-locked
write a.txt 1
commit A";

#[tokio::test(flavor = "multi_thread")]
async fn isolated_tasks_in_a_row_see_nothing_of_each_other() -> Result<()> {
    let scene = set("isolated").await?;
    let first = scene.task(LEAVES).await?;
    scene.reviewed(&first).await?;
    let second = scene.task(LEAVES).await?;
    scene.reviewed(&second).await?;
    thrown_away(&scene, &first).await?;
    thrown_away(&scene, &second).await?;
    for task in [&first, &second] {
        let detail = scene.0.operator()?.task(task).await?;
        ensure!(ends(&detail) == ["succeeded"], "{detail:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_isolated_task_that_waits_for_a_person_keeps_its_workstation() -> Result<()> {
    let scene = set("isolated").await?;
    let task = scene
        .task(
            "run touch ../mine\nblock Which colour?\nrun test -e ../mine\nwrite a.txt 1\ncommit A",
        )
        .await?;
    scene.0.task_blocked(&task, "needs_human").await?;
    let other = scene.task("write b.txt 1\ncommit B").await?;
    say(&scene, &task, "Blue.").await?;
    scene.reviewed(&task).await?;
    scene.reviewed(&other).await?;
    thrown_away(&scene, &task).await
}

#[tokio::test(flavor = "multi_thread")]
async fn feedback_on_an_isolated_task_goes_to_a_fresh_session_with_what_it_needs() -> Result<()> {
    let scene = set("isolated").await?;
    let kept = scene.0.root().join("prompt");
    let steps = format!(
        "run cp ../prompt.md {}-$(git rev-list --count HEAD)\nrun echo 1 >> a.txt\ncommit A\n\
         report summary It greets already.",
        kept.display()
    );
    let task = scene.task(&steps).await?;
    scene.reviewed(&task).await?;
    thrown_away(&scene, &task).await?;
    say(&scene, &task, "And greet Grace.").await?;
    let detail = asked_until("the second result", async || {
        let detail = scene.0.operator()?.task(&task).await?;
        let state = detail.task.clone().unwrap_or_default().state;
        Ok((ends(&detail) == ["succeeded", "succeeded"] && state == "review").then_some(detail))
    })
    .await?;
    let branch = detail.task.context("no task")?.branch;
    let commits = scene.git(&["log", "--format=%s", &format!("main..{branch}")])?;
    ensure!(commits.lines().count() == 2, "{commits}");
    let head = format!("{branch}~1");
    let head = scene.git(&["rev-parse", &head])?;
    let prompt = std::fs::read_to_string(format!("{}-2", kept.display()))?;
    for words in [
        "# What was done before",
        "It greets already.",
        "And greet Grace.",
        head.trim(),
    ] {
        ensure!(prompt.contains(words), "{words} is not in {prompt}");
    }
    thrown_away(&scene, &task).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_end_of_an_isolated_task_and_its_removal_leaves_nothing() -> Result<()> {
    let mut scene = set("isolated").await?;
    let first = scene.task(LEAVES).await?;
    let begun = || scene.0.worktree(&first);
    until("the first turn", begun).await?;
    // It dies when the workspace is removed and nobody knows yet.
    scene.0.kill_orchestratord()?;
    scene.0.arm(DIES_AT);
    scene.0.restart().await?;
    scene.0.orchestratord_dies().await?;
    ensure!(scene.0.worktree(&first).is_none(), "it is still there");
    scene.0.restart().await?;
    scene.reviewed(&first).await?;
    // And when the end is recorded and nothing is removed yet.
    let second = scene.task(LEAVES).await?;
    scene.0.task_in(&second, "review").await?;
    scene.0.kill_orchestratord()?;
    scene.0.restart().await?;
    let third = scene.task(LEAVES).await?;
    scene.reviewed(&third).await?;
    for task in [&first, &second, &third] {
        thrown_away(&scene, task).await?;
        let detail = scene.0.operator()?.task(task).await?;
        ensure!(ends(&detail) == ["succeeded"], "{detail:?}");
    }
    Ok(())
}
