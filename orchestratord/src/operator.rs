//! What operators' clients speak to: gRPC over the host's Unix socket. Who an operator is follows
//! from the peer's uid.

mod actions;
mod listening;
mod logs;
mod metrics;
mod peer;
mod queries;
mod search;
mod service;
pub mod view;
mod watching;

pub use listening::listen;
pub use peer::Allowed;
pub use service::{OperatorService, Parts};
