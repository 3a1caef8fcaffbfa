//! Which coding CLI runs, and where.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use agentd::cli::{Gateway, RunSpec, SessionRef};
use anyhow::{Context, Result, ensure};
use cloud_code_domain::account::{Authorisation, Provider};
use tokio::process::Command;

/// A coding CLI to run.
#[derive(Debug, Clone)]
pub struct CodingCli {
    /// The adapter's name.
    pub adapter: &'static str,
    /// The program.
    pub command: Vec<String>,
    /// The model it is told to use.
    pub model: Option<String>,
    /// Whose API it speaks to.
    pub provider: Provider,
    /// How the token is presented.
    pub authorisation: Authorisation,
}

impl CodingCli {
    /// Claude Code as `coding_clis/install.sh DIRECTORY` installed it.
    #[must_use]
    pub fn claude_code(directory: &Path) -> Self {
        Self::installed(
            "claude-code",
            &directory.join("bin/claude"),
            None,
            Provider::Anthropic,
        )
    }

    /// Codex as `coding_clis/install.sh DIRECTORY` installed it.
    #[must_use]
    pub fn codex(directory: &Path) -> Self {
        Self::installed(
            "codex",
            &directory.join("bin/codex"),
            Some("gpt-5.5"),
            Provider::Openai,
        )
    }

    /// Aider as `coding_clis/install.sh DIRECTORY` installed it.
    #[must_use]
    pub fn aider(directory: &Path, provider: Provider) -> Self {
        let model = match provider {
            Provider::Anthropic => "claude-sonnet-4-5",
            Provider::Openai => "gpt-4o",
            Provider::Google => "gemini-2.5-pro",
        };
        Self::installed("aider", &directory.join("bin/aider"), Some(model), provider)
    }

    /// opencode as `coding_clis/install.sh DIRECTORY` installed it.
    #[must_use]
    pub fn opencode(directory: &Path, provider: Provider) -> Self {
        let model = match provider {
            Provider::Anthropic => "claude-sonnet-4-5",
            Provider::Openai => "gpt-4o",
            Provider::Google => "gemini-2.5-pro",
        };
        let program = directory.join("bin/opencode");
        Self::installed("opencode", &program, Some(model), provider)
    }

    /// Qwen Code as `coding_clis/install.sh DIRECTORY` installed it.
    #[must_use]
    pub fn qwen(directory: &Path) -> Self {
        let program = directory.join("bin/qwen");
        Self::installed("qwen", &program, Some("gpt-4o"), Provider::Openai)
    }

    /// The Copilot CLI as `coding_clis/install.sh DIRECTORY` installed it.
    #[must_use]
    pub fn copilot(directory: &Path) -> Self {
        let program = directory.join("bin/copilot");
        Self::installed("copilot", &program, Some("gpt-4o"), Provider::Openai)
    }

    /// Gemini CLI as `coding_clis/install.sh DIRECTORY` installed it.
    #[must_use]
    pub fn gemini(directory: &Path) -> Self {
        let (program, model) = (directory.join("bin/gemini"), Some("gemini-2.5-pro"));
        Self::installed("gemini", &program, model, Provider::Google)
    }

    fn installed(
        adapter: &'static str,
        program: &Path,
        model: Option<&str>,
        provider: Provider,
    ) -> Self {
        Self {
            adapter,
            command: vec![program.to_string_lossy().into_owned()],
            model: model.map(String::from),
            provider,
            authorisation: Authorisation::ApiKey,
        }
    }
}

/// Where a run takes place: a HOME and a worktree, in a temporary directory.
#[derive(Debug)]
pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// A fresh HOME, and a git repository with one commit.
    ///
    /// # Errors
    /// If the directories cannot be made or git fails.
    pub async fn new() -> Result<Self> {
        let place = Self {
            directory: tempfile::tempdir()?,
        };
        fs::create_dir(place.home())?;
        fs::create_dir(place.worktree())?;
        fs::write(place.worktree().join("README.md"), "# Sample\n")?;
        let me = [
            "-c",
            "user.name=Sample",
            "-c",
            "user.email=sample@example.com",
        ];
        place.git(&["init", "--quiet"]).await?;
        place.git(&["add", "."]).await?;
        place
            .git(&[&me[..], &["commit", "--quiet", "-m", "Begin"]].concat())
            .await?;
        Ok(place)
    }

    /// The HOME.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// The worktree.
    #[must_use]
    pub fn worktree(&self) -> PathBuf {
        self.directory.path().join("worktree")
    }

    /// A file of the worktree.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, path: &str) -> Result<String> {
        let path = self.worktree().join(path);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// As if a minute had passed: Gemini CLI names the file of a session by the minute that it began in,
    /// and begins that file again where it is taken up in the same minute.
    ///
    /// # Errors
    /// If a file cannot be renamed.
    pub fn a_minute_later(&self) -> Result<()> {
        let projects = self.home().join(".gemini/tmp");
        let Ok(projects) = fs::read_dir(projects) else {
            return Ok(());
        };
        for project in projects {
            let chats = project?.path().join("chats");
            for chat in fs::read_dir(&chats)? {
                let name = chat?.file_name().to_string_lossy().into_owned();
                let id = name.rsplit('-').next().unwrap_or_default();
                let older = format!("session-2026-01-01T00-00-{id}");
                fs::rename(chats.join(&name), chats.join(older))?;
            }
        }
        Ok(())
    }

    async fn git(&self, arguments: &[&str]) -> Result<()> {
        let mut git = Command::new("git");
        let status = git
            .env("HOME", self.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env_remove("GIT_DIR")
            .env_remove("GIT_INDEX_FILE")
            .current_dir(self.worktree())
            .args(arguments)
            .status()
            .await?;
        ensure!(status.success(), "git {arguments:?} failed");
        Ok(())
    }

    /// The specification of a run here.
    #[must_use]
    pub fn spec(
        &self,
        cli: &CodingCli,
        base_url: &str,
        session: SessionRef,
        prompt: &str,
    ) -> RunSpec {
        RunSpec {
            prompt: prompt.into(),
            workdir: self.worktree(),
            home: self.home(),
            model: cli.model.clone(),
            session,
            command: cli.command.clone(),
            gateway: Some(Gateway {
                base_url: base_url.into(),
                token: "token-of-the-execution".into(),
                provider: cli.provider,
                authorisation: cli.authorisation,
            }),
            env: BTreeMap::new(),
            prompt_file: self.directory.path().join("prompt.md"),
        }
    }
}
