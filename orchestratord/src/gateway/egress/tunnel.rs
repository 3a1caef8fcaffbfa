//! Bytes both ways, under a budget.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::super::meter::Tunnel;
use super::hello::{Hello, Hellos};

/// Bytes that an execution may send. Asking for packages takes little; a repository would not fit.
const SENT: u64 = 5 << 20;
/// Bytes that an execution may get.
const RECEIVED: u64 = 5 << 30;
/// Until the agent's side of the tunnel stands.
const UPGRADE: Duration = Duration::from_secs(10);
/// A tunnel without a byte either way for this long is closed.
const IDLE: Duration = Duration::from_secs(300);

/// Bytes that are moved at once.
const PIECE: usize = 16 << 10;
/// The port on which nothing but TLS is spoken.
const TLS: u16 = 443;

/// A connection to an allowed host.
#[derive(Debug)]
pub(super) struct Opened {
    /// The entry that allows it.
    pub(super) target: String,
    /// The name that TLS has to ask for; none where the entry is an address.
    pub(super) name: Option<String>,
    /// The address.
    pub(super) peer: SocketAddr,
    /// The connection.
    pub(super) stream: TcpStream,
}

/// Bytes that are left to an agent's tunnels.
#[derive(Debug)]
pub(crate) struct Budget {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            sent: AtomicU64::new(SENT),
            received: AtomicU64::new(RECEIVED),
        }
    }
}

impl Budget {
    /// Starts anew.
    pub(crate) fn renew(&self) {
        self.sent.store(SENT, Ordering::Relaxed);
        self.received.store(RECEIVED, Ordering::Relaxed);
    }

    /// Whether nothing more can be sent or got.
    pub(crate) fn is_used_up(&self) -> bool {
        self.sent.load(Ordering::Relaxed) == 0 || self.received.load(Ordering::Relaxed) == 0
    }
}

/// Takes bytes from what is left; false where there are not so many, and then none are left.
fn take(left: &AtomicU64, bytes: u64) -> bool {
    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        Some(left.saturating_sub(bytes))
    });
    taken.is_ok_and(|before| before >= bytes)
}

/// Carries bytes until both sides have ended, one failed, the budget is used up or nothing moves.
/// None where the agent's side never stood.
pub(super) async fn carry(
    upgraded: OnUpgrade,
    mut opened: Opened,
    budget: &Budget,
) -> Option<Tunnel> {
    let begun = Instant::now();
    let agent = timeout(UPGRADE, upgraded).await.ok()?.ok()?;
    let (mut from_agent, to_agent) = tokio::io::split(TokioIo::new(agent));
    let (from_host, to_host) = opened.stream.split();
    let up = Way::new(&budget.sent);
    let down = Way::new(&budget.received);
    let both = async {
        // The first failure drops the other way too.
        let upwards = async {
            let name = opened.name.as_deref();
            let first = first_bytes(&mut from_agent, name, opened.peer.port()).await?;
            up.pipe(first, from_agent, to_host).await
        };
        tokio::try_join!(upwards, down.pipe(Vec::new(), from_host, to_agent))
    };
    let why = tokio::select! {
        ended = both => match ended {
            Ok(_) => "both sides ended",
            Err(broken) => broken.0,
        },
        () = idle(&up, &down) => "nothing moved",
    };
    tracing::debug!(host = opened.target, why, "a tunnel is closed");
    Some(Tunnel {
        sent: up.moved(),
        received: down.moved(),
        target: opened.target,
        peer: opened.peer,
        lasted: begun.elapsed(),
    })
}

/// Why a tunnel ended before its time.
struct Broken(&'static str);

/// Reads until it is clear whether TLS asks for the right name.
async fn first_bytes(
    from: &mut (impl AsyncRead + Unpin),
    name: Option<&str>,
    port: u16,
) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    let Some(name) = name else {
        return Ok(bytes);
    };
    let mut hellos = Hellos::default();
    while from.read_buf(&mut bytes).await.unwrap_or(0) > 0 {
        match hellos.read(&bytes) {
            Hello::Incomplete => {}
            Hello::Name(asked) if asked.eq_ignore_ascii_case(name.as_bytes()) => return Ok(bytes),
            Hello::Plain if port != TLS => return Ok(bytes),
            Hello::Name(_) | Hello::Nameless => return Err(Broken("TLS asks for another name")),
            Hello::Plain => return Err(Broken("the agent does not speak TLS")),
        }
    }
    Ok(bytes)
}

/// One way of a tunnel.
struct Way<'a> {
    left: &'a AtomicU64,
    moved: AtomicU64,
}

impl<'a> Way<'a> {
    fn new(left: &'a AtomicU64) -> Self {
        Self {
            left,
            moved: AtomicU64::new(0),
        }
    }

    fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    /// Moves the first bytes, then whatever comes, then the end.
    async fn pipe(
        &self,
        first: Vec<u8>,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> Result<(), Broken> {
        let mut buffer = first;
        loop {
            if !buffer.is_empty() {
                self.write(&buffer, &mut to).await?;
                buffer.clear();
            }
            buffer.reserve(PIECE);
            let read = from.read_buf(&mut buffer).await;
            if read.map_err(|_| Broken("one side broke"))? == 0 {
                let ended = to.shutdown().await;
                return ended.map_err(|_| Broken("one side broke"));
            }
        }
    }

    async fn write(&self, bytes: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Broken> {
        let count = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if !take(self.left, count) {
            return Err(Broken("the byte budget is used up"));
        }
        let written = to.write_all(bytes).await;
        written.map_err(|_| Broken("one side broke"))?;
        self.moved.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }
}

/// Ends when nothing has moved for a while.
async fn idle(up: &Way<'_>, down: &Way<'_>) {
    loop {
        let before = (up.moved(), down.moved());
        tokio::time::sleep(IDLE).await;
        if (up.moved(), down.moved()) == before {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::hello::hello;
    use super::*;

    #[test]
    fn a_budget_is_never_overdrawn_and_can_be_renewed() {
        let budget = Budget::default();
        assert!(take(&budget.sent, SENT));
        assert!(budget.is_used_up());
        assert!(!take(&budget.sent, 1));
        budget.renew();
        assert!(!take(&budget.sent, SENT + 1));
        assert!(budget.is_used_up());
    }

    async fn first(bytes: &[u8], name: Option<&str>, port: u16) -> Option<Vec<u8>> {
        let mut from = bytes;
        first_bytes(&mut from, name, port).await.ok()
    }

    #[tokio::test]
    async fn tls_has_to_ask_for_the_name_that_is_listed() {
        let listed = Some("registry.example");
        let right = hello(Some("Registry.example"));
        assert_eq!(first(&right, listed, 443).await.as_ref(), Some(&right));
        for wrong in [hello(Some("evil.example")), hello(None), b"GET /".to_vec()] {
            assert_eq!(first(&wrong, listed, 443).await, None);
        }
        assert_eq!(
            first(&hello(Some("evil.example")), listed, 5432).await,
            None
        );
        assert_eq!(first(b"plain", listed, 5432).await.unwrap(), b"plain");
        assert_eq!(first(b"plain", None, 443).await.unwrap(), b"");
        assert_eq!(first(b"", listed, 443).await.unwrap(), b"");
    }
}
