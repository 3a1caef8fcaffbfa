//! The part of a call that goes on without the agent: reserve, send, judge, relay, settle.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use cloud_code_domain::account::Parking;
use cloud_code_domain::cost::{MicroUsd, Usage};
use cloud_code_domain::price::Price;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::super::answer::{self, TurnedAway};
use super::super::door::Door;
use super::super::meter::{Basis, Ceiling, Charge, Lease, Refusal};
use super::super::upstream::{NoAnswer, Outgoing, Upstream};
use super::super::usage::{Reading, UsageReader};
use super::super::{headers, now, verdict};
use super::most;
use crate::failpoint::failpoint;

/// Silence in the middle of an answer, and of an agent that does not take it.
const IDLE: Duration = Duration::from_secs(300);
/// How long an answer is read to its end for an agent that has hung up.
const AFTER_HANG_UP: Duration = Duration::from_secs(30);
/// Bytes of an error.
const MAX_ERROR: usize = 64 << 10;
/// How long an error may take to arrive.
const ERROR_TIME: Duration = Duration::from_secs(20);
/// Pieces of an answer on their way to the agent.
const PIECES: usize = 16;
/// Tokens a second that no model writes.
const FASTEST: u64 = 1_000;
/// "The service is overloaded"; Anthropic's own number.
const OVERLOADED: u16 = 529;

/// A call that may be made.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) door: Arc<Door>,
    pub(super) lease: Lease,
    pub(super) outgoing: Outgoing,
    pub(super) ceiling: Ceiling,
    pub(super) price: Option<Price>,
    /// The most tokens that it can come to.
    pub(super) most: Usage,
    /// When it began.
    pub(super) begun: Instant,
}

/// What the task tells the handler.
enum Head {
    /// An answer follows in pieces.
    Stream(StatusCode, HeaderMap),
    /// This is all of it.
    Whole(Response),
}

/// The answer broke off; the agent has to see that it did.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer broke off")]
struct Cut;

/// The agent's end of a call.
struct Agent {
    head: Option<oneshot::Sender<Head>>,
    pieces: mpsc::Sender<Result<Bytes, Cut>>,
}

impl Agent {
    /// Gives the head. Whether the agent is still there shows elsewhere.
    fn give(&mut self, head: Head) {
        if let Some(sender) = self.head.take() {
            drop(sender.send(head));
        }
    }

    /// Gives a piece; false where the agent has stopped to take them but is still there.
    async fn piece(&self, piece: Result<Bytes, Cut>) -> bool {
        timeout(IDLE, self.pieces.send(piece)).await.is_ok()
    }
}

impl Call {
    /// Starts the task and waits for the head of the answer.
    pub(super) async fn start(self, slot: OwnedSemaphorePermit) -> Result<Response, TurnedAway> {
        let (head, answer) = oneshot::channel();
        let (pieces, taken) = mpsc::channel(PIECES);
        let agent = Agent {
            head: Some(head),
            pieces,
        };
        let running = self.door.gateway.running.clone();
        running.spawn(async move {
            self.run(agent).await;
            drop(slot);
        });
        match answer.await {
            Ok(Head::Whole(response)) => Ok(response),
            Ok(Head::Stream(status, headers)) => {
                let body = Body::from_stream(ReceiverStream::new(taken));
                Ok(answer::whole(status, headers, body))
            }
            Err(_) => Err(TurnedAway::NoAnswer("the gateway is closing")),
        }
    }

    async fn run(&self, mut agent: Agent) {
        let meter = &self.door.gateway.meter;
        if !self.outgoing.target.endpoint.is_paid() {
            self.exchange_while_awaited(&mut agent).await;
            return;
        }
        match meter.reserve(&self.lease, &self.ceiling).await {
            Err(refusal) => agent.give(Head::Whole(self.refused(refusal))),
            Ok(reservation) => {
                failpoint!("gw::reserved");
                let charge = self.exchange_while_awaited(&mut agent).await;
                failpoint!("gw::forwarded");
                meter.settle(reservation, charge).await;
                failpoint!("gw::settled");
            }
        }
    }

    /// Makes the call; gives up on it a while after the agent has.
    async fn exchange_while_awaited(&self, agent: &mut Agent) -> Charge {
        let pieces = agent.pieces.clone();
        let given_up = async {
            pieces.closed().await;
            tokio::time::sleep(AFTER_HANG_UP).await;
        };
        tokio::select! {
            charge = self.exchange(agent) => charge,
            () = given_up => self.unknown(None),
        }
    }

    async fn exchange(&self, agent: &mut Agent) -> Charge {
        let provider = self.outgoing.target.endpoint.provider();
        let upstreams = &self.door.gateway.upstreams;
        let Some(upstream) = upstreams.of(&self.lease.account, provider) else {
            let gone = TurnedAway::WrongAccount(self.lease.account.to_string());
            return self.turn_away(agent, &gone, self.nothing());
        };
        match upstream.send(&self.outgoing).await {
            Ok(answer) if answer.status().is_success() => self.relay(answer, agent).await,
            Ok(answer) => self.fail(answer, upstream, agent).await,
            Err(NoAnswer::NotSent) => {
                self.turn_away(agent, &TurnedAway::NotReached, self.nothing())
            }
            Err(NoAnswer::BadSecret) => {
                let account = self.lease.account.to_string();
                self.turn_away(agent, &TurnedAway::BadSecret(account), self.nothing())
            }
            Err(NoAnswer::Unknown(what)) => {
                let unknown = self.unknown(None);
                self.turn_away(agent, &TurnedAway::NoAnswer(what), unknown)
            }
        }
    }

    /// Passes an answer on as it comes and reads along.
    async fn relay(&self, mut answer: reqwest::Response, agent: &mut Agent) -> Charge {
        let Some(streamed) = streamed(answer.headers()) else {
            let unknown = self.unknown(None);
            let odd = TurnedAway::NoAnswer("it is neither JSON nor a stream of events");
            return self.turn_away(agent, &odd, unknown);
        };
        let head = headers::to_agent(answer.headers());
        failpoint!("gw::first_byte");
        agent.give(Head::Stream(answer.status(), head));
        let mut reader = UsageReader::new(self.outgoing.target.endpoint, streamed);
        while let Ok(piece) = timeout(IDLE, answer.chunk()).await {
            match piece {
                Ok(Some(bytes)) => {
                    reader.read(&bytes);
                    if !agent.piece(Ok(bytes)).await {
                        break;
                    }
                }
                Ok(None) => return self.read(reader.finish()).await,
                Err(_) => break,
            }
        }
        agent.piece(Err(Cut)).await;
        self.read(reader.finish()).await
    }

    /// What an answer came to.
    async fn read(&self, reading: Reading) -> Charge {
        if let Some(error) = &reading.error
            && let Some(parking) = verdict::parking_in_stream(error, now())
        {
            self.park(parking).await;
        }
        if let Some(usage) = reading.usage {
            return self.charge(usage, Basis::Metered);
        }
        let first = reading.so_far.unwrap_or(Usage {
            input: self.most.input,
            ..Usage::default()
        });
        if reading.ended || reading.error.is_some() {
            let usage = Usage {
                output: first.output.max(reading.seen),
                ..first
            };
            self.charge(usage, Basis::Estimated)
        } else {
            self.unknown(reading.so_far)
        }
    }

    /// Judges an error and passes it on, or ends the turn.
    async fn fail(
        &self,
        answer: reqwest::Response,
        upstream: &Upstream,
        agent: &mut Agent,
    ) -> Charge {
        let (status, head) = (answer.status(), answer.headers().clone());
        if !(status.is_client_error() || status.is_server_error()) {
            let odd = TurnedAway::NoAnswer("it is a redirect, and none is followed");
            return self.turn_away(agent, &odd, self.nothing());
        }
        let body = error_body(answer).await;
        let error = serde_json::from_slice(&body).unwrap_or_default();
        let charge = if took_it(status, &error) {
            self.unknown(None)
        } else if is_about_the_call(status) {
            self.charge(Usage::default(), Basis::Refused)
        } else {
            self.nothing()
        };
        if let Some(parking) = verdict::parking(status, &head, &error, upstream.patience(), now()) {
            self.park(parking.clone()).await;
            agent.give(Head::Whole(self.refused(Refusal::Parked(parking))));
        } else if upstream.leaks_into(&body) {
            let odd = TurnedAway::NoAnswer("its error repeats the secret of the account");
            return self.turn_away(agent, &odd, charge);
        } else {
            let head = headers::to_agent(&head);
            agent.give(Head::Whole(answer::whole(status, head, Body::from(body))));
        }
        charge
    }

    async fn park(&self, parking: Parking) {
        let account = &self.lease.account;
        tracing::warn!(%account, ?parking, "the provider does not let the account go on");
        self.door.gateway.meter.park(account, parking).await;
    }

    fn refused(&self, refusal: Refusal) -> Response {
        TurnedAway::Refused(refusal).answer(self.outgoing.target.endpoint.provider())
    }

    fn turn_away(&self, agent: &mut Agent, why: &TurnedAway, charge: Charge) -> Charge {
        let (name, model) = (&self.door.agent, &self.ceiling.model);
        tracing::info!(agent = %name, model, %why, "a model call failed");
        let provider = self.outgoing.target.endpoint.provider();
        agent.give(Head::Whole(why.answer(provider)));
        charge
    }

    fn charge(&self, usage: Usage, basis: Basis) -> Charge {
        Charge {
            model: self.ceiling.model.clone(),
            usage,
            cost: self.price.map_or(MicroUsd(0), |price| price.cost(&usage)),
            tokens: usage.counted(),
            basis,
        }
    }

    fn nothing(&self) -> Charge {
        self.charge(Usage::default(), Basis::Nothing)
    }

    /// The most that a call can have come to by now, where nobody says what it did come to.
    fn unknown(&self, known: Option<Usage>) -> Charge {
        let output = writable(self.begun.elapsed()).min(self.most.output);
        let most_by_now = known.map_or(
            Usage {
                output,
                ..self.most
            },
            // What the provider said of the input is worth more than our guess.
            |known| Usage {
                output: output.max(known.output),
                ..known
            },
        );
        let cost = self.price.map_or(MicroUsd(0), |price| match known {
            Some(_) => price.cost(&most_by_now),
            None => most(&price, most_by_now),
        });
        Charge {
            cost,
            tokens: most_by_now.counted(),
            ..self.charge(known.unwrap_or_default(), Basis::Ceiling)
        }
    }
}

/// More tokens than any model writes in so long a time. Coding CLIs ask for a limit of output far
/// above what is ever written: a line that breaks after a second must not cost all of it.
fn writable(time: Duration) -> u64 {
    time.as_secs().saturating_add(1).saturating_mul(FASTEST)
}

/// Whether an answer comes as events (true) or whole (false); none where it is neither.
fn streamed(headers: &HeaderMap) -> Option<bool> {
    if headers
        .get(CONTENT_ENCODING)
        .is_some_and(|encoding| encoding != "identity")
    {
        return None;
    }
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind {
        "text/event-stream" => Some(true),
        "application/json" => Some(false),
        _ => None,
    }
}

/// Whether a provider may have done the work and charged for it although it failed.
///
/// What it states itself is believed: an error in its own shape, 503 and 529 mean that nothing was
/// done. Anything else comes from a box on the way, which does not know.
fn took_it(status: StatusCode, error: &serde_json::Value) -> bool {
    let refused = status == StatusCode::SERVICE_UNAVAILABLE || status.as_u16() == OVERLOADED;
    let stated = verdict::error_of(error).is_some_and(serde_json::Value::is_object);
    status.is_server_error() && !refused && !stated
}

/// Whether a provider refused a call for what is in it: the provider itself is well.
fn is_about_the_call(status: StatusCode) -> bool {
    let passes = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    status.is_client_error() && !passes.contains(&status)
}

/// The first bytes of an error; whatever arrived where it broke off.
async fn error_body(mut answer: reqwest::Response) -> Bytes {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(piece)) = answer.chunk().await {
            body.extend_from_slice(&piece);
            if body.len() > MAX_ERROR {
                body.truncate(MAX_ERROR);
                return;
            }
        }
    };
    drop(timeout(ERROR_TIME, read).await);
    Bytes::from(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_broke_early_costs_what_can_have_been_written_by_then() {
        assert_eq!(writable(Duration::from_millis(10)), 1_000);
        assert_eq!(writable(Duration::from_secs(9)), 10_000);
        assert_eq!(writable(Duration::MAX), u64::MAX);
    }
}
