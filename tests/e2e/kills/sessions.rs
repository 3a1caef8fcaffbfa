//! agentd and the coding CLI are killed before agentd has heard of the session.

use std::fs;

use anyhow::{Result, ensure};
use cloud_code_tests::cluster::{Cluster, Setting, local_project};
use cloud_code_tests::sample;

use super::super::{PROGRAMS, script};
use super::programs::ends_well;

/// A local project whose agentd dies at this failpoint, and the task that it was given.
async fn dies_at(failpoint: &str) -> Result<(Cluster, String)> {
    let setting = Setting {
        rest: local_project("sample", ""),
        seats: 1,
        ..Setting::default()
    };
    let cluster = Cluster::prepared(PROGRAMS, setting, |root| {
        sample::bare_repository(&root.join("sample.git"), &[("README.md", "# Sample\n")])
    })
    .await?;
    cluster.arm_agentd(failpoint)?;
    let root = cluster.root().display();
    let steps = format!(
        "report progress Looking\nwrite one.txt 1\nrun echo begun >> {root}/steps\n\
         report progress Waiting\nwait-for {root}/go\nreport progress Writing\ncommit Write it"
    );
    let text = script("Please.", &steps);
    let task = cluster
        .operator()?
        .new_task("sample", "Write it", &text)
        .await?;
    cluster.agentd_dies().await?;
    cluster
        .until("the first steps", || {
            fs::read_to_string(cluster.root().join("steps")).ok()
        })
        .await?;
    Ok((cluster, task))
}

/// Its end; the ends of its executions.
async fn ends(cluster: &Cluster, task: &str) -> Result<Vec<String>> {
    let told = ends_well(cluster, task).await?;
    ensure!(told == ["Looking", "Waiting", "Writing"], "{told:?}");
    let steps = fs::read_to_string(cluster.root().join("steps"))?;
    ensure!(steps == "begun\n", "steps were made again: {steps}");
    let executions = cluster.operator()?.task(task).await?.executions;
    Ok(executions.into_iter().map(|one| one.state).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_heard_of_is_gone_on_with() -> Result<()> {
    let (cluster, task) = dies_at("agentd::cli_started=return").await?;
    let ends = ends(&cluster, &task).await?;
    ensure!(ends == ["failed", "succeeded"], "{ends:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_never_was_is_begun_and_not_asked_for() -> Result<()> {
    let (cluster, task) = dies_at("agentd::session_chosen=return").await?;
    let ends = ends(&cluster, &task).await?;
    ensure!(ends == ["failed", "succeeded"], "{ends:?}");
    Ok(())
}
