//! Whatever is killed or frozen, whenever: the task ends as it would have, and nothing is there twice.

mod backup;
mod failpoints;
mod frozen;
mod handover;
mod programs;
mod sessions;
mod slow_disk;

use anyhow::{Result, ensure};
use cloud_code_tests::cluster::Cluster;
use cloud_code_tests::kill_loop::{self, Plan};

use super::PROGRAMS;

/// A short run of what `cargo kill-loop` does for hours.
#[tokio::test(flavor = "multi_thread")]
async fn anything_may_be_killed_at_any_moment_while_github_fails() -> Result<()> {
    ends_clean(Plan::short(25)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn anything_may_be_killed_while_accounts_are_parked() -> Result<()> {
    ends_clean(Plan {
        accounts: true,
        ..Plan::short(15)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_still_for_a_while_fails_no_execution() -> Result<()> {
    ends_clean(Plan {
        stops_only: true,
        ..Plan::short(15)
    })
    .await
}

async fn ends_clean(plan: Plan) -> Result<()> {
    let counts = kill_loop::run(PROGRAMS, &plan).await?;
    ensure!(counts.are_clean(), "{counts}");
    Ok(())
}

/// The progress that the coding CLI told; agentd adds words of its own.
async fn told_by_the_cli(cluster: &Cluster, task: &str) -> Result<Vec<String>> {
    let progress = cluster.operator()?.task(task).await?.progress;
    let messages = progress.into_iter().map(|one| one.message);
    Ok(messages
        .filter(|message| ["Looking", "Waiting", "Writing"].contains(&message.as_str()))
        .collect())
}
