//! What programs take that have nothing to do, and the demo from its start to its end.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::unistd::Pid;

use crate::PROGRAMS;
use crate::latency::{local_cluster, local_samples};
use crate::table::Table;

/// How long nothing happens.
const QUIET: Duration = Duration::from_secs(20);

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
    let (agentd, orchestratord) = (find("bin/agentd")?, find("bin/orchestratord")?);
    let before = (switches(agentd)?, switches(orchestratord)?);
    tokio::time::sleep(QUIET).await;
    let per_second = |before: u64, after: u64| {
        let switches = u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX);
        f64::from(switches) / QUIET.as_secs_f64()
    };
    let figure = |pid, before| -> Result<String> {
        let wakes = per_second(before, switches(pid)?);
        Ok(format!(
            "{} MB, {wakes:.1} wake-ups/s",
            status(pid, "VmRSS")? >> 10
        ))
    };
    table.row(
        "agentd, idle",
        "≤ 15 MB, heartbeats only",
        figure(agentd, before.0)?,
        "",
    );
    table.row(
        "orchestratord, idle, one agent",
        "",
        figure(orchestratord, before.1)?,
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

/// How often all threads of a process went to sleep by themselves.
fn switches(pid: Pid) -> Result<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        sum += number(&thread?.path().join("status"), "voluntary_ctxt_switches")?;
    }
    Ok(sum)
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
