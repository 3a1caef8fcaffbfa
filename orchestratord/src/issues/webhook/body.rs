//! Receiving a body: never more than its limit, never longer than its deadline, and never more than
//! the budget of all bodies together.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::signature::Verifier;
use super::{Limits, Rejected};

/// Bytes are given out in pieces of this size.
const PIECE: usize = 1024;

/// The room for all bodies that are being received.
#[derive(Debug)]
pub(super) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(PIECE))))
    }

    /// Room for this many more bytes, at once or not at all.
    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Rejected> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE)).unwrap_or(u32::MAX);
        Arc::clone(&self.0)
            .try_acquire_many_owned(pieces)
            .map_err(|_| Rejected(StatusCode::SERVICE_UNAVAILABLE, "busy, deliver again"))
    }
}

/// A whole body. Its room is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Received {
    bytes: Vec<u8>,
    _room: Vec<OwnedSemaphorePermit>,
}

impl Received {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

pub(super) async fn receive(
    body: Body,
    headers: &HeaderMap,
    limits: &Limits,
    budget: &Budget,
    verifier: &mut Verifier,
) -> Result<Received, Rejected> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.body as u64) {
        return Err(too_large());
    }
    tokio::time::timeout(
        limits.body_deadline,
        collect(body, limits.body, budget, verifier),
    )
    .await
    .unwrap_or(Err(Rejected(
        StatusCode::REQUEST_TIMEOUT,
        "the body did not arrive in time",
    )))
}

async fn collect(
    mut body: Body,
    limit: usize,
    budget: &Budget,
    verifier: &mut Verifier,
) -> Result<Received, Rejected> {
    let mut received = Received {
        bytes: Vec::new(),
        _room: Vec::new(),
    };
    let mut room = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Rejected(StatusCode::BAD_REQUEST, "the body is cut off"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = received.bytes.len() + data.len();
        if length > limit {
            return Err(too_large());
        }
        if length > room {
            // In growing steps, so that a body of single bytes does not hold a permit for each.
            let step = (length - room)
                .max(room)
                .max(PIECE)
                .min(limit.max(length) - room);
            received._room.push(budget.take(step)?);
            room += step;
        }
        verifier.update(&data);
        received.bytes.extend_from_slice(&data);
    }
    Ok(received)
}

fn too_large() -> Rejected {
    Rejected(
        StatusCode::PAYLOAD_TOO_LARGE,
        "the body is larger than 1 MiB",
    )
}
