//! An agent's door: who is behind a socket, how much it may do at once, and where a request goes.
//!
//! A tunnel is asked for by a method (`CONNECT`), not by a path, so it is caught before anything
//! routes.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use cloud_code_domain::id::AgentId;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode, Version};
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tower::{Service, ServiceExt as _};

use super::egress::Budget;
use super::{Gateway, answer};

/// Connections of one agent.
const CONNECTIONS: usize = 64;
/// Model calls of one agent that are under way.
const CALLS: usize = 16;
/// Tunnels of one agent.
const TUNNELS: usize = 32;

/// What the gateway keeps for one agent.
#[derive(Debug)]
pub struct Door {
    pub(super) gateway: Arc<Gateway>,
    pub(super) agent: AgentId,
    pub(super) connections: Arc<Semaphore>,
    pub(super) calls: Arc<Semaphore>,
    pub(super) tunnels: Arc<Semaphore>,
    pub(super) budget: Arc<Budget>,
}

impl Door {
    pub(super) fn new(gateway: Arc<Gateway>, agent: AgentId) -> Arc<Self> {
        Arc::new(Self {
            gateway,
            agent,
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            calls: Arc::new(Semaphore::new(CALLS)),
            tunnels: Arc::new(Semaphore::new(TUNNELS)),
            budget: Arc::new(Budget::default()),
        })
    }

    /// Whose door it is.
    #[must_use]
    pub fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// Gives the agent a new byte budget for its tunnels: at the start of an execution.
    pub fn renew_budget(&self) {
        self.budget.renew();
    }

    /// What answers on the agent's socket: tunnels, model calls, and `rest` for everything else.
    #[must_use]
    pub fn service(self: &Arc<Self>, rest: Router) -> DoorService {
        DoorService {
            router: self.router().merge(rest),
            door: Arc::clone(self),
        }
    }

    /// The routes below `/model`.
    pub fn router(self: &Arc<Self>) -> Router {
        let door = Arc::clone(self);
        let call = move |request: Request| {
            let door = Arc::clone(&door);
            async move { door.model(request).await }
        };
        Router::new()
            .route("/model/{provider}", any(call.clone()))
            .route("/model/{provider}/", any(call.clone()))
            .route("/model/{provider}/{*path}", any(call))
    }
}

/// Everything behind one agent's socket.
#[derive(Debug, Clone)]
pub struct DoorService {
    door: Arc<Door>,
    router: Router,
}

impl DoorService {
    /// Whose door it is.
    #[must_use]
    pub fn door(&self) -> &Arc<Door> {
        &self.door
    }
}

impl Service<http::Request<Incoming>> for DoorService {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Incoming>) -> Self::Future {
        if request.method() == Method::CONNECT {
            let door = Arc::clone(&self.door);
            return async move { Ok(door.connect(request).await) }.boxed();
        }
        // HTTP/2 always names scheme and authority; HTTP/1 does so only to a proxy.
        if request.version() < Version::HTTP_2 && request.uri().authority().is_some() {
            return std::future::ready(Ok(plain_proxying())).boxed();
        }
        self.router.clone().oneshot(request.map(Body::new)).boxed()
    }
}

fn plain_proxying() -> Response {
    let text = "plain HTTP through the proxy is not passed on: use https, which asks for CONNECT\n";
    answer::whole(StatusCode::FORBIDDEN, HeaderMap::new(), Body::from(text))
}
