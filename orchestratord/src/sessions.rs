//! Sessions: one gRPC stream per agent. Which socket a connection came in on IS the agent's
//! identity; nothing in a message can change it.
//!
//! ```text
//!  agentd ── record 7,8,9 ──▶ link ── inputs ──▶ engine ── commit ──▶ ack 9 ──▶ agentd
//!         ◀── assign, … ───── link ◀── orders ───┘
//! ```
//!
//! What an agent has to be told is derived from the world ([`crate::engine::Orders`]); a link only
//! remembers what it has said already.

mod asked;
mod assign;
mod intake;
mod link;
mod records;
mod sockets;
mod told;

pub use assign::Briefing;
pub use link::{LinkParts, SessionService};
pub use sockets::{socket_dir, socket_path};

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use cloud_code_domain::id::{AgentId, ExecutionId, Oid, ProjectName};
use cloud_code_proto::v1;
use tokio::sync::mpsc;
use tonic::Status;

use crate::mirrors::{MirrorError, Mirrors};
use crate::ports::Trouble;

/// Chunks of a result on their way at most.
const CHUNKS: usize = 16;

/// What the host asks of a connected agent.
#[derive(Debug)]
pub(crate) struct ResultAsk {
    pub(crate) execution: ExecutionId,
    pub(crate) head: Oid,
    pub(crate) base: Oid,
    pub(crate) answer: mpsc::Sender<ResultPart>,
}

/// A part of a result's pack.
#[derive(Debug)]
pub enum ResultPart {
    /// The next bytes.
    Data(Bytes),
    /// It is complete.
    End,
    /// The agent does not have it any more.
    Gone(String),
}

/// The agents that are connected now.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    links: Arc<Mutex<HashMap<AgentId, mpsc::Sender<ResultAsk>>>>,
    begun: Arc<AtomicU64>,
}

impl Sessions {
    /// The number of a new link.
    pub(crate) fn next_link(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    pub(crate) fn enter(&self, agent: &AgentId) -> mpsc::Receiver<ResultAsk> {
        let (asks, inbox) = mpsc::channel(4);
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.insert(agent.clone(), asks);
        inbox
    }

    /// Asks an agent for the objects of a result. The parts end with `End` or `Gone`; where they
    /// end without, the link broke.
    ///
    /// # Errors
    /// [`Trouble::Later`] where the agent is not connected.
    pub async fn request_result(
        &self,
        agent: &AgentId,
        execution: &ExecutionId,
        head: &Oid,
        base: &Oid,
    ) -> Result<mpsc::Receiver<ResultPart>, Trouble> {
        let away = || Trouble::Later {
            what: format!("agent {agent} is not connected"),
            until: None,
        };
        let link = {
            let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.get(agent).cloned()
        };
        let (answer, parts) = mpsc::channel(CHUNKS);
        let (execution, head, base) = (execution.clone(), head.clone(), base.clone());
        let ask = ResultAsk {
            execution,
            head,
            base,
            answer,
        };
        link.ok_or_else(away)?.send(ask).await.map_err(|_| away())?;
        Ok(parts)
    }
}

/// Sends the history of a commit to an agent, in chunks; the last one says that it is.
pub(crate) async fn send_base(
    mirrors: Arc<Mirrors>,
    project: ProjectName,
    execution: ExecutionId,
    (commit, have): (Oid, Vec<Oid>),
    outbound: mpsc::Sender<Result<v1::ToAgent, Status>>,
) {
    let to = Base {
        execution: execution.to_string(),
        outbound,
    };
    let sent = async {
        let mut pack = mirrors.of(&project).await?.pack_for(&commit, &have).await?;
        while let Some(data) = pack.next().await? {
            if !to.chunk(data.to_vec(), false).await {
                return Ok(());
            }
        }
        to.chunk(Vec::new(), true).await;
        Ok::<(), MirrorError>(())
    };
    if let Err(error) = sent.await {
        tracing::warn!(error = &error as &dyn std::error::Error, %execution, "no base");
        to.failed(error.to_string()).await;
    }
}

struct Base {
    execution: String,
    outbound: mpsc::Sender<Result<v1::ToAgent, Status>>,
}

impl Base {
    async fn chunk(&self, data: Vec<u8>, last: bool) -> bool {
        let chunk = v1::PackChunk {
            execution: self.execution.clone(),
            data,
            last,
            ask: 0,
        };
        self.say(v1::to_agent::Message::Base(chunk)).await
    }

    async fn failed(&self, reason: String) {
        let failed = v1::BaseFailed {
            execution: self.execution.clone(),
            reason,
        };
        // The agent may be gone; it asks again when it is back.
        self.say(v1::to_agent::Message::BaseFailed(failed)).await;
    }

    async fn say(&self, message: v1::to_agent::Message) -> bool {
        self.outbound
            .send(Ok(v1::ToAgent {
                message: Some(message),
            }))
            .await
            .is_ok()
    }
}
