//! agentd is frozen: its link stays open, and nothing comes over it.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_tests::cluster::{Cluster, PATIENCE, asked_until, until};
use nix::sys::signal::{Signal, kill};
use tokio::process::Command;

use super::programs::{ends_well, in_the_middle_with};
use super::told_by_the_cli;

/// Sends a signal to the agentd of an agent.
fn signal(cluster: &Cluster, agent: &str, signal: Signal) -> Result<()> {
    let workspace = format!("agents/{agent}/workspace");
    let processes = cluster.processes();
    let agentd = processes
        .iter()
        .find(|(_, line)| line.contains("bin/agentd") && line.contains(&workspace));
    let (pid, _) = agentd.with_context(|| format!("no agentd: {processes:#?}"))?;
    kill(*pid, signal).context("a signal")
}

async fn agent_of(cluster: &Cluster, task: &str) -> Result<String> {
    let detail = cluster.operator()?.task(task).await?;
    Ok(detail.task.context("no task")?.agent)
}

/// Waits until the operator sees the agent like this.
async fn seen(
    cluster: &Cluster,
    agent: &str,
    what: &str,
    level: impl Fn(&v1::Agent) -> bool,
) -> Result<()> {
    asked_until(&format!("agent {agent} is seen {what}"), async || {
        let agents = cluster.operator()?.snapshot().await?.agents;
        let agent = agents.iter().find(|one| one.id == agent);
        Ok(level(agent.context("no such agent")?).then_some(()))
    })
    .await
}

/// Waits until the host knows what the coding CLI told so far.
async fn told(cluster: &Cluster, task: &str, all: &[&str]) -> Result<()> {
    asked_until(&format!("{all:?} is told"), async || {
        let told = told_by_the_cli(cluster, task).await?;
        Ok((told == all).then_some(()))
    })
    .await
}

/// What `cloud-code agents` prints.
async fn printed(cluster: &Cluster) -> Result<String> {
    let mut command = Command::new(cluster.root().join("bin/cloud-code"));
    command
        .arg("--socket")
        .arg(cluster.root().join("operator.sock"))
        .arg("agents")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let said = tokio::time::timeout(PATIENCE, command.output()).await;
    let said = said.context("cloud-code agents does not end")??;
    Ok(String::from_utf8(said.stdout)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_agentd_is_away_and_goes_on_where_it_was() -> Result<()> {
    let (cluster, task) = in_the_middle_with(1, "away_seconds = 5").await?;
    let agent = agent_of(&cluster, &task).await?;
    signal(&cluster, &agent, Signal::SIGSTOP)?;
    seen(&cluster, &agent, "away", |agent| !agent.connected).await?;
    let printed = printed(&cluster).await?;
    ensure!(printed.contains("working, silent for"), "{printed}");

    signal(&cluster, &agent, Signal::SIGCONT)?;
    seen(&cluster, &agent, "again", |agent| agent.connected).await?;
    let told = ends_well(&cluster, &task).await?;
    ensure!(told == ["Looking", "Waiting", "Writing"], "{told:?}");
    let executions = cluster.operator()?.task(&task).await?.executions;
    ensure!(executions.len() == 1, "{executions:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_frozen_agentd_says_of_a_replaced_execution_changes_nothing() -> Result<()> {
    let limits = "away_seconds = 5\nlost_seconds = 1";
    let (cluster, task) = in_the_middle_with(2, limits).await?;
    let frozen = agent_of(&cluster, &task).await?;
    told(&cluster, &task, &["Looking", "Waiting"]).await?;
    signal(&cluster, &frozen, Signal::SIGSTOP)?;
    let replaced = |now: &v1::Task| now.state == "in_progress" && now.agent != frozen;
    let operator = cluster.operator()?;
    operator
        .wait_for(&task, "in progress elsewhere", PATIENCE, replaced)
        .await?;
    std::fs::write(cluster.root().join("go"), "")?;
    cluster.task_in(&task, "review").await?;
    let before = cluster.operator()?.task(&task).await?;

    // Both coding CLIs are done by now; the frozen one's end is told when it wakes.
    signal(&cluster, &frozen, Signal::SIGCONT)?;
    seen(&cluster, &frozen, "free again", |agent| {
        agent.connected && agent.state == "idle"
    })
    .await?;
    until("its worktree is gone", || {
        let tasks = cluster.state().join("agents").join(&frozen);
        let tree = tasks.join(format!("workspace/tasks/{task}"));
        (!tree.exists()).then_some(())
    })
    .await?;
    let after = cluster.operator()?.task(&task).await?;
    let states = |detail: &v1::TaskDetail| -> Vec<String> {
        let executions = detail.executions.iter();
        executions.map(|one| one.state.clone()).collect()
    };
    ensure!(states(&after) == states(&before), "{:?}", states(&after));
    ensure!(
        states(&after) == ["lost", "succeeded"],
        "{:?}",
        states(&after)
    );
    ensure!(
        after.diff == before.diff && !after.diff.is_empty(),
        "another diff"
    );
    let state = after.task.context("no task")?.state;
    ensure!(state == "review", "{state}");
    // The second one began anew, and said so.
    let all = ["Looking", "Waiting", "Looking", "Waiting", "Writing"];
    let told = told_by_the_cli(&cluster, &task).await?;
    ensure!(told == all, "{told:?}");
    Ok(())
}
