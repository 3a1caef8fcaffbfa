//! The GitHub connector against a forge that behaves like GitHub.

mod app;
mod comments;
mod forge;
mod issues;
mod limits;
mod polling;
mod pulls;
mod unlike;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use cloud_code_domain::limit::Amount;
use cloud_code_domain::workspace::WorkspaceMode;
use cloud_code_tests::forge::{Forge, TOKEN};
use orchestratord::config::{
    GateLimits, GithubAuthorisation, GithubConfig, ProjectConfig, TrackerConfig,
};
use orchestratord::connectors::github::{Connector, Github, MarkerKey, Pace};
use orchestratord::ports::Trouble;

const REPOSITORY: &str = "acme/app";
const LABEL: &str = "cloud-code";

/// A forge, and a project connected to it.
struct Scene {
    forge: Forge,
    github: Github,
    key: Arc<MarkerKey>,
}

impl Scene {
    async fn set() -> Result<Self> {
        Self::authorised(GithubAuthorisation::Token(TOKEN.into())).await
    }

    async fn authorised(authorisation: GithubAuthorisation) -> Result<Self> {
        let forge = Forge::start(REPOSITORY).await?;
        forge.person("ada", "write");
        let key = Arc::new(MarkerKey::new([7; 32]));
        let github = connect(&forge.api_url(), &forge.git_url(), authorisation, &key)?;
        Ok(Self { forge, github, key })
    }

    /// Nothing that was asked is unknown to GitHub.
    fn end(&self) {
        assert_eq!(self.forge.violations(), Vec::<String>::new());
    }

    fn requests(&self, beginning: &str) -> usize {
        let requests = self.forge.requests();
        requests
            .iter()
            .filter(|request| request.starts_with(beginning))
            .count()
    }
}

fn connect(
    api_url: &str,
    git_url: &str,
    authorisation: GithubAuthorisation,
    key: &Arc<MarkerKey>,
) -> Result<Github> {
    let github = GithubConfig {
        api_url: api_url.to_owned(),
        authorisation,
        webhook_secret: None,
        poll: Duration::from_secs(60),
    };
    let pace = Pace {
        between_writes: Duration::ZERO,
        ..Pace::default()
    };
    let project = project(git_url, &github)?;
    Ok(Connector::new(pace, Arc::clone(key)).connect(&project, &github)?)
}

fn project(git_url: &str, github: &GithubConfig) -> Result<ProjectConfig> {
    Ok(ProjectConfig {
        name: REPOSITORY.parse()?,
        enabled: true,
        tracker: TrackerConfig::Github(github.clone()),
        repository: git_url.to_owned(),
        default_branch: "main".to_owned(),
        branch_prefix: "cloud-code/".to_owned(),
        trigger_labels: vec![LABEL.to_owned()],
        ignore_labels: Vec::new(),
        auto_assign: true,
        default_agent_type: None,
        preferred_agents: BTreeMap::new(),
        coding_cli: "scripted".parse()?,
        workspace_mode: WorkspaceMode::Shared,
        setup: String::new(),
        check: String::new(),
        check_returns: 1,
        commit_leftovers: true,
        home_seed: None,
        max_attempts: 3,
        task_limit: Amount::default(),
        daily_limit: Amount::default(),
        protected_paths: Vec::new(),
        gate: GateLimits::default(),
    })
}

/// The trouble of an answer that must be one.
fn trouble<T>(answer: Result<T, Trouble>) -> Result<Trouble> {
    match answer {
        Ok(_good) => bail!("the call succeeded"),
        Err(trouble) => Ok(trouble),
    }
}

fn is_later(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Later { .. })
}

fn is_unknown(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Unknown { .. })
}

fn is_refused(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Refused { .. })
}
