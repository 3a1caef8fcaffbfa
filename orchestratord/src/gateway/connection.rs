//! One connection of an agent: HTTP/1.1 or HTTP/2, under limits that a hostile peer cannot pass.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::door::DoorService;

/// Bytes of a request's headers.
const HEADERS: u32 = 16 << 10;

/// Serves a connection until the peer or `closing` ends it. Of an agent's connections beyond the
/// limit nothing is read.
///
/// Cancelling the future drops the connection; calls that are under way are settled all the same.
pub async fn serve_connection(
    stream: UnixStream,
    service: DoorService,
    closing: CancellationToken,
) {
    let door = Arc::clone(service.door());
    let Ok(_permit) = Arc::clone(&door.connections).try_acquire_owned() else {
        tracing::warn!(agent = %door.agent(), "too many connections at once; one was dropped");
        return;
    };
    if let Err(error) = serve(stream, service, closing).await {
        tracing::debug!(agent = %door.agent(), error, "a connection ended badly");
    }
}

async fn serve(
    stream: UnixStream,
    service: DoorService,
    closing: CancellationToken,
) -> Result<(), axum::BoxError> {
    let builder = limited();
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

fn limited() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(30))
        .max_headers(64)
        .max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        // The session, calls and tunnels of one agent share a connection.
        .max_concurrent_streams(64)
        .max_header_list_size(HEADERS)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64)
        .initial_connection_window_size(1 << 20)
        .initial_stream_window_size(256 << 10)
        .max_send_buf_size(256 << 10)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
