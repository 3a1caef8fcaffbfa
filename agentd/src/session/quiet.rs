//! A stream that wakes its thread for what comes in, and for nothing else.
//!
//! The runtime's own streams watch for room to write as well, always: the kernel then says that there
//! is some whenever the peer has read what was written, and every heartbeat of an idle agentd wakes it
//! twice. Here room is watched for only while there is none.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// See the module.
#[derive(Debug)]
pub(super) struct Quiet {
    stream: AsyncFd<UnixStream>,
    /// What watches for room, while there is none.
    room: Option<AsyncFd<OwnedFd>>,
}

impl Quiet {
    /// # Errors
    /// Where the system does not watch it.
    pub(super) fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let stream = watched(stream.into_std()?, Interest::READABLE)?;
        Ok(Self { stream, room: None })
    }

    /// Writes with `write` once there is room.
    fn poll_written(
        &mut self,
        context: &mut Context<'_>,
        mut write: impl FnMut(&UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(room) = &self.room {
                ready!(room.poll_write_ready(context))?.retain_ready();
                self.room = None;
            }
            match write(self.stream.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let other = self.stream.get_ref().as_fd().try_clone_to_owned()?;
                    self.room = Some(watched(other, Interest::WRITABLE)?);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe, for descriptors that somebody may replace; these are owned"
)]
fn watched<T: AsRawFd>(inner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(inner, interest)
}

impl AsyncRead for Quiet {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut readable = ready!(self.stream.poll_read_ready(context))?;
            let read = readable.try_io(|stream| stream.get_ref().read(into.initialize_unfilled()));
            if let Ok(read) = read {
                into.advance(read?);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Quiet {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_written(context, |mut stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_written(context, |mut stream| stream.write_vectored(parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    fn pair() -> (Quiet, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Quiet::new(ours).unwrap(), theirs)
    }

    #[tokio::test]
    async fn what_finds_no_room_is_written_when_the_peer_has_read() {
        let (mut ours, mut theirs) = pair();
        let much: Vec<u8> = (0..8_u32 << 20).map(|at| at.to_le_bytes()[0]).collect();
        let expected = much.clone();
        let writing = tokio::spawn(async move {
            ours.write_all(&much).await.unwrap();
            ours.shutdown().await.unwrap();
            ours
        });
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).await.unwrap();
        assert!(read == expected);
        // Nothing watches for room any more.
        assert!(writing.await.unwrap().room.is_none());
    }

    #[tokio::test]
    async fn what_the_peer_says_is_read_and_its_end_is_the_end() {
        let (mut ours, mut theirs) = pair();
        theirs.write_all(b"one").await.unwrap();
        let mut three = [0; 3];
        ours.read_exact(&mut three).await.unwrap();
        assert_eq!(&three, b"one");
        drop(theirs);
        assert_eq!(ours.read(&mut three).await.unwrap(), 0);
    }
}
