//! The loopback end of the model gateway.
//!
//! Coding CLIs speak HTTP to `127.0.0.1`; every connection is piped byte for byte to a new
//! connection of the agent's Unix socket. What the bytes mean (a model call, a CONNECT) is
//! orchestratord's business; whether any flow tells the watchdog that the CLI waits for a model.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections at once.
const CONNECTIONS: usize = 256;

/// Counts the bytes that came back from the host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic(Arc<AtomicU64>);

impl Traffic {
    /// Grows with every byte from the host.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The listener, before it is served.
#[derive(Debug)]
pub(crate) struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
    socket: PathBuf,
    traffic: Traffic,
}

impl Loopback {
    /// Listens on a free port of the loopback.
    pub(crate) async fn bind(socket: PathBuf) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
            socket,
            traffic: Traffic::default(),
        })
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic.clone()
    }

    /// Pipes connections until the listener fails.
    pub(crate) async fn serve(self) -> io::Error {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let mut pipes = JoinSet::new();
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return io::Error::other("the gateway was closed");
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = pipes.join_next() => continue,
            };
            let tcp = match accepted {
                Ok((tcp, _)) => tcp,
                Err(error) if is_passing(&error) => continue,
                Err(error) => return error,
            };
            let (socket, traffic) = (self.socket.clone(), self.traffic.clone());
            pipes.spawn(async move {
                if let Err(error) = pipe(tcp, socket, traffic).await {
                    tracing::debug!(%error, "a connection of the gateway ended");
                }
                drop(place);
            });
        }
    }
}

/// What the peer or a full table causes, and what passes.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::QuotaExceeded
    )
}

async fn pipe(mut tcp: TcpStream, socket: PathBuf, traffic: Traffic) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut host = Counted {
        stream: UnixStream::connect(socket).await?,
        traffic,
    };
    tokio::io::copy_bidirectional(&mut tcp, &mut host).await?;
    Ok(())
}

/// A connection to the host that counts what comes back.
struct Counted {
    stream: UnixStream,
    traffic: Traffic,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let more = buffer.filled().len().saturating_sub(before);
        self.traffic.0.fetch_add(more as u64, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    #[tokio::test]
    async fn bytes_pass_both_ways_unchanged_and_the_end_passes_too() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agentd.sock");
        let host = UnixListener::bind(&socket).unwrap();
        let gateway = Loopback::bind(socket).await.unwrap();
        let (address, traffic) = (gateway.address, gateway.traffic());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { drop(gateway.serve().await) });

        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"CONNECT \0\xff").await.unwrap();
        client.shutdown().await.unwrap();
        let (mut served, _) = host.accept().await.unwrap();
        let mut asked = Vec::new();
        served.read_to_end(&mut asked).await.unwrap();
        assert_eq!(asked, b"CONNECT \0\xff");
        served.write_all(b"answer").await.unwrap();
        drop(served);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer");
        assert_eq!(traffic.bytes(), 6);
    }
}
