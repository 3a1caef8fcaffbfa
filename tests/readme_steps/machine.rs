//! The machine that the steps are followed on: what they need, and how it was before.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use cloud_code_domain::id::AgentId;
use cloud_code_tests::docker_checks::Image;
use cloud_code_tests::docker_cluster::engine;
use orchestratord::app::HostKey;
use orchestratord::fleet::docker_spec;

use super::typing::run;

/// Where an installation is.
const PLACES: [&str; 6] = [
    "/etc/cloud-code",
    "/usr/local/bin/orchestratord",
    "/usr/local/bin/cloud-code",
    "/usr/local/lib/cloud-code",
    "/var/lib/cloud-code",
    "/run/cloud-code",
];
/// Who may use the client, by the configuration.
const OPERATOR: &str = "alice";
/// The base that the README names; no registry is asked for it.
const BASE: &str = "debian:bookworm-slim";

pub(crate) struct Machine {
    made_operator: bool,
    made_base: bool,
}

impl Machine {
    /// Makes what the README takes for granted.
    pub(crate) async fn prepare() -> Result<Self> {
        ensure!(
            nix::unistd::Uid::effective().is_root(),
            "the steps need root"
        );
        for place in PLACES {
            ensure!(
                !Path::new(place).exists(),
                "{place} is there: the steps are followed where nothing is installed"
            );
        }
        let made_base = engine(&["image", "inspect", BASE]).await.is_err();
        if made_base {
            let base = Image::Base.make().await.map_err(anyhow::Error::msg)?;
            engine(&["tag", &base, BASE]).await?;
        }
        let made_operator = run(&format!("id {OPERATOR}"), "").await.is_err();
        if made_operator {
            run(&format!("useradd --no-create-home {OPERATOR}"), "").await?;
        }
        Ok(Self {
            made_operator,
            made_base,
        })
    }

    /// Takes away what the steps made; the image stays, as a part of the next build.
    pub(crate) async fn restore(self) -> Result<()> {
        let state = Path::new("/var/lib/cloud-code");
        if state.exists() {
            let key = HostKey::of(state)?;
            remove_containers(&hex::encode(&key.derive(b"cluster")[..4])).await?;
        }
        for place in PLACES {
            let place = Path::new(place);
            let removed = if place.is_dir() {
                std::fs::remove_dir_all(place)
            } else if place.exists() {
                std::fs::remove_file(place)
            } else {
                Ok(())
            };
            removed.with_context(|| place.display().to_string())?;
        }
        if self.made_operator {
            run(&format!("userdel {OPERATOR}"), "").await?;
        }
        if self.made_base {
            engine(&["rmi", BASE]).await?;
        }
        Ok(())
    }
}

async fn remove_containers(cluster: &str) -> Result<()> {
    let agent: AgentId = "acme-app.backend-1".parse()?;
    let name = docker_spec::container_name(cluster, &agent);
    let (ours, _) = name
        .split_once("acme-app")
        .context("an agent's container")?;
    let filter = format!("name={ours}");
    for container in engine(&["ps", "--all", "--quiet", "--filter", &filter])
        .await?
        .lines()
    {
        engine(&["rm", "--force", container]).await?;
    }
    for volume in engine(&["volume", "ls", "--quiet", "--filter", &filter])
        .await?
        .lines()
    {
        engine(&["volume", "rm", volume]).await?;
    }
    Ok(())
}
