//! The watch stream, opened again for ever.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use cloud_code_proto::{PROTOCOL, v1};
use tokio::sync::{Notify, mpsc};

use super::{Client, Connection, LinkError, deepest, delay};

/// How long the daemon may take for its snapshot.
const SNAPSHOT: Duration = Duration::from_secs(30);

/// What the link has to say.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// There is a link; calls can be made with this client.
    Up(Box<Client>),
    /// A message of the stream.
    Message(Box<v1::watch_response::Message>),
    /// There is none.
    Down {
        /// Why.
        why: String,
        /// When the next attempt starts.
        retry_in: Duration,
    },
}

/// Keeps the link up until the receiver is gone. `now` ends a wait between two attempts.
pub(crate) async fn watch(
    connection: Connection,
    events: mpsc::Sender<LinkEvent>,
    now: Arc<Notify>,
) {
    let mut failures = 0;
    loop {
        let why = match follow(&connection, &events, &mut failures).await {
            Ok(()) => return,
            Err(why) => why,
        };
        failures += 1;
        let retry_in = delay(failures, jitter());
        if events
            .send(LinkEvent::Down { why, retry_in })
            .await
            .is_err()
        {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(retry_in) => {}
            () = now.notified() => {}
            () = events.closed() => return,
        }
    }
}

/// One link, until it breaks (the error says why) or nobody listens any more.
async fn follow(
    connection: &Connection,
    events: &mpsc::Sender<LinkEvent>,
    failures: &mut u32,
) -> Result<(), String> {
    let mut client = connection
        .connect()
        .await
        .map_err(|error| no_link(&error))?;
    let request = v1::WatchRequest {
        protocol: PROTOCOL,
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let status = |status: tonic::Status| format!("the daemon refused: {}", status.message());
    let opened = tokio::time::timeout(SNAPSHOT, client.watch(request)).await;
    let mut stream = opened
        .map_err(|_| "the daemon gave no answer in 30 s".to_owned())?
        .map_err(status)?
        .into_inner();
    if events.send(LinkEvent::Up(Box::new(client))).await.is_err() {
        return Ok(());
    }
    loop {
        let next = tokio::select! {
            next = stream.message() => next,
            () = events.closed() => return Ok(()),
        };
        let Some(response) =
            next.map_err(|status| format!("the link broke: {}", status.message()))?
        else {
            return Err("the daemon ended the link".to_owned());
        };
        let Some(message) = response.message else {
            continue; // a newer daemon's kind of message
        };
        if let v1::watch_response::Message::Snapshot(snapshot) = &message {
            check(snapshot)?;
            *failures = 0;
        }
        let message = LinkEvent::Message(Box::new(message));
        if events.send(message).await.is_err() {
            return Ok(());
        }
    }
}

/// Why there is no link, and what helps. How a daemon is started the screen says anyway.
fn no_link(error: &LinkError) -> String {
    let (text, reason) = (error.to_string(), deepest(error));
    let text = if text == reason {
        text
    } else {
        format!("{text} ({reason})")
    };
    match error {
        LinkError::NoDaemon { .. } => text,
        LinkError::NotAllowed { .. }
        | LinkError::NotAnOperator { .. }
        | LinkError::Program { .. }
        | LinkError::BadHost(_)
        | LinkError::Protocol { .. } => format!("{text}: {}", error.fix()),
    }
}

fn check(snapshot: &v1::Snapshot) -> Result<(), String> {
    match snapshot.protocol {
        PROTOCOL => Ok(()),
        newer if newer > PROTOCOL => Err(format!(
            "the daemon {} is newer than this client: upgrade cloud-code here",
            snapshot.server_version
        )),
        _ => Err(format!(
            "the daemon {} is older than this client: upgrade orchestratord (agents keep running)",
            snapshot.server_version
        )),
    }
}

/// Any number; every client another one.
fn jitter() -> u64 {
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}
