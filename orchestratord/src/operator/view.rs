//! The world as operators' clients see it.

mod account;
mod agent;
mod approval;
mod task;
mod waiting;

pub use account::{account, project};
pub use agent::agent;
pub use approval::approval;
pub use task::{task, task_detail};

use cloud_code_domain::agent::AgentState;
use cloud_code_domain::cost::MicroUsd;
use cloud_code_domain::credential::CredentialState;
use cloud_code_domain::limit::Amount;
use cloud_code_domain::task::Task;
use cloud_code_domain::time::Timestamp;
use cloud_code_proto::v1;

use crate::config::RuntimeKind;
use crate::engine::World;

fn spent(world: &World, of: impl Fn(&crate::store::SpendRow) -> bool) -> MicroUsd {
    let today = world.now.day();
    let rows = world
        .spend
        .values()
        .filter(|row| row.day == today && of(row));
    rows.fold(MicroUsd::default(), |sum, row| sum.plus(row.cost))
}

/// The sums of the header.
#[must_use]
pub fn totals(world: &World) -> v1::Totals {
    let limit = world
        .config
        .projects
        .iter()
        .filter(|project| project.enabled);
    let limit = limit.fold(Amount::default(), |sum, project| {
        sum.plus(project.daily_limit)
    });
    let day = world.now.day();
    let today = world.spend.values().filter(|row| row.day == day);
    let today = today.fold(Amount::default(), |sum, row| sum.plus(world.counts(row)));
    let all = spent(world, |_| true);
    let warning = if !world.warning.is_empty() {
        world.warning.clone()
    } else if world.disk_short {
        "the host is short of room: no new work is given out".to_owned()
    } else {
        world.fleet_trouble.clone().unwrap_or_default()
    };
    v1::Totals {
        halted: world.host.halted,
        cost_today_micro_usd: today.cost.0,
        daily_limit_micro_usd: limit.cost.0,
        tokens_today: today.tokens.0,
        daily_token_limit: limit.tokens.0,
        notional_today_micro_usd: all.0.saturating_sub(today.cost.0),
        finished_tasks: world.finished,
        warning,
        unconfined: world.config.agents.runtime == RuntimeKind::Process,
    }
}

/// Everything, for a client that begins.
#[must_use]
pub fn snapshot(world: &World, operator: &str, host: &str, events: Vec<v1::Event>) -> v1::Snapshot {
    let live = |task: &&Task| !task.state.is_finished();
    v1::Snapshot {
        server_version: env!("CARGO_PKG_VERSION").into(),
        protocol: cloud_code_proto::PROTOCOL,
        host: host.into(),
        operator: operator.into(),
        seq: world.last_event(),
        tasks: world
            .tasks
            .values()
            .filter(live)
            .map(|of| task(world, of))
            .collect(),
        finished_tasks: world.finished,
        agents: world
            .agents
            .values()
            .filter(|agent| agent.state != AgentState::Retired)
            .map(|of| agent(world, of))
            .collect(),
        approvals: world
            .requests
            .values()
            .filter(|request| request.state == CredentialState::Pending)
            .map(|request| approval(world, request))
            .collect(),
        coding_clis: world
            .config
            .coding_clis
            .keys()
            .map(ToString::to_string)
            .collect(),
        accounts: world
            .config
            .accounts
            .keys()
            .map(|name| account(world, name))
            .collect(),
        projects: world
            .config
            .projects
            .iter()
            .map(|config| project(world, config))
            .collect(),
        events,
        totals: Some(totals(world)),
    }
}

/// The day as text, 2026-01-31, UTC.
#[must_use]
pub fn day(day: i64) -> String {
    let at = Timestamp(day.saturating_mul(86_400_000));
    jiff::Timestamp::from_millisecond(at.0)
        .map(|at| at.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default()
}
