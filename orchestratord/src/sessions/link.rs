//! One link: messages of an agent become inputs, orders become messages.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloud_code_domain::id::{AgentId, ExecutionId, Oid, TaskId};
use cloud_code_domain::pace::Pace;
use cloud_code_domain::silence::{Silence, Sound};
use cloud_code_domain::vitals::Vitals;
use cloud_code_proto::{PROTOCOL, v1};
use futures_util::FutureExt;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::credentials::Secrets;
use crate::engine::{Engine, Hello, Input, Orders, Reply};
use crate::failpoint::failpoint;
use crate::logs::Logs;
use crate::mirrors::Mirrors;

use super::asked::Asked;
use super::assign::{Briefing, cancel_reason, message};
use super::intake::Intake;
use super::told::{Tell, Told};
use super::{ResultAsk, Sessions};

/// Messages on their way to an agent at most.
const OUTBOUND: usize = 64;
/// Heartbeats are this far apart at least; an agentd sends one in three seconds.
const BEATS: Duration = Duration::from_secs(1);
/// An agent says hello within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Looks at the clock within the time that an agent may be silent.
const LOOKS: u32 = 5;

/// What links need.
#[derive(Clone, Debug)]
pub struct LinkParts {
    /// The engine.
    pub engine: Engine,
    /// Who is connected.
    pub sessions: Sessions,
    /// What assignments are made from.
    pub briefing: Briefing,
    /// Where log lines go.
    pub logs: Logs,
    /// Where bases come from.
    pub mirrors: Arc<Mirrors>,
    /// Where secrets come from.
    pub secrets: Secrets,
}

/// The session service of one agent: made for its socket.
#[derive(Clone, Debug)]
pub struct SessionService {
    agent: AgentId,
    parts: LinkParts,
    turns: Arc<Turns>,
}

/// Whose link begins when.
#[derive(Debug)]
struct Turns {
    since: Instant,
    pace: Mutex<Pace>,
}

impl SessionService {
    /// The service of an agent that has no link yet.
    #[must_use]
    pub fn new(agent: AgentId, parts: LinkParts) -> Self {
        let turns = Turns {
            since: Instant::now(),
            pace: Mutex::default(),
        };
        Self {
            agent,
            parts,
            turns: Arc::new(turns),
        }
    }

    /// Waits for the turn of a link that wants to begin.
    async fn turn(&self) -> Result<(), Status> {
        let turn = {
            let turns = &self.turns;
            let mut pace = turns.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.turn(turns.since.elapsed())
        };
        let Some(wait) = turn else {
            return Err(Status::resource_exhausted("too many links begin at once"));
        };
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

type Outbound = mpsc::Sender<Result<v1::ToAgent, Status>>;

#[tonic::async_trait]
impl v1::session_server::Session for SessionService {
    type OpenStream = ReceiverStream<Result<v1::ToAgent, Status>>;

    async fn open(
        &self,
        request: Request<Streaming<v1::FromAgent>>,
    ) -> Result<Response<Self::OpenStream>, Status> {
        let mut inbound = request.into_inner();
        let first = tokio::time::timeout(PATIENCE, inbound.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no hello came"))??;
        let Some(v1::from_agent::Message::Hello(hello)) = first.and_then(|first| first.message)
        else {
            return Err(Status::invalid_argument(
                "the first message has to be a hello",
            ));
        };
        self.turn().await?;
        let (outbound, answers) = mpsc::channel(OUTBOUND);
        let link = Link::begin(self.agent.clone(), self.parts.clone(), hello, outbound).await?;
        tokio::spawn(link.run(inbound));
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

/// What is to be done about an agentd that speaks another protocol.
fn foreign(hello: &v1::Hello) -> String {
    let version = cloud_code_domain::text::one_line(&hello.agentd_version, 40);
    format!(
        "agentd {version} speaks protocol {}, orchestratord {} speaks {PROTOCOL}; install the agentd \
         of the same version",
        hello.protocol,
        env!("CARGO_PKG_VERSION")
    )
}

struct Link {
    agent: AgentId,
    link: u64,
    parts: LinkParts,
    outbound: Outbound,
    told: Told,
    intake: Intake,
    asks: mpsc::Receiver<ResultAsk>,
    asked: Asked,
    /// What to say first; said when the agent reads already.
    first: Orders,
    orders: broadcast::Receiver<Orders>,
    packs: JoinSet<()>,
    /// What an agent may be silent for: a frozen one keeps its link open.
    away: Duration,
    begun: Instant,
    silence: Silence,
    /// When the last heartbeat was passed on.
    beaten: Option<Duration>,
}

type Message = Result<Option<v1::FromAgent>, Status>;

impl Link {
    async fn begin(
        agent: AgentId,
        parts: LinkParts,
        hello: v1::Hello,
        outbound: Outbound,
    ) -> Result<Self, Status> {
        if hello.protocol != PROTOCOL {
            let why = foreign(&hello);
            // What agentd does with the answer is its own: the operator has to know as well.
            let told = Input::WorkstationStuck {
                agent,
                why: why.clone(),
            };
            let _stopped = parts.engine.send(told).await;
            return Err(Status::failed_precondition(why));
        }
        let asks = parts.sessions.enter(&agent);
        let link = parts.sessions.next_link();
        let said = Hello {
            link,
            version: hello.agentd_version,
            spool_id: hello.spool_id.chars().take(64).collect(),
            execution: hello.execution.parse().ok(),
            worktrees: hello
                .worktrees
                .iter()
                .filter_map(|task| task.parse().ok())
                .collect(),
        };
        let input = Input::Hello {
            agent: agent.clone(),
            hello: said,
        };
        let resume_after = match parts.engine.send(input).await {
            Ok(Reply::Committed { seq }) => seq,
            Ok(Reply::Unavailable { why }) => return Err(Status::unavailable(why)),
            Ok(_) => return Err(Status::permission_denied("this agent is not wanted")),
            Err(stopped) => return Err(Status::unavailable(stopped.to_string())),
        };
        let (first, orders) = parts
            .engine
            .orders(&agent)
            .await
            .map_err(|stopped| Status::unavailable(stopped.to_string()))?;
        let welcome = v1::to_agent::Message::Welcome(v1::Welcome {
            orchestratord_version: env!("CARGO_PKG_VERSION").into(),
            protocol: PROTOCOL,
            agent: agent.to_string(),
            resume_after,
        });
        let (told, packs) = (Told::default(), JoinSet::new());
        let away = parts.briefing.config.agents.away;
        // A look that is late by as much as two says that we were the ones who slept.
        let silence = Silence::new(away, away * 3 / LOOKS, Duration::ZERO);
        let intake = Intake::new(agent.clone(), parts.engine.clone(), parts.logs.clone());
        let begun = Self {
            agent,
            link,
            parts,
            intake,
            outbound,
            told,
            asks,
            asked: Asked::since(crate::app::now()),
            first,
            orders,
            packs,
            away,
            begun: Instant::now(),
            silence,
            beaten: None,
        };
        if !begun.say(welcome).await {
            return Err(Status::cancelled("the agent went away"));
        }
        Ok(begun)
    }

    async fn run(mut self, mut inbound: Streaming<v1::FromAgent>) {
        let first = std::mem::take(&mut self.first);
        let mut goes_on = self.follow(first).await;
        let mut looks = tokio::time::interval(self.away / LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while goes_on {
            goes_on = tokio::select! {
                message = inbound.message(), if self.intake.has_room() => {
                    self.silence.heard(self.begun.elapsed());
                    self.all_heard(message, &mut inbound).await
                }
                newest = self.intake.committed(), if self.intake.awaits() => {
                    self.committed(newest).await
                }
                orders = self.orders.recv() => self.ordered(orders).await,
                Some(ask) = self.asks.recv() => self.ask(ask).await,
                Some(_) = self.packs.join_next(), if !self.packs.is_empty() => true,
                _ = looks.tick() => self.is_heard(self.intake.has_room()),
            };
        }
        // The program may be ending.
        let _stopped = self
            .parts
            .engine
            .send(Input::Gone {
                agent: self.agent,
                link: self.link,
            })
            .await;
    }

    /// Whether the agent gives signs of life. Those that we do not listen to cannot be missed.
    fn is_heard(&mut self, listening: bool) -> bool {
        let now = self.begun.elapsed();
        if !listening {
            self.silence.heard(now);
        }
        match self.silence.look(now) {
            Sound::Awaited => true,
            Sound::Silent(silent) => {
                let seconds = silent.as_secs();
                tracing::warn!(agent_id = %self.agent, seconds, "an agent is silent: its link is closed");
                false
            }
        }
    }

    /// An agent that is frozen reads nothing either.
    async fn say(&self, message: v1::to_agent::Message) -> bool {
        let message = v1::ToAgent {
            message: Some(message),
        };
        let said = self.outbound.send_timeout(Ok(message), self.away).await;
        said.is_ok()
    }

    /// Takes a message, and after a record what is there already: records that came in together
    /// become durable together.
    async fn all_heard(&mut self, first: Message, inbound: &mut Streaming<v1::FromAgent>) -> bool {
        let mut next = Some(first);
        while let Some(message) = next {
            let Ok(Some(v1::FromAgent { message })) = message else {
                // What came before the end is no less said.
                self.intake.hand_over().await;
                return false;
            };
            match message {
                Some(v1::from_agent::Message::Record(record)) => {
                    let taken = self.intake.take(record).await;
                    if !taken {
                        return false;
                    }
                }
                Some(message) => {
                    return self.intake.hand_over().await && self.heard(message).await;
                }
                None => {}
            }
            next = match self.intake.is_full() {
                true => None,
                false => inbound.message().now_or_never(),
            };
        }
        self.intake.hand_over().await
    }

    async fn heard(&mut self, message: v1::from_agent::Message) -> bool {
        use v1::from_agent::Message;
        let agent = self.agent.clone();
        let input = match message {
            // Where records are taken is before this.
            Message::Hello(_) | Message::Record(_) => return false,
            Message::NeedBase(need) => return self.need_base(need).await,
            Message::Result(chunk) => {
                self.asked.part(chunk).await;
                return true;
            }
            Message::ResultFailed(failed) => {
                self.asked.failed(failed).await;
                return true;
            }
            Message::Heartbeat(beat) => return self.beat(&beat).await,
            Message::TaskCleaned(cleaned) => match cleaned.task.parse::<TaskId>() {
                Ok(task) => Input::TaskCleaned { agent, task },
                Err(_) => return true,
            },
            Message::CredentialHeld(held) => match held.request.parse() {
                Ok(request) => Input::CredentialHeld { agent, request },
                Err(_) => return true,
            },
        };
        self.parts.engine.send(input).await.is_ok()
    }

    /// Nothing waits for what a heartbeat changes. Those that come faster than any agentd sends them
    /// are passed over, so that nobody fills the engine's queue with them.
    async fn beat(&mut self, beat: &v1::Heartbeat) -> bool {
        let now = self.begun.elapsed();
        if self.beaten.is_some_and(|last| now < last + BEATS) {
            return true;
        }
        self.beaten = Some(now);
        let vitals = Vitals {
            cpu_percent: beat.cpu_percent,
            memory: beat.memory_bytes,
            disk_free: beat.disk_free_bytes,
        };
        let agent = self.agent.clone();
        let input = Input::Heartbeat { agent, vitals };
        self.parts.engine.post(vec![input]).await.is_ok()
    }

    /// Acknowledges the newest of what is committed.
    async fn committed(&mut self, newest: Option<u64>) -> bool {
        match newest {
            Some(seq) => self.say(v1::to_agent::Message::Ack(v1::Ack { seq })).await,
            None => false,
        }
    }

    async fn ordered(&mut self, orders: Result<Orders, broadcast::error::RecvError>) -> bool {
        match orders {
            Ok(orders) => self.follow(orders).await,
            Err(broadcast::error::RecvError::Lagged(_)) => {
                match self.parts.engine.orders(&self.agent).await {
                    Ok((now, changes)) => {
                        self.orders = changes;
                        self.follow(now).await
                    }
                    Err(_) => false,
                }
            }
            // A newer link of the agent has its place.
            Err(broadcast::error::RecvError::Closed) => false,
        }
    }

    /// Says what is left to say of these orders.
    async fn follow(&mut self, orders: Orders) -> bool {
        for tell in self.told.rest(orders) {
            if let Some(message) = self.message_of(tell)
                && !self.say(message).await
            {
                return false;
            }
        }
        true
    }

    fn message_of(&self, tell: Tell) -> Option<v1::to_agent::Message> {
        use v1::to_agent::Message;
        Some(match tell {
            Tell::Assign(assign) => {
                Message::Assign(self.parts.briefing.assign(&assign.0, &assign.1)?)
            }
            Tell::Cancel(execution, reason) => Message::Cancel(v1::Cancel {
                execution: execution.to_string(),
                reason: cancel_reason(reason).into(),
            }),
            Tell::Steer(execution, number, said) => Message::Steer(v1::Steer {
                execution: execution.to_string(),
                number,
                message: Some(message(&said)),
            }),
            Tell::Published(task, head) => Message::Published(v1::Published {
                task: task.to_string(),
                head: head.to_string(),
            }),
            Tell::Clean(task) => Message::CleanTask(v1::CleanTask {
                task: task.to_string(),
            }),
            Tell::Credential(order) => {
                failpoint!("secret::recorded");
                let secret = self
                    .parts
                    .secrets
                    .reveal(order.kind, &order.scope, &order.project)?;
                Message::Credential(v1::Credential {
                    request: order.request.to_string(),
                    task: order.request.task.to_string(),
                    label: order.label,
                    kind: order.kind.as_str().into(),
                    env: order.kind.env_name().into(),
                    secret,
                })
            }
            Tell::Withdraw(request) => Message::WithdrawCredential(v1::WithdrawCredential {
                request: request.to_string(),
                task: request.task.to_string(),
            }),
        })
    }

    async fn ask(&mut self, ask: ResultAsk) -> bool {
        let request = self.asked.begin(ask);
        self.say(v1::to_agent::Message::RequestResult(request))
            .await
    }

    /// An agent gets the history of what it was given to work on, and of nothing else.
    async fn need_base(&mut self, need: v1::NeedBase) -> bool {
        let failed = |why: &str| {
            v1::to_agent::Message::BaseFailed(v1::BaseFailed {
                execution: need.execution.clone(),
                reason: why.into(),
            })
        };
        let (Ok(execution), Ok(commit)) = (
            need.execution.parse::<ExecutionId>(),
            need.commit.parse::<Oid>(),
        ) else {
            return self.say(failed("it names no commit")).await;
        };
        let have = need
            .have
            .iter()
            .filter_map(|oid| oid.parse().ok())
            .take(1_000)
            .collect();
        let agent = self.agent.clone();
        let (of, wanted) = (execution.clone(), commit.clone());
        let project = self
            .parts
            .engine
            .read(move |world| world.may_have(&agent, &of, &wanted));
        match project.await {
            Ok(Some(project)) => {
                let send = super::send_base(
                    self.parts.mirrors.clone(),
                    project,
                    execution,
                    (commit, have),
                    self.outbound.clone(),
                );
                self.packs.spawn(send);
                true
            }
            Ok(None) => {
                self.say(failed("it is not the base of this agent's execution"))
                    .await
            }
            Err(_) => false,
        }
    }
}
