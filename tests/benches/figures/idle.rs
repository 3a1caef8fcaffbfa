//! What programs take that have nothing to do, and the demo from its start to its end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::unistd::Pid;

use crate::PROGRAMS;
use crate::latency::{local_cluster, local_samples};
use crate::table::Table;
use crate::terminal::ControlRoom;

/// How long nothing happens.
const QUIET: Duration = Duration::from_secs(30);
/// How long everything may take to come to rest before.
const REST: Duration = Duration::from_secs(8);

pub(crate) async fn programs(table: &mut Table) -> Result<()> {
    let cluster = local_cluster(1).await?;
    local_samples(&cluster, 5).await?;
    let processes = cluster.processes();
    let find = |name: &str| {
        let found = processes.iter().find(|(_, line)| line.contains(name));
        found
            .map(|(pid, _)| *pid)
            .with_context(|| format!("no {name} runs"))
    };
    let room = ControlRoom::open(&cluster)?;
    tokio::time::sleep(REST).await;
    let drawn = room.written();
    ensure!(drawn > 1_000, "the control room drew {drawn} bytes");
    let (agentd, orchestratord) = (find("bin/agentd")?, find("bin/orchestratord")?);
    let pids = [agentd, room.pid()?, orchestratord];
    let before = pids.map(switches);
    tokio::time::sleep(QUIET).await;
    let figures = pids.iter().zip(before).map(|(pid, before)| -> Result<_> {
        let wakes = f64::from(woken(*pid, &before?)?) / QUIET.as_secs_f64();
        let memory = status(*pid, "VmRSS")? >> 10;
        Ok(format!("{memory} MB, {wakes:.2} wake-ups/s"))
    });
    let figures = figures.collect::<Result<Vec<_>>>()?;
    let [agentd, client, orchestratord] = figures.as_slice() else {
        anyhow::bail!("three programs are looked at");
    };
    let bytes = room.written() - drawn;
    table.row(
        "agentd, idle",
        "≤ 15 MB, heartbeats only",
        agentd,
        "0.33 heartbeats/s",
    );
    table.row(
        "cloud-code, idle, 160×50",
        "0 bytes, ≤ 0.2 wake-ups/s",
        format!("{bytes} bytes, {client}"),
        "",
    );
    table.row(
        "orchestratord, idle, one agent, one client",
        "",
        orchestratord,
        "",
    );
    Ok(())
}

/// A number of `/proc/PID/status`.
pub(crate) fn status(pid: Pid, name: &str) -> Result<u64> {
    number(Path::new(&format!("/proc/{pid}/status")), name)
}

fn number(file: &Path, name: &str) -> Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    Ok(value.with_context(|| format!("no {name}"))?.parse()?)
}

/// How often each thread of a process went to sleep by itself: to wait for its clock or for what comes
/// in, and in the kernel for a lock or a page as well, of which a loaded machine makes more.
fn switches(pid: Pid) -> Result<BTreeMap<PathBuf, u64>> {
    let mut switches = BTreeMap::new();
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = thread?.path().join("status");
        // A thread may end while it is looked at.
        if let Ok(count) = number(&status, "voluntary_ctxt_switches") {
            switches.insert(status, count);
        }
    }
    Ok(switches)
}

/// How often a process woke up since then; threads that have ended meanwhile count for nothing.
fn woken(pid: Pid, before: &BTreeMap<PathBuf, u64>) -> Result<u32> {
    let since = |(thread, count): (&PathBuf, &u64)| {
        count.saturating_sub(before.get(thread).copied().unwrap_or_default())
    };
    let sum: u64 = switches(pid)?.iter().map(since).sum();
    Ok(u32::try_from(sum)?)
}

pub(crate) fn demo(table: &mut Table) -> Result<()> {
    let began = Instant::now();
    #[expect(
        clippy::disallowed_methods,
        reason = "the program is started as a user does"
    )]
    let ended = Command::new(PROGRAMS).arg("--plain").output()?;
    ensure!(ended.status.success(), "the demo failed");
    let figure = format!("{:.1} s", began.elapsed().as_secs_f64());
    table.row("cargo demo -- --plain, built", "≤ 10 s", figure, "");
    Ok(())
}
