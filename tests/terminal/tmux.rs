//! A terminal that can be typed into and read: tmux with a server of its own.
//!
//! What the program shows is read from tmux, which has interpreted it; what it wrote is read from a
//! copy of every byte.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cloud_code_tests::cluster::PATIENCE;
use tokio::process::Command;

/// Between two looks at the screen.
const LOOK: std::time::Duration = std::time::Duration::from_millis(25);

/// A tmux server; ended with the installation, whose directory stands in its command line.
#[derive(Debug)]
pub(crate) struct Tmux {
    root: PathBuf,
}

/// One terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    tmux: Tmux,
    name: String,
}

impl Tmux {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let config = "set -g default-terminal tmux-256color
set -g remain-on-exit on
set -g status off
set -g escape-time 0
";
        std::fs::write(root.join("tmux.conf"), config)?;
        Ok(Self {
            root: root.to_owned(),
        })
    }

    async fn run(&self, arguments: &[&str]) -> Result<String> {
        let root = self.root.display();
        let done = Command::new("tmux")
            .args(["-u", "-S"])
            .arg(self.root.join("tmux.sock"))
            .arg("-f")
            .arg(self.root.join("tmux.conf"))
            .args(arguments)
            .env_clear()
            .env("PATH", format!("{root}/path:/usr/local/bin:/usr/bin:/bin"))
            .env("HOME", format!("{root}/home"))
            .env("LANG", "C.UTF-8")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::null())
            .output()
            .await
            .context("tmux cannot be started")?;
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        ensure!(
            done.status.success(),
            "tmux {}: {said}",
            arguments.join(" ")
        );
        Ok(String::from_utf8(done.stdout)?)
    }

    /// Opens a terminal of this size with a shell command in it, and keeps all that it writes.
    pub(crate) async fn open(
        &self,
        name: &str,
        size: (u16, u16),
        command: &str,
    ) -> Result<Terminal> {
        let (columns, rows) = (size.0.to_string(), size.1.to_string());
        let tmux = Self {
            root: self.root.clone(),
        };
        let terminal = Terminal {
            tmux,
            name: name.to_owned(),
        };
        let copy = format!("cat >> {}", terminal.copy().display());
        let open = ["new-session", "-d", "-s", name, "-x", &columns, "-y", &rows];
        let arguments = [open.as_slice(), &[command, ";", "pipe-pane", "-O", &copy]];
        self.run(&arguments.concat()).await?;
        Ok(terminal)
    }
}

impl Terminal {
    fn copy(&self) -> PathBuf {
        self.tmux.root.join(format!("{}.wire", self.name))
    }

    /// Every byte that was written to it so far.
    pub(crate) fn wire(&self) -> Vec<u8> {
        std::fs::read(self.copy()).unwrap_or_default()
    }

    /// What stands on it.
    pub(crate) async fn text(&self) -> Result<String> {
        self.tmux
            .run(&["capture-pane", "-p", "-t", &self.name])
            .await
    }

    /// Presses keys, by tmux's names for them.
    pub(crate) async fn press(&self, keys: &[&str]) -> Result<()> {
        let send = ["send-keys", "-t", &self.name, "--"];
        let sent = self.tmux.run(&[send.as_slice(), keys].concat()).await;
        sent.map(drop)
    }

    /// Types a text.
    pub(crate) async fn write(&self, text: &str) -> Result<()> {
        let send = ["send-keys", "-t", &self.name, "-l", "--", text];
        self.tmux.run(&send).await.map(drop)
    }

    /// Gives it another size.
    pub(crate) async fn resize(&self, columns: u16, rows: u16) -> Result<()> {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let resize = [
            "resize-window",
            "-t",
            &self.name,
            "-x",
            &columns,
            "-y",
            &rows,
        ];
        self.tmux.run(&resize).await.map(drop)
    }

    /// What tmux knows of it.
    pub(crate) async fn fact(&self, format: &str) -> Result<String> {
        let ask = ["display-message", "-p", "-t", &self.name, format];
        Ok(self.tmux.run(&ask).await?.trim().to_owned())
    }

    /// Waits until the screen is like this; what stands on it then.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let text = self.text().await?;
            if is(&text) {
                return Ok(text);
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "the screen never showed {what}; it shows\n{text}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a text stands on the screen.
    pub(crate) async fn shows(&self, text: &str) -> Result<String> {
        self.until(&format!("{text:?}"), |screen| screen.contains(text))
            .await
    }
}
