//! One pull request per branch, whatever happens to answers.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cloud_code_domain::id::Oid;
use cloud_code_domain::issue::PullRequestState;
use cloud_code_tests::forge::Fault;
use orchestratord::ports::{CodeHost, NewPullRequest};
use secrecy::ExposeSecret;

use super::{Scene, is_later, is_refused, is_unknown, trouble};

pub(super) fn new_pull_request(branch: &str) -> NewPullRequest {
    NewPullRequest {
        branch: branch.to_owned(),
        into: "main".to_owned(),
        title: "Count from zero".to_owned(),
        body: "Closes #1".to_owned(),
    }
}

async fn pushed(scene: &Scene, branch: &str) -> Result<Oid> {
    let commit = scene
        .forge
        .push_by_person("ada", branch, "a.rs", branch, "a")
        .await?;
    Ok(commit.parse()?)
}

#[tokio::test]
async fn a_pull_request_is_opened_found_edited_and_merged() -> Result<()> {
    let scene = Scene::set().await?;
    let issue = scene.forge.create_issue("ada", "t", "b");
    let head = pushed(&scene, "cloud-code/1").await?;
    assert_eq!(scene.github.find_pull_request("cloud-code/1").await?, None);
    let new = new_pull_request("cloud-code/1");
    let opened = scene.github.open_pull_request(&new).await?;
    assert_eq!(
        (opened.state, opened.head.as_ref()),
        (PullRequestState::Open, Some(&head))
    );
    let found = scene.github.find_pull_request("cloud-code/1").await?;
    assert_eq!(found.as_ref(), Some(&opened));
    assert_eq!(
        scene.github.pull_request(opened.number).await?.as_ref(),
        Some(&opened)
    );
    assert_eq!(scene.github.pull_request(issue).await?, None);

    let better = NewPullRequest {
        title: "Better".to_owned(),
        ..new
    };
    scene
        .github
        .edit_pull_request(opened.number, &better)
        .await?;
    assert_eq!(scene.forge.pull_requests()[0].title, "Better");

    let other: Oid = "0".repeat(40).parse()?;
    assert!(is_refused(&trouble(
        scene.github.merge(opened.number, &other).await
    )?));
    scene.github.merge(opened.number, &head).await?;
    scene
        .github
        .merge(opened.number, &head)
        .await
        .context("merged is merged")?;
    let merged = scene
        .github
        .pull_request(opened.number)
        .await?
        .context("gone")?;
    assert_eq!(merged.state, PullRequestState::Merged);
    assert_eq!(scene.forge.read_file("main", "a.rs").await?, "cloud-code/1");
    assert!(!scene.forge.is_open(issue), "its closing word counts");
    scene.end();
    Ok(())
}

#[tokio::test]
async fn one_that_exists_is_adopted() -> Result<()> {
    let scene = Scene::set().await?;
    pushed(&scene, "cloud-code/1").await?;
    let new = new_pull_request("cloud-code/1");
    let first = scene.github.open_pull_request(&new).await?;
    let second = scene.github.open_pull_request(&new).await?;
    assert_eq!(first, second);
    assert_eq!(scene.forge.pull_requests().len(), 1);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn an_outcome_that_is_not_known_is_called_so_and_can_be_looked_up() -> Result<()> {
    let scene = Scene::set().await?;
    for (index, fault) in [Fault::LoseAnswer, Fault::FailAfter(502)]
        .into_iter()
        .enumerate()
    {
        let branch = format!("cloud-code/{index}");
        pushed(&scene, &branch).await?;
        scene.forge.fault("POST", "/pulls", fault, 1);
        let answer = scene
            .github
            .open_pull_request(&new_pull_request(&branch))
            .await;
        assert!(is_unknown(&trouble(answer)?), "{fault:?}");
        assert!(scene.github.find_pull_request(&branch).await?.is_some());
    }
    assert_eq!(scene.forge.pull_requests().len(), 2);
    assert_eq!(
        scene.requests("POST /api/repos/acme/app/pulls"),
        2,
        "nothing is repeated"
    );
    scene.end();
    Ok(())
}

#[tokio::test]
async fn the_newest_of_a_branch_is_found_in_whatever_state() -> Result<()> {
    let scene = Scene::set().await?;
    pushed(&scene, "cloud-code/1").await?;
    let new = new_pull_request("cloud-code/1");
    let first = scene.github.open_pull_request(&new).await?;
    scene.github.close(first.number).await?;
    let closed = scene
        .github
        .find_pull_request("cloud-code/1")
        .await?
        .context("gone")?;
    assert_eq!(
        (closed.number, closed.state),
        (first.number, PullRequestState::Closed)
    );
    let second = scene.github.open_pull_request(&new).await?;
    let found = scene
        .github
        .find_pull_request("cloud-code/1")
        .await?
        .context("gone")?;
    assert_eq!(found.number, second.number);
    assert_eq!(scene.github.find_pull_request("cloud-code").await?, None);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn one_that_exists_and_is_not_listed_yet_is_waited_for() -> Result<()> {
    let scene = Scene::set().await?;
    pushed(&scene, "cloud-code/1").await?;
    let new = new_pull_request("cloud-code/1");
    let opened = scene.github.open_pull_request(&new).await?;
    scene.forge.fault("GET", "/pulls", Fault::StaleList, 1);
    let answer = scene.github.open_pull_request(&new).await;
    assert!(is_later(&trouble(answer)?));
    assert_eq!(scene.github.open_pull_request(&new).await?, opened);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn a_branch_without_commits_gets_no_pull_request() -> Result<()> {
    let scene = Scene::set().await?;
    let answer = scene
        .github
        .open_pull_request(&new_pull_request("nowhere"))
        .await;
    assert!(is_refused(&trouble(answer)?));
    scene.end();
    Ok(())
}

/// Runs git with the header in its environment, where no process list shows it.
async fn git(folder: &std::path::Path, header: Option<&str>, args: &[&str]) -> Result<bool> {
    let mut command = tokio::process::Command::new("git");
    command
        .current_dir(folder)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE");
    command.env("GIT_TERMINAL_PROMPT", "0");
    if let Some(header) = header {
        command
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env("GIT_CONFIG_VALUE_0", format!("Authorization: {header}"));
    }
    Ok(command.status().await.context("run git")?.success())
}

#[tokio::test]
async fn git_gets_in_with_the_header_and_not_without() -> Result<()> {
    let scene = Scene::set().await?;
    let access = scene.github.git_access().await?;
    assert!(!access.url.contains('@') && !format!("{access:?}").contains("ghp_"));
    let header = access.authorization.context("no header")?;
    let folder = tempfile::tempdir()?;
    ensure!(!git(folder.path(), None, &["clone", &access.url, "none"]).await?);
    let header = Some(header.expose_secret());
    ensure!(git(folder.path(), header, &["clone", &access.url, "app"]).await?);
    let clone = folder.path().join("app");
    let head = clone.join("README.md");
    ensure!(head.exists());
    ensure!(
        git(
            &clone,
            header,
            &["push", "origin", "HEAD:refs/heads/cloud-code/9"]
        )
        .await?
    );
    assert!(scene.forge.branches().contains_key("cloud-code/9"));
    Ok(())
}
