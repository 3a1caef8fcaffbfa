//! HOST: the daemon that owns the truth. The modules stand in the order data flows.
//!
//! ```text
//!  issues/ ──▶ engine ──▶ store          one commit of {state, events, effects} for each group of
//!  (in)          │  ▲                    inputs; nothing is acknowledged before it is durable
//!                │  └──── sessions/ ◀──▶ agentd (one stream per agent; the socket is the identity)
//!                ▼              └─ gateway/ (model calls, egress: keys stay here)
//!             outbox ──▶ pull_requests/ (gate, push, open), comments (out)
//!                │
//!  operator/ ◀───┴── every change ──▶ cloud-code
//! ```

pub mod accounts;
pub mod app;
pub mod backup;
pub mod cli;
pub mod comments;
pub mod config;
pub mod connectors;
pub mod credentials;
pub mod engine;
mod failpoint;
pub mod fleet;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod gateway;
pub mod issues;
pub mod logs;
pub mod mirrors;
pub mod notify;
pub mod operator;
pub mod outside;
pub mod ports;
mod program;
pub mod pull_requests;
pub mod sessions;
pub mod store;
mod tracing_setup;
