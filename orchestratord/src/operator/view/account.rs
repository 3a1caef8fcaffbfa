//! What is spent from and for: accounts and projects, with what they have spent today.

use cloud_code_domain::account::{Authorisation, Parking};
use cloud_code_domain::id::AccountName;
use cloud_code_proto::v1;

use super::spent;
use crate::config::{ProjectConfig, TrackerConfig};
use crate::engine::World;

/// An account.
#[must_use]
pub fn account(world: &World, name: &AccountName) -> v1::Account {
    let config = world.config.accounts.get(name);
    let parked = world.parking(name);
    let parking = match parked {
        None => "",
        Some(Parking::UsageLimit { .. }) => "usage_limit",
        Some(Parking::NoAnswer { .. }) => "no_answer",
        Some(Parking::LogInAgain) => "log_in_again",
    };
    let until = parked.and_then(Parking::until).map(|until| until.0);
    let today = world.now.day();
    let rows = world
        .spend
        .values()
        .filter(|row| row.day == today && row.account == *name);
    v1::Account {
        name: name.to_string(),
        kind: config.map_or("", |config| config.kind.as_str()).into(),
        auth: config
            .map_or("", |config| match config.auth {
                Authorisation::ApiKey => "api_key",
                Authorisation::ClaudeToken => "claude_token",
            })
            .into(),
        parking: parking.into(),
        parked_until_ms: until,
        cost_today_micro_usd: spent(world, |row| row.account == *name).0,
        tokens_today: rows.map(|row| row.usage.total()).sum(),
        notional: config.is_some_and(|config| config.auth == Authorisation::ClaudeToken),
    }
}

/// Why something of a project that no task's state waits for is put off: a comment, a merge.
fn put_off(world: &World, config: &ProjectConfig) -> Option<String> {
    world.effects.values().find_map(|record| {
        let why = record.last_error.as_ref()?;
        (world.project_of(&record.effect)? == config.name).then(|| why.clone())
    })
}

/// A project.
#[must_use]
pub fn project(world: &World, config: &ProjectConfig) -> v1::Project {
    let inspect = format!("inspect/{}/", config.name);
    let warning = world
        .effects
        .range(inspect.clone()..)
        .take_while(|(key, _)| key.starts_with(&inspect))
        .find_map(|(_, record)| record.last_error.clone())
        .or_else(|| world.troubles.get(&config.name).cloned())
        .or_else(|| put_off(world, config))
        .unwrap_or_default();
    let today = world.spent_today(&config.name);
    v1::Project {
        name: config.name.to_string(),
        tracker: match config.tracker {
            TrackerConfig::Local => "local",
            TrackerConfig::Github(_) => "github",
        }
        .into(),
        repository: config.repository.clone(),
        halted: world
            .projects
            .get(&config.name)
            .is_some_and(|project| project.halted),
        cost_today_micro_usd: today.cost.0,
        daily_limit_micro_usd: config.daily_limit.cost.0,
        tokens_today: today.tokens.0,
        daily_token_limit: config.daily_limit.tokens.0,
        warning,
    }
}
