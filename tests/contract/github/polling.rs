//! Polling finds everything, once, and costs nothing where nothing happens.

use anyhow::Result;
use cloud_code_tests::forge::Fault;
use orchestratord::issues::About;
use orchestratord::issues::poll::{Polled, poll};

use super::{LABEL, Scene};

async fn step(scene: &Scene, cursor: &str) -> Result<(Vec<u64>, String)> {
    let project = "acme/app".parse()?;
    let Polled { hints, cursor } = poll(&scene.github, &project, cursor).await?;
    let numbers = hints.into_iter().filter_map(|hint| match hint.about {
        About::Either(number) => Some(number),
        About::Issue(_)
        | About::PullRequest(_)
        | About::Ping
        | About::Installation
        | About::Recorded(_) => None,
    });
    Ok((numbers.collect(), cursor))
}

#[tokio::test]
async fn the_first_poll_finds_all_open_issues_with_a_trigger_label() -> Result<()> {
    let scene = Scene::set().await?;
    scene.forge.limit_pages(2);
    let mut wanted = Vec::new();
    for index in 0..5 {
        wanted.push(scene.forge.create_issue_labelled("ada", "t", "b", &[LABEL]));
        let other = scene.forge.create_issue("ada", "t", "b");
        if index == 0 {
            scene.forge.label("ada", other, LABEL);
            scene.forge.close("ada", other);
        }
    }
    assert_eq!(step(&scene, "").await?.0, wanted);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn later_polls_find_what_changed_once_pull_requests_too() -> Result<()> {
    let scene = Scene::set().await?;
    let issue = scene.forge.create_issue_labelled("ada", "t", "b", &[LABEL]);
    let (_, cursor) = step(&scene, "").await?;
    scene.forge.pass(20);
    let (_, cursor) = step(&scene, &cursor).await?;
    let (numbers, cursor) = step(&scene, &cursor).await?;
    assert!(numbers.is_empty());

    scene.forge.comment("ada", issue, "go on");
    scene
        .forge
        .push_by_person("ada", "cloud-code/1", "a", "a", "a")
        .await?;
    let new = super::pulls::new_pull_request("cloud-code/1");
    let pull = orchestratord::ports::CodeHost::open_pull_request(&scene.github, &new).await?;
    scene.forge.pass(20);
    let (numbers, cursor) = step(&scene, &cursor).await?;
    assert_eq!(numbers, [issue, pull.number]);
    let (numbers, _) = step(&scene, &cursor).await?;
    assert!(numbers.is_empty());
    scene.end();
    Ok(())
}

#[tokio::test]
async fn an_issue_that_a_list_left_out_is_found_by_the_next() -> Result<()> {
    let scene = Scene::set().await?;
    let (_, cursor) = step(&scene, "").await?;
    let first = scene.forge.create_issue("ada", "t", "b");
    let second = scene.forge.create_issue("ada", "t", "b");
    scene.forge.pass(20);
    scene.forge.fault("GET", "/issues", Fault::StaleList, 1);
    let (numbers, cursor) = step(&scene, &cursor).await?;
    assert_eq!(numbers, [first]);
    let (numbers, _) = step(&scene, &cursor).await?;
    assert_eq!(numbers, [second]);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn more_changes_than_a_list_has_pages_are_found_oldest_first() -> Result<()> {
    const CHANGES: usize = 230;
    let scene = Scene::set().await?;
    let (_, mut cursor) = step(&scene, "").await?;
    scene.forge.limit_pages(2);
    let mut wanted = Vec::new();
    for _ in 0..CHANGES {
        wanted.push(scene.forge.create_issue("ada", "t", "b"));
    }
    // Long ago, by now.
    scene.forge.pass(10_000);
    let mut found = Vec::new();
    while found.len() < CHANGES {
        let (numbers, next) = step(&scene, &cursor).await?;
        assert!(!numbers.is_empty(), "a poll got no further than {found:?}");
        assert_eq!(numbers, wanted[found.len()..][..numbers.len()]);
        found.extend(numbers);
        cursor = next;
    }
    assert_eq!(found, wanted);
    scene.end();
    Ok(())
}
