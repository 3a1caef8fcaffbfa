//! Authorised as a GitHub App, from the label to the merge; and without its installation.

use anyhow::{Context, Result};
use cloud_code_proto::v1;
use cloud_code_tests::cluster::{Cluster, PATIENCE, app_project, secret_file};
use cloud_code_tests::forge::{APP_KEY, Installation};

use super::super::{PROGRAMS, projects};
use super::Scene;

const STEPS: &str = "write a.txt 1\ncommit A";

impl Scene {
    /// The project works as an app; webhooks arrive, polls are far apart.
    async fn as_app() -> Result<Self> {
        let forge = Self::forge().await?;
        let setting = projects(app_project(&forge, 3_600));
        let cluster = Cluster::prepared(PROGRAMS, setting, |root| {
            secret_file(root, "app.pem", APP_KEY)
        })
        .await?;
        cluster.listen_to(&forge);
        Ok(Self { forge, cluster })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_takes_an_issue_to_its_merge_with_tokens_of_one_repository() -> Result<()> {
    let scene = Scene::as_app().await?;
    let (issue, task, pull) = scene.reviewed("Add a", STEPS).await?;
    assert_eq!(scene.forge.read_file(&pull.branch, "a.txt").await?, "1");
    assert!(
        scene
            .forge
            .comments(issue)
            .iter()
            .any(|one| { one.author.ends_with("[bot]") && one.body.contains(&task) })
    );
    // The forge mints for a claim that the app's key has signed, and for this repository alone.
    assert_eq!(scene.forge.installation_tokens(), 1);

    // Near their end tokens are not used: every call has one of its own from here on.
    scene.forge.limit_installation_tokens(200);
    scene.forge.revoke_installation_tokens();
    let (_, second, _) = scene.reviewed("Add b", "write b.txt 1\ncommit B").await?;
    assert!(scene.forge.installation_tokens() > 2);
    scene.forge.merge("ada", pull.number).await?;
    scene.cluster.task_in(&task, "completed").await?;
    let task = scene.cluster.operator()?.task(&second).await?.task;
    assert_eq!(task.context("no task")?.attempts, 1);
    scene.end();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_suspended_or_gone_is_told_and_nothing_fails() -> Result<()> {
    let scene = Scene::as_app().await?;
    let go = scene.cluster.root().join("go");
    let issue = scene.issue("Add a", &format!("wait-for {}\n{STEPS}", go.display()));
    let task = scene.cluster.task_of(issue).await?;
    scene.cluster.task_in(&task, "in_progress").await?;

    scene.forge.set_installation(Installation::Suspended);
    let told = scene
        .cluster
        .warned(|told| told.contains("suspended"))
        .await?;
    assert!(told.contains("have it unsuspended"), "{told}");
    // It ends while nothing can be pushed, and waits for that.
    std::fs::write(go, "")?;
    let operator = scene.cluster.operator()?;
    let held = |task: &v1::Task| task.state_detail.contains("checked and pushed");
    operator.wait_for(&task, "held", PATIENCE, held).await?;
    scene.forge.set_installation(Installation::Deleted);
    let told = scene
        .cluster
        .warned(|told| told.contains("uninstalled"))
        .await?;
    assert!(told.contains("installation_id"), "{told}");
    let waiting = operator.wait_for(&task, "held", PATIENCE, held).await?;
    assert_eq!(waiting.attempts, 1);

    scene.forge.set_installation(Installation::Active);
    scene.cluster.warned(str::is_empty).await?;
    let is = |task: &v1::Task| task.state == "review";
    let task = operator.wait_for(&task, "review", PATIENCE, is).await?;
    assert_eq!((task.attempts, task.pull_request.is_some()), (1, true));
    scene.end();
    Ok(())
}
