//! The daemon as whoever starts it meets it: what it says, its socket, its commands.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use cloud_code_tests::cluster::{Cluster, PATIENCE, Setting, local_project, until};
use cloud_code_tests::operator::Operator;
use cloud_code_tests::sample;

use super::{PROGRAMS, script};

async fn started() -> Result<Cluster> {
    let setting = Setting {
        rest: local_project("sample", ""),
        ..Setting::default()
    };
    let prepare = |root: &Path| {
        let files = [("README.md", "# Sample\n")];
        sample::bare_repository(&root.join("sample.git"), &files)
    };
    Cluster::prepared(PROGRAMS, setting, prepare).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_is_one_line_that_says_where_everything_is() -> Result<()> {
    let cluster = started().await?;
    let root = cluster.root();
    let said = until("a line", || {
        let said = std::fs::read_to_string(root.join("orchestratord.out")).ok()?;
        said.ends_with('\n').then_some(said)
    });
    let said = said.await?;
    // No project has a secret for webhooks, so none are listened for.
    let line = format!(
        "orchestratord serves: operators on {0}/operator.sock, state_dir {0}/state, log in \
         {0}/state/log\n",
        root.display(),
    );
    assert_eq!(said, line);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_whose_socket_was_removed_is_reached_again() -> Result<()> {
    let cluster = started().await?;
    let socket = cluster.root().join("operator.sock");
    std::fs::remove_file(&socket)?;
    let operator = Operator::connect(&socket, PATIENCE).await?;
    operator.snapshot().await?;
    // Who was connected before stays so.
    cluster.operator()?.snapshot().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_there_is_not_replaced() -> Result<()> {
    let cluster = started().await?;
    let key = cluster.root().join("another.key");
    let name = key.display().to_string();
    cluster.orchestratord(&["secrets-key", &name])?;
    let made = std::fs::read(&key)?;
    let again = cluster.orchestratord(&["secrets-key", &name]);
    let again = format!("{:#}", again.err().context("it was made again")?);
    ensure!(
        again.contains("is there already and is not replaced"),
        "{again}"
    );
    ensure!(std::fs::read(&key)? == made, "it was replaced");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_task_is_the_same_in_pages() -> Result<()> {
    let cluster = started().await?;
    let operator = cluster.operator()?;
    let text = script("Please.", "write a.txt 1\ncommit A");
    let task = operator.new_task("sample", "A task", &text).await?;
    cluster.task_in(&task, "review").await?;
    let whole = operator.task(&task).await?;
    ensure!(
        whole.events_before == 0 && whole.events.len() > 4,
        "{whole:?}"
    );
    let (mut pages, mut before) = (Vec::new(), 0);
    loop {
        let mut page = operator.history(&task, before, 2).await?;
        let first = page.events.first().context("an empty page")?.seq;
        ensure!(page.events.len() <= 2, "more than a page");
        page.events.append(&mut pages);
        pages = page.events;
        if page.events_before == 0 {
            break;
        }
        before = first;
    }
    // The task may have gone on between the two.
    pages.truncate(whole.events.len());
    assert_eq!(pages, whole.events);
    let beyond = operator.history(&task, pages[0].seq, 2).await?;
    assert_eq!((beyond.events.len(), beyond.events_before), (0, 0));
    Ok(())
}
