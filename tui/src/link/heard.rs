//! Whether the far end ever said a word. gRPC takes a stream that it can write to for a link, also
//! where nobody reads what it writes: ssh that is not through yet, a daemon that hangs up on us.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// A stream that tells of the first thing that is read from it.
pub(super) struct Heard<S> {
    stream: S,
    first: Option<oneshot::Sender<bool>>,
}

/// What is known of the far end.
pub(super) struct FarEnd(oneshot::Receiver<bool>);

/// What the far end did first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// It said something.
    Spoke,
    /// It hung up.
    HungUp,
    /// Nothing, for as long as it was waited for.
    Silent,
}

/// Listens to a stream.
pub(super) fn listen<S>(stream: S) -> (Heard<S>, FarEnd) {
    let (sender, receiver) = oneshot::channel();
    let first = Some(sender);
    (Heard { stream, first }, FarEnd(receiver))
}

impl FarEnd {
    /// Waits for what it does first.
    pub(super) async fn first(self, timeout: Duration) -> First {
        match tokio::time::timeout(timeout, self.0).await {
            Ok(Ok(true)) => First::Spoke,
            Ok(Ok(false) | Err(_)) => First::HungUp,
            Err(_) => First::Silent,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if let Some(first) = self.first.take() {
            // Nobody waits any more: the link was given up.
            let _unheard = first.send(read.is_ok() && buf.filled().len() > before);
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
