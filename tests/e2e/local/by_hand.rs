//! What people do in the repository of a local project, without a word to us.

use anyhow::{Context, Result};
use cloud_code_proto::v1::action::Action;

use super::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_a_person_merges_completes_its_task() -> Result<()> {
    let scene = Scene::set("").await?;
    // Its issue has the number that the other's pull request gets: they are not taken for each other.
    let other = scene.task("block What now?").await?;
    scene.0.task_blocked(&other, "needs_human").await?;
    let task = scene.task("write a.txt 1\ncommit A").await?;
    let detail = scene.reviewed(&task).await?;
    let request = detail.task.and_then(|task| task.pull_request);
    let request = request.context("no pull request")?;
    assert_eq!(request.number, Some(1));
    scene.git(&["update-ref", "refs/heads/main", &request.head])?;
    scene.0.task_in(&task, "completed").await?;
    scene.0.task_blocked(&other, "needs_human").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_a_person_deletes_cancels_its_task() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene.task("write a.txt 1\ncommit A").await?;
    let detail = scene.reviewed(&task).await?;
    let branch = detail.task.context("no task")?.branch;
    scene.git(&["update-ref", "-d", &format!("refs/heads/{branch}")])?;
    let cancelled = scene.0.task_in(&task, "cancelled").await?;
    assert_eq!(cancelled.last_error, "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_to_a_task_that_has_ended_is_not_its_error() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene.task("write a.txt 1\ncommit A").await?;
    scene.reviewed(&task).await?;
    scene.act(Action::Merge(task.clone())).await?;
    // Whether it comes before the merge is over or after it: a close has nothing to close any more.
    let refused = super::refusal(scene.act(Action::Close(task.clone())).await)?;
    assert!(refused.contains(&task), "{refused}");
    let merged = scene.0.task_in(&task, "completed").await?;
    assert_eq!(merged.last_error, "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_taken_whole_or_refused() -> Result<()> {
    let scene = Scene::set("").await?;
    let operator = scene.0.operator()?;
    let long = "y".repeat(60_001);
    let refused = super::refusal(operator.new_task("sample", "A task", &long).await)?;
    assert!(refused.contains("60001 characters"), "{refused}");
    assert!(operator.tasks().await?.is_empty());
    Ok(())
}
