//! One model call, from the agent's request to the settled charge.
//!
//! ```text
//! handler   token ─ open ─ account ─ body ─ clean ─ price ─┐            ┌▶ answer
//!                                                          ▼            │
//! task                                    reserve ─ send ─ judge ─ relay ─ settle
//! ```
//!
//! From the reservation on a call runs in a task of its own: an agent that hangs up must not get
//! out of paying. What it gave up on is read to the end for a while, since only the end has the
//! provider's figures.

mod relay;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use cloud_code_domain::account::Provider;
use cloud_code_domain::cost::{MicroUsd, Usage};
use cloud_code_domain::price::Price;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::answer::{self, TurnedAway};
use super::door::Door;
use super::meter::{Ceiling, Lease};
use super::request::Prepared;
use super::route::{Route, Target};
use super::upstream::{Outgoing, Query};
use super::{BODIES_KIB, headers};
use relay::Call;

/// Bytes of a request.
const MAX_BODY: usize = 32 << 20;
/// How long a body may take to arrive, waiting for room included.
const BODY_TIME: Duration = Duration::from_secs(60);
/// How long a call waits for another one of its agent to end.
const WAIT: Duration = Duration::from_secs(30);

impl Door {
    /// Answers a request below `/model`.
    pub(super) async fn model(self: &Arc<Self>, request: Request) -> Response {
        match Route::find(request.method(), request.uri().path()) {
            Err(provider) => TurnedAway::NoRoute.answer(provider),
            Ok(Route::Probe) => answer::empty(),
            Ok(Route::Models(provider)) => answer::models(provider),
            Ok(Route::Call(target)) => {
                let provider = target.endpoint.provider();
                self.call(target, request)
                    .await
                    .unwrap_or_else(|turned_away| {
                        let agent = &self.agent;
                        tracing::info!(%agent, %turned_away, "a model call was not made");
                        turned_away.answer(provider)
                    })
            }
        }
    }

    async fn call(
        self: &Arc<Self>,
        target: Target,
        request: Request,
    ) -> Result<Response, TurnedAway> {
        let (head, body) = request.into_parts();
        let (provider, query) = (target.endpoint.provider(), head.uri.query());
        let token = headers::token(&head.headers, query, provider).ok_or(TurnedAway::NoToken)?;
        let lease = self.gateway.meter.open(&self.agent, token).await?;
        let slot = self.slot().await?;
        let body = self.body(&head.headers, body).await?;
        let prepared = prepare(target.clone(), body).await?;
        self.note_removed(&prepared);
        let price = self.price(&lease, provider, &prepared.model)?;
        let ceiling = Ceiling {
            cost: price.map_or(MicroUsd(0), |price| most(&price, prepared.most)),
            tokens: prepared.most.counted(),
            model: prepared.model,
        };
        let outgoing = Outgoing {
            query: Query::of(provider, query),
            target,
            headers: head.headers,
            body: prepared.body,
            streamed: prepared.stream,
        };
        let call = Call {
            door: Arc::clone(self),
            lease,
            outgoing,
            ceiling,
            price,
            most: prepared.most,
            begun: Instant::now(),
        };
        call.start(slot).await
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, TurnedAway> {
        let permit = Arc::clone(&self.calls).acquire_owned();
        match tokio::time::timeout(WAIT, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(TurnedAway::Busy),
        }
    }

    /// Reads the body. Memory is taken before it is filled, by the length that is announced.
    async fn body(&self, headers: &HeaderMap, body: Body) -> Result<Held, TurnedAway> {
        let announced = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse().ok())
            .unwrap_or(MAX_BODY);
        if announced > MAX_BODY {
            return Err(TurnedAway::TooLarge(MAX_BODY));
        }
        let kib = u32::try_from(announced.div_ceil(1 << 10).min(BODIES_KIB)).unwrap_or(u32::MAX);
        let read = async {
            let room = Arc::clone(&self.gateway.bodies).acquire_many_owned(kib);
            let room = room.await.map_err(|_| TurnedAway::Busy)?;
            let whole = Limited::new(body, announced).collect().await;
            let bytes = whole.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    TurnedAway::TooLarge(announced)
                } else {
                    TurnedAway::NoBody
                }
            })?;
            Ok(Held {
                bytes: bytes.to_bytes(),
                _room: room,
            })
        };
        let read = tokio::time::timeout(BODY_TIME, read);
        read.await.unwrap_or(Err(TurnedAway::NoBody))
    }

    fn price(
        &self,
        lease: &Lease,
        provider: Provider,
        model: &str,
    ) -> Result<Option<Price>, TurnedAway> {
        let upstream = self.gateway.upstreams.of(&lease.account, provider);
        let upstream =
            upstream.ok_or_else(|| TurnedAway::WrongAccount(lease.account.to_string()))?;
        match self.gateway.prices.find(model) {
            Some(price) => Ok(Some(price)),
            None if upstream.takes_unpriced() => Ok(None),
            None => Err(TurnedAway::Unpriced(model.to_owned())),
        }
    }

    fn note_removed(&self, prepared: &Prepared) {
        if !prepared.removed.is_empty() {
            let (agent, removed) = (&self.agent, prepared.removed.names());
            tracing::debug!(%agent, removed, "parts of a model call were taken out");
        }
    }
}

/// A body and the room that it takes.
struct Held {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Large conversations take some tens of milliseconds: not on a thread that serves others.
async fn prepare(target: Target, body: Held) -> Result<Prepared, TurnedAway> {
    let prepared = tokio::task::spawn_blocking(move || Prepared::new(&target, &body.bytes)).await;
    Ok(prepared.map_err(|_| TurnedAway::NoBody)??)
}

/// The dearest that so many tokens can be: input may be read fresh or written to a cache.
fn most(price: &Price, tokens: Usage) -> MicroUsd {
    let written = Usage {
        input: 0,
        cache_write: tokens.input,
        ..tokens
    };
    price.cost(&tokens).max(price.cost(&written))
}
