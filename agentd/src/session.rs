//! The session: one gRPC stream to orchestratord over the agent's Unix socket, for ever made again.
//!
//! ```text
//!   spool ──records──┐                     ┌──▶ acknowledgements ──▶ spool
//!   agent ──answers───┼──▶ stream ──▶ host ─┤
//!   clock ─heartbeats┘                     └──▶ everything else ──▶ agent
//! ```
//!
//! Records survive a broken link, because the spool keeps them. Answers (packs, confirmations) do
//! not: they carry the number of the link they belong to, and a new link is asked anew.

pub(crate) mod answers;
pub(crate) mod backoff;
mod beat;
pub(crate) mod heartbeat;
mod quiet;
pub mod spool;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud_code_proto::v1::from_agent::Message as Outgoing;
use cloud_code_proto::v1::session_client::SessionClient;
use cloud_code_proto::v1::to_agent::Message as Incoming;
use cloud_code_proto::{MAX_MESSAGE, PROTOCOL, v1};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint, Uri};

use answers::AnswerReceiver;
use beat::Beat;
use heartbeat::Sampler;
use quiet::Quiet;
use spool::{Spool, SpoolError};

/// Between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// Between two questions whether orchestratord is there, where it says nothing itself. One that ends
/// closes the socket; this is for one that is frozen.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// For the first answer of orchestratord.
const WELCOME: Duration = Duration::from_secs(10);
/// Bytes of records that are read at once.
const BATCH: usize = 256 << 10;

/// What reaches the agent from the link.
#[derive(Debug)]
pub(crate) enum FromHost {
    /// A link was made; what was asked of the one before has to be asked again.
    Up,
    /// The host says something.
    Message(Box<Incoming>),
}

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("orchestratord is not there")]
    Connect(#[source] tonic::transport::Error),
    #[error("orchestratord ended the session")]
    Status(#[source] Box<tonic::Status>),
    #[error("orchestratord closed the session")]
    Closed,
    #[error("orchestratord did not welcome us within {} s", WELCOME.as_secs())]
    Silent,
    #[error("orchestratord began with something else than a welcome")]
    NoWelcome,
    #[error(
        "orchestratord {version} speaks protocol {theirs}, this agentd {PROTOCOL}: install both \
         from the same release"
    )]
    Protocol { version: String, theirs: u32 },
    #[error(
        "orchestratord has committed record {theirs}, but {ours} is our last: a new spool is begun"
    )]
    Ahead { theirs: u64, ours: u64 },
    #[error("the spool failed")]
    Spool(#[source] SpoolError),
    #[error("the clock of the heartbeats failed")]
    Clock(#[source] std::io::Error),
    #[error("the agent is gone")]
    AgentGone,
    #[error("the workspace {} was removed, or is another one", .0.display())]
    WorkspaceGone(PathBuf),
}

/// The execution the agent is busy with, for hellos and heartbeats.
#[derive(Debug, Clone, Default)]
pub(crate) struct Busy(Arc<Mutex<String>>);

impl Busy {
    pub(crate) fn set(&self, execution: &str) {
        execution.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn get(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// What a link needs.
pub(crate) struct Link {
    pub(crate) socket: PathBuf,
    pub(crate) workspace: crate::workspace::Workspace,
    pub(crate) spool: Spool,
    pub(crate) unsent: AnswerReceiver,
    pub(crate) busy: Busy,
    pub(crate) agent: mpsc::Sender<FromHost>,
    pub(crate) sampler: Sampler,
}

impl Link {
    /// Makes the link again whenever it breaks, as long as there is a workspace.
    pub(crate) async fn keep(mut self) -> LinkError {
        let mut attempt = 0;
        loop {
            if !self.workspace.is_in_place() {
                return LinkError::WorkspaceGone(self.workspace.root().to_owned());
            }
            let Err(error) = self.converse(&mut attempt).await;
            if let Err(error) = self.survive(error, attempt) {
                return error;
            }
            tokio::time::sleep(backoff::delay(attempt, backoff::jitter())).await;
            attempt = attempt.saturating_add(1);
        }
    }

    /// Says why a link ended, or that there can be no other.
    fn survive(&self, error: LinkError, attempt: u32) -> Result<(), LinkError> {
        match &error {
            LinkError::AgentGone | LinkError::WorkspaceGone(_) => return Err(error),
            LinkError::Ahead { .. } => {
                tracing::error!("{error}");
                self.spool.begin_anew().map_err(LinkError::Spool)?;
            }
            LinkError::Protocol { .. } => tracing::error!("{error}"),
            LinkError::Connect(_)
            | LinkError::Status(_)
            | LinkError::Closed
            | LinkError::Silent
            | LinkError::NoWelcome
            | LinkError::Clock(_)
            | LinkError::Spool(_) => say_down(&error, attempt),
        }
        Ok(())
    }

    async fn converse(&mut self, attempt: &mut u32) -> Result<Infallible, LinkError> {
        let (stream, mut incoming) = self.open().await?;
        let from = self.resume(welcome(&mut incoming).await?).await?;
        *attempt = 0;
        self.unsent.next_link();
        self.agent
            .send(FromHost::Up)
            .await
            .map_err(|_| LinkError::AgentGone)?;
        tokio::select! {
            end = listen(&self.spool, &self.agent, &mut incoming) => end,
            end = records(&self.spool, &stream, from) => end,
            end = send_answers(&mut self.unsent, &stream) => end,
            end = heartbeats(&self.sampler, &self.spool, &self.busy, &stream) => end,
        }
    }

    /// Connects and says hello.
    async fn open(
        &self,
    ) -> Result<(mpsc::Sender<v1::FromAgent>, tonic::Streaming<v1::ToAgent>), LinkError> {
        let channel = connect(self.socket.clone()).await?;
        let (stream, outgoing) = mpsc::channel(16);
        send(&stream, Outgoing::Hello(self.hello())).await?;
        let mut client = SessionClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        let opened = client.open(ReceiverStream::new(outgoing));
        let incoming = tokio::time::timeout(WELCOME, opened)
            .await
            .map_err(|_| LinkError::Silent)?
            .map_err(status)?
            .into_inner();
        Ok((stream, incoming))
    }

    /// The record after which this link goes on.
    async fn resume(&self, welcome: v1::Welcome) -> Result<u64, LinkError> {
        let (theirs, ours) = (welcome.resume_after, self.spool.last());
        if theirs > ours {
            return Err(LinkError::Ahead { theirs, ours });
        }
        self.spool
            .acknowledge(theirs)
            .await
            .map_err(LinkError::Spool)?;
        tracing::info!(
            agent_id = welcome.agent,
            orchestratord = welcome.orchestratord_version,
            seq = theirs,
            "the link is up"
        );
        Ok(theirs.max(self.spool.acked()))
    }

    fn hello(&self) -> v1::Hello {
        v1::Hello {
            agentd_version: env!("CARGO_PKG_VERSION").to_owned(),
            protocol: PROTOCOL,
            spool_id: self.spool.id(),
            last_acked: self.spool.acked(),
            execution: self.busy.get(),
            worktrees: self.workspace.worktrees(),
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

/// A host that is away for long is not worth a line for every attempt.
fn say_down(error: &LinkError, attempt: u32) {
    let error = chain(error);
    if attempt == 0 || attempt.is_power_of_two() {
        tracing::info!(error, attempt, "the link is down");
    } else {
        tracing::debug!(error, attempt, "the link is down");
    }
}

async fn connect(socket: PathBuf) -> Result<Channel, LinkError> {
    Endpoint::from_static("http://orchestratord")
        .connect_timeout(Duration::from_secs(5))
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .connect_with_connector(tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { Quiet::new(UnixStream::connect(socket).await?).map(TokioIo::new) }
        }))
        .await
        .map_err(LinkError::Connect)
}

async fn welcome(incoming: &mut tonic::Streaming<v1::ToAgent>) -> Result<v1::Welcome, LinkError> {
    let first = tokio::time::timeout(WELCOME, incoming.message())
        .await
        .map_err(|_| LinkError::Silent)?
        .map_err(status)?
        .ok_or(LinkError::Closed)?;
    let Some(Incoming::Welcome(welcome)) = first.message else {
        return Err(LinkError::NoWelcome);
    };
    if welcome.protocol != PROTOCOL {
        return Err(LinkError::Protocol {
            version: welcome.orchestratord_version,
            theirs: welcome.protocol,
        });
    }
    Ok(welcome)
}

async fn listen(
    spool: &Spool,
    agent: &mpsc::Sender<FromHost>,
    incoming: &mut tonic::Streaming<v1::ToAgent>,
) -> Result<Infallible, LinkError> {
    loop {
        let message = incoming.message().await.map_err(status)?;
        match message.ok_or(LinkError::Closed)?.message {
            Some(Incoming::Ack(ack)) => {
                spool.acknowledge(ack.seq).await.map_err(LinkError::Spool)?;
            }
            Some(message) => agent
                .send(FromHost::Message(Box::new(message)))
                .await
                .map_err(|_| LinkError::AgentGone)?,
            // A newer orchestratord says something we do not know.
            None => tracing::warn!("a message without a known meaning was skipped"),
        }
    }
}

async fn records(
    spool: &Spool,
    stream: &mpsc::Sender<v1::FromAgent>,
    mut sent: u64,
) -> Result<Infallible, LinkError> {
    loop {
        for record in spool.after(sent, BATCH).await.map_err(LinkError::Spool)? {
            sent = record.seq;
            send(stream, Outgoing::Record(record)).await?;
        }
    }
}

async fn send_answers(
    unsent: &mut AnswerReceiver,
    stream: &mpsc::Sender<v1::FromAgent>,
) -> Result<Infallible, LinkError> {
    loop {
        let answer = unsent.next().await.ok_or(LinkError::AgentGone)?;
        send(stream, answer).await?;
    }
}

async fn heartbeats(
    sampler: &Sampler,
    spool: &Spool,
    busy: &Busy,
    stream: &mpsc::Sender<v1::FromAgent>,
) -> Result<Infallible, LinkError> {
    let mut beat = Beat::every(HEARTBEAT).map_err(LinkError::Clock)?;
    loop {
        beat.tick().await.map_err(LinkError::Clock)?;
        let execution = busy.get();
        // An idle agent has next to no processes: to look at them here wakes no other thread.
        let sample = if execution.is_empty() {
            sampler.measure()
        } else {
            sampler.sample().await
        };
        let heartbeat = v1::Heartbeat {
            cpu_percent: sample.cpu_percent,
            memory_bytes: sample.memory_bytes,
            disk_free_bytes: sample.disk_free_bytes,
            spool_bytes: spool.bytes(),
            execution,
        };
        send(stream, Outgoing::Heartbeat(heartbeat)).await?;
    }
}

async fn send(stream: &mpsc::Sender<v1::FromAgent>, message: Outgoing) -> Result<(), LinkError> {
    stream
        .send(envelope(message))
        .await
        .map_err(|_| LinkError::Closed)
}

fn envelope(message: Outgoing) -> v1::FromAgent {
    v1::FromAgent {
        message: Some(message),
    }
}

fn status(status: tonic::Status) -> LinkError {
    LinkError::Status(Box::new(status))
}

/// An error and everything below it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
