//! Egress: a tunnel to a configured `host:port`, and to nothing else.
//!
//! ```text
//! CONNECT target ─ listed? ─ resolve here ─ every address public? ─ connect to that address ─ 200
//!                                                             TLS asks for the same name? ─ bytes
//! ```
//!
//! The host resolves, looks at what came out, and connects to exactly the address it looked at: a
//! name that is resolved twice could answer differently the second time. An entry of the configuration
//! is a name (`packages.example.org:443`), each of whose addresses has to be public, or a public
//! address.
//!
//! This machine, private networks, link-local addresses and metadata services are never reached,
//! whatever is configured. What stands inside of TLS is not looked at: whoever is listed can be told
//! anything, up to the byte budget.

mod address;
mod hello;
mod rule;
mod tunnel;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode, Uri};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::answer;
use super::door::Door;
pub use rule::BadEgress;
use rule::{Host, Rule};
pub(crate) use tunnel::Budget;
use tunnel::Opened;

/// Until a name is resolved, and until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);
/// Addresses of a name that are tried.
const ADDRESSES: usize = 4;

/// Who turns names into addresses, and connects to them.
pub trait Resolve: Send + Sync + std::fmt::Debug {
    /// The addresses of a name.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

    /// A connection to an address that was looked at.
    fn connect(&self, peer: SocketAddr) -> BoxFuture<'_, io::Result<TcpStream>> {
        TcpStream::connect(peer).boxed()
    }
}

/// The host's own resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }.boxed()
    }
}

/// Whether an entry of the configuration is one.
///
/// # Errors
/// Why it is none.
pub fn check_entry(entry: &str) -> Result<(), BadEgress> {
    entry.parse::<Rule>().map(|_| ())
}

/// The entries that are allowed.
#[derive(Debug)]
pub(crate) struct Egress {
    rules: Vec<Rule>,
    resolver: Arc<dyn Resolve>,
}

/// Why a tunnel is not made.
#[derive(Debug, thiserror::Error)]
enum NoTunnel {
    #[error("{0} is not in agents.egress")]
    NotListed(String),
    #[error("{0} cannot be resolved")]
    NotResolved(String),
    #[error("{0} resolves to an address that agents may not reach")]
    Forbidden(String),
    #[error("{0} cannot be reached")]
    NotReached(String),
    #[error("too many tunnels at once, or the byte budget of this execution is used up")]
    Exhausted,
}

impl NoTunnel {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotListed(_) | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotResolved(_) | Self::NotReached(_) => StatusCode::BAD_GATEWAY,
            Self::Exhausted => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl Egress {
    /// Understands the entries.
    ///
    /// # Errors
    /// The first that cannot be understood.
    pub(crate) fn new(entries: &[String], resolver: Arc<dyn Resolve>) -> Result<Self, BadEgress> {
        let rules = entries.iter().map(|entry| entry.parse()).collect();
        Ok(Self {
            rules: Result::<_, BadEgress>::from_iter::<Vec<_>>(rules)?,
            resolver,
        })
    }

    /// Connects to a target, if it may be reached.
    async fn open(&self, target: &Uri) -> Result<Opened, NoTunnel> {
        let authority = target
            .authority()
            .map_or("", |authority| authority.as_str());
        let shown: String = authority.chars().take(120).collect();
        let rule = self.rules.iter().find(|rule| rule.allows(authority));
        let rule = rule.ok_or(NoTunnel::NotListed(shown))?;
        let target = rule.to_string();
        let addresses = self.addresses(rule).await?;
        if addresses
            .iter()
            .any(|address| !address::may_be_reached(address.ip()))
        {
            return Err(NoTunnel::Forbidden(target));
        }
        for peer in addresses.into_iter().take(ADDRESSES) {
            if let Ok(Ok(stream)) = timeout(CONNECT, self.resolver.connect(peer)).await {
                let name = rule.name().map(str::to_owned);
                return Ok(Opened {
                    target,
                    name,
                    peer,
                    stream,
                });
            }
        }
        Err(NoTunnel::NotReached(target))
    }

    async fn addresses(&self, rule: &Rule) -> Result<Vec<SocketAddr>, NoTunnel> {
        let name = match rule.host() {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, rule.port())]),
            Host::Name(name) => name,
        };
        let resolved = timeout(CONNECT, self.resolver.resolve(name, rule.port())).await;
        match resolved {
            Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
            Ok(Ok(_) | Err(_)) | Err(_) => Err(NoTunnel::NotResolved(rule.to_string())),
        }
    }
}

impl Door {
    /// Answers a `CONNECT`.
    pub(super) async fn connect(
        self: &Arc<Self>,
        mut request: http::Request<Incoming>,
    ) -> Response {
        let (opened, permit) = match self.open_tunnel(request.uri()).await {
            Ok(opened) => opened,
            Err(refused) => {
                tracing::warn!(agent = %self.agent, %refused, "a tunnel was refused");
                let text = Body::from(format!("{refused}\n"));
                return answer::whole(refused.status(), HeaderMap::new(), text);
            }
        };
        tracing::info!(agent = %self.agent, host = opened.target, peer = %opened.peer, "a tunnel is open");
        let upgraded = hyper::upgrade::on(&mut request);
        let door = Arc::clone(self);
        self.gateway.running.spawn(async move {
            if let Some(tunnel) = tunnel::carry(upgraded, opened, &door.budget).await {
                door.gateway.meter.tunnelled(&door.agent, tunnel).await;
            }
            drop(permit);
        });
        answer::empty()
    }

    async fn open_tunnel(&self, target: &Uri) -> Result<(Opened, OwnedSemaphorePermit), NoTunnel> {
        let permit = Arc::clone(&self.tunnels).try_acquire_owned();
        let permit = permit.map_err(|_| NoTunnel::Exhausted)?;
        if self.budget.is_used_up() {
            return Err(NoTunnel::Exhausted);
        }
        Ok((self.gateway.egress.open(target).await?, permit))
    }
}
