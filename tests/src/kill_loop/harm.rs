//! What is done to programs and workstations. Whoever dies is started again by what always does;
//! orchestratord by us, as a service manager would.

use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::counts::Counts;
use super::installation::{Installation, Program};
use super::random::Random;

/// A program is stopped for so long at most, in milliseconds.
const STOPPED: u64 = 3_000;

/// Kills or stops one of the programs, or all of them, or does something to a workstation.
pub(super) async fn harm(
    installation: &mut impl Installation,
    stops_only: bool,
    random: &mut Random,
    counts: &mut Counts,
) -> Result<()> {
    if stops_only || random.below(4) == 0 {
        let victims = stopped(random);
        return stop(installation, victims, stops_only, random, counts).await;
    }
    if random.below(3) == 0
        && let Some((what, number)) = installation.harm_workstation(random).await?
    {
        counts.harmed(what, number);
        return Ok(());
    }
    kill(installation, killed(random), counts).await
}

fn stopped(random: &mut Random) -> &'static [Program] {
    match random.below(4) {
        0 => &[Program::Orchestratord],
        1 => &[Program::Agentd],
        2 => &[Program::CodingCli],
        _ => &Program::ALL,
    }
}

fn killed(random: &mut Random) -> &'static [Program] {
    match random.below(10) {
        0..=5 => &[Program::Orchestratord],
        6 | 7 => &[Program::Agentd],
        8 => &[Program::CodingCli],
        _ => &Program::ALL,
    }
}

async fn kill(
    installation: &mut impl Installation,
    victims: &[Program],
    counts: &mut Counts,
) -> Result<()> {
    for victim in victims {
        let killed = installation.signal(*victim, Signal::SIGKILL).await?;
        counts.harmed(victim.killed(), killed);
    }
    if victims.contains(&Program::Orchestratord) {
        installation.restart().await?;
    }
    Ok(())
}

/// They neither do anything nor end for a while; then they go on, or are killed as they are.
async fn stop(
    installation: &mut impl Installation,
    victims: &[Program],
    stops_only: bool,
    random: &mut Random,
    counts: &mut Counts,
) -> Result<()> {
    for victim in victims {
        let stopped = installation.signal(*victim, Signal::SIGSTOP).await?;
        counts.harmed(victim.stopped(), stopped);
    }
    tokio::time::sleep(Duration::from_millis(random.below(STOPPED))).await;
    if !stops_only && random.below(3) == 0 {
        return kill(installation, victims, counts).await;
    }
    for victim in victims {
        installation.signal(*victim, Signal::SIGCONT).await?;
    }
    Ok(())
}
