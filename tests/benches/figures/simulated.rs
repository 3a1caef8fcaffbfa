//! Agents that speak the session's protocol over their own sockets, and do nothing else: a thousand of
//! them fit into this process.
//!
//! ```text
//!  wanted ─▶ one task per agent: Hello ─▶ Assign ─▶ Started ─▶ Report, Report, … ◀─ Ack
//!                                 ▲ the link broke: from what Welcome says, on
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use cloud_code_domain::id::AgentId;
use cloud_code_proto::v1::from_agent::Message as Up;
use cloud_code_proto::v1::record::Body;
use cloud_code_proto::v1::to_agent::Message as Down;
use cloud_code_proto::{PROTOCOL, v1};
use hyper_util::rt::TokioIo;
use orchestratord::sessions::socket_path;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Endpoint;

/// Records on their way at most, as many as agentd sends ahead.
const AHEAD: u64 = 64;
/// As agentd's.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// Before a link that broke is tried again.
const AGAIN: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(crate) struct Agents {
    all: Vec<Arc<Shared>>,
    wanted: Vec<watch::Sender<u64>>,
    _running: JoinSet<()>,
}

/// What is known of one from outside.
#[derive(Debug, Default)]
struct Shared {
    /// The last record that was acknowledged: Started is the first, reports follow.
    acked: AtomicU64,
    /// The task that it was given.
    task: std::sync::OnceLock<String>,
}

impl Agents {
    pub(crate) fn start(state: &Path, agents: &[AgentId]) -> Self {
        let mut running = JoinSet::new();
        let (mut all, mut wanted) = (Vec::new(), Vec::new());
        for (number, agent) in agents.iter().enumerate() {
            let (sender, receiver) = watch::channel(0);
            let shared = Arc::new(Shared::default());
            let simulated = Simulated {
                socket: socket_path(state, agent),
                spool: format!("simulated-{number}"),
                shared: shared.clone(),
                wanted: receiver,
                sent: 0,
                execution: String::new(),
            };
            running.spawn(simulated.run());
            all.push(shared);
            wanted.push(sender);
        }
        Self {
            all,
            wanted,
            _running: running,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// From now on each has so many reports to send in all.
    pub(crate) fn each_sends(&self, reports: u64) {
        for wanted in &self.wanted {
            wanted.send_replace(reports);
        }
    }

    /// One of them has one more report to send.
    pub(crate) fn one_sends(&self, which: usize) {
        if let Some(wanted) = self.wanted.get(which % self.wanted.len().max(1)) {
            wanted.send_modify(|reports| *reports += 1);
        }
    }

    /// Reports that were acknowledged, of all.
    pub(crate) fn acknowledged(&self) -> u64 {
        let reports = |shared: &Arc<Shared>| shared.acked.load(Ordering::Relaxed).saturating_sub(1);
        self.all.iter().map(reports).sum()
    }

    /// How many have begun to work.
    pub(crate) fn working(&self) -> usize {
        let working = |shared: &&Arc<Shared>| shared.acked.load(Ordering::Relaxed) > 0;
        self.all.iter().filter(working).count()
    }
}

struct Simulated {
    socket: PathBuf,
    spool: String,
    shared: Arc<Shared>,
    wanted: watch::Receiver<u64>,
    /// The last record that was sent on this link.
    sent: u64,
    execution: String,
}

type Outbound = mpsc::Sender<v1::FromAgent>;

impl Simulated {
    async fn run(mut self) {
        loop {
            // It ends with the link, which is made again.
            let _broken = self.link().await;
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn link(&mut self) -> Result<()> {
        let (outbound, mut inbound) = self.open().await?;
        let mut heartbeats = tokio::time::interval(HEARTBEAT);
        heartbeats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.send(&outbound).await?;
            tokio::select! {
                message = inbound.message() => {
                    let message = message?.and_then(|message| message.message);
                    self.heard(message.context("the link ended")?)?;
                }
                changed = self.wanted.changed() => changed?,
                _ = heartbeats.tick() => {
                    let beat = v1::Heartbeat {
                        execution: self.execution.clone(),
                        memory_bytes: 10 << 20,
                        disk_free_bytes: 1 << 40,
                        ..v1::Heartbeat::default()
                    };
                    say(&outbound, Up::Heartbeat(beat)).await?;
                }
            }
        }
    }

    async fn open(&mut self) -> Result<(Outbound, Streaming<v1::ToAgent>)> {
        let socket = self.socket.clone();
        let channel = Endpoint::from_static("http://local")
            .connect_with_connector(tower::service_fn(move |_| {
                let socket = socket.clone();
                async move { UnixStream::connect(socket).await.map(TokioIo::new) }
            }))
            .await?;
        let (outbound, messages) = mpsc::channel(128);
        let hello = v1::Hello {
            agentd_version: env!("CARGO_PKG_VERSION").into(),
            protocol: PROTOCOL,
            spool_id: self.spool.clone(),
            last_acked: self.shared.acked.load(Ordering::Relaxed),
            execution: self.execution.clone(),
            worktrees: self.shared.task.get().cloned().into_iter().collect(),
        };
        say(&outbound, Up::Hello(hello)).await?;
        let mut client = v1::session_client::SessionClient::new(channel);
        let mut inbound = client
            .open(ReceiverStream::new(messages))
            .await?
            .into_inner();
        let first = inbound.message().await?.and_then(|first| first.message);
        let Some(Down::Welcome(welcome)) = first else {
            bail!("no welcome came");
        };
        let acked = self.shared.acked.load(Ordering::Relaxed);
        anyhow::ensure!(
            welcome.resume_after >= acked,
            "acknowledged and lost: {acked}"
        );
        self.shared
            .acked
            .store(welcome.resume_after, Ordering::Relaxed);
        self.sent = welcome.resume_after;
        Ok((outbound, inbound))
    }

    fn heard(&mut self, message: Down) -> Result<()> {
        match message {
            Down::Ack(ack) => self.shared.acked.store(ack.seq, Ordering::Relaxed),
            Down::Assign(assign) => {
                let task = self.shared.task.get_or_init(|| assign.task.clone());
                anyhow::ensure!(*task == assign.task, "given another task");
                self.execution = assign.execution;
            }
            Down::Welcome(_)
            | Down::Cancel(_)
            | Down::Steer(_)
            | Down::Base(_)
            | Down::BaseFailed(_)
            | Down::RequestResult(_)
            | Down::Published(_)
            | Down::CleanTask(_)
            | Down::Credential(_)
            | Down::WithdrawCredential(_) => {}
        }
        Ok(())
    }

    /// Sends what may be sent now.
    async fn send(&mut self, outbound: &Outbound) -> Result<()> {
        if self.execution.is_empty() {
            return Ok(());
        }
        let last = *self.wanted.borrow_and_update() + 1;
        let most = self.shared.acked.load(Ordering::Relaxed) + AHEAD;
        while self.sent < last.min(most) {
            self.sent += 1;
            let body = match self.sent {
                1 => Body::Started(v1::Started {
                    coding_cli_version: "simulated".into(),
                }),
                seq => Body::Report(v1::ReportDelta {
                    current_step: Some(step(seq - 1)),
                    ..v1::ReportDelta::default()
                }),
            };
            let record = v1::Record {
                seq: self.sent,
                execution: self.execution.clone(),
                body: Some(body),
            };
            say(outbound, Up::Record(record)).await?;
        }
        Ok(())
    }
}

/// What the report with this number says.
pub(crate) fn step(number: u64) -> String {
    format!("Step {number}: reading what the tests say about the parser, and mending it")
}

async fn say(outbound: &Outbound, message: Up) -> Result<()> {
    let message = v1::FromAgent {
        message: Some(message),
    };
    outbound.send(message).await.context("the link ended")
}
