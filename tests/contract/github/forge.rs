//! The forge itself: it notices what GitHub would not take.

use anyhow::{Context, Result};
use cloud_code_tests::forge::{TOKEN, shared_data};

use super::Scene;

async fn ask(scene: &Scene, path: &str) -> Result<u16> {
    let request = reqwest::Client::new()
        .get(format!("{}{path}", scene.forge.api_url()))
        .header("user-agent", "test")
        .header("x-github-api-version", "2022-11-28")
        .bearer_auth(TOKEN);
    Ok(request.send().await?.status().as_u16())
}

#[tokio::test]
async fn a_request_that_github_does_not_describe_is_noticed() -> Result<()> {
    let scene = Scene::set().await?;
    assert_eq!(ask(&scene, "/repos/acme/app/issues?state=all").await?, 200);
    scene.end();
    assert_eq!(ask(&scene, "/repos/acme/app/nothing").await?, 404);
    ask(&scene, "/repos/acme/app/issues?sorted=yes").await?;
    // Without GitHub's description at hand nothing can be noticed.
    let described = shared_data().join("github/openapi.json").exists();
    assert_eq!(
        scene.forge.violations().len(),
        if described { 2 } else { 0 }
    );
    Ok(())
}

#[test]
fn the_graphql_that_is_asked_is_in_githubs_schema() -> Result<()> {
    let Ok(schema) = std::fs::read_to_string(shared_data().join("github/schema.graphql")) else {
        return Ok(());
    };
    let issue = schema
        .split("\ntype Issue implements")
        .nth(1)
        .context("no type Issue")?;
    let issue = issue.split("\n}").next().unwrap_or_default();
    assert!(issue.contains("lastEditedAt: DateTime"));
    assert!(schema.contains("\ntype Repository implements"));
    Ok(())
}
