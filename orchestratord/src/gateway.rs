//! The gateway: what an agent may reach besides its session. Keys stay on this side.
//!
//! An agent's container has no network, only a Unix socket of its own. Behind that socket one HTTP
//! server answers three kinds of requests; which socket accepted a connection is the agent's
//! identity, and nothing in a request can change it.
//!
//! ```text
//!                       ┌ CONNECT host:port ─▶ egress ── resolve, refuse, pin ─▶ allowed host
//! agent's socket ─ door ┼ /model/…          ─▶ call ──── open, clean, reserve ─▶ provider
//!                       │                       └─ read along ◀── stream ◀───────┘
//!                       └ the rest          ─▶ the router it was given (the session's gRPC)
//! ```
//!
//! A model call is bound to an execution by its token, paid from the account that the engine names,
//! rewritten so that the provider fetches nothing for the agent, and metered by the provider's own
//! figures. See [`meter`] for what the engine does in it.

mod answer;
mod call;
mod connection;
mod door;
mod egress;
mod headers;
mod json;
pub mod meter;
mod request;
mod route;
mod upstream;
mod usage;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use cloud_code_domain::id::{AccountName, AgentId};
use cloud_code_domain::price::PriceTable;
use cloud_code_domain::time::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::AccountConfig;
pub use connection::serve_connection;
pub use door::{Door, DoorService};
pub use egress::{BadEgress, Resolve, SystemResolver, check_entry};
use meter::Meter;
pub use upstream::BadAccount;
use upstream::Upstreams;

/// KiB of request bodies that are held at once, over all agents.
const BODIES_KIB: usize = 256 << 10;

/// What a gateway is made of.
pub struct Parts {
    /// The engine.
    pub meter: Arc<dyn Meter>,
    /// What is spent from.
    pub accounts: BTreeMap<AccountName, AccountConfig>,
    /// What models cost.
    pub prices: PriceTable,
    /// `host:port` entries that agents may reach; see [`egress`](BadEgress) for their form.
    pub egress: Vec<String>,
    /// Who turns names into addresses.
    pub resolver: Arc<dyn Resolve>,
}

/// The gateway; one per daemon.
pub struct Gateway {
    meter: Arc<dyn Meter>,
    upstreams: Upstreams,
    prices: PriceTable,
    egress: egress::Egress,
    bodies: Arc<Semaphore>,
    running: TaskTracker,
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum BadGateway {
    /// An account cannot be used.
    #[error(transparent)]
    Account(#[from] BadAccount),
    /// An egress entry cannot be understood.
    #[error(transparent)]
    Egress(#[from] BadEgress),
}

impl Gateway {
    /// A gateway over these parts.
    ///
    /// # Errors
    /// The first account or egress entry that cannot be used.
    pub fn new(parts: Parts) -> Result<Arc<Self>, BadGateway> {
        Ok(Arc::new(Self {
            meter: parts.meter,
            upstreams: Upstreams::new(&parts.accounts)?,
            prices: parts.prices,
            egress: egress::Egress::new(&parts.egress, parts.resolver)?,
            bodies: Arc::new(Semaphore::new(BODIES_KIB)),
            running: TaskTracker::new(),
        }))
    }

    /// The door of one agent; one per listener, cloned for nothing.
    #[must_use]
    pub fn door(self: &Arc<Self>, agent: AgentId) -> Arc<Door> {
        Door::new(Arc::clone(self), agent)
    }

    /// Waits until every call is settled and every tunnel has ended. The caller sets the deadline:
    /// what is not settled by then stays reserved, which is what a crash leaves too.
    pub async fn drain(&self) {
        self.running.close();
        self.running.wait().await;
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("upstreams", &self.upstreams)
            .field("egress", &self.egress)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("accounts", &self.accounts)
            .field("egress", &self.egress)
            .finish_non_exhaustive()
    }
}

/// Now, by the host's clock.
fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests;
