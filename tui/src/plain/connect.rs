//! `cloud-code connect --stdio`: the far end of `--host`. Bytes only, in both directions.

use tokio::io::{AsyncWriteExt, copy};
use tokio::net::UnixStream;

use super::Failure;
use crate::link::{Connection, LinkError};

/// Carries bytes between standard input and output and the daemon's socket until either ends.
pub(super) async fn run(connection: Connection) -> Result<(), Failure> {
    let Connection::Socket(path) = connection else {
        return Err(Failure::misuse(
            "connect works on the daemon's own host",
            "--host was given",
            "cloud-code connect --stdio",
        ));
    };
    let socket = UnixStream::connect(&path).await.map_err(|source| {
        Failure::link(&LinkError::NoDaemon {
            path: path.clone(),
            source,
        })
    })?;
    let (mut from_daemon, mut to_daemon) = socket.into_split();
    let (mut input, mut output) = (tokio::io::stdin(), tokio::io::stdout());
    let upwards = async {
        let copied = copy(&mut input, &mut to_daemon).await;
        to_daemon.shutdown().await.and(copied.map(drop))
    };
    let downwards = async {
        copy(&mut from_daemon, &mut output).await?;
        output.flush().await
    };
    // Either end may hang up first; then there is nothing left to carry.
    let carried = tokio::select! {
        ended = upwards => ended,
        ended = downwards => ended,
    };
    carried.map_err(|error| {
        Failure::new(
            "the link broke",
            error.to_string(),
            "connect again; what the daemon says: cloud-code doctor",
        )
    })
}
