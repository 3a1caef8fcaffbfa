//! Either side dies in the middle of a turn, or what is between them; a stranger has our name.

use anyhow::{Context, Result, ensure};
use cloud_code_tests::cluster::asked_until;
use cloud_code_tests::docker_cluster::{ContainedCli, DockerCluster, FAILPOINTS_OF_DOCKER, engine};
use cloud_code_tests::docker_way::Way;
use cloud_code_tests::model::{Action, Script, Step};
use libtest_mimic::Trial;

use super::installed;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        installed(
            "a_killed_orchestratord_finds_its_container_at_work_again",
            ContainedCli::ClaudeCode,
            waiting(),
            survives_the_orchestrator,
        ),
        installed(
            "a_killed_container_is_made_again_and_its_task_ends_well",
            ContainedCli::Codex,
            waiting(),
            async |cluster: &mut DockerCluster| survives_the_container(cluster, "kill").await,
        ),
        installed(
            "a_paused_container_is_made_again_and_its_task_ends_well",
            ContainedCli::Codex,
            waiting(),
            async |cluster: &mut DockerCluster| survives_the_container(cluster, "pause").await,
        ),
        installed(
            "a_stopped_container_is_made_again_and_its_task_ends_well",
            ContainedCli::Codex,
            waiting(),
            async |cluster: &mut DockerCluster| survives_the_container(cluster, "stop").await,
        ),
        installed(
            "a_removed_container_is_made_again_and_its_task_ends_well",
            ContainedCli::Codex,
            waiting(),
            async |cluster: &mut DockerCluster| survives_the_container(cluster, "rm --force").await,
        ),
        installed(
            "an_engine_that_hangs_holds_no_turn_up_and_the_operator_is_told",
            ContainedCli::Codex,
            waiting(),
            async |cluster: &mut DockerCluster| outlives_the_engine(cluster, Way::Hanging).await,
        ),
        installed(
            "an_engine_that_is_started_again_holds_no_turn_up",
            ContainedCli::Codex,
            waiting(),
            async |cluster: &mut DockerCluster| outlives_the_engine(cluster, Way::Gone).await,
        ),
        installed(
            "orchestratord_may_die_around_every_call_of_the_engine",
            ContainedCli::Codex,
            Script::edit(),
            dies_around_every_call,
        ),
        installed(
            "a_foreign_container_with_our_name_is_left_as_it_is",
            ContainedCli::Codex,
            Script::edit(),
            leaves_a_foreign_container,
        ),
    ]
}

/// A turn that says when it has begun, and goes on when it is told to.
pub(super) fn waiting() -> Script {
    let wait = "touch /tmp/begun; until test -e /tmp/go; do sleep 0.1; done";
    Script::playing(vec![
        Step::does("I wait for somebody.", Action::run(wait)),
        Step::does("I go on.", Action::write("greeting.txt", "hi\n")),
        Step::says("Done: greeting.txt greets."),
    ])
}

async fn survives_the_orchestrator(cluster: &mut DockerCluster) -> Result<()> {
    let issue = cluster.file_issue("Greet the user", "Slowly.");
    cluster.task(issue).await?;
    cluster.wait_inside("/tmp/begun").await?;
    let container = cluster.container_id().await?;

    cluster.kill().await?;
    let at_work = cluster.inside("test -e /tmp/begun && ! test -e /tmp/go");
    at_work
        .await
        .context("the container ended with its orchestrator")?;
    cluster.start().await?;
    cluster.inside("touch /tmp/go").await?;

    let detail = cluster.reviewed(issue).await?;
    ensure!(
        cluster.container_id().await? == container,
        "the container was made again"
    );
    let states: Vec<&str> = detail.executions.iter().map(|e| e.state.as_str()).collect();
    ensure!(states == ["succeeded"], "its executions were {states:?}");
    cluster.one_of_each(issue)?;
    Ok(())
}

/// `end` is what the engine is told to do to the container.
async fn survives_the_container(cluster: &mut DockerCluster, end: &str) -> Result<()> {
    let issue = cluster.file_issue("Greet the user", "Slowly.");
    cluster.task(issue).await?;
    cluster.wait_inside("/tmp/begun").await?;
    let container = cluster.container_id().await?;

    let name = cluster.container()?;
    let end: Vec<&str> = end.split(' ').chain([name.as_str()]).collect();
    engine(&end).await?;
    cluster.wait_for_another_container(&container).await?;
    cluster.inside("touch /tmp/go").await?;

    let detail = cluster.reviewed(issue).await?;
    let [lost, last] = detail.executions.as_slice() else {
        anyhow::bail!("its executions were {:?}", detail.executions);
    };
    ensure!(lost.cause == "agent_lost", "the first ended so: {lost:?}");
    ensure!(last.state == "succeeded", "the last ended so: {last:?}");
    let (pull, _) = cluster.one_of_each(issue)?;
    cluster
        .forge
        .read_file(&pull.branch, "greeting.txt")
        .await?;
    Ok(())
}

/// The engine says nothing while a turn goes on to its pull request.
async fn outlives_the_engine(cluster: &mut DockerCluster, blocked: Way) -> Result<()> {
    let issue = cluster.file_issue("Greet the user", "Slowly.");
    cluster.task(issue).await?;
    cluster.wait_inside("/tmp/begun").await?;
    let container = cluster.container_id().await?;

    cluster.way.set(blocked);
    warned(cluster, |warning| warning.contains("the Docker engine")).await?;
    cluster.inside("touch /tmp/go").await?;
    let detail = cluster.reviewed(issue).await?;
    ensure!(detail.executions.len() == 1, "{:?}", detail.executions);

    cluster.way.set(Way::Open);
    warned(cluster, str::is_empty).await?;
    ensure!(
        cluster.container_id().await? == container,
        "the container was made again"
    );
    cluster.one_of_each(issue)?;
    Ok(())
}

/// Waits until the operator's screen is warned so of the host.
async fn warned(cluster: &DockerCluster, level: impl Fn(&str) -> bool) -> Result<()> {
    asked_until("a warning", async || {
        let totals = cluster.operator()?.snapshot().await?.totals;
        let warning = totals.context("no totals")?.warning;
        Ok(level(&warning).then_some(()))
    })
    .await
}

/// Another workstation is wanted at each start: the old one is stopped and removed, the new one made
/// and started.
async fn dies_around_every_call(cluster: &mut DockerCluster) -> Result<()> {
    cluster.wait_inside("/cc").await?;
    for (failpoint, megabytes) in FAILPOINTS_OF_DOCKER.into_iter().zip(1_024..) {
        cluster.stop().await?;
        cluster.want_memory(megabytes)?;
        let died = cluster.dies_at(&format!("{failpoint}=return")).await;
        died.context(failpoint)?;
        cluster.start().await?;
        // The one that runs in the end is the one that is wanted.
        let memory = (u64::from(megabytes) * 1_000_000).to_string();
        asked_until(failpoint, async || {
            let name = cluster.container()?;
            let facts = "{{.State.Running}} {{.HostConfig.Memory}}";
            let found = engine(&["inspect", "--format", facts, &name]).await;
            let found = found.unwrap_or_default();
            Ok((found == format!("true {memory}")).then_some(()))
        })
        .await?;
        let containers = cluster.containers().await?;
        ensure!(containers.len() == 1, "{failpoint}: {containers:?}");
    }
    let issue = cluster.file_issue("Greet the user", "There is to be a greeting.txt.");
    cluster.reviewed(issue).await?;
    cluster.one_of_each(issue)?;
    Ok(())
}

async fn leaves_a_foreign_container(cluster: &mut DockerCluster) -> Result<()> {
    // Somebody takes the name while nobody looks.
    cluster.wait_inside("/cc").await?;
    cluster.stop().await?;
    let name = cluster.container()?;
    engine(&["rm", "--force", &name]).await?;
    engine(&["create", "--name", &name, cluster.image(), "true"]).await?;
    let facts = ["inspect", "--format", "{{.Id}} {{.State.Status}}", &name];
    let stranger = engine(&facts).await?;

    cluster.start().await?;
    let issue = cluster.file_issue("Greet the user", "There is to be a greeting.txt.");
    cluster.wait_for_log("that is not ours").await?;
    ensure!(
        engine(&facts).await? == stranger,
        "the stranger was touched"
    );
    let task = cluster.task(issue).await?;
    let detail = cluster.operator()?.task(&task).await?;
    ensure!(detail.executions.is_empty(), "it ran somewhere: {detail:?}");

    engine(&["rm", &name]).await?;
    cluster.reviewed(issue).await?;
    cluster.one_of_each(issue)?;
    Ok(())
}
