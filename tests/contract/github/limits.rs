//! Limits and failures, as the outbox must learn of them.

use anyhow::{Context, Result};
use cloud_code_domain::time::Timestamp;
use cloud_code_tests::forge::Fault;
use orchestratord::config::GithubAuthorisation;
use orchestratord::ports::{IssueTracker, Trouble};

use super::{Scene, connect, is_later, is_unknown, trouble};

fn until(trouble: &Trouble) -> Option<Timestamp> {
    match trouble {
        Trouble::Later { until, .. } => *until,
        Trouble::Unknown { .. } | Trouble::Refused { .. } => None,
    }
}

#[tokio::test]
async fn a_limit_names_its_end_and_keeps_further_calls_from_being_made() -> Result<()> {
    for fault in [Fault::Limited(600), Fault::Spent(600)] {
        let scene = Scene::set().await?;
        let number = scene.forge.create_issue("ada", "t", "b");
        let began = Timestamp(jiff::Timestamp::now().as_millisecond());
        scene.forge.fault("POST", "/comments", fault, 1);
        let limited = trouble(scene.github.create_comment(number, "x").await)?;
        let end = until(&limited).context("no end")?;
        assert!(end.since(began).as_secs() >= 599, "{fault:?}");
        let made = scene.forge.requests().len();
        let again = trouble(scene.github.create_comment(number, "x").await)?;
        let read = trouble(scene.github.find_comment(number, "x").await)?;
        assert!(until(&again).is_some() && until(&read).is_some());
        assert_eq!(scene.forge.requests().len(), made, "{fault:?}");
        scene.end();
    }
    Ok(())
}

#[tokio::test]
async fn a_failing_server_leaves_a_write_unknown_and_a_read_for_later() -> Result<()> {
    let scene = Scene::set().await?;
    let number = scene.forge.create_issue("ada", "t", "b");
    scene
        .forge
        .fault("POST", "/comments", Fault::FailBefore(503), 1);
    scene
        .forge
        .fault("GET", "/comments", Fault::FailBefore(503), 3);
    scene.forge.fault("GET", "/comments", Fault::LoseAnswer, 3);
    assert!(is_unknown(&trouble(
        scene.github.create_comment(number, "x").await
    )?));
    for _ in 0..2 {
        assert!(is_later(&trouble(
            scene.github.find_comment(number, "x").await
        )?));
    }
    assert_eq!(scene.github.find_comment(number, "x").await?, None);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn a_read_that_failed_in_passing_is_made_again_and_a_write_never() -> Result<()> {
    let scene = Scene::set().await?;
    let number = scene.forge.create_issue("ada", "t", "b");
    let stumble = Fault::FailBefore(502);
    scene.forge.fault("GET", "/comments", stumble, 1);
    scene.forge.fault("GET", "/comments", Fault::LoseAnswer, 1);
    assert_eq!(scene.github.find_comment(number, "x").await?, None);
    assert_eq!(scene.requests("GET "), 3);
    scene.forge.fault("POST", "/comments", stumble, 1);
    let answer = scene.github.create_comment(number, "x").await;
    assert!(is_unknown(&trouble(answer)?));
    assert_eq!(scene.requests("POST "), 1);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_there_was_told_nothing() -> Result<()> {
    let scene = Scene::set().await?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = format!("http://{}/api", listener.local_addr()?);
    drop(listener);
    let token = GithubAuthorisation::Token("x".into());
    let github = connect(&address, "/nowhere", token, &scene.key)?;
    assert!(is_later(&trouble(github.create_comment(1, "x").await)?));
    Ok(())
}

#[tokio::test]
async fn a_refused_token_is_for_the_operator() -> Result<()> {
    let scene = Scene::set().await?;
    let token = GithubAuthorisation::Token("ghp_wrong".into());
    let github = connect(&scene.forge.api_url(), "/nowhere", token, &scene.key)?;
    let refused = trouble(github.create_comment(1, "x").await)?;
    assert!(is_later(&refused));
    let shown = refused.to_string();
    assert!(
        shown.contains("refused the token") && !shown.contains("ghp_"),
        "{shown}"
    );
    Ok(())
}
