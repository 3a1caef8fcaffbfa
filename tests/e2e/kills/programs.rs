//! agentd and the coding CLI are killed in the middle of a turn.

use std::fs;

use anyhow::{Result, ensure};
use cloud_code_tests::cluster::{Cluster, Setting, local_project, until};
use cloud_code_tests::sample;
use nix::unistd::Pid;

use super::super::{PROGRAMS, script};
use super::told_by_the_cli;

/// A local project, and a turn that waits in its middle.
pub(super) async fn in_the_middle() -> Result<(Cluster, String)> {
    in_the_middle_with(1, "").await
}

/// The same with this many workstations, and these keys in `[agents]`.
pub(super) async fn in_the_middle_with(seats: u32, agents: &str) -> Result<(Cluster, String)> {
    let setting = Setting {
        agents: agents.to_owned(),
        rest: local_project("sample", ""),
        seats,
        ..Setting::default()
    };
    let cluster = Cluster::prepared(PROGRAMS, setting, |root| {
        sample::bare_repository(&root.join("sample.git"), &[("README.md", "# Sample\n")])
    })
    .await?;
    let gate = cluster.root().join("go");
    let steps = format!(
        "report progress Looking\nwrite one.txt 1\nreport progress Waiting\nwait-for {}\nreport progress Writing\ncommit Write it",
        gate.display()
    );
    let text = script("Please.", &steps);
    let task = cluster
        .operator()?
        .new_task("sample", "Write it", &text)
        .await?;
    let waits = |task: &cloud_code_proto::v1::Task| task.state == "in_progress";
    cluster
        .operator()?
        .wait_for(
            &task,
            "in progress",
            cloud_code_tests::cluster::PATIENCE,
            waits,
        )
        .await?;
    // The coding CLI has told, and remembers that it has: the fourth step is the next one.
    until("the middle of the turn", || {
        let home = cluster.worktree(&task)?.with_file_name("home");
        let session = fs::read_to_string(home.join(".scripted.json")).ok()?;
        session.contains(r#""next":3,"#).then_some(())
    })
    .await?;
    Ok((cluster, task))
}

pub(super) fn scripted(cluster: &Cluster) -> Vec<Pid> {
    let processes = cluster.processes();
    let found = processes
        .into_iter()
        .filter(|(_, line)| line.contains("bin/scripted"));
    found.map(|(pid, _)| pid).collect()
}

/// The task ends as if nothing had been killed; what the coding CLI told.
pub(super) async fn ends_well(cluster: &Cluster, task: &str) -> Result<Vec<String>> {
    fs::write(cluster.root().join("go"), "")?;
    cluster.task_in(task, "review").await?;
    let detail = cluster.operator()?.task(task).await?;
    ensure!(detail.diff.contains("one.txt"), "{}", detail.diff);
    until("no coding CLI is left", || {
        scripted(cluster).is_empty().then_some(())
    })
    .await?;
    told_by_the_cli(cluster, task).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agentd_costs_a_turn_and_nothing_else() -> Result<()> {
    let (cluster, task) = in_the_middle().await?;
    let before = scripted(&cluster);
    ensure!(!before.is_empty(), "no coding CLI runs");
    ensure!(cluster.kill_programs("bin/agentd") >= 1, "no agentd runs");
    until("the coding CLI of the dead agentd is gone", || {
        let now = scripted(&cluster);
        before.iter().all(|pid| !now.contains(pid)).then_some(())
    })
    .await?;
    // The worktree and the session are kept: what was told is told once.
    let told = ends_well(&cluster, &task).await?;
    ensure!(told == ["Looking", "Waiting", "Writing"], "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_coding_cli_is_started_again() -> Result<()> {
    let (cluster, task) = in_the_middle().await?;
    ensure!(
        cluster.kill_programs("bin/scripted") >= 1,
        "no coding CLI runs"
    );
    // It failed, and begins anew: it says again what it does.
    let told = ends_well(&cluster, &task).await?;
    ensure!(
        told == ["Looking", "Waiting", "Looking", "Waiting", "Writing"],
        "{told:?}"
    );
    let executions = cluster.operator()?.task(&task).await?.executions;
    let states: Vec<&str> = executions.iter().map(|one| one.state.as_str()).collect();
    ensure!(states == ["failed", "succeeded"], "{states:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_outlives_orchestratord() -> Result<()> {
    let (mut cluster, task) = in_the_middle().await?;
    let before = scripted(&cluster);
    cluster.kill_orchestratord()?;
    ensure!(scripted(&cluster) == before, "the turn did not go on");
    // It ends while nobody listens.
    fs::write(cluster.root().join("go"), "")?;
    until("the turn is over", || {
        scripted(&cluster).is_empty().then_some(())
    })
    .await?;
    cluster.restart().await?;
    let told = ends_well(&cluster, &task).await?;
    ensure!(told == ["Looking", "Waiting", "Writing"], "{told:?}");
    let executions = cluster.operator()?.task(&task).await?.executions;
    ensure!(executions.len() == 1, "{executions:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_may_be_killed_at_once() -> Result<()> {
    let (mut cluster, task) = in_the_middle().await?;
    cluster.kill_orchestratord()?;
    let killed = cluster.kill_programs("bin/agentd") + cluster.kill_programs("bin/scripted");
    ensure!(killed >= 2, "{killed} were killed");
    cluster.restart().await?;
    let told = ends_well(&cluster, &task).await?;
    ensure!(told == ["Looking", "Waiting", "Writing"], "{told:?}");
    Ok(())
}
