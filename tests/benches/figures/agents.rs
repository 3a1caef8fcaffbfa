//! A thousand agents: how many reports a second become durable, that a `kill -9` among them loses and
//! repeats none, and what orchestratord takes while they work at their usual pace.
//!
//! Agents are simulated: the program that orchestratord starts for each only sleeps, and what agentd
//! would say comes from here, over the same sockets.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cloud_code_domain::id::AgentId;
use cloud_code_proto::v1;
use cloud_code_tests::cluster::{Cluster, Setting, asked_until, local_project};
use cloud_code_tests::sample;
use nix::unistd::Pid;
use orchestratord::store::{Batch, Store, Table as Records};

use crate::PROGRAMS;
use crate::idle::status;
use crate::simulated::{Agents, step};
use crate::table::Table;

const PROJECTS: usize = 10;
const SEATS: u32 = 100;
/// Reports of each agent in the first part, and in the one with the kill.
const REPORTS: u64 = 100;
const MORE: u64 = 60;
/// The usual pace, of all together, and for how long.
const PACE: u64 = 200;
const LONG: Duration = Duration::from_secs(20);
/// Long enough for a thousand of anything.
const DEADLINE: Duration = Duration::from_secs(240);

pub(crate) async fn thousand(table: &mut Table) -> Result<()> {
    let mut cluster = start().await?;
    let agents = Agents::start(&cluster.state(), &names()?);
    let operator = cluster.operator()?;
    for number in 0..agents.count() {
        let project = format!("p{}", number % PROJECTS);
        operator.new_task(&project, "Work", "").await?;
    }
    until(|| agents.working() == agents.count(), "all work").await?;
    pace(table, &cluster, &agents).await?;

    let base = agents.acknowledged();
    let per_agent = base.div_ceil(long(agents.count()));
    let began = Instant::now();
    agents.each_sends(per_agent + REPORTS);
    let all = |each: u64| each * long(agents.count());
    until(
        || agents.acknowledged() >= all(per_agent + REPORTS),
        "reports",
    )
    .await?;
    let took = began.elapsed();
    let rate = per_second(all(per_agent + REPORTS) - base, took);

    let before = versions(&cluster).await?;
    agents.each_sends(per_agent + REPORTS + MORE);
    let middle = all(per_agent + REPORTS) + all(MORE) / 2;
    until(|| agents.acknowledged() >= middle, "half of them").await?;
    cluster.restart().await?;
    let last = per_agent + REPORTS + MORE;
    until(|| agents.acknowledged() >= all(last), "the other half").await?;
    let after = versions(&cluster).await?;
    let wrong = wrong(&before, &after, last);
    ensure!(wrong == 0, "{wrong} tasks lost or repeated a report");

    cluster.kill_orchestratord()?;
    let bytes = record_bytes(&cluster)?;
    let bare = bare(cluster.root(), bytes)?;
    table.row(
        "durable report deltas from 1,000 simulated agents",
        "≥ 10,000/s, ≥ 1/4 of bare redb; none lost or repeated across a kill -9",
        format!(
            "{rate:.0}/s = {:.2} of bare; {wrong} lost or repeated",
            rate / bare
        ),
        format!("bare commits in groups of 64, {bytes:?} bytes a delta: {bare:.0}/s"),
    );
    Ok(())
}

/// What orchestratord takes at the usual pace.
async fn pace(table: &mut Table, cluster: &Cluster, agents: &Agents) -> Result<()> {
    let processes = cluster.processes();
    let daemon = processes
        .iter()
        .find(|(_, line)| line.contains("bin/orchestratord"));
    let (pid, _) = daemon.context("no orchestratord runs")?;
    // What the beginning left to do is done.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (before, began) = (cpu(*pid)?, Instant::now());
    let acked = agents.acknowledged();
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / u32::try_from(PACE)?);
    let mut next = 0;
    while began.elapsed() < LONG {
        ticks.tick().await;
        agents.one_sends(next);
        next += 1;
    }
    let core = (cpu(*pid)? - before) / began.elapsed().as_secs_f64() * 100.0;
    let sent = per_second(agents.acknowledged() - acked, began.elapsed());
    let megabytes = status(*pid, "VmRSS")? >> 10;
    table.row(
        "orchestratord with 1,000 agents and 200 deltas/s",
        "≤ 15 % of a core, ≤ 200 MB",
        format!("{core:.1} % of a core, {megabytes} MB"),
        format!("{sent:.0} deltas/s"),
    );
    Ok(())
}

async fn start() -> Result<Cluster> {
    let projects = (0..PROJECTS).map(|number| local_project(&format!("p{number}"), ""));
    let setting = Setting {
        agents: "lost_seconds = 3600".into(),
        rest: projects.collect(),
        seats: SEATS,
        running: SEATS * u32::try_from(PROJECTS)?,
        ..Setting::default()
    };
    Cluster::prepared(PROGRAMS, setting, |root| {
        for number in 0..PROJECTS {
            let repository = root.join(format!("p{number}.git"));
            sample::bare_repository(&repository, &[("README.md", "# Sample\n")])?;
        }
        sleeper(&root.join("bin/agentd"))
    })
    .await
}

/// A program in agentd's place that holds its workspace, and sleeps.
fn sleeper(agentd: &Path) -> Result<()> {
    std::fs::remove_file(agentd)?;
    let script = "#!/bin/bash\n\
                  mkdir -p .agentd && exec 9>.agentd/lock && flock 9\n\
                  while :; do sleep 100000; done\n";
    std::fs::write(agentd, script)?;
    std::fs::set_permissions(agentd, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn names() -> Result<Vec<AgentId>> {
    let of_project = |project: usize| (1..=SEATS).map(move |n| format!("p{project}.backend-{n}"));
    let names = (0..PROJECTS).flat_map(of_project);
    names.map(|name| Ok(name.parse()?)).collect()
}

async fn until(mut reached: impl FnMut() -> bool, what: &str) -> Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while !reached() {
        ensure!(Instant::now() < deadline, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn versions(cluster: &Cluster) -> Result<Vec<v1::Task>> {
    asked_until("the tasks", async || {
        let mut tasks = cluster.operator()?.tasks().await?;
        tasks.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Some(tasks))
    })
    .await
}

/// Tasks whose version, which every report that is applied moves by one, or whose last report is not
/// what it has to be.
fn wrong(before: &[v1::Task], after: &[v1::Task], last: u64) -> usize {
    let right = |(before, after): &(&v1::Task, &v1::Task)| {
        before.id == after.id
            && after.version == before.version + MORE
            && after.current_step == step(last)
    };
    before.len().max(after.len()) - before.iter().zip(after).filter(right).count()
}

/// Bytes of the records that a delta changes, on average: its task and its agent.
fn record_bytes(cluster: &Cluster) -> Result<[usize; 2]> {
    let store = Store::open(&cluster.state())?;
    let bytes = |table| -> Result<usize> {
        let records: Vec<serde_json::Value> = store.scan(table, "")?;
        let bytes: usize = records.iter().map(|record| record.to_string().len()).sum();
        Ok(bytes / records.len().max(1))
    };
    Ok([bytes(Records::Tasks)?, bytes(Records::Agents)?])
}

/// Deltas a second where nothing is done but writing the same bytes, 64 to a commit.
fn bare(root: &Path, [task, agent]: [usize; 2]) -> Result<f64> {
    let dir = root.join("bare");
    std::fs::create_dir(&dir)?;
    let store = Store::open(&dir)?;
    let (task, agent) = ("t".repeat(task), "a".repeat(agent));
    let began = Instant::now();
    let mut written = 0_u64;
    while began.elapsed() < Duration::from_secs(5) {
        let mut batch = Batch::default();
        for _ in 0..64 {
            let key = format!("{:08}", written.wrapping_mul(7_919) % 1_000);
            batch.put(Records::Tasks, key.as_str(), &task);
            batch.put(Records::Agents, key.as_str(), &agent);
            written += 1;
        }
        store.commit(&batch)?;
    }
    Ok(per_second(written, began.elapsed()))
}

fn per_second(count: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64()
}

/// Seconds of a core that a process has had.
fn cpu(pid: Pid) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let behind = stat.rsplit_once(')').context("no stat")?.1;
    let numbers = behind.split_whitespace().skip(11).take(2);
    let ticks: u32 = numbers.map(str::parse::<u32>).sum::<Result<_, _>>()?;
    Ok(f64::from(ticks) / 100.0)
}

fn long(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
