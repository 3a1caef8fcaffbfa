//! The kill loop: real programs, a forge that fails in every way, and `kill -9` of any of them at
//! random moments, for as long as it is told to; then everything is counted.
//!
//! ```text
//!  Feed ─▶ labelled issues, merged when their pull requests are ready   (always a few under way)
//!  Harm ─▶ orchestratord, agentd, the coding CLI, everything: killed, stopped for a while, or both
//!      └─▶ with the Docker runtime whole containers: killed, removed, paused, stopped
//!  Forge ─▶ lost answers, 5xx, 429, late and stale answers              (random, a few at a time)
//!       └─▶ all is quiet ─▶ Counts: what is lost, there twice, left behind or where it must not be
//! ```
//!
//! A run can be had again by its seed as far as the machine's own timing allows.

mod containers;
mod counts;
mod feed;
mod harm;
mod installation;
mod processes;
mod random;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use tokio::time::Instant;

use crate::cluster::thinking;
use crate::forge::{Fault, Forge};
use crate::model::{self, ModelServer, Script};

pub use counts::Counts;
use feed::Feed;
use installation::{Installation, Program};
use processes::Processes;
use random::Random;

/// A limit that lasts longer parks the account.
const PARKS: &str = "patience_seconds = 1";

/// How long to kill.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "kill-loop",
    about = "Kills everything at random moments, and counts what it cost"
)]
pub struct Plan {
    /// Ends after so many kills.
    #[arg(long, default_value_t = 200)]
    pub kills: u32,
    /// Ends after so many minutes, if that is sooner.
    #[arg(long)]
    pub minutes: Option<u64>,
    /// What moments, victims and faults are drawn from; the time where it is not given.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Issues under way at once.
    #[arg(long, default_value_t = 6)]
    pub issues: usize,
    /// The model's provider names a usage limit now and then: everything parks, and goes on. With the
    /// process runtime.
    #[arg(long)]
    pub accounts: bool,
    /// What workstations are: processes with a scripted coding CLI, or containers with a real one.
    #[arg(long, value_enum, default_value_t = Workstations::Process)]
    pub runtime: Workstations,
    /// Nothing is killed, only stopped for a while: no execution may fail of it.
    #[arg(long)]
    pub stops_only: bool,
}

/// See [`Plan::runtime`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Workstations {
    /// Processes.
    Process,
    /// Containers: needs a Docker engine and the backend image.
    Docker,
}

impl Plan {
    /// A short run, with processes.
    #[must_use]
    pub fn short(kills: u32) -> Self {
        Self {
            kills,
            minutes: None,
            seed: None,
            issues: 4,
            accounts: false,
            runtime: Workstations::Process,
            stops_only: false,
        }
    }
}

/// Runs the program: exit status 0 where nothing was lost and nothing is there twice.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let binary = std::env::current_exe().unwrap_or_default();
    let plan = match Plan::try_parse_from(arguments) {
        Ok(plan) => plan,
        Err(error) => {
            // There is nowhere left to say that nothing can be said.
            let _unsaid = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return ended(Err(error.into())),
    };
    ended(runtime.block_on(run(&binary.to_string_lossy(), &plan)))
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the program's edge"
)]
fn ended(counts: Result<Counts>) -> ExitCode {
    match counts {
        Ok(counts) => {
            println!("{counts}");
            if counts.are_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Kills as planned, waits until everything under way has ended, and counts.
///
/// # Errors
/// Where an installation cannot be made, orchestratord does not start again, or a task does not come
/// to its end; with the seed.
pub async fn run(binary: &str, plan: &Plan) -> Result<Counts> {
    let mut random = Random::seeded(plan.seed);
    let seed = random.seed();
    let counts = async {
        match plan.runtime {
            Workstations::Process => {
                let account = if plan.accounts { PARKS } else { "" };
                let mut processes = Processes::start(binary, account).await?;
                harmed(&mut processes, plan, &mut random).await
            }
            Workstations::Docker => containers::run(binary, plan, &mut random).await,
        }
    };
    Box::pin(counts)
        .await
        .with_context(|| format!("again with --seed {seed}"))
}

/// Has orchestratord die once, at a failpoint, and counts when everything has ended.
///
/// # Errors
/// As [`run`]; also where the failpoint is never reached.
pub async fn dying_at(binary: &str, failpoint: &str) -> Result<Counts> {
    let mut random = Random::seeded(Some(1));
    let mut processes = Processes::start(binary, "").await?;
    // Lost answers are what is looked for after a start.
    for part in ["/comments", "/pulls"] {
        let forge = processes.forge();
        forge.fault("POST", part, Fault::LoseAnswer, 1);
    }
    let mut counts = Counts::begun(random.seed(), false);
    let mut feed = Feed::new(2);
    processes.cluster.arm(failpoint);
    processes.restart().await?;
    feed.feed(&processes, &mut random).await?;
    processes.cluster.orchestratord_dies().await?;
    counts.harmed(Program::Orchestratord.killed(), 1);
    processes.restart().await?;
    feed.finish(&processes).await?;
    counts.count(&feed, &processes).await?;
    Ok(counts)
}

/// Has an agentd die once, at a failpoint of its own.
///
/// # Errors
/// As [`dying_at`].
pub async fn agentd_dying_at(binary: &str, failpoint: &str) -> Result<Counts> {
    let mut random = Random::seeded(Some(1));
    let processes = Processes::start(binary, "").await?;
    let mut counts = Counts::begun(random.seed(), false);
    let mut feed = Feed::new(2);
    processes.cluster.arm_agentd(failpoint)?;
    feed.feed(&processes, &mut random).await?;
    processes.cluster.agentd_dies().await?;
    counts.harmed(Program::Agentd.killed(), 1);
    feed.finish(&processes).await?;
    counts.count(&feed, &processes).await?;
    Ok(counts)
}

async fn harmed(
    installation: &mut impl Installation,
    plan: &Plan,
    random: &mut Random,
) -> Result<Counts> {
    let mut feed = Feed::new(plan.issues);
    let mut counts = Counts::begun(random.seed(), plan.stops_only);
    let deadline = plan
        .minutes
        .map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    while counts.kills() < plan.kills && deadline.is_none_or(|end| Instant::now() < end) {
        feed.feed(installation, random).await?;
        fail_somewhere(installation.forge(), random);
        if plan.accounts {
            limit_now_and_then(installation.model(), random);
        }
        let pause = random.below(millis(installation.pause()));
        let pause = Duration::from_millis(pause);
        tokio::time::sleep(pause).await;
        harm::harm(installation, plan.stops_only, random, &mut counts).await?;
    }
    if plan.accounts {
        installation.model().play(thinking());
    }
    feed.finish(installation).await?;
    counts.count(&feed, installation).await?;
    Ok(counts)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The account's provider refuses for a few seconds, or answers again.
fn limit_now_and_then(model: &ModelServer, random: &mut Random) {
    let script = match random.below(6) {
        0 => Script::failing(model::Fault::Status {
            status: 429,
            code: String::new(),
            message: String::new(),
            headers: vec![("retry-after".into(), "3".into())],
        }),
        1 | 2 => thinking(),
        _as_it_was => return,
    };
    model.play(script);
}

/// Plans one more thing that GitHub does to us.
fn fail_somewhere(forge: &Forge, random: &mut Random) {
    const DOORS: [(&str, &str); 9] = [
        ("POST", "/comments"),
        ("POST", "/pulls"),
        ("PATCH", "/comments/"),
        ("GET", "/pulls"),
        ("GET", "/comments"),
        ("GET", "/issues/"),
        ("GET", "/events"),
        ("POST", "/graphql"),
        ("POST", "/git-receive-pack"),
    ];
    let (method, part) = random.one_of(&DOORS);
    let late = Duration::from_millis(random.below(400));
    let faults = [
        Fault::LoseAnswer,
        Fault::FailBefore(503),
        Fault::FailAfter(502),
        Fault::Limited(1),
        Fault::Slow(late),
        Fault::StaleList,
        Fault::Reset,
        Fault::HalfAnswer,
        Fault::Page,
        Fault::Bare,
    ];
    let fault = *random.one_of(&faults);
    // A git whose answer is cut off waits for the rest of it; without its parent nobody ends it.
    if !(part.contains("git") && fault == Fault::HalfAnswer) {
        forge.fault(method, part, fault, 1);
    }
}
