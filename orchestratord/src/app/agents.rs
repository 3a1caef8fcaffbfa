//! Agents' sockets, and the loop that keeps the fleet as the configuration wants it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cloud_code_domain::agent::{Agent, AgentState};
use cloud_code_domain::fleet::{FleetStep, Found, plan};
use cloud_code_domain::id::AgentId;
use cloud_code_domain::tenancy::Tenancy;
use cloud_code_domain::workspace::WorkspaceMode;
use cloud_code_proto::{MAX_MESSAGE, v1};
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::engine::{Engine, Input, Reply};
use crate::failpoint::failpoint;
use crate::gateway::{DoorService, serve_connection};
use crate::ports::{Observed, ObservedState, Runtime, Trouble, WorkstationSpec};
use crate::sessions::{LinkParts, SessionService, socket_dir, socket_path};

use super::wiring::Wired;

/// The fleet is looked at this often, and at once when an agent's link breaks.
const LOOK: Duration = Duration::from_secs(5);

pub(super) fn spawn(
    parts: &mut JoinSet<(&'static str, anyhow::Result<()>)>,
    config: &Arc<Config>,
    engine: &Engine,
    wired: &Wired,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    for agent in &wired.agents {
        let listener = listen(config, agent)?;
        let link = LinkParts {
            engine: engine.clone(),
            sessions: wired.sessions.clone(),
            briefing: wired.briefing.clone(),
            logs: wired.logs.clone(),
            mirrors: wired.mirrors.clone(),
            secrets: wired.secrets.clone(),
        };
        let session = SessionService::new(agent.clone(), link);
        let session = v1::session_server::SessionServer::new(session)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let rest = tonic::service::Routes::new(session).into_axum_router();
        let service = wired.gateway.door(agent.clone()).service(rest);
        let serve = serve(listener, service, stop.clone());
        parts.spawn(async move {
            serve.await;
            ("an agent's socket", Ok(()))
        });
    }
    let keep = keep(
        config.clone(),
        engine.clone(),
        wired.runtime.clone(),
        stop.clone(),
    );
    parts.spawn(async move {
        keep.await;
        ("the fleet", Ok(()))
    });
    Ok(())
}

/// Listens on an agent's socket. The directory above is ours alone; the socket itself is for
/// whatever uid the agent has.
fn listen(config: &Config, agent: &AgentId) -> anyhow::Result<UnixListener> {
    let dir = socket_dir(&config.state_dir, agent);
    let path = socket_path(&config.state_dir, agent);
    let failed = || format!("cannot listen on {}", path.display());
    if let Some(above) = dir.parent() {
        super::make_private(above).with_context(failed)?;
    }
    std::fs::create_dir_all(&dir).with_context(failed)?;
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).with_context(failed)?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(failed);
        }
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&path).with_context(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).with_context(failed)?;
    Ok(listener)
}

async fn serve(listener: UnixListener, service: DoorService, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, service.clone(), stop.clone()));
                }
                // Out of descriptors: what is open goes on, and the next one may find room.
                Err(error) => {
                    tracing::warn!(%error, "an agent's connection cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    // A stream that an agent holds open is no reason to wait: it connects again.
    connections.shutdown().await;
}

/// Looks at what runs, and brings it to what is wanted. Level-triggered: nothing is remembered.
async fn keep(
    config: Arc<Config>,
    engine: Engine,
    runtime: Arc<dyn Runtime>,
    stop: CancellationToken,
) {
    let mut updates = engine.updates();
    while !stop.is_cancelled() {
        let Ok(agents) = engine
            .read(|world| world.agents.values().cloned().collect())
            .await
        else {
            return;
        };
        look(&config, &engine, &*runtime, agents).await;
        let next = tokio::time::sleep(LOOK);
        tokio::pin!(next);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = &mut next => break,
                update = updates.recv() => {
                    let look = update.is_ok_and(|update| update.fleet);
                    // At once, but not in circles while one is starting.
                    if look {
                        let soon = tokio::time::Instant::now() + Duration::from_millis(500);
                        if soon < next.deadline() {
                            next.as_mut().reset(soon);
                        }
                    }
                }
            }
        }
    }
}

async fn look(config: &Config, engine: &Engine, runtime: &dyn Runtime, agents: Vec<Agent>) {
    let agents = with_workspaces(engine, runtime, agents).await;
    let specs: Vec<WorkstationSpec> = agents
        .iter()
        .filter(|agent| agent.state != AgentState::Retired)
        .filter_map(|agent| spec(config, agent))
        .collect();
    let Some(observed) = observe(engine, runtime, &specs).await else {
        return;
    };
    let found: Vec<Found> = observed.into_iter().map(found).collect();
    let down: Vec<(AgentId, String)> = found
        .iter()
        .filter(|found| !found.running)
        .map(|found| (found.agent.clone(), found.why.clone()))
        .collect();
    if !down.is_empty() && engine.send(Input::FleetObserved { down }).await.is_err() {
        return;
    }
    for step in steps(&agents, &specs, &found) {
        if let Err(trouble) = take(runtime, &specs, &step).await {
            tracing::warn!(?step, %trouble, "a step of the fleet has to wait");
            stuck(engine, of(step), &trouble).await;
        }
    }
}

/// Removes the workspaces that are over, with all that is in them, before anything starts there; the
/// agents that there is a workspace for. Killed in between, it is removed again.
async fn with_workspaces(engine: &Engine, runtime: &dyn Runtime, all: Vec<Agent>) -> Vec<Agent> {
    let mut agents = Vec::with_capacity(all.len());
    for agent in all {
        let is_over = agent.tenancy == Tenancy::Over;
        if !is_over || removed(engine, runtime, &agent.id).await {
            agents.push(agent);
        }
    }
    agents
}

async fn removed(engine: &Engine, runtime: &dyn Runtime, agent: &AgentId) -> bool {
    match runtime.purge(agent).await {
        Ok(()) => told_removed(engine, agent).await,
        Err(trouble) => {
            tracing::warn!(agent_id = %agent, %trouble, "a workspace is not removed yet");
            stuck(engine, agent.clone(), &trouble).await;
            false
        }
    }
}

async fn told_removed(engine: &Engine, agent: &AgentId) -> bool {
    failpoint!("fleet::purged");
    tracing::info!(agent_id = %agent, "a workspace was thrown away");
    let agent = agent.clone();
    let told = engine.send(Input::WorkspaceRemoved { agent }).await;
    matches!(told, Ok(Reply::Ok))
}

fn of(step: FleetStep) -> AgentId {
    match step {
        FleetStep::Start(agent)
        | FleetStep::Restart { agent, why: _ }
        | FleetStep::Remove(agent) => agent,
    }
}

/// Tells the engine, so that operators see it.
async fn stuck(engine: &Engine, agent: AgentId, trouble: &Trouble) {
    let why = trouble.to_string();
    // Without an engine everything is coming to its end.
    let _told = engine.send(Input::WorkstationStuck { agent, why }).await;
}

/// Tells the engine whether the runtime answers. Without an engine everything is coming to its end.
async fn asked(engine: &Engine, trouble: Option<String>) {
    let _told = engine.send(Input::FleetAsked { trouble }).await;
}

async fn observe(
    engine: &Engine,
    runtime: &dyn Runtime,
    specs: &[WorkstationSpec],
) -> Option<Vec<Observed>> {
    match runtime.observe(specs).await {
        Ok(observed) => {
            asked(engine, None).await;
            Some(observed)
        }
        Err(trouble) => {
            asked(engine, Some(trouble.to_string())).await;
            tracing::warn!(%trouble, "the fleet cannot be looked at");
            for spec in specs {
                stuck(engine, spec.agent.clone(), &trouble).await;
            }
            None
        }
    }
}

fn steps(agents: &[Agent], specs: &[WorkstationSpec], found: &[Found]) -> Vec<FleetStep> {
    let wanted: BTreeSet<AgentId> = specs.iter().map(|spec| spec.agent.clone()).collect();
    let working = agents
        .iter()
        .filter(|agent| matches!(agent.state, AgentState::Working(_)));
    let busy: BTreeSet<AgentId> = working.map(|agent| agent.id.clone()).collect();
    plan(&wanted, &busy, found)
}

async fn take(
    runtime: &dyn Runtime,
    specs: &[WorkstationSpec],
    step: &FleetStep,
) -> Result<(), Trouble> {
    match step {
        FleetStep::Start(agent) => start(runtime, specs, agent).await,
        FleetStep::Restart { agent, why } => {
            tracing::info!(agent_id = %agent, why, "a workstation is started again");
            runtime.remove(agent).await?;
            start(runtime, specs, agent).await
        }
        FleetStep::Remove(agent) => runtime.remove(agent).await,
    }
}

fn found(observed: Observed) -> Found {
    let (running, why) = match observed.state {
        ObservedState::Running => (true, String::new()),
        ObservedState::Stopped(why) => (false, why),
    };
    Found {
        agent: observed.agent,
        running,
        why,
        outdated: observed.outdated,
    }
}

async fn start(
    runtime: &dyn Runtime,
    specs: &[WorkstationSpec],
    agent: &AgentId,
) -> Result<(), Trouble> {
    match specs.iter().find(|spec| spec.agent == *agent) {
        Some(spec) => runtime.start(spec).await,
        None => Ok(()),
    }
}

fn spec(config: &Config, agent: &Agent) -> Option<WorkstationSpec> {
    let kind = config.agents.types.get(&agent.agent_type)?;
    Some(WorkstationSpec {
        agent: agent.id.clone(),
        project: agent.project.clone(),
        agent_type: agent.agent_type,
        image: kind.image.clone(),
        memory: kind.memory,
        cpu_millis: kind.cpu_millis,
        agentd: config.agents.agentd.clone(),
        socket_dir: socket_dir(&config.state_dir, &agent.id),
        ca_bundle: config.agents.ca_bundle.clone(),
        isolated: config
            .project(&agent.project)
            .is_some_and(|project| project.workspace_mode == WorkspaceMode::Isolated),
    })
}
