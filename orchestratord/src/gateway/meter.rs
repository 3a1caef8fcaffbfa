//! What the gateway asks of the engine: who pays for a call, and what it came to.
//!
//! ```text
//! open ──▶ reserve ──▶ (provider) ──▶ settle
//!   │         │                         exactly once for each reservation
//!   └─ refused└─ refused
//! ```
//!
//! A reservation is durable before the first byte goes to the provider. After a crash whatever was
//! reserved and never settled counts as spent: a call whose outcome is unknown is paid in full.

use std::fmt;
use std::time::Duration;

use cloud_code_domain::account::Parking;
use cloud_code_domain::cost::{MicroUsd, Tokens, Usage};
use cloud_code_domain::id::{AccountName, AgentId, ExecutionId};
use cloud_code_domain::time::Timestamp;
use futures_util::future::BoxFuture;

/// The engine's side of the gateway.
pub trait Meter: Send + Sync + fmt::Debug {
    /// Whose call it is. `agent` is a fact of the connection, `token` a claim in the request: both
    /// have to name the same current execution.
    ///
    /// # Errors
    /// Why the call is not made.
    fn open<'a>(
        &'a self,
        agent: &'a AgentId,
        token: &'a str,
    ) -> BoxFuture<'a, Result<Lease, Refusal>>;

    /// Sets aside what the call may cost at most. Durable when it returns.
    ///
    /// The ceiling is far above what calls really cost (the output limit that coding CLIs ask for
    /// is rarely used up). So a call is refused when the limit is already reached by what is spent,
    /// not when the ceiling would pass it: the limit is overrun by one call at most.
    ///
    /// # Errors
    /// Why the call is not made.
    fn reserve<'a>(
        &'a self,
        lease: &'a Lease,
        ceiling: &'a Ceiling,
    ) -> BoxFuture<'a, Result<Reservation, Refusal>>;

    /// Replaces a reservation by what the call came to.
    fn settle(&self, reservation: Reservation, charge: Charge) -> BoxFuture<'_, ()>;

    /// The provider says that the account cannot be used now.
    fn park<'a>(&'a self, account: &'a AccountName, parking: Parking) -> BoxFuture<'a, ()>;

    /// A connection that the egress proxy made for this agent has ended.
    fn tunnelled<'a>(&'a self, agent: &'a AgentId, tunnel: Tunnel) -> BoxFuture<'a, ()>;
}

/// The right of an execution to call a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who pays.
    pub execution: ExecutionId,
    /// What from.
    pub account: AccountName,
}

/// The most that a call can cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    /// The model that is asked for.
    pub model: String,
    /// Every byte of the request at the dearest rate, and all the output it allows.
    pub cost: MicroUsd,
    /// The same in tokens that count towards a limit.
    pub tokens: Tokens,
}

/// Money set aside for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The engine's number for it.
    pub id: u64,
    /// Who pays.
    pub execution: ExecutionId,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The model that was asked for.
    pub model: String,
    /// Tokens, as far as they are known.
    pub usage: Usage,
    /// Their price; notional for a subscription.
    pub cost: MicroUsd,
    /// The tokens that count towards a limit; more than are in `usage` where that is not known.
    pub tokens: Tokens,
    /// How the two are known.
    pub basis: Basis,
}

/// How a charge is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The provider's own figures.
    Metered,
    /// The answer ended without figures; counted from its bytes.
    Estimated,
    /// The outcome is unknown; the most that it can have been.
    Ceiling,
    /// The provider certainly did nothing; zero.
    Nothing,
    /// The provider refused the call for what is in it; zero.
    Refused,
}

/// Why a call is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token is not that of a current execution of this agent.
    #[error("this token belongs to no running execution of this workstation")]
    UnknownToken,
    /// The task has spent what it may.
    #[error("the task has reached its cost limit; an operator can grant more")]
    CostLimit,
    /// The project has spent what it may today.
    #[error("the project has reached its limit for today (UTC); an operator can grant more")]
    DailyLimit,
    /// The account is parked.
    #[error("the account cannot be used now: {}", told(.0))]
    Parked(Parking),
    /// Its calls failed too often in a row.
    #[error("too many calls failed one after the other; the task is tried again later")]
    RetryStorm,
    /// An operator halted the fleet or the project.
    #[error("an operator has halted this work")]
    Halted,
}

/// A parking in words.
fn told(parking: &Parking) -> String {
    let time = |at: &Timestamp| {
        jiff::Timestamp::from_millisecond(at.0).map_or_else(
            |_| "later".to_owned(),
            |at| at.strftime("%F %H:%M UTC").to_string(),
        )
    };
    match parking {
        Parking::UsageLimit { until } => {
            format!("its usage limit is reached until {}", time(until))
        }
        Parking::NoAnswer { until } => {
            format!(
                "its provider gives no answer and is asked again at {}",
                time(until)
            )
        }
        Parking::LogInAgain => {
            "the provider refused its secret; an operator has to log in again".to_owned()
        }
    }
}

/// A connection that was made for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// The configured `host:port`.
    pub target: String,
    /// The address that was connected to.
    pub peer: std::net::SocketAddr,
    /// Bytes from the agent.
    pub sent: u64,
    /// Bytes to the agent.
    pub received: u64,
    /// How long it was open.
    pub lasted: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_until_when() {
        let parking = Parking::UsageLimit {
            until: Timestamp(1_767_240_000_000),
        };
        assert_eq!(
            Refusal::Parked(parking).to_string(),
            "the account cannot be used now: its usage limit is reached until 2026-01-01 04:00 UTC"
        );
    }
}
