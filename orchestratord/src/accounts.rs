//! Accounts: the engine behind the gateway's meter.

use cloud_code_domain::account::Parking;
use cloud_code_domain::id::{AccountName, AgentId};
use cloud_code_domain::limit::Amount;
use futures_util::future::BoxFuture;

use crate::engine::{Answer, CallRefusal, Engine, Input, Reply};
use crate::gateway::meter::{Basis, Ceiling, Charge, Lease, Meter, Refusal, Reservation, Tunnel};
use crate::sessions::Briefing;

/// See the module.
#[derive(Debug, Clone)]
pub struct EngineMeter {
    /// The engine.
    pub engine: Engine,
    /// Knows the executions' tokens.
    pub briefing: Briefing,
}

fn refusal(refused: CallRefusal) -> Refusal {
    match refused {
        CallRefusal::NotRunning | CallRefusal::NoAccount => Refusal::UnknownToken,
        CallRefusal::CostLimit => Refusal::CostLimit,
        CallRefusal::RetryStorm => Refusal::RetryStorm,
        CallRefusal::DailyLimit => Refusal::DailyLimit,
        CallRefusal::Parked(parking) => Refusal::Parked(parking),
        CallRefusal::Stopping => Refusal::Halted,
    }
}

impl Meter for EngineMeter {
    fn open<'a>(
        &'a self,
        agent: &'a AgentId,
        token: &'a str,
    ) -> BoxFuture<'a, Result<Lease, Refusal>> {
        Box::pin(async move {
            let execution = self
                .briefing
                .execution_of(token)
                .ok_or(Refusal::UnknownToken)?;
            let (id, agent) = (execution.clone(), agent.clone());
            let account = self
                .engine
                .read(move |world| {
                    let record = world.executions.get(&id)?;
                    let current = record.agent == agent && !record.state.is_finished();
                    current.then(|| world.account_of(&id)).flatten()
                })
                .await;
            match account {
                Ok(Some(account)) => Ok(Lease { execution, account }),
                Ok(None) => Err(Refusal::UnknownToken),
                Err(_) => Err(Refusal::Halted),
            }
        })
    }

    fn reserve<'a>(
        &'a self,
        lease: &'a Lease,
        ceiling: &'a Ceiling,
    ) -> BoxFuture<'a, Result<Reservation, Refusal>> {
        Box::pin(async move {
            let input = Input::CallOpened {
                execution: lease.execution.clone(),
                model: ceiling.model.clone(),
                most: Amount {
                    cost: ceiling.cost,
                    tokens: ceiling.tokens,
                },
            };
            match self.engine.send(input).await {
                Ok(Reply::CallAllowed { call }) => Ok(Reservation {
                    id: call,
                    execution: lease.execution.clone(),
                }),
                Ok(Reply::CallRefused(refused)) => Err(refusal(refused)),
                // A store that cannot be written spends nothing.
                Ok(_) | Err(_) => Err(Refusal::Halted),
            }
        })
    }

    fn settle(&self, reservation: Reservation, charge: Charge) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let input = Input::CallSettled {
                execution: reservation.execution,
                call: reservation.id,
                usage: charge.usage,
                came_to: Amount {
                    cost: charge.cost,
                    tokens: charge.tokens,
                },
                answer: match charge.basis {
                    Basis::Metered | Basis::Estimated => Answer::Whole,
                    Basis::Refused => Answer::Refused,
                    Basis::Ceiling | Basis::Nothing => Answer::None,
                },
            };
            // Where the engine has stopped the reservation stays, and is charged at the next start.
            let _stopped = self.engine.send(input).await;
        })
    }

    fn park<'a>(&'a self, account: &'a AccountName, parking: Parking) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let input = Input::AccountParked {
                account: account.clone(),
                parking,
            };
            // The next call is refused by the provider again.
            let _stopped = self.engine.send(input).await;
        })
    }

    fn tunnelled<'a>(&'a self, agent: &'a AgentId, tunnel: Tunnel) -> BoxFuture<'a, ()> {
        tracing::info!(agent_id = %agent, ?tunnel, "egress");
        Box::pin(std::future::ready(()))
    }
}
