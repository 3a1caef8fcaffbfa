//! From a cause to what an agent or an operator sees of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cloud_code_tests::cluster::{
    Cluster, PATIENCE, Setting, asked_until, github_project, local_project,
};
use cloud_code_tests::forge::Forge;
use cloud_code_tests::sample;

use crate::PROGRAMS;
use crate::sight::{swept, taskings, until};
use crate::table::{Samples, Table};

/// A turn that changes nothing: it ends, waits for a person, and leaves its agent free.
pub(crate) const NOTHING: &str = "Please.\n\n```script\nsay Nothing to do.\n```\n";
/// Runs before the ones that count.
const WARM: usize = 5;

/// Workstations of the burst, and its issues.
const BURST: u32 = 20;
/// Bursts that count.
const BURSTS: usize = 3;

pub(crate) async fn local_cluster(agents: u32) -> Result<Cluster> {
    local_cluster_with(agents, "").await
}

/// The same, with more keys in its project.
pub(crate) async fn local_cluster_with(agents: u32, more: &str) -> Result<Cluster> {
    let files = [("README.md", "# Sample\n")];
    cluster_of(agents, more, |root| {
        sample::bare_repository(&root.join("sample.git"), &files)
    })
    .await
}

/// A cluster with one project, whose repository `prepare` makes.
pub(crate) async fn cluster_of(
    agents: u32,
    more: &str,
    prepare: impl FnOnce(&Path) -> Result<()>,
) -> Result<Cluster> {
    let setting = Setting {
        rest: local_project("sample", &format!("max_attempts = 10\n{more}")),
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
    let mut samples = Samples::default();
    for number in 0..WARM + count {
        let took = local_sample(cluster).await?;
        if number >= WARM {
            samples.add(took);
        }
    }
    Ok(samples)
}

/// One of two installations, then the other, and again: whatever else the machine does, it does to both.
pub(crate) async fn by_turns(
    one: &Cluster,
    other: &Cluster,
    count: usize,
) -> Result<(Samples, Samples)> {
    let (mut of_one, mut of_other) = (Samples::default(), Samples::default());
    for number in 0..WARM + count {
        let (first, second) = (local_sample(one).await?, local_sample(other).await?);
        if number >= WARM {
            of_one.add(first);
            of_other.add(second);
        }
    }
    Ok((of_one, of_other))
}

async fn local_sample(cluster: &Cluster) -> Result<Duration> {
    let operator = cluster.operator()?;
    let began = Instant::now();
    let task = operator.new_task("sample", "Look", NOTHING).await?;
    until("tasking.yaml", || tasking_of(cluster, &task)).await?;
    let took = began.elapsed();
    cluster.task_blocked(&task, "needs_human").await?;
    Ok(took)
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
        let new = until("tasking.yaml", || {
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

/// As many issues labelled at once as there are idle agents → each tasking.yaml on disk, since the
/// first was labelled.
pub(crate) async fn burst(table: &mut Table) -> Result<()> {
    let forge = Forge::start("acme/app").await?;
    forge.person("ada", "write");
    let setting = Setting {
        rest: github_project(&forge, 3_600, ""),
        seats: BURST,
        ..Setting::default()
    };
    let cluster = Cluster::start(PROGRAMS, setting).await?;
    cluster.listen_to(&forge);
    let all_idle = async || {
        let agents = cluster.operator()?.snapshot().await?.agents;
        let idle = agents.iter().filter(|agent| agent.state == "idle").count();
        Ok((idle == BURST as usize).then_some(()))
    };
    let mut samples = Samples::default();
    let mut known = BTreeSet::new();
    // The first one warms every agent.
    for burst in 0..=BURSTS {
        asked_until("idle agents", all_idle).await?;
        let began = Instant::now();
        for _ in 0..BURST {
            forge.create_issue_labelled("ada", "Look", NOTHING, &["cloud-code"]);
        }
        for _ in 0..BURST {
            let new = swept("tasking.yaml", || {
                let all = taskings(&cluster.state());
                all.into_iter().find(|one| !known.contains(one))
            });
            known.insert(new.await?);
            if burst > 0 {
                samples.add(began.elapsed());
            }
        }
    }
    table.row(
        "20 issues labelled at once, 20 idle agents → each tasking.yaml",
        "",
        samples,
        "",
    );
    Ok(())
}

/// reporting.yaml renamed into place → the change at an attached client.
pub(crate) async fn report(table: &mut Table) -> Result<()> {
    let cluster = local_cluster(1).await?;
    let operator = cluster.operator()?;
    let (ready, gate) = (cluster.root().join("ready"), cluster.root().join("go"));
    // What the coding CLI writes itself is over before we write in its name.
    let script = format!(
        "Please.\n\n```script\nreport progress Waiting\nrun touch {}\nwait-for {}\n```\n",
        ready.display(),
        gate.display()
    );
    let task = operator.new_task("sample", "Wait", &script).await?;
    until("a coding CLI that waits", || ready.exists().then_some(())).await?;
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
        let shown = async {
            loop {
                let change = changes.next().await?;
                if change.tasks.iter().any(|one| one.current_step == step) {
                    return anyhow::Ok(());
                }
            }
        };
        tokio::time::timeout(PATIENCE, shown)
            .await
            .context(step.clone())??;
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
