//! RULES: the pure part of Cloud Code. Types, state machines, decisions.
//!
//! Nothing here does I/O, reads a clock, draws a random number or is async: `now`, jitter and fresh
//! ids are arguments. The modules stand in the order a task meets them.
//!
//! ```text
//! issue ─▶ trust, admission ─▶ task ─▶ routing, priority ─▶ placement ─▶ execution ─▶ report
//!                                                                                      │
//!        comment ◀─ pull_request ◀─ (gate) ◀───────────────────────────────────────────┘
//! ```

pub mod issue;

pub mod admission;
pub mod criteria;
pub mod dependencies;
mod markdown;
pub mod priority;
pub mod task_type;

pub mod task;

pub mod handover;
pub mod pace;
pub mod passed;
pub mod placement;
pub mod retry;
pub mod routing;

pub mod agent;
pub mod fleet;
pub mod silence;
pub mod tenancy;
pub mod vitals;
pub mod workspace;

pub mod execution;
pub mod log;
pub mod prompt;
pub mod report;

pub mod account;
pub mod cost;
pub mod credential;
pub mod limit;
pub mod price;

pub mod comment;
pub mod pull_request;

pub mod event;
pub mod id;
pub mod machine;
pub mod metrics;
pub mod operator;
pub mod text;
pub mod time;
