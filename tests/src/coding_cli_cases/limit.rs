//! Real coding CLIs in a whole installation whose accounts reach their usage limit in the middle of the
//! work, with a reset that is far away.
//!
//! ```text
//!  first step ─▶ 429, far ─▶ the gateway parks the account, and ends every turn on it
//!            reset ─▶ sessions go on: the second step, and nothing of the first
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;

use crate::cluster::{Cluster, Setting};
use crate::coding_cli_run::CodingCli;
use crate::docker_cluster::PATIENCE;
use crate::model::{Action, Fault, Outcome, Request, Script, Step};
use crate::sample;

/// Seconds until the reset, and for each task as many more; long beside the time in which all are seen to
/// wait for it.
const FAR: (u32, u32) = (25, 6);
/// What a first prompt and a resumed one have in them.
const FIRST: &str = "You work on one task";
const RESUMED: &str = "You go on with your task";
/// In the titles of tasks for a coding CLI that runs no commands.
const EDITS: &str = "by edits alone";

/// `each` tasks of each of these, with all our programs in `binary`: all park, none is counted as a
/// failure, and what had begun goes on in its session after the reset.
///
/// # Errors
/// Where something is lost, done twice, or asked of the model before the reset.
pub async fn is_slept_through(clis: Vec<CodingCli>, each: usize, binary: &Path) -> Result<()> {
    let mut cluster = installed(&clis, binary).await?;
    let far = FAR.0 + FAR.1 * u32::try_from(clis.len() * each)?;
    let limited = script().never_done(Fault::rate_limited(far));
    cluster.model().play(limited);
    let mut tasks = Vec::new();
    for number in 1..=each {
        for cli in &clis {
            tasks.push(filed(&cluster, cli, number).await?);
        }
    }
    let mut begun = Vec::new();
    for (task, _) in &tasks {
        waiting(&cluster, task).await?;
        let detail = cluster.operator()?.task(task).await?;
        begun.push(detail.executions.len());
    }
    ensure!(begun.iter().any(|count| *count > 0), "nothing was begun");

    // Who is parked is not forgotten, and nobody tries before the reset.
    let asked = cluster.model().calls();
    cluster.restart().await?;
    for (task, _) in &tasks {
        waiting(&cluster, task).await?;
    }
    ensure!(
        cluster.model().calls().len() == asked.len(),
        "a model was asked before the reset"
    );

    cluster.model().play(script());
    for ((task, title), begun) in tasks.iter().zip(begun) {
        done_once(&cluster, task, begun).await?;
        let calls = cluster.model().calls();
        let (before, after) = calls.split_at(asked.len());
        goes_on(title, before, after)?;
    }
    Ok(())
}

async fn installed(clis: &[CodingCli], binary: &Path) -> Result<Cluster> {
    let setting = Setting {
        agents: "allow_unconfined = true".into(),
        running: 6,
        rest: configured(clis),
        ..Setting::default()
    };
    Cluster::prepared(&binary.to_string_lossy(), setting, |root| {
        sample::bare_repository(&root.join("sample.git"), &[("README.md", "# Sample\n")])
    })
    .await
}

/// The id and the title of a new task.
async fn filed(cluster: &Cluster, cli: &CodingCli, number: usize) -> Result<(String, String)> {
    let how = if cli.adapter == "aider" { EDITS } else { "" };
    let title = format!("Log number {number} of {} {how}", cli.adapter);
    let operator = cluster.operator()?;
    let task = operator
        .new_task(cli.adapter, &title, "Keep a log.")
        .await?;
    Ok((task, title.trim().to_owned()))
}

/// Two steps. Begun anew it makes the first one again, resumed it looks at what is there.
fn script() -> Script {
    let step = |command: &str| Step::does("I keep the log.", Action::run(command));
    let look = "grep -qx begun log.txt || echo begun >> log.txt; \
                grep -qx ended log.txt || echo ended >> log.txt";
    let done = || Step::says("The log is kept.");
    let steps = vec![
        step("echo begun >> log.txt"),
        step("echo ended >> log.txt"),
        done(),
    ];
    let edit = Action::write("log.txt", "begun\nended\n");
    Script::playing(steps)
        .on(RESUMED, vec![step(look), step(look), done()])
        .on(EDITS, vec![Step::does("I write the log.", edit)])
}

/// Waits until the task waits for its account, without a failure.
async fn waiting(cluster: &Cluster, task: &str) -> Result<()> {
    let waits =
        |task: &v1::Task| task.state == "pending" && task.state_detail.contains("usage limit");
    let operator = cluster.operator()?;
    let task = operator
        .wait_for(task, "usage limit", PATIENCE, waits)
        .await?;
    ensure!(task.waits_until_ms.is_some(), "it does not say until when");
    ensure!(task.attempts <= 1, "a failure is counted: {task:?}");
    Ok(())
}

/// It is ready for review, no step was made twice, and no attempt was counted.
async fn done_once(cluster: &Cluster, task: &str, begun: usize) -> Result<()> {
    let reviewed = |task: &v1::Task| task.state == "review";
    let operator = cluster.operator()?;
    operator
        .wait_for(task, "review", PATIENCE, reviewed)
        .await?;
    let detail = operator.task(task).await?;
    let lines = detail.diff.lines();
    let added: Vec<&str> = lines
        .filter(|line| line.starts_with('+') && !line.starts_with("+++"))
        .collect();
    ensure!(added == ["+begun", "+ended"], "{}", detail.diff);
    let ends: Vec<&str> = detail
        .executions
        .iter()
        .map(|one| one.state.as_str())
        .collect();
    let (last, parked) = ends.split_last().context("no execution")?;
    ensure!(*last == "succeeded" && parked.len() == begun, "{ends:?}");
    let task = detail.task.context("no task")?;
    ensure!(task.attempts == 1, "{} attempts", task.attempts);
    Ok(())
}

/// Whoever had an answer before the reset goes on in its session after it: the model sees both prompts.
fn goes_on(title: &str, before: &[Request], after: &[Request]) -> Result<()> {
    let of = |call: &&Request| call.body.to_string().contains(title);
    let had = before.iter().filter(of).any(|call| {
        matches!(
            call.outcome,
            Outcome::Answered { .. } | Outcome::Refused { .. }
        )
    });
    let both = |call: &Request| {
        let asked = call.body.to_string();
        asked.contains(FIRST) && asked.contains(RESUMED)
    };
    let resumed = after.iter().filter(of).any(both);
    ensure!(resumed || !had, "{title}: its session was not resumed");
    ensure!(after.iter().any(|call| of(&call)), "{title}: no call");
    Ok(())
}

fn configured(clis: &[CodingCli]) -> String {
    let mut text = String::new();
    let providers: BTreeSet<&str> = clis.iter().map(|cli| cli.provider.as_str()).collect();
    for kind in providers {
        text.push_str(&format!(
            r#"
[accounts.{kind}]
kind = "{kind}"
patience_seconds = 1
base_url = "{{model}}"
secret_file = "{{root}}/provider.key"
"#
        ));
    }
    for cli in clis {
        let CodingCli {
            adapter, command, ..
        } = cli;
        let account = cli.provider.as_str();
        let model = cli.model.as_deref().unwrap_or("claude-sonnet-4-5");
        text.push_str(&format!(
            r#"
[coding_cli.{adapter}]
adapter = "{adapter}"
account = "{account}"
model = "{model}"
command = {command:?}

[[projects]]
name = "{adapter}"
tracker = "local"
repository = "{{root}}/sample.git"
branch_prefix = "{adapter}/"
coding_cli = "{adapter}"
default_agent_type = "backend"
"#
        ));
    }
    text
}
