//! What an image has of the image contract: git, a user 10001, directories of its own. Found out by
//! a shell in a container of that image without network, mounts or capabilities.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
};
use futures_util::StreamExt;

use super::super::docker_spec::{USER, VOLUMES};
use super::engine::Engine;
use crate::ports::Trouble;

/// Marks a probe's container; never an agent's, so that no reconciler takes it for one.
const LABEL_PROBE: &str = "cc.probe";

/// What an image has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// Git's version, for example `2.39.5`.
    pub git: Option<String>,
    /// Directories of the contract that are missing or do not belong to user 10001.
    pub wrong_dirs: Vec<&'static str>,
}

impl ImageFacts {
    /// What the contract wants and the image does not have, a phrase each.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let git = self.git.is_none().then(|| "git".to_owned());
        let dirs = self
            .wrong_dirs
            .iter()
            .map(|dir| format!("{dir} owned by user 10001"));
        git.into_iter().chain(dirs).collect()
    }
}

/// `git 2.39.5`, then the owner and path of each directory that is there.
const SCRIPT: &str = "git --version 2>/dev/null; \
    for d in /workspace /tools /cache; do stat -c 'dir %u %n' $d 2>/dev/null; done; exit 0";

fn parse(output: &str) -> ImageFacts {
    let git = output
        .lines()
        .find_map(|line| line.strip_prefix("git version "));
    let owned = |dir: &str| {
        output
            .lines()
            .any(|line| line == format!("dir 10001 {dir}"))
    };
    ImageFacts {
        git: git.map(|version| version.chars().take(40).collect()),
        wrong_dirs: VOLUMES
            .map(|(_, dir)| dir)
            .into_iter()
            .filter(|dir| !owned(dir))
            .collect(),
    }
}

pub(super) async fn image_facts(
    engine: &Engine,
    cluster: &str,
    image: &str,
) -> Result<ImageFacts, Trouble> {
    let docker = engine.docker().await?;
    let options = CreateContainerOptionsBuilder::new().build();
    let call = docker.create_container(Some(options), body(cluster, image));
    let created = engine.write("create a probe", call).await;
    let id = created
        .map_err(|trouble| super::about_image(trouble, image))?
        .id;
    let output = run(engine, &id).await;
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    let call = docker.remove_container(&id, Some(options));
    engine.write_unless(404, "remove a probe", call).await?;
    output.map(|output| parse(&output))
}

fn body(cluster: &str, image: &str) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(image.to_owned()),
        user: Some(USER.to_owned()),
        entrypoint: Some(vec![
            "/bin/sh".to_owned(),
            "-c".to_owned(),
            SCRIPT.to_owned(),
        ]),
        cmd: Some(Vec::new()),
        labels: Some(HashMap::from([(
            LABEL_PROBE.to_owned(),
            cluster.to_owned(),
        )])),
        network_disabled: Some(true),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            pids_limit: Some(32),
            memory: Some(128 << 20),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Starts the probe and reads what it says until it ends.
async fn run(engine: &Engine, id: &str) -> Result<String, Trouble> {
    const MOST: usize = 4_096;
    let docker = engine.docker().await?;
    engine
        .write("start a probe", docker.start_container(id, None))
        .await?;
    let options = LogsOptionsBuilder::new()
        .follow(true)
        .stdout(true)
        .stderr(false)
        .build();
    let mut lines = docker.logs(id, Some(options));
    let reading = async {
        let mut output = String::new();
        while let Some(line) = lines.next().await {
            output.push_str(&String::from_utf8_lossy(&line?.into_bytes()));
            if output.len() > MOST {
                break;
            }
        }
        Ok(output)
    };
    engine.read("read a probe", reading).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_image_lacks_is_named() {
        let whole =
            "git version 2.39.5\ndir 10001 /workspace\ndir 10001 /tools\ndir 10001 /cache\n";
        assert!(parse(whole).missing().is_empty());
        let bare = parse("dir 0 /workspace\ndir 10001 /tools\n").missing();
        assert_eq!(
            bare,
            [
                "git",
                "/workspace owned by user 10001",
                "/cache owned by user 10001"
            ]
        );
    }
}
