//! Authorised as an app.

use anyhow::Result;
use cloud_code_tests::forge::{APP_ID, APP_KEY, INSTALLATION_ID, Installation};
use orchestratord::config::GithubAuthorisation;
use orchestratord::connectors::github::Unconnected;
use orchestratord::ports::{CodeHost, IssueTracker};
use secrecy::ExposeSecret;

use super::{Scene, connect, is_later, trouble};

/// Made for this test alone; it opens nothing.
const KEY: &str = APP_KEY;
/// No app's.
const OTHER_KEY: &str = include_str!("../fixtures/app-other-key.pem");

fn app(installation_id: u64, key: &str) -> GithubAuthorisation {
    GithubAuthorisation::App {
        id: APP_ID,
        private_key: key.into(),
        installation_id,
    }
}

#[tokio::test]
async fn one_token_for_the_one_repository_serves_until_it_is_refused() -> Result<()> {
    let scene = Scene::authorised(app(INSTALLATION_ID, KEY)).await?;
    let number = scene.forge.create_issue("ada", "t", "b");
    let (one, other) = tokio::join!(
        scene.github.create_comment(number, "one"),
        scene.github.find_comment(number, "none"),
    );
    one?;
    other?;
    let access = scene.github.git_access().await?;
    assert!(
        access
            .authorization
            .is_some_and(|it| it.expose_secret().starts_with("Basic "))
    );
    assert_eq!(scene.forge.installation_tokens(), 1);

    scene.forge.revoke_installation_tokens();
    assert!(is_later(&trouble(
        scene.github.create_comment(number, "two").await
    )?));
    scene.github.create_comment(number, "two").await?;
    assert_eq!(scene.forge.installation_tokens(), 2);
    assert_eq!(scene.forge.comments(number).len(), 2);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn a_claim_that_another_key_signed_is_refused_and_told() -> Result<()> {
    let scene = Scene::authorised(app(INSTALLATION_ID, OTHER_KEY)).await?;
    let trouble = trouble(scene.github.create_comment(1, "x").await)?;
    assert!(is_later(&trouble));
    assert!(
        trouble.to_string().contains("private_key_file"),
        "{trouble}"
    );
    assert_eq!(scene.forge.installation_tokens(), 0);
    Ok(())
}

#[tokio::test]
async fn an_installation_that_is_suspended_is_told_and_goes_on_when_it_is_not() -> Result<()> {
    let scene = Scene::authorised(app(INSTALLATION_ID, KEY)).await?;
    let number = scene.forge.create_issue("ada", "t", "b");
    scene.github.create_comment(number, "one").await?;
    scene.forge.set_installation(Installation::Suspended);
    // The token that is there is refused, then no other is given.
    for _ in 0..2 {
        let trouble = trouble(scene.github.create_comment(number, "two").await)?;
        assert!(is_later(&trouble), "nothing of the comment is wrong");
        assert!(trouble.to_string().contains("unsuspended"), "{trouble}");
    }
    scene.forge.set_installation(Installation::Active);
    scene.github.create_comment(number, "two").await?;
    assert_eq!(scene.forge.comments(number).len(), 2);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn a_token_near_its_end_is_not_used_again() -> Result<()> {
    let scene = Scene::authorised(app(INSTALLATION_ID, KEY)).await?;
    let number = scene.forge.create_issue("ada", "t", "b");
    scene.forge.limit_installation_tokens(299);
    scene.github.create_comment(number, "one").await?;
    scene.github.create_comment(number, "two").await?;
    assert_eq!(scene.forge.installation_tokens(), 2);
    scene.end();
    Ok(())
}

#[tokio::test]
async fn an_installation_that_is_gone_is_told() -> Result<()> {
    let scene = Scene::authorised(app(404, KEY)).await?;
    let trouble = trouble(scene.github.create_comment(1, "x").await)?;
    assert!(is_later(&trouble));
    let shown = trouble.to_string();
    assert!(shown.contains("uninstalled"), "{shown}");
    assert!(
        shown.contains("/app/installations/404/access_tokens"),
        "{shown}"
    );
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_none_is_found_when_connecting() -> Result<()> {
    let scene = Scene::set().await?;
    let answer = connect(
        &scene.forge.api_url(),
        "/nowhere",
        app(1, "no key"),
        &scene.key,
    );
    let error = answer
        .err()
        .and_then(|error| error.downcast::<Unconnected>().ok());
    assert!(matches!(error, Some(Unconnected::Key { .. })));
    Ok(())
}
