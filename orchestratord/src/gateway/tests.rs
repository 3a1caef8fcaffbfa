//! The gateway against a provider, an engine and agents of the tests' own.

mod connection;
mod egress;
mod google;
mod model;

use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use cloud_code_domain::account::{Authorisation, Parking, Provider};
use cloud_code_domain::cost::MicroUsd;
use cloud_code_domain::price::Price;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Uri};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use super::meter::{Ceiling, Charge, Lease, Refusal, Reservation, Tunnel};
use super::*;
use crate::config::AccountSecret;

/// The provider's key; it must never be seen anywhere but at the provider.
const KEY: &str = "sk-canary-0123456789";
/// The execution's token; it must never be seen at the provider.
const TOKEN: &str = "token-of-the-execution";
/// How long a test waits for something that has to happen.
const DEADLINE: Duration = Duration::from_secs(20);

/// An engine that says yes unless told otherwise, and remembers.
#[derive(Debug, Default)]
struct Engine {
    at_open: Mutex<Option<Refusal>>,
    at_reserve: Mutex<Option<Refusal>>,
    ceilings: Mutex<Vec<Ceiling>>,
    charges: Mutex<Vec<Charge>>,
    parkings: Mutex<Vec<Parking>>,
    tunnels: Mutex<Vec<Tunnel>>,
    changed: Notify,
}

impl Engine {
    /// Waits for `count` settled charges.
    async fn charges(&self, count: usize) -> Vec<Charge> {
        self.wait_for(&self.charges, count).await
    }

    async fn wait_for<T: Clone>(&self, list: &Mutex<Vec<T>>, count: usize) -> Vec<T> {
        let waited = tokio::time::timeout(DEADLINE, async {
            loop {
                let changed = self.changed.notified();
                let now = list.lock().unwrap().clone();
                if now.len() >= count {
                    return now;
                }
                changed.await;
            }
        });
        waited.await.expect("the engine was told in time")
    }

    fn note<T>(&self, list: &Mutex<Vec<T>>, value: T) {
        list.lock().unwrap().push(value);
        self.changed.notify_waiters();
    }
}

impl Meter for Engine {
    fn open<'a>(&'a self, _: &'a AgentId, token: &'a str) -> BoxFuture<'a, Result<Lease, Refusal>> {
        let refusal = self.at_open.lock().unwrap().clone();
        let known = token == TOKEN;
        let lease = Lease {
            execution: "k3f9x2ab.1".parse().unwrap(),
            account: "main".parse().unwrap(),
        };
        let answer = match refusal {
            Some(refusal) => Err(refusal),
            None if known => Ok(lease),
            None => Err(Refusal::UnknownToken),
        };
        std::future::ready(answer).boxed()
    }

    fn reserve<'a>(
        &'a self,
        lease: &'a Lease,
        ceiling: &'a Ceiling,
    ) -> BoxFuture<'a, Result<Reservation, Refusal>> {
        let refusal = self.at_reserve.lock().unwrap().clone();
        if refusal.is_none() {
            self.note(&self.ceilings, ceiling.clone());
        }
        let execution = lease.execution.clone();
        let answer = refusal.map_or(Ok(Reservation { id: 1, execution }), Err);
        std::future::ready(answer).boxed()
    }

    fn settle(&self, _: Reservation, charge: Charge) -> BoxFuture<'_, ()> {
        self.note(&self.charges, charge);
        std::future::ready(()).boxed()
    }

    fn park<'a>(&'a self, _: &'a AccountName, parking: Parking) -> BoxFuture<'a, ()> {
        self.note(&self.parkings, parking);
        std::future::ready(()).boxed()
    }

    fn tunnelled<'a>(&'a self, _: &'a AgentId, tunnel: Tunnel) -> BoxFuture<'a, ()> {
        self.note(&self.tunnels, tunnel);
        std::future::ready(()).boxed()
    }
}

/// A request as the provider got it.
#[derive(Debug, Clone)]
struct Seen {
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// A provider that answers every request in the same way.
struct Model {
    base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Model {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Model {
    async fn new(answer: impl Fn() -> Response + Clone + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let seeing = Arc::clone(&seen);
        let router = Router::new().fallback(move |request: Request| async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            seeing.lock().unwrap().push(Seen {
                uri: head.uri,
                headers: head.headers,
                body,
            });
            answer()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, seen, server }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// Somebody who must not be called.
struct Trap {
    address: std::net::SocketAddr,
    listener: TcpListener,
}

impl Trap {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            address: listener.local_addr().unwrap(),
            listener,
        }
    }

    /// Whether nobody has called. A connection that was made stands in the queue.
    fn is_silent(&self) -> bool {
        self.listener.accept().now_or_never().is_none()
    }
}

#[derive(Debug, Default)]
struct Names(BTreeMap<String, Vec<std::net::IpAddr>>);

impl Resolve for Names {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, std::io::Result<Vec<std::net::SocketAddr>>> {
        let addresses = self.0.get(host).map(|addresses| {
            addresses
                .iter()
                .map(|address| (*address, port).into())
                .collect()
        });
        std::future::ready(addresses.ok_or_else(|| std::io::ErrorKind::NotFound.into())).boxed()
    }

    /// Every address is this machine's, whose traps see what was let through.
    fn connect(
        &self,
        peer: std::net::SocketAddr,
    ) -> BoxFuture<'_, std::io::Result<tokio::net::TcpStream>> {
        tokio::net::TcpStream::connect(("127.0.0.1", peer.port())).boxed()
    }
}

fn parts(engine: &Arc<Engine>) -> Parts {
    let price = Price {
        input: MicroUsd(1_000_000),
        output: MicroUsd(10_000_000),
        cache_read: MicroUsd(100_000),
        cache_write: MicroUsd(2_000_000),
    };
    let prices = BTreeMap::from([("model-1".to_owned(), price)]);
    Parts {
        meter: Arc::clone(engine) as Arc<dyn Meter>,
        accounts: BTreeMap::new(),
        prices: PriceTable::default().with(prices),
        egress: Vec::new(),
        resolver: Arc::new(Names::default()),
    }
}

fn account(kind: Provider, base_url: &str) -> AccountConfig {
    AccountConfig {
        kind,
        auth: Authorisation::ApiKey,
        base_url: base_url.to_owned(),
        secret: AccountSecret::new("key".into(), KEY.into()),
        patience: Duration::from_secs(300),
        unpriced: false,
    }
}

/// One agent in front of a gateway.
struct World {
    engine: Arc<Engine>,
    door: Arc<Door>,
}

impl World {
    fn new(account: AccountConfig) -> Self {
        let engine = Arc::new(Engine::default());
        let mut parts = parts(&engine);
        parts.accounts.insert("main".parse().unwrap(), account);
        Self::of(engine, parts)
    }

    fn of(engine: Arc<Engine>, parts: Parts) -> Self {
        let gateway = Gateway::new(parts).unwrap();
        let door = gateway.door("acme-app.backend-1".parse().unwrap());
        Self { engine, door }
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(path, Body::from(body.to_string())).await
    }

    async fn send(&self, path: &str, body: Body) -> Response {
        let request = http::Request::post(path)
            .header("x-api-key", TOKEN)
            .header("content-type", "application/json")
            .body(body)
            .unwrap();
        self.door.router().oneshot(request).await.unwrap()
    }
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn message() -> Value {
    json!({"model": "model-1", "max_tokens": 1_000, "stream": true,
        "messages": [{"role": "user", "content": "hello"}]})
}
