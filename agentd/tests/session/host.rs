//! A small orchestratord: accepts one agent on a Unix socket, keeps what it says, sends packs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloud_code_domain::report::{Report, ReportDelta};
use cloud_code_proto::v1::from_agent::Message as FromAgent;
use cloud_code_proto::v1::record::Body;
use cloud_code_proto::v1::session_server::{Session, SessionServer};
use cloud_code_proto::v1::to_agent::Message as ToAgent;
use cloud_code_proto::{PROTOCOL, v1};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{Request, Response, Status, Streaming};

use crate::station::program;

/// A level is waited for this long.
const DEADLINE: Duration = Duration::from_secs(60);

type Answer = Result<v1::ToAgent, Status>;

/// What the agent said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    pub(crate) hellos: Vec<v1::Hello>,
    pub(crate) records: Vec<v1::Record>,
    /// Records that came although they were committed.
    pub(crate) repeated: usize,
    pub(crate) packs: BTreeMap<String, Vec<u8>>,
    pub(crate) packs_ended: Vec<String>,
    pub(crate) needs: Vec<v1::NeedBase>,
    pub(crate) cleaned: Vec<String>,
    pub(crate) held: Vec<String>,
    pub(crate) failed_results: Vec<v1::ResultFailed>,
    pub(crate) heartbeats: usize,
}

impl Heard {
    /// The bodies of the records of an execution.
    pub(crate) fn bodies(&self, execution: &str) -> Vec<&Body> {
        self.records
            .iter()
            .filter(|record| record.execution == execution)
            .filter_map(|record| record.body.as_ref())
            .collect()
    }

    /// How it ended; more than once is a mistake.
    pub(crate) fn ended(&self, execution: &str) -> Option<&v1::Ended> {
        let mut ends = self
            .bodies(execution)
            .into_iter()
            .filter_map(|body| match body {
                Body::Ended(ended) => Some(ended),
                Body::Started(_)
                | Body::Report(_)
                | Body::Logs(_)
                | Body::LogsDropped(_)
                | Body::MessagesDelivered(_) => None,
            });
        let end = ends.next();
        assert!(ends.next().is_none(), "{execution} ended twice");
        end
    }

    /// The report that the deltas make.
    pub(crate) fn report(&self, execution: &str) -> Report {
        let mut report = Report::default();
        for body in self.bodies(execution) {
            if let Body::Report(delta) = body {
                report.apply(ReportDelta::try_from(delta.clone()).unwrap());
            }
        }
        report
    }

    /// The text of all log lines.
    pub(crate) fn log(&self, execution: &str) -> String {
        let mut text = String::new();
        for body in self.bodies(execution) {
            if let Body::Logs(logs) = body {
                for line in &logs.lines {
                    text.push_str(&line.text);
                    text.push('\n');
                }
            }
        }
        text
    }
}

#[derive(Debug)]
struct Shared {
    mirror: PathBuf,
    heard: watch::Sender<Heard>,
    link: Mutex<Option<mpsc::Sender<Answer>>>,
    /// Whether records are acknowledged.
    acknowledges: watch::Sender<bool>,
    /// Whether bases are not sent.
    withholds: watch::Sender<bool>,
    spool: Mutex<String>,
}

/// A handle of it.
#[derive(Debug, Clone)]
pub(crate) struct Host(Arc<Shared>);

impl Host {
    /// Listens at `socket`; bases come from the bare repository `mirror`.
    pub(crate) fn start(socket: &Path, mirror: &Path) -> Self {
        let host = Self(Arc::new(Shared {
            mirror: mirror.to_owned(),
            heard: watch::Sender::new(Heard::default()),
            link: Mutex::default(),
            acknowledges: watch::Sender::new(true),
            withholds: watch::Sender::new(false),
            spool: Mutex::default(),
        }));
        let listener = UnixListener::bind(socket).unwrap();
        let service = SessionServer::new(host.clone());
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(UnixListenerStream::new(listener)),
        );
        host
    }

    pub(crate) fn heard(&self) -> Heard {
        self.0.heard.borrow().clone()
    }

    /// Waits until what was heard fulfils `wanted`.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&Heard) -> bool) -> Heard {
        let mut heard = self.0.heard.subscribe();
        let found = tokio::time::timeout(DEADLINE, heard.wait_for(|heard| wanted(heard))).await;
        match found {
            Ok(found) => found.unwrap().clone(),
            Err(_) => panic!("{what} was not heard: {:#?}", self.heard()),
        }
    }

    pub(crate) async fn ended(&self, execution: &str) -> v1::Ended {
        let heard = self
            .until("the end of an execution", |heard| {
                heard.ended(execution).is_some()
            })
            .await;
        heard.ended(execution).unwrap().clone()
    }

    /// Sends on the present link; waits for one.
    pub(crate) async fn send(&self, message: ToAgent) {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            let link = self.0.link.lock().unwrap().clone();
            if let Some(link) = link {
                let message = v1::ToAgent {
                    message: Some(message.clone()),
                };
                if link.send(Ok(message)).await.is_ok() {
                    return;
                }
            }
            assert!(tokio::time::Instant::now() < deadline, "no link came");
            tokio::task::yield_now().await;
        }
    }

    /// Breaks the present link.
    pub(crate) fn break_link(&self) {
        drop(self.0.link.lock().unwrap().take());
    }

    pub(crate) fn acknowledge(&self, yes: bool) {
        self.0.acknowledges.send_replace(yes);
    }

    pub(crate) fn withhold_bases(&self, yes: bool) {
        self.0.withholds.send_replace(yes);
    }

    fn hear(&self, change: impl FnOnce(&mut Heard)) {
        self.0.heard.send_modify(change);
    }

    fn committed(&self) -> u64 {
        self.0.heard.borrow().records.last().map_or(0, |r| r.seq)
    }

    async fn take(&self, link: &mpsc::WeakSender<Answer>, message: FromAgent) {
        match message {
            FromAgent::Hello(_) => {}
            FromAgent::Record(record) => {
                let seq = record.seq;
                let expected = self.committed() + 1;
                assert!(
                    seq <= expected,
                    "record {expected} was left out: {record:?}"
                );
                self.hear(|heard| {
                    if seq < expected {
                        heard.repeated += 1;
                    } else {
                        heard.records.push(record);
                    }
                });
                if *self.0.acknowledges.borrow() {
                    answer(link, ToAgent::Ack(v1::Ack { seq })).await;
                }
            }
            FromAgent::Heartbeat(_) => self.hear(|heard| heard.heartbeats += 1),
            FromAgent::NeedBase(need) => {
                self.hear(|heard| heard.needs.push(need.clone()));
                if !*self.0.withholds.borrow() {
                    self.send_base(link, need).await;
                }
            }
            FromAgent::Result(chunk) => self.hear(|heard| {
                let pack = heard.packs.entry(chunk.execution.clone()).or_default();
                pack.extend(chunk.data);
                if chunk.last {
                    heard.packs_ended.push(chunk.execution);
                }
            }),
            FromAgent::ResultFailed(failed) => {
                self.hear(|heard| heard.failed_results.push(failed));
            }
            FromAgent::TaskCleaned(cleaned) => {
                self.hear(|heard| heard.cleaned.push(cleaned.task));
            }
            FromAgent::CredentialHeld(held) => self.hear(|heard| heard.held.push(held.request)),
        }
    }

    async fn send_base(&self, link: &mpsc::WeakSender<Answer>, need: v1::NeedBase) {
        let mut revisions = format!("{}\n", need.commit);
        for have in &need.have {
            revisions.push_str(&format!("^{have}\n"));
        }
        let mut child = program("git")
            .args(["pack-objects", "--revs", "--stdout", "--thin", "-q"])
            .current_dir(&self.0.mirror)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(revisions.as_bytes()).await.unwrap();
        drop(stdin);
        let pack = child.wait_with_output().await.unwrap();
        if !pack.status.success() {
            let failed = v1::BaseFailed {
                execution: need.execution,
                reason: "there is no such commit".into(),
            };
            answer(link, ToAgent::BaseFailed(failed)).await;
            return;
        }
        let mut chunks = pack.stdout.chunks(1_000).peekable();
        while let Some(data) = chunks.next() {
            let chunk = v1::PackChunk {
                execution: need.execution.clone(),
                data: data.to_vec(),
                last: chunks.peek().is_none(),
                ask: 0,
            };
            answer(link, ToAgent::Base(chunk)).await;
        }
    }
}

/// A link that was broken on purpose hears nothing.
async fn answer(link: &mpsc::WeakSender<Answer>, message: ToAgent) {
    if let Some(link) = link.upgrade() {
        let message = v1::ToAgent {
            message: Some(message),
        };
        drop(link.send(Ok(message)).await);
    }
}

#[tonic::async_trait]
impl Session for Host {
    type OpenStream = ReceiverStream<Answer>;

    async fn open(
        &self,
        request: Request<Streaming<v1::FromAgent>>,
    ) -> Result<Response<Self::OpenStream>, Status> {
        let mut incoming = request.into_inner();
        let Some(FromAgent::Hello(hello)) = incoming.message().await?.and_then(|m| m.message)
        else {
            return Err(Status::invalid_argument("no hello"));
        };
        let first = {
            let mut spool = self.0.spool.lock().unwrap();
            let first = spool.is_empty();
            if !first && *spool != hello.spool_id {
                panic!("the spool was replaced");
            }
            spool.clone_from(&hello.spool_id);
            first
        };
        self.hear(|heard| heard.hellos.push(hello));
        let (sender, receiver) = mpsc::channel(64);
        let welcome = v1::Welcome {
            orchestratord_version: "test".into(),
            protocol: PROTOCOL,
            agent: "acme-app.backend-1".into(),
            resume_after: if first { 0 } else { self.committed() },
        };
        let welcome = v1::ToAgent {
            message: Some(ToAgent::Welcome(welcome)),
        };
        sender.send(Ok(welcome)).await.unwrap();
        let link = sender.downgrade();
        *self.0.link.lock().unwrap() = Some(sender);
        let host = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = incoming.message().await {
                if link.upgrade().is_none() {
                    return;
                }
                if let Some(message) = message.message {
                    host.take(&link, message).await;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
