//! `cloud-code metrics`, as a collector reads it.

mod open_metrics;

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cloud_code_tests::cluster::{Cluster, PATIENCE, Setting, local_project};
use cloud_code_tests::sample;
use tokio::process::Command;

use super::{PROGRAMS, script};
use open_metrics::Exposition;

/// As odd as a project may be called.
const PROJECT: &str = "A_.b--9/C-1.Z";
const TITLE: &str = "\"} 1\n# EOF\n\\ \u{1b}[2J";
/// A call comes to 2,000 tokens in, 4,000 out and $0.066.
const STEPS: &str = "spend scripted-model 4000\nwrite a.txt 1\ncommit A";

async fn scrape(cluster: &Cluster) -> Result<(String, Exposition)> {
    let mut command = Command::new(cluster.root().join("bin/cloud-code"));
    command
        .arg("--socket")
        .arg(cluster.root().join("operator.sock"))
        .arg("metrics")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let said = tokio::time::timeout(PATIENCE, command.output()).await;
    let said = said.context("it does not end")??;
    let complaint = String::from_utf8_lossy(&said.stderr);
    ensure!(said.status.success(), "{complaint}");
    let text = String::from_utf8(said.stdout)?;
    let read = open_metrics::read(&text).with_context(|| text.clone())?;
    Ok((text, read))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_is_valid_and_counts_what_was_done_whatever_things_are_called() -> Result<()> {
    let setting = Setting {
        rest: local_project(PROJECT, ""),
        ..Setting::default()
    };
    let cluster = Cluster::prepared(PROGRAMS, setting, |root| {
        let repository = root.join(format!("{PROJECT}.git"));
        sample::bare_repository(&repository, &[("README.md", "# Sample\n")])?;
        Ok(())
    })
    .await?;
    let project = ("project", PROJECT);
    let (_, before) = scrape(&cluster).await?;
    let review = [project, ("state", "review")];
    assert_eq!(before.value("cloud_code_tasks", &review)?, 0.0);

    let operator = cluster.operator()?;
    let text = script("Please.", STEPS);
    let task = operator.new_task(PROJECT, TITLE, &text).await?;
    cluster.task_in(&task, "review").await?;
    let (text, after) = scrape(&cluster).await?;

    assert_eq!(after.value("cloud_code_tasks", &review)?, 1.0);
    let spent = [("account", "scripted"), project];
    assert_eq!(after.value("cloud_code_model_calls_total", &spent)?, 1.0);
    let with = |label| [spent.as_slice(), &[label]].concat();
    for (kind, tokens) in [("input", 2_000.0), ("output", 4_000.0), ("cache_read", 0.0)] {
        let labels = with(("kind", kind));
        assert_eq!(
            after.value("cloud_code_model_tokens_total", &labels)?,
            tokens
        );
    }
    let cost = with(("notional", "false"));
    assert_eq!(
        after.value("cloud_code_model_cost_dollars_total", &cost)?,
        0.066
    );
    let parked = [("account", "scripted"), ("reason", "usage_limit")];
    assert_eq!(after.value("cloud_code_account_parked", &parked)?, 0.0);
    assert!(after.value("cloud_code_agents_connected", &[project])? >= 1.0);
    assert!(after.value("cloud_code_disk_free_bytes", &[])? > 0.0);
    assert_eq!(after.value("cloud_code_log_lines_lost_total", &[])?, 0.0);
    for grown in ["cloud_code_events_total", "cloud_code_commit_seconds_count"] {
        let (before, after) = (before.value(grown, &[])?, after.value(grown, &[])?);
        assert!(after > before, "{grown}: {after} after {before}");
    }

    // What there may be many of is in no label.
    for many in [task.as_str(), "backend-1", "[2J", "scripted-model"] {
        assert!(!text.contains(many), "{many}: {text}");
    }
    let names: BTreeSet<&String> = after.names().collect();
    for name in before.names() {
        assert!(names.contains(name), "{name} has gone");
    }
    Ok(())
}
