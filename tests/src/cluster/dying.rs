//! Ends of programs that come from inside: at a failpoint, or in order.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Cluster, belongs, until};

impl Cluster {
    /// The next start of orchestratord is one that dies at this failpoint: its name, and how it says
    /// when, `core::after_ack=20*off->return`.
    pub fn arm(&mut self, failpoint: &str) {
        self.failpoint = Some(failpoint.to_owned());
    }

    /// The next agentd that starts is one that dies at this failpoint; the ones that run end, so that
    /// it is soon.
    ///
    /// # Errors
    /// Where the programs cannot be arranged so.
    pub fn arm_agentd(&self, failpoint: &str) -> Result<()> {
        let (root, bin) = (self.root().display(), self.root().join("bin"));
        let real = bin.join("agentd.real");
        fs::create_dir_all(&real)?;
        fs::rename(bin.join("agentd"), real.join("agentd"))?;
        // Of several that start at once the link makes one the victim.
        let script = format!(
            "#!/bin/sh\nif ln -s $$ {root}/victim 2>/dev/null; then\n\
             export FAILPOINTS='{failpoint}'\nfi\n\
             exec {root}/bin/agentd.real/agentd \"$@\"\n"
        );
        fs::write(bin.join("agentd.new"), script)?;
        fs::set_permissions(bin.join("agentd.new"), fs::Permissions::from_mode(0o755))?;
        fs::rename(bin.join("agentd.new"), bin.join("agentd"))?;
        // Not one that has started since: it may be the victim.
        let before = format!("{root}/bin/agentd ");
        for (pid, line) in self.processes() {
            if line.starts_with(&before) {
                // Whoever has ended by itself starts again as well.
                let _ended = kill(pid, Signal::SIGKILL);
            }
        }
        Ok(())
    }

    /// The agentd that was armed, once it has started.
    fn victim(&self) -> Option<i32> {
        let pid = fs::read_link(self.root().join("victim")).ok()?;
        pid.to_str()?.parse().ok()
    }

    /// Waits until the agentd that was armed is dead.
    ///
    /// # Errors
    /// Where it lives on.
    pub async fn agentd_dies(&self) -> Result<()> {
        until("the death of an agentd", || {
            let pid = self.victim()?;
            belongs(pid, &self.root().to_string_lossy())
                .is_none()
                .then_some(())
        })
        .await
    }

    /// Waits until orchestratord is dead without anybody else's doing.
    ///
    /// # Errors
    /// Where it lives on.
    pub async fn orchestratord_dies(&mut self) -> Result<()> {
        let mut child = self
            .orchestratord
            .take()
            .context("orchestratord does not run")?;
        let died = until("the death of orchestratord", || {
            child.try_wait().ok().flatten()
        });
        let died = died.await;
        if died.is_err() {
            child.kill()?;
        }
        self.operator = None;
        died.map(|_| ())
    }

    /// Asks orchestratord to end, and waits until it has; its exit status.
    ///
    /// # Errors
    /// Where it does not end.
    pub async fn terminate_orchestratord(&mut self) -> Result<Option<i32>> {
        let mut child = self
            .orchestratord
            .take()
            .context("orchestratord does not run")?;
        self.operator = None;
        kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
        let ended = until("the end of orchestratord", || {
            child.try_wait().ok().flatten()
        });
        let ended = ended.await;
        if ended.is_err() {
            child.kill()?;
        }
        Ok(ended?.code())
    }
}
