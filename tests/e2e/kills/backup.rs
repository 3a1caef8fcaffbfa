//! The machine is lost, and a backup that was made while it worked is restored.

use std::fs;

use anyhow::{Result, ensure};
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Cluster, Setting, local_project, until};
use cloud_code_tests::sample;

use super::super::{PROGRAMS, script};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_backed_up_while_it_worked_goes_on_after_everything_is_lost() -> Result<()> {
    let setting = Setting {
        rest: local_project("sample", ""),
        seats: 1,
        ..Setting::default()
    };
    let mut cluster = Cluster::prepared(PROGRAMS, setting, |root| {
        sample::bare_repository(&root.join("sample.git"), &[("README.md", "# Sample\n")])
    })
    .await?;
    let gate = cluster.root().join("go");
    let done = script("Please.", "write one.txt 1\ncommit One");
    let done = cluster.operator()?.new_task("sample", "One", &done).await?;
    cluster.task_in(&done, "review").await?;
    let steps = format!("wait-for {}\nwrite two.txt 2\ncommit Two", gate.display());
    let under_way = script("Please.", &steps);
    let under_way = cluster
        .operator()?
        .new_task("sample", "Two", &under_way)
        .await?;
    cluster.task_in(&under_way, "in_progress").await?;

    let saved = cluster.root().join("saved");
    let saved = saved.to_string_lossy().into_owned();
    let said = cluster.orchestratord(&["backup", &saved])?;
    ensure!(said.contains("2 tasks"), "{said}");

    cluster.kill_orchestratord()?;
    until("nothing of it runs", || {
        let _killed = cluster.kill_programs("/bin/");
        cluster.processes().is_empty().then_some(())
    })
    .await?;
    let refused = cluster.orchestratord(&["restore", &saved]);
    ensure!(refused.is_err(), "it replaced what was there");
    fs::remove_dir_all(cluster.state())?;
    cluster.orchestratord(&["restore", &saved])?;
    fs::write(&gate, "")?;
    cluster.restart().await?;

    cluster.operator()?.act(Action::Merge(done.clone())).await?;
    cluster.task_in(&done, "completed").await?;
    cluster.task_in(&under_way, "review").await?;
    let detail = cluster.operator()?.task(&under_way).await?;
    ensure!(detail.diff.contains("two.txt"), "{}", detail.diff);
    Ok(())
}
