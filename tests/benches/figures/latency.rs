//! From a cause to what an agent or an operator sees of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use cloud_code_tests::cluster::{Cluster, PATIENCE, Setting, github_project, local_project};
use cloud_code_tests::forge::Forge;
use cloud_code_tests::sample;

use crate::PROGRAMS;
use crate::table::{Samples, Table};

/// A turn that changes nothing: it ends, waits for a person, and leaves its agent free.
pub(crate) const NOTHING: &str = "Please.\n\n```script\nsay Nothing to do.\n```\n";
/// Runs before the ones that count.
const WARM: usize = 5;

pub(crate) async fn local_cluster(agents: u32) -> Result<Cluster> {
    let files = [("README.md", "# Sample\n")];
    cluster_of(agents, |root| {
        sample::bare_repository(&root.join("sample.git"), &files)
    })
    .await
}

/// A cluster with one project, whose repository `prepare` makes.
pub(crate) async fn cluster_of(
    agents: u32,
    prepare: impl FnOnce(&Path) -> Result<()>,
) -> Result<Cluster> {
    let setting = Setting {
        rest: local_project("sample", "max_attempts = 10"),
        seats: agents,
        ..Setting::default()
    };
    Cluster::prepared(PROGRAMS, setting, prepare).await
}

/// A local issue created → tasking.yaml on disk.
pub(crate) async fn local_issue(table: &mut Table) -> Result<()> {
    let cluster = local_cluster(1).await?;
    let samples = local_samples(&cluster, 100).await?;
    let goal = "p50 ≤ 40 ms, p99 ≤ 150 ms";
    table.row("local issue created → tasking.yaml", goal, samples, "");
    Ok(())
}

pub(crate) async fn local_samples(cluster: &Cluster, count: usize) -> Result<Samples> {
    let operator = cluster.operator()?;
    let mut samples = Samples::default();
    for number in 0..WARM + count {
        let began = Instant::now();
        let task = operator.new_task("sample", "Look", NOTHING).await?;
        let found = cluster.until("tasking.yaml", || tasking_of(cluster, &task));
        found.await?;
        if number >= WARM {
            samples.add(began.elapsed());
        }
        cluster.task_blocked(&task, "needs_human").await?;
    }
    Ok(samples)
}

fn tasking_of(cluster: &Cluster, task: &str) -> Option<PathBuf> {
    let tasking = cluster.worktree(task)?.join(".cloud-code/tasking.yaml");
    tasking.is_file().then_some(tasking)
}

/// An issue labelled at the forge → tasking.yaml on disk: the webhook, its durable answer, the reads
/// at the API and the fetch between them.
pub(crate) async fn webhook(table: &mut Table) -> Result<()> {
    let forge = Forge::start("acme/app").await?;
    forge.person("ada", "write");
    let setting = Setting {
        rest: github_project(&forge, 3_600, ""),
        seats: 1,
        ..Setting::default()
    };
    let cluster = Cluster::start(PROGRAMS, setting).await?;
    cluster.listen_to(&forge);
    let mut samples = Samples::default();
    let mut known = BTreeSet::new();
    for number in 0..WARM + 30 {
        let began = Instant::now();
        let issue = forge.create_issue_labelled("ada", "Look", NOTHING, &["cloud-code"]);
        let new = cluster.until("tasking.yaml", || {
            let all = taskings(&cluster.state());
            all.into_iter().find(|one| !known.contains(one))
        });
        known.insert(new.await?);
        if number >= WARM {
            samples.add(began.elapsed());
        }
        let task = cluster.task_of(issue).await?;
        cluster.task_blocked(&task, "needs_human").await?;
    }
    let goal = "p50 ≤ 150 ms, p99 ≤ 500 ms";
    table.row(
        "issue labelled at the forge → tasking.yaml",
        goal,
        samples,
        "",
    );
    Ok(())
}

fn taskings(state: &Path) -> Vec<PathBuf> {
    let agents = std::fs::read_dir(state.join("agents"))
        .into_iter()
        .flatten();
    let tasks = agents
        .flatten()
        .filter_map(|agent| std::fs::read_dir(agent.path().join("workspace/tasks")).ok());
    let taskings = tasks
        .flat_map(Iterator::flatten)
        .map(|task| task.path().join("work/.cloud-code/tasking.yaml"));
    taskings.filter(|tasking| tasking.is_file()).collect()
}

/// reporting.yaml renamed into place → the change at an attached client.
pub(crate) async fn report(table: &mut Table) -> Result<()> {
    let cluster = local_cluster(1).await?;
    let operator = cluster.operator()?;
    let gate = cluster.root().join("go");
    let script = format!(
        "Please.\n\n```script\nreport progress Waiting\nwait-for {}\n```\n",
        gate.display()
    );
    let task = operator.new_task("sample", "Wait", &script).await?;
    let waits = |shown: &cloud_code_proto::v1::Task| shown.state == "in_progress";
    operator
        .wait_for(&task, "in progress", PATIENCE, waits)
        .await?;
    let folder = cluster
        .worktree(&task)
        .context("no worktree")?
        .join(".cloud-code");
    let mut changes = operator.changes().await?;
    let mut samples = Samples::default();
    for number in 0..WARM + 100 {
        let step = format!("step {number}");
        let claim = format!("version: 1\ntasks:\n  {task}:\n    current_step: {step}\n");
        std::fs::write(folder.join("new.yaml"), claim)?;
        let began = Instant::now();
        std::fs::rename(folder.join("new.yaml"), folder.join("reporting.yaml"))?;
        loop {
            let change = changes.next().await?;
            if change.tasks.iter().any(|one| one.current_step == step) {
                break;
            }
        }
        if number >= WARM {
            samples.add(began.elapsed());
        }
    }
    std::fs::write(gate, "")?;
    let goal = "p50 ≤ 20 ms, p99 ≤ 60 ms";
    table.row(
        "reporting.yaml renamed → an attached client",
        goal,
        samples,
        "",
    );
    Ok(())
}
