//! Everything put together. The only place that spawns what lives as long as agentd.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::config::Config;
use crate::credentials::{CredentialError, Credentials};
use crate::execution::{process, state, sweep};
use crate::gateway::{Loopback, Traffic};
use crate::session::answers::{self, Answers};
use crate::session::heartbeat::Sampler;
use crate::session::spool::{CAPACITY, Spool, SpoolError};
use crate::session::{Busy, Link, LinkError};
use crate::workspace::pack::Requests;
use crate::workspace::spare::Spares;
use crate::workspace::{Workspace, WorkspaceError};

/// Messages of the host that wait at most.
const WAITING: usize = 256;

/// For the running execution, once agentd is asked to end.
const DRAIN: Duration = Duration::from_secs(20);

/// Why agentd ends.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Another agentd serves this workspace.
    #[error("another agentd serves the workspace {0}: end it, or give this one its own workspace")]
    Busy(PathBuf),
    /// The lock file cannot be used.
    #[error("cannot lock {path}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The workspace cannot be used.
    #[error("the workspace cannot be used: {0}")]
    Workspace(String),
    /// The spool failed.
    #[error("the spool failed")]
    Spool(#[from] SpoolError),
    /// Secrets cannot be held.
    #[error("secrets cannot be held: {0}")]
    Credentials(String),
    /// The loopback gateway failed.
    #[error("the loopback gateway failed")]
    Gateway(#[source] io::Error),
    /// The system refuses signal handlers.
    #[error("signals cannot be handled")]
    Signals(#[source] io::Error),
    /// A part ended that should not.
    #[error("a part of agentd ended: {0}")]
    Ended(String),
}

impl From<WorkspaceError> for AppError {
    fn from(error: WorkspaceError) -> Self {
        Self::Workspace(crate::session::chain(&error))
    }
}

impl From<CredentialError> for AppError {
    fn from(error: CredentialError) -> Self {
        Self::Credentials(crate::session::chain(&error))
    }
}

/// What executions and chores work with; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    pub(crate) workspace: Workspace,
    pub(crate) spool: Spool,
    pub(crate) answers: Answers,
    pub(crate) requests: Requests,
    pub(crate) spares: Spares,
    pub(crate) credentials: Credentials,
    pub(crate) busy: Busy,
    pub(crate) gateway_url: String,
    pub(crate) traffic: Traffic,
    pub(crate) tools: Option<PathBuf>,
    pub(crate) cache: Option<PathBuf>,
}

/// Whether agentd may adopt what its children leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphans {
    /// agentd is this process: it becomes the reaper of everything below it.
    Adopted,
    /// agentd is a part of another program, whose children are not its business.
    Left,
}

/// Serves until `stop`, then ends the running execution and returns.
///
/// # Errors
/// Where agentd cannot work, or a part of it ended.
pub async fn serve(
    config: Config,
    orphans: Orphans,
    stop: CancellationToken,
) -> Result<(), AppError> {
    process::take_over_signals().map_err(AppError::Signals)?;
    let workspace = Workspace::open(&config.workspace)?;
    let _lock = lock(&workspace.own())?;
    if orphans == Orphans::Adopted {
        sweep::become_reaper();
    }
    let spool = Spool::open(&workspace.own().join("spool"), CAPACITY)?;
    state::recover(&workspace, &spool).await?;
    let gateway = Loopback::bind(config.socket.clone())
        .await
        .map_err(AppError::Gateway)?;
    let (answers, unsent) = answers::channel();
    let parts = Parts {
        credentials: Credentials::open(config.credentials)?,
        requests: Requests::default(),
        spares: Spares::default(),
        busy: Busy::default(),
        gateway_url: gateway.url(),
        traffic: gateway.traffic(),
        tools: config.tools,
        cache: config.cache,
        workspace,
        spool,
        answers,
    };
    let (to_agent, inbox) = mpsc::channel(WAITING);
    let link = Link {
        socket: config.socket,
        workspace: parts.workspace.clone(),
        spool: parts.spool.clone(),
        unsent,
        busy: parts.busy.clone(),
        agent: to_agent,
        sampler: Sampler::new(parts.workspace.root().to_owned()),
    };
    let spares = parts.spares.clone().keep(parts.workspace.clone());
    let (agent, chores) = Agent::new(parts, inbox);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { End::Link(link.keep().await) });
    tasks.spawn(async move { End::Gateway(gateway.serve().await) });
    tasks.spawn(async move {
        chores.await;
        End::Chores
    });
    tasks.spawn(async move {
        spares.await;
        End::Chores
    });
    if orphans == Orphans::Adopted {
        let ended = signal(SignalKind::child()).map_err(AppError::Signals)?;
        tasks.spawn(async {
            sweep::keep_reaping(ended).await;
            End::Chores
        });
    }
    let agent_stop = stop.clone();
    tasks.spawn(async move { End::Agent(agent.work(agent_stop).await) });
    watch(&mut tasks, stop).await
}

/// How a part ended.
enum End {
    Link(LinkError),
    Gateway(io::Error),
    Agent(Result<(), SpoolError>),
    Chores,
}

/// The end of any part is the end of agentd; the agent's own end after `stop` is the good one.
async fn watch(tasks: &mut JoinSet<End>, stop: CancellationToken) -> Result<(), AppError> {
    let stopped = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::pin!(stopped);
    let ended = tokio::select! {
        () = &mut stopped => return Err(AppError::Ended("it did not end in time".to_owned())),
        ended = tasks.join_next() => ended,
    };
    match ended {
        Some(Ok(End::Agent(ended))) if stop.is_cancelled() => Ok(ended?),
        Some(Ok(End::Agent(ended))) => {
            ended?;
            Err(AppError::Ended("the agent".to_owned()))
        }
        Some(Ok(End::Link(error))) => Err(AppError::Ended(crate::session::chain(&error))),
        Some(Ok(End::Gateway(error))) => Err(AppError::Gateway(error)),
        Some(Ok(End::Chores)) => Err(AppError::Ended("the worker of chores".to_owned())),
        Some(Err(error)) => Err(AppError::Ended(error.to_string())),
        None => Err(AppError::Ended("everything".to_owned())),
    }
}

/// Takes the workspace. The lock also tells the host that agentd lives; a kill releases it.
fn lock(own: &Path) -> Result<File, AppError> {
    let path = own.join("lock");
    let failed = |source| AppError::Lock {
        path: path.clone(),
        source,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(AppError::Busy(own.parent().unwrap_or(own).to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
