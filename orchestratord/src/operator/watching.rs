//! The watch stream: the fleet as it is, then every change.

use std::sync::Arc;

use cloud_code_proto::v1;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tonic::Status;

use crate::engine::{Engine, Stopped};

use super::view;

/// Events that a snapshot holds.
const EVENTS: u64 = 200;

/// What a client is sent; it is bounded, and a slow client begins anew with a snapshot.
pub(super) type Answers = mpsc::Sender<Result<v1::WatchResponse, Status>>;

/// Sends a snapshot, then changes, until the client or the engine goes away.
pub(super) async fn watch(engine: Engine, operator: String, host: String, to: Answers) {
    loop {
        let Ok((snapshot, following)) = snapshot(&engine, &operator, &host).await else {
            // The client may be gone as well.
            let _gone = to
                .send(Err(Status::unavailable("orchestratord is ending")))
                .await;
            return;
        };
        let first = v1::watch_response::Message::Snapshot(snapshot);
        if to
            .send(Ok(v1::WatchResponse {
                message: Some(first),
            }))
            .await
            .is_err()
        {
            return;
        }
        if !changes(following, &to).await {
            return;
        }
    }
}

async fn snapshot(
    engine: &Engine,
    operator: &str,
    host: &str,
) -> Result<(v1::Snapshot, broadcast::Receiver<Arc<v1::Change>>), Stopped> {
    let (operator, host) = (operator.to_owned(), host.to_owned());
    engine
        .watch(move |world| {
            let since = world.last_event().saturating_sub(EVENTS);
            let events = world.store_events(since, usize::try_from(EVENTS).unwrap_or(0));
            let events = events.into_iter().map(Into::into).collect();
            view::snapshot(world, &operator, &host, events)
        })
        .await
}

/// Sends changes; true where the client fell behind and has to begin anew.
async fn changes(mut following: broadcast::Receiver<Arc<v1::Change>>, to: &Answers) -> bool {
    loop {
        let change = tokio::select! {
            change = following.recv() => change,
            () = to.closed() => return false,
        };
        match change {
            Ok(change) => {
                let change = v1::watch_response::Message::Change(Arc::unwrap_or_clone(change));
                if to
                    .send(Ok(v1::WatchResponse {
                        message: Some(change),
                    }))
                    .await
                    .is_err()
                {
                    return false;
                }
            }
            Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}
