//! Logs of executions that have ended: searched where they are, and removed when they are too much.

use anyhow::Result;
use cloud_code_tests::cluster::asked_until;

use super::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn the_logs_of_all_executions_of_a_task_are_searched() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene
        .task("say Looking for the Needle.\nfail 3 once\nwrite a.txt 1\ncommit A")
        .await?;
    scene.reviewed(&task).await?;
    let operator = scene.0.operator()?;
    let found = operator.search(&task, "the needle").await?;
    let mut executions: Vec<&str> = found
        .hits
        .iter()
        .map(|hit| hit.execution.as_str())
        .collect();
    executions.dedup();
    assert_eq!(executions, [format!("{task}.1"), format!("{task}.2")]);
    assert_eq!(operator.search(&task, "the Haystack").await?.total, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_too_much_is_removed_when_its_execution_has_ended_and_says_so() -> Result<()>
{
    let mut scene = Scene::set("").await?;
    let task = scene
        .task("say Something.\nwrite a.txt 1\ncommit A")
        .await?;
    scene.reviewed(&task).await?;
    let log = scene.0.state().join(format!("executions/{task}/1.log"));
    // As if it had been written long ago.
    scene.0.kill_orchestratord()?;
    let file = std::fs::File::options().write(true).open(log)?;
    file.set_modified(std::time::UNIX_EPOCH)?;
    scene.0.restart().await?;
    let lines = asked_until("the log's removal", async || {
        let (lines, _) = scene.0.operator()?.log(&task).await?;
        Ok(lines
            .first()
            .is_some_and(|line| line.contains("removed"))
            .then_some(lines))
    })
    .await?;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].ends_with("older than [logs] keep_days"),
        "{lines:?}"
    );
    Ok(())
}
