//! What an installation has at the engine, and its programs on the host.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use orchestratord::fleet::docker_spec;
use tokio::process::Command;

use super::{DockerCluster, engine};

impl DockerCluster {
    /// Containers of this installation, whatever state they are in.
    ///
    /// # Errors
    /// Where the engine cannot be asked.
    pub async fn containers(&self) -> Result<Vec<String>> {
        self.named(&["ps", "--all", "--quiet"]).await
    }

    /// Its volumes.
    ///
    /// # Errors
    /// As [`DockerCluster::containers`].
    pub async fn volumes(&self) -> Result<Vec<String>> {
        self.named(&["volume", "ls", "--quiet"]).await
    }

    /// What of so many workstations is missing, there twice or does not run, and what no workstation
    /// has: networks. One sentence each.
    ///
    /// # Errors
    /// As [`DockerCluster::containers`].
    pub async fn misplaced(&self, seats: u32) -> Result<Vec<String>> {
        let seats = usize::try_from(seats)?;
        let running = self.named(&["ps", "--quiet"]).await?;
        let networks = self.named(&["network", "ls", "--quiet"]).await?;
        let volumes = seats * docker_spec::VOLUMES.len();
        let counted = [
            ("containers", self.containers().await?.len(), seats),
            ("running containers", running.len(), seats),
            ("volumes", self.volumes().await?.len(), volumes),
            ("networks", networks.len(), 0),
        ];
        let wrong = counted
            .into_iter()
            .filter(|(_, are, wanted)| are != wanted)
            .map(|(what, are, wanted)| format!("{are} {what} instead of {wanted}"));
        Ok(wrong.collect())
    }

    async fn named(&self, list: &[&str]) -> Result<Vec<String>> {
        let ours = format!("name=cc-{}-", self.cluster);
        let all = engine(&[list, &["--filter", &ours]].concat()).await?;
        Ok(all.lines().map(str::to_owned).collect())
    }

    /// Sends a signal to orchestratord; how many there were.
    ///
    /// # Errors
    /// Where it runs, and cannot be sent one.
    pub fn signal_orchestratord(&self, signal: Signal) -> Result<usize> {
        let running = self.running.as_ref();
        let Some(pid) = running.and_then(|running| running.orchestratord.id()) else {
            return Ok(0);
        };
        kill(Pid::from_raw(i32::try_from(pid)?), signal)?;
        Ok(1)
    }

    /// Runs a subcommand of orchestratord on this configuration.
    ///
    /// # Errors
    /// Where it fails; with what it said.
    pub async fn orchestratord(&self, arguments: &[&str]) -> Result<()> {
        let ended = Command::new(self.root.path().join("bin/orchestratord"))
            .arg("--config")
            .arg(self.root.path().join("orchestratord.toml"))
            .args(arguments)
            .kill_on_drop(true)
            .output()
            .await
            .context("orchestratord cannot be started")?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(ended.status.success(), "{arguments:?}: {said}");
        Ok(())
    }
}
