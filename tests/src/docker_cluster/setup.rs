//! The configuration of an installation with containers, as the README shows it.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use anyhow::Result;
use orchestratord::app::HostKey;

use super::{PROJECT, Wanted};
use crate::docker_checks::Image;
use crate::forge::{self, Forge};
use crate::model::ModelServer;

/// What opens the model server. It stays on the host.
pub const PROVIDER_KEY: &str = "sk-the-key-of-the-provider-stays-on-the-host";
/// What opens the forge. It stays on the host.
pub const PUSH_TOKEN: &str = forge::TOKEN;

/// What differs from what the README shows: TOML that is put where its name says.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// In `[agents]`.
    pub agents: String,
    /// In `[agents.types.backend]`.
    pub agent_type: String,
    /// In the project.
    pub project: String,
    /// After all else.
    pub rest: String,
}

/// A coding CLI in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainedCli {
    /// With the Messages API.
    ClaudeCode,
    /// With the Responses API.
    Codex,
    /// With Chat Completions.
    Aider,
    /// With Messages, driven over the Agent Client Protocol.
    Opencode,
    /// With Chat Completions, driven over the Agent Client Protocol.
    Qwen,
    /// With Chat Completions, driven over the Agent Client Protocol.
    Copilot,
}

impl ContainedCli {
    /// The name of its adapter.
    #[must_use]
    pub fn adapter(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::Aider => "aider",
            Self::Opencode => "opencode",
            Self::Qwen => "qwen",
            Self::Copilot => "copilot",
        }
    }

    /// The image that has it.
    #[must_use]
    pub fn image(self) -> Image {
        match self {
            Self::ClaudeCode | Self::Codex | Self::Aider => Image::Backend,
            Self::Opencode | Self::Qwen | Self::Copilot => Image::Acp,
        }
    }

    fn provider(self) -> &'static str {
        match self {
            Self::ClaudeCode | Self::Opencode => "anthropic",
            Self::Codex | Self::Aider | Self::Qwen | Self::Copilot => "openai",
        }
    }

    /// A model that the shipped table has a price for.
    fn model(self) -> &'static str {
        match self {
            Self::ClaudeCode | Self::Opencode => "claude-sonnet-4-5",
            Self::Codex => "gpt-5.5",
            Self::Aider | Self::Qwen | Self::Copilot => "gpt-4o",
        }
    }
}

/// Writes the configuration and its secrets; the word that is in the names of all containers.
pub(super) fn write(
    root: &Path,
    wanted: &Wanted,
    forge: &Forge,
    model: &ModelServer,
) -> Result<String> {
    secret(&root.join("provider.key"), PROVIDER_KEY)?;
    secret(&root.join("github.token"), PUSH_TOKEN)?;
    orchestratord::credentials::generate_key(&root.join("secrets.key"))?;
    std::fs::write(
        root.join("orchestratord.toml"),
        configuration(root, wanted, forge, model),
    )?;
    let state = root.join("state");
    std::fs::DirBuilder::new().mode(0o700).create(&state)?;
    Ok(hex::encode(&HostKey::of(&state)?.derive(b"cluster")[..4]))
}

fn secret(path: &Path, value: &str) -> Result<()> {
    std::fs::write(path, format!("{value}\n"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn configuration(root: &Path, wanted: &Wanted, forge: &Forge, model: &ModelServer) -> String {
    let Wanted {
        cli,
        image,
        agentd,
        beside,
        ..
    } = wanted;
    format!(
        r#"state_dir = "{root}/state"

[operator]
socket = "{root}/operator.sock"

[secrets]
key_file = "{root}/secrets.key"

[settle]
github_seconds = 1

[agents]
runtime = "docker"
agentd = "{agentd}"
retry_seconds = 1
min_free_disk = "100MB"
{agents}

[agents.types.backend]
image = "{image}"
{agent_type}

[accounts.main]
kind = "{provider}"
base_url = "{model_url}"
secret_file = "{root}/provider.key"

[coding_cli.{adapter}]
adapter = "{adapter}"
account = "main"
model = "{model_name}"

[[projects]]
name = "{PROJECT}"
tracker = "github"
repository = "{repository}"
coding_cli = "{adapter}"
{project}

[projects.github]
api_url = "{api_url}"
token_file = "{root}/github.token"
poll_seconds = 1
{rest}
"#,
        agents = beside.agents,
        agent_type = beside.agent_type,
        project = beside.project,
        rest = beside.rest,
        root = root.display(),
        agentd = agentd.display(),
        provider = cli.provider(),
        model_url = model.url(),
        adapter = cli.adapter(),
        model_name = cli.model(),
        repository = forge.git_url(),
        api_url = forge.api_url(),
    )
}
