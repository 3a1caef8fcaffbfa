//! Config + engine → the parts that the daemon runs: ports, mirrors, gate, gateway, runtime.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use cloud_code_domain::agent::AgentState;
use cloud_code_domain::id::AgentId;
use cloud_code_domain::price::PriceTable;
use secrecy::SecretString;

use crate::accounts::EngineMeter;
use crate::app::HostKey;
use crate::config::{Config, GithubAuthorisation, ProjectConfig, RuntimeKind, TrackerConfig};
use crate::connectors::github::{Connector, MarkerKey, Pace};
use crate::connectors::local::Local;
use crate::credentials::Secrets;
use crate::engine::{Engine, Input};
use crate::fleet::docker::{self, DockerRuntime};
use crate::fleet::process::ProcessRuntime;
use crate::gateway::{Gateway, SystemResolver};
use crate::logs::Logs;
use crate::mirrors::Mirrors;
use crate::mirrors::git::leftovers::end_leftovers;
use crate::outside::{Hands, Ports};
use crate::ports::Runtime;
use crate::pull_requests::Gate;
use crate::pull_requests::publish::{KnownSecrets, Publisher, Silences};
use crate::sessions::{Briefing, Sessions};

pub(super) struct Wired {
    pub(super) hands: Arc<Hands>,
    pub(super) sessions: Sessions,
    pub(super) briefing: Briefing,
    pub(super) logs: Logs,
    pub(super) mirrors: Arc<Mirrors>,
    pub(super) secrets: Secrets,
    pub(super) gateway: Arc<Gateway>,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) docker: Option<Arc<DockerRuntime>>,
    pub(super) agents: Vec<AgentId>,
}

pub(super) async fn wire(config: &Arc<Config>, engine: &Engine) -> anyhow::Result<Wired> {
    let state = &config.state_dir;
    let key = Arc::new(HostKey::of(state)?);
    let marker = Arc::new(MarkerKey::new(key.derive(b"comment marker")));
    let seen = engine.read(|world| world.host.secrets_version).await?;
    let secrets = Secrets::open(config, seen)?;
    let (known, version) = secrets.known();
    engine
        .send(Input::SecretsKnown {
            secrets: known,
            version,
            change: None,
        })
        .await?;
    let left = end_leftovers(state);
    if left > 0 {
        tracing::warn!(
            left,
            "git of an earlier start was still at work; it was ended"
        );
    }
    let mirrors = Arc::new(Mirrors::new(state));
    let gate = Gate::new(state);
    gate.clean_leftovers()
        .context("what an earlier check left behind cannot be removed")?;
    let sessions = Sessions::default();
    let cluster = hex::encode(&key.derive(b"cluster")[..4]);
    let briefing = Briefing {
        config: config.clone(),
        key,
    };
    let connector = Connector::new(Pace::default(), marker.clone());
    let mut ports = HashMap::new();
    for project in &config.projects {
        let at = connect(config, project, &connector, &mirrors).await?;
        ports.insert(project.name.clone(), at);
    }
    let publisher = Publisher {
        mirrors: mirrors.clone(),
        gate,
        sessions: sessions.clone(),
        identity: config.git.clone(),
        incoming: state.join("incoming"),
        silences: Silences::default(),
        known_secrets: Arc::new(AllSecrets {
            config: config.clone(),
            secrets: secrets.clone(),
        }),
    };
    let hands = Arc::new(Hands {
        config: config.clone(),
        ports,
        publisher,
        marker,
    });
    let gateway = gateway(config, engine, &briefing)?;
    let docker = docker(config, &cluster);
    let agents = engine.read(|world| {
        let wanted = world
            .agents
            .values()
            .filter(|agent| agent.state != AgentState::Retired);
        wanted.map(|agent| agent.id.clone()).collect()
    });
    Ok(Wired {
        hands,
        sessions,
        briefing,
        logs: Logs::open(&state.join("executions"))?,
        mirrors,
        secrets,
        gateway,
        runtime: match &docker {
            Some(docker) => docker.clone(),
            None => Arc::new(ProcessRuntime::new(&config.state_dir)),
        },
        docker,
        agents: agents.await?,
    })
}

fn gateway(config: &Config, engine: &Engine, briefing: &Briefing) -> anyhow::Result<Arc<Gateway>> {
    let meter = EngineMeter {
        engine: engine.clone(),
        briefing: briefing.clone(),
    };
    Ok(Gateway::new(crate::gateway::Parts {
        meter: Arc::new(meter),
        accounts: config.accounts.clone(),
        prices: PriceTable::shipped().with(config.prices.clone()),
        egress: config.agents.egress.clone(),
        resolver: Arc::new(SystemResolver),
    })?)
}

async fn connect(
    config: &Config,
    project: &ProjectConfig,
    connector: &Connector,
    mirrors: &Mirrors,
) -> anyhow::Result<Ports> {
    match &project.tracker {
        TrackerConfig::Github(github) => {
            let github = Arc::new(connector.connect(project, github)?);
            Ok(Ports {
                tracker: github.clone(),
                host: github,
            })
        }
        TrackerConfig::Local => {
            let mirror = mirrors.of(&project.name).await?;
            let local = Arc::new(Local::open(
                &config.state_dir,
                &project.name,
                Path::new(&project.repository),
                &project.default_branch.parse()?,
                &config.git,
                mirror,
            )?);
            Ok(Ports {
                tracker: local.clone(),
                host: local,
            })
        }
    }
}

/// The containers' runtime, where the configuration wants containers.
fn docker(config: &Config, cluster: &str) -> Option<Arc<DockerRuntime>> {
    match config.agents.runtime {
        RuntimeKind::Process => None,
        RuntimeKind::Docker => Some(Arc::new(DockerRuntime::new(
            docker::Engine::at(None),
            cluster,
        ))),
    }
}

/// Every secret of this host: none of them may be in what is pushed.
#[derive(Debug)]
struct AllSecrets {
    config: Arc<Config>,
    secrets: Secrets,
}

impl KnownSecrets for AllSecrets {
    fn all(&self) -> Vec<SecretString> {
        let accounts = self
            .config
            .accounts
            .values()
            .map(|account| account.secret.get());
        let mut all: Vec<SecretString> = accounts.collect();
        for project in &self.config.projects {
            if let TrackerConfig::Github(github) = &project.tracker {
                all.extend(github.webhook_secret.clone());
                match &github.authorisation {
                    GithubAuthorisation::Token(token) => all.push(token.clone()),
                    GithubAuthorisation::App { private_key, .. } => all.push(private_key.clone()),
                }
            }
        }
        all.extend(self.secrets.reveal_all());
        all
    }
}
