//! A project whose tasks get a container of their own.

use anyhow::{Result, ensure};
use cloud_code_tests::docker_cluster::{ContainedCli, DockerCluster, engine};
use libtest_mimic::Trial;

use super::faults::waiting;
use super::installed;

pub(super) fn trials() -> Vec<Trial> {
    vec![installed(
        "an_isolated_container_has_one_volume_and_goes_with_it",
        ContainedCli::Codex,
        waiting(),
        goes_with_its_volume,
    )]
}

async fn goes_with_its_volume(cluster: &mut DockerCluster) -> Result<()> {
    becomes_isolated(cluster).await?;

    let issue = cluster.file_issue("Greet the user", "Slowly.");
    let task = cluster.task(issue).await?;
    cluster.wait_inside("/tmp/begun").await?;
    only_the_workspace_is_mounted(cluster).await?;
    one_volume(cluster).await?;
    // The folders are the image's own then.
    let clean = "! test -e /workspace/left && test -z \"$(ls /tools /cache | grep left)\"";
    cluster.inside(clean).await?;
    let leave = format!("touch /workspace/left && test -d /workspace/tasks/{task}/work");
    cluster.inside(&leave).await?;
    let first = cluster.container_id().await?;
    cluster.inside("touch /tmp/go").await?;

    cluster.reviewed(issue).await?;
    cluster.wait_for_another_container(&first).await?;
    let clean =
        "! test -e /workspace/left && test -z \"$(ls /workspace/tasks)\" && ! test -e /tmp/go";
    cluster.inside(clean).await?;
    ensure!(
        cluster.containers().await?.len() == 1,
        "the old one is still there"
    );
    one_volume(cluster).await?;
    cluster.one_of_each(issue)?;
    Ok(())
}

async fn one_volume(cluster: &DockerCluster) -> Result<()> {
    let volumes = cluster.volumes().await?;
    ensure!(volumes.len() == 1, "{volumes:?}");
    Ok(())
}

async fn only_the_workspace_is_mounted(cluster: &DockerCluster) -> Result<()> {
    let mounted = "{{range .Mounts}}{{if eq .Type \"volume\"}}{{.Destination}} {{end}}{{end}}";
    let mounted = engine(&["inspect", "--format", mounted, &cluster.container()?]).await?;
    ensure!(mounted.trim() == "/workspace", "it has {mounted}");
    Ok(())
}

/// What was there before the project was isolated goes first.
async fn becomes_isolated(cluster: &mut DockerCluster) -> Result<()> {
    cluster.wait_inside("/cache").await?;
    cluster
        .inside("touch /cache/left /tools/left /workspace/left")
        .await?;
    let shared = cluster.container_id().await?;
    cluster.stop().await?;
    cluster.want_mode("isolated")?;
    cluster.start().await?;
    cluster.wait_for_another_container(&shared).await?;
    Ok(())
}
