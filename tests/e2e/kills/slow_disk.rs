//! The disk takes seconds, or does not answer at all: everybody waits for it, and nobody is taken for dead
//! meanwhile.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use cloud_code_tests::cluster::{Cluster, PATIENCE, asked_until, github_project, until};
use cloud_code_tests::forge::Forge;

use super::super::{PROGRAMS, projects, script};
use super::programs::{ends_well, in_the_middle_with};

/// Commits and log files are slow: each of the next ones takes longer than an agent may be silent.
const SLOW: &str = "core::before_commit=2*off->4*sleep(6000);logs::before_sync=3*sleep(6000)";
/// A commit that is not done while the test lasts.
const HANGS: &str = "core::before_commit=15*off->sleep(3600000)";

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_seconds_loses_no_agent_and_doubles_nothing() -> Result<()> {
    let limits = "away_seconds = 5\nlost_seconds = 1";
    let (mut cluster, task) = in_the_middle_with(2, limits).await?;
    cluster.arm(SLOW);
    cluster.restart().await?;
    let told = ends_well(&cluster, &task).await?;
    ensure!(told == ["Looking", "Waiting", "Writing"], "{told:?}");
    let executions = cluster.operator()?.task(&task).await?.executions;
    let states: Vec<&str> = executions.iter().map(|one| one.state.as_str()).collect();
    ensure!(states == ["succeeded"], "{executions:#?}");
    let (lines, _) = cluster.operator()?.log(&task).await?;
    let begun = lines
        .iter()
        .filter(|line| line.contains("I am the scripted coding CLI"));
    ensure!(begun.count() == 1, "{lines:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hanging_disk_does_not_hold_is_acknowledged_to_nobody() -> Result<()> {
    let forge = Forge::start("acme/app").await?;
    forge.person("ada", "write");
    let setting = projects(github_project(&forge, 3_600, ""));
    let mut cluster = Cluster::start(PROGRAMS, setting).await?;
    cluster.arm(HANGS);
    cluster.restart().await?;
    stands_still(&cluster).await?;

    let operator = cluster.operator()?;
    let steps = script("Please.", "write b.txt b\ncommit B");
    let task = operator.new_task("acme/app", "Never said", &steps);
    cluster.listen_to(&forge);
    let body = script("Please.", "write a.txt a\ncommit A");
    let issue = forge.create_issue_labelled("ada", "Write it", &body, &["cloud-code"]);
    let refused = until("what became of the delivery", || {
        let deliveries = forge.deliveries();
        deliveries.first().map(|delivery| delivery.status)
    });
    tokio::select! {
        answered = task => bail!("an operator was told {answered:?}"),
        status = refused => ensure!(status? == Some(503), "a webhook was taken"),
    }

    cluster.restart().await?;
    let task = cluster.task_of(issue).await?;
    cluster.task_in(&task, "review").await?;
    let tasks = cluster.operator()?.tasks().await?;
    ensure!(tasks.len() == 1, "{tasks:#?}");
    Ok(())
}

/// Waits until the engine is at the commit that hangs: nothing is answered any more.
async fn stands_still(cluster: &Cluster) -> Result<()> {
    let moment = Duration::from_secs(3);
    let stands = asked_until("the engine stands still", async || {
        let asked = tokio::time::timeout(moment, cluster.operator()?.tasks());
        Ok(asked.await.is_err().then_some(()))
    });
    tokio::time::timeout(PATIENCE, stands).await?
}
