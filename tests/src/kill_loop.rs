//! The kill loop: real programs, a forge that fails in every way, and `kill -9` of any of them at
//! random moments, for as long as it is told to; then everything is counted.
//!
//! ```text
//!  Feed ─▶ labelled issues, merged when their pull requests are ready   (always a few under way)
//!  Killer ─▶ orchestratord, agentd, the coding CLI, everything          (random victim and moment)
//!  Forge ─▶ lost answers, 5xx, 429, late and stale answers              (random, a few at a time)
//!       └─▶ all is quiet ─▶ Counts: what is lost, there twice, left behind or where it must not be
//! ```
//!
//! A run can be had again by its seed as far as the machine's own timing allows.

mod counts;
mod feed;
mod random;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::time::Instant;

use crate::cluster::{Cluster, Setting, github_project, thinking};
use crate::forge::{Fault, Forge};
use crate::model::{self, Script};

pub use counts::Counts;
use feed::Feed;
use random::Random;

/// What every task asks for and policy grants: it may turn up nowhere.
const GRANTED: &str = "npm_kill_loop_grant_0123456789abcdef";
/// A limit that lasts longer parks the account.
const PARKS: &str = "patience_seconds = 1";
/// Between two kills at most.
const PAUSE: Duration = Duration::from_millis(900);

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
    /// The model's provider names a usage limit now and then: everything parks, and goes on.
    #[arg(long)]
    pub accounts: bool,
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
    Box::pin(killed(binary, plan, &mut random))
        .await
        .with_context(|| format!("again with --seed {seed}"))
}

/// Has orchestratord die once, at a failpoint, and counts when everything has ended.
///
/// # Errors
/// As [`run`]; also where the failpoint is never reached.
pub async fn dying_at(binary: &str, failpoint: &str) -> Result<Counts> {
    let mut random = Random::seeded(Some(1));
    let (forge, mut cluster) = installed(binary, "").await?;
    // Lost answers are what is looked for after a start.
    for part in ["/comments", "/pulls"] {
        forge.fault("POST", part, Fault::LoseAnswer, 1);
    }
    let mut counts = Counts::begun(random.seed());
    let mut feed = Feed::new(2);
    cluster.arm(failpoint);
    cluster.restart().await?;
    feed.feed(&forge, &cluster, &mut random).await?;
    cluster.orchestratord_dies().await?;
    counts.killed("orchestratord", 1);
    cluster.restart().await?;
    feed.finish(&forge, &cluster).await?;
    counts.count(&feed, &forge, &cluster).await?;
    Ok(counts)
}

/// Has an agentd die once, at a failpoint of its own.
///
/// # Errors
/// As [`dying_at`].
pub async fn agentd_dying_at(binary: &str, failpoint: &str) -> Result<Counts> {
    let mut random = Random::seeded(Some(1));
    let (forge, cluster) = installed(binary, "").await?;
    let mut counts = Counts::begun(random.seed());
    let mut feed = Feed::new(2);
    cluster.arm_agentd(failpoint)?;
    feed.feed(&forge, &cluster, &mut random).await?;
    cluster.agentd_dies().await?;
    counts.killed("agentd", 1);
    feed.finish(&forge, &cluster).await?;
    counts.count(&feed, &forge, &cluster).await?;
    Ok(counts)
}

/// `account` stands in the section of the account.
async fn installed(binary: &str, account: &str) -> Result<(Forge, Cluster)> {
    let forge = Forge::start("acme/app").await?;
    forge.person("ada", "write");
    let project = github_project(&forge, 1, "max_attempts = 20");
    let setting = Setting {
        account: account.to_owned(),
        rest: project,
        ..Setting::default()
    };
    let cluster = Cluster::start(binary, setting).await?;
    cluster.listen_to(&forge);
    let secret = cluster.operator()?;
    secret
        .set_secret("npm_token", "read", "acme/app", GRANTED)
        .await?;
    Ok((forge, cluster))
}

async fn killed(binary: &str, plan: &Plan, random: &mut Random) -> Result<Counts> {
    let account = if plan.accounts { PARKS } else { "" };
    let (forge, mut cluster) = installed(binary, account).await?;
    let mut feed = Feed::new(plan.issues);
    let mut counts = Counts::begun(random.seed());
    let deadline = plan
        .minutes
        .map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    while counts.kills() < plan.kills && deadline.is_none_or(|end| Instant::now() < end) {
        feed.feed(&forge, &cluster, random).await?;
        fail_somewhere(&forge, random);
        if plan.accounts {
            limit_now_and_then(&cluster, random);
        }
        let pause = Duration::from_millis(random.below(millis(PAUSE)));
        tokio::time::sleep(pause).await;
        kill(&mut cluster, random, &mut counts).await?;
    }
    cluster.model().play(thinking());
    feed.finish(&forge, &cluster).await?;
    counts.count(&feed, &forge, &cluster).await?;
    Ok(counts)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Kills one of the programs, or all of them. Whoever dies is started again by what always does.
async fn kill(cluster: &mut Cluster, random: &mut Random, counts: &mut Counts) -> Result<()> {
    match random.below(10) {
        0..=5 => {
            cluster.kill_orchestratord()?;
            counts.killed("orchestratord", 1);
            cluster.restart().await?;
        }
        6 | 7 => counts.killed("agentd", cluster.kill_programs("bin/agentd")),
        8 => counts.killed("coding CLI", cluster.kill_programs("bin/scripted")),
        _ => {
            cluster.kill_orchestratord()?;
            counts.killed("orchestratord", 1);
            counts.killed("agentd", cluster.kill_programs("bin/agentd"));
            counts.killed("coding CLI", cluster.kill_programs("bin/scripted"));
            cluster.restart().await?;
        }
    }
    Ok(())
}

/// The account's provider refuses for a few seconds, or answers again.
fn limit_now_and_then(cluster: &Cluster, random: &mut Random) {
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
    cluster.model().play(script);
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
