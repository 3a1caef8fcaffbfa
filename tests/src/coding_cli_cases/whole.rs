//! A real coding CLI in a whole installation: from an issue to a change that waits for review, its model
//! calls through the gateway.

use std::path::Path;

use anyhow::{Result, ensure};
use cloud_code_proto::v1;

use crate::canary::Canary;
use crate::cluster::{Cluster, PROVIDER_KEY, Setting};
use crate::coding_cli_run::CodingCli;
use crate::model::Script;
use crate::sample;

/// With all our programs in `binary`.
///
/// # Errors
/// If it makes no change, or its calls do not go through the gateway.
pub async fn makes_a_change(cli: CodingCli, binary: &Path) -> Result<()> {
    let cluster = installed(&cli, binary).await?;
    let task = filed(&cluster).await?;
    let detail = reviewed(&cluster, &task).await?;
    let spent = detail.task.map_or(0, |task| task.cost_micro_usd);
    ensure!(spent > 0, "its calls were not counted");
    let calls = cluster.model().calls();
    ensure!(calls.iter().all(|call| call.key() == PROVIDER_KEY));
    let canary = Canary::of(&[PROVIDER_KEY])?;
    let mut found = canary.files_below(cluster.root());
    found.retain(|file| !file.ends_with(".key"));
    ensure!(found.is_empty(), "its key is in {found:?}");
    let said = cluster.said();
    ensure!(!canary.is_in(said.as_bytes()), "it said: {said}");
    Ok(())
}

/// agentd dies when it has started the program and has given it no prompt: there is a session's id, and
/// no session to resume. It is begun, and not asked for.
///
/// # Errors
/// If it is asked for, or makes no change.
pub async fn begins_what_never_was(cli: CodingCli, binary: &Path) -> Result<()> {
    let cluster = installed(&cli, binary).await?;
    cluster.arm_agentd("agentd::cli_started=return")?;
    let task = filed(&cluster).await?;
    cluster.agentd_dies().await?;
    let detail = reviewed(&cluster, &task).await?;
    let ends = detail.executions.iter().map(|one| one.state.as_str());
    let ends: Vec<&str> = ends.collect();
    ensure!(ends == ["failed", "succeeded"], "{ends:?}");
    Ok(())
}

async fn installed(cli: &CodingCli, binary: &Path) -> Result<Cluster> {
    let setting = Setting {
        agents: "allow_unconfined = true".into(),
        seats: 1,
        rest: configured(cli),
        ..Setting::default()
    };
    let cluster = Cluster::prepared(&binary.to_string_lossy(), setting, |root| {
        sample::bare_repository(&root.join("sample.git"), &[("README.md", "# Sample\n")])
    })
    .await?;
    cluster.model().play(Script::edit());
    Ok(cluster)
}

async fn filed(cluster: &Cluster) -> Result<String> {
    let operator = cluster.operator()?;
    operator
        .new_task("sample", "Greet", "Make a greeting.")
        .await
}

/// All of the task when its change waits for review.
async fn reviewed(cluster: &Cluster, task: &str) -> Result<v1::TaskDetail> {
    cluster.task_in(task, "review").await?;
    let detail = cluster.operator()?.task(task).await?;
    let greets = detail.diff.contains("+hello from the scripted model");
    ensure!(greets, "{}", detail.diff);
    Ok(detail)
}

fn configured(cli: &CodingCli) -> String {
    let CodingCli {
        adapter, command, ..
    } = cli;
    let model = cli.model.as_deref().unwrap_or("claude-sonnet-4-5");
    let kind = cli.provider.as_str();
    format!(
        r#"
[accounts.paying]
kind = "{kind}"
base_url = "{{model}}"
secret_file = "{{root}}/provider.key"

[coding_cli.real]
adapter = "{adapter}"
account = "paying"
model = "{model}"
command = {command:?}

[[projects]]
name = "sample"
tracker = "local"
repository = "{{root}}/sample.git"
coding_cli = "real"
default_agent_type = "backend"
"#
    )
}
