//! GitHub's deliveries: bytes from anybody in, verified hints out.
//!
//! ```text
//!   POST /webhooks/github
//!     headers: one event name, one signature, JSON            400, 401, 415
//!     body: counted, hashed and MACed as it comes             413, 408, 503 (no room)
//!     signature: against every secret, constant time          401
//!     parse: depth, then typed                                400
//!     repository: one that the secret belongs to              401
//!     intake: durable                                         202, 200 for a ping, 503
//! ```
//!
//! Nothing is parsed before its signature was verified, and nothing is answered with success before it
//! was recorded. What an unauthenticated sender can hold is bounded: bytes by [`Limits`], time by
//! deadlines, connections by [`serve()`].

mod body;
mod parse;
mod serve;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONNECTION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use self::parse::{Parsed, Refused, parse};
pub use self::serve::serve;
pub use self::signature::{Secrets, UnusableSecret};

use self::body::Budget;
use super::{About, Hint, Intake};
use crate::failpoint::failpoint;

/// What a sender may use up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a body.
    pub body: usize,
    /// Bytes of all bodies that are being received.
    pub bodies: usize,
    /// Until a body is complete.
    pub body_deadline: Duration,
    /// Until a hint is recorded; GitHub gives up after ten seconds.
    pub intake_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            bodies: 32 << 20,
            body_deadline: Duration::from_secs(5),
            intake_deadline: Duration::from_secs(8),
        }
    }
}

#[derive(Debug, Clone)]
struct Edge {
    secrets: Arc<Secrets>,
    intake: Arc<dyn Intake>,
    limits: Limits,
    budget: Arc<Budget>,
}

/// Where GitHub delivers.
pub(crate) const GITHUB: &str = "/webhooks/github";

/// `POST /webhooks/github` and `GET /healthz`.
pub fn router(secrets: Secrets, intake: Arc<dyn Intake>, limits: Limits) -> Router {
    let edge = Edge {
        secrets: Arc::new(secrets),
        intake,
        limits,
        budget: Arc::new(Budget::new(limits.bodies)),
    };
    Router::new()
        .route(GITHUB, post(deliver))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(edge)
}

/// A delivery that is not taken: the status, and one line that tells nothing about us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rejected(StatusCode, &'static str);

impl IntoResponse for Rejected {
    fn into_response(self) -> Response {
        let Self(status, line) = self;
        // The rest of the body is not waited for.
        let headers = [(CONNECTION, HeaderValue::from_static("close"))];
        (status, headers, format!("{line}\n")).into_response()
    }
}

async fn deliver(State(edge): State<Edge>, request: Request<Body>) -> Result<Response, Rejected> {
    let (head, body) = request.into_parts();
    let event = event_name(&head.headers)?;
    let signature = signature::read(&head.headers)?;
    json_only(&head.headers)?;
    let mut verifier = edge.secrets.verifier(&event);
    let received = body::receive(
        body,
        &head.headers,
        &edge.limits,
        &edge.budget,
        &mut verifier,
    );
    let received = received.await?;
    let verified = verifier.verify(&signature).ok_or(Rejected(
        StatusCode::UNAUTHORIZED,
        "the signature is not made with a secret of this server",
    ))?;
    failpoint!("edge::after_mac");
    let parsed = parse(&event, received.bytes()).map_err(|refused| {
        tracing::warn!(event = %event, reason = %refused, "a signed delivery is refused");
        Rejected(StatusCode::BAD_REQUEST, refused.line())
    })?;
    let projects = edge
        .secrets
        .owners(verified.secrets(), parsed.repository.as_deref());
    if projects.is_empty() {
        return Err(Rejected(
            StatusCode::UNAUTHORIZED,
            "the secret does not belong to this repository",
        ));
    }
    let ping = parsed.about == About::Ping;
    let hint = Hint {
        projects,
        about: parsed.about,
        digest: Some(verified.digest()),
        remark: parsed.remark,
    };
    // The bytes are not needed while the hint waits for the disk.
    drop(received);
    failpoint!("edge::before_commit");
    record(&edge, hint).await?;
    failpoint!("edge::after_commit_before_202");
    Ok(if ping {
        (StatusCode::OK, "pong\n").into_response()
    } else {
        (StatusCode::ACCEPTED, "recorded\n").into_response()
    })
}

async fn record(edge: &Edge, hint: Hint) -> Result<(), Rejected> {
    let recorded = edge.intake.hint(hint);
    match tokio::time::timeout(edge.limits.intake_deadline, recorded).await {
        Ok(Ok(_taken)) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Rejected(
            StatusCode::SERVICE_UNAVAILABLE,
            "not recorded, deliver again",
        )),
    }
}

/// A header that must be there once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn event_name(headers: &HeaderMap) -> Result<String, Rejected> {
    only(headers, "x-github-event")
        .filter(|name| (1..=64).contains(&name.len()))
        .filter(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        .map(str::to_owned)
        .ok_or(Rejected(
            StatusCode::BAD_REQUEST,
            "X-GitHub-Event must name one event",
        ))
}

fn json_only(headers: &HeaderMap) -> Result<(), Rejected> {
    let media = only(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Rejected(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "set the webhook's content type to application/json",
        ))
    }
}

#[cfg(test)]
mod tests;
