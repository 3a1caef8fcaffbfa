//! Images for the checks: `tests/docker/images.sh` makes them, once, and says how.

use std::path::{Path, PathBuf};

use crate::trials::{Demand, Found};

use super::{docker, engine_is_there};

/// The root of the repository.
#[must_use]
pub fn repository_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// An image that tests need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Debian with git, without the image contract.
    Base,
    /// The base with the image contract, and nothing else.
    Contract,
    /// The backend image with the three coding CLIs, as a user builds it. Takes minutes, once.
    Backend,
    /// The same with the coding CLIs that speak the Agent Client Protocol.
    Acp,
}

impl Image {
    /// Makes it unless it is there; its tag.
    ///
    /// # Errors
    /// What failed.
    pub async fn make(self) -> Result<String, String> {
        self.script(&[]).await
    }

    /// Whether it is there; where it is demanded, it is made.
    pub async fn look(self, demand: Demand) -> Found<String> {
        if let Err(why) = engine_is_there().await {
            return Found::Missing(format!("there is no Docker engine: {why}"));
        }
        let found = match demand {
            Demand::Required => self.make().await,
            Demand::Optional => self.is_there().await,
        };
        found.map_or_else(Found::Missing, Found::There)
    }

    async fn is_there(self) -> Result<String, String> {
        let tag = self.script(&["--tag"]).await?;
        let word = self.word();
        match docker(&["image", "inspect", &tag]).await {
            Ok(_) => Ok(tag),
            Err(_) => Err(format!(
                "there is no image {tag}; tests/docker/images.sh {word} makes it"
            )),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Contract => "contract",
            Self::Backend => "backend",
            Self::Acp => "acp",
        }
    }

    async fn script(self, options: &[&str]) -> Result<String, String> {
        let script = repository_root().join("tests/docker/images.sh");
        let mut command = tokio::process::Command::new(&script);
        command.args(options).arg(self.word()).kill_on_drop(true);
        let output = command.output().await;
        let output = output.map_err(|error| format!("{}: {error}", script.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(8)..].join("\n");
        Err(format!("{command:?} ended with {}:\n{last}", output.status))
    }
}
