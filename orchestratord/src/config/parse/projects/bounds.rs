//! How much may be tried, spent and accepted.

use cloud_code_domain::cost::{MicroUsd, Tokens};
use cloud_code_domain::limit::Amount;

use super::super::super::GateLimits;
use super::super::super::read::Section;

/// Nobody has so many.
const MOST_TOKENS: u64 = 1_000_000_000_000_000;

/// How much may be spent.
pub(super) struct Bounds {
    pub(super) max_attempts: u32,
    pub(super) task_limit: Amount,
    pub(super) daily_limit: Amount,
    pub(super) protected_paths: Vec<String>,
    pub(super) gate: GateLimits,
}

pub(super) fn bounds(section: &Section<'_, '_>) -> Option<Bounds> {
    let max_attempts = match section.optional("max_attempts") {
        Some(field) => field.count(1, 100),
        None => Some(3),
    };
    let dollars = |key, default| match section.optional(key) {
        Some(field) => field.dollars(false),
        None => MicroUsd::from_dollars(default),
    };
    let tokens = |key, default| match section.optional(key) {
        Some(field) => field.number(1, MOST_TOKENS).map(Tokens),
        None => Some(default),
    };
    let cost_limit = dollars("cost_limit_usd", 2.0);
    let daily_limit = dollars("daily_limit_usd", 50.0);
    let token_limit = tokens("token_limit", Tokens::PER_TASK);
    let daily_token_limit = tokens("daily_token_limit", Tokens::PER_DAY);
    let protected_paths = match section.optional("protected_paths") {
        Some(field) => field.lines(500),
        None => Some(Vec::new()),
    };
    let gate = gate(section.section("gate"));
    Some(Bounds {
        max_attempts: max_attempts?,
        task_limit: Amount {
            cost: cost_limit?,
            tokens: token_limit?,
        },
        daily_limit: Amount {
            cost: daily_limit?,
            tokens: daily_token_limit?,
        },
        protected_paths: protected_paths?,
        gate: gate?,
    })
}

fn gate(section: Section<'_, '_>) -> Option<GateLimits> {
    let default = GateLimits::default();
    let size = |key, default| match section.optional(key) {
        Some(field) => field.size(1 << 10, 1 << 40),
        None => Some(default),
    };
    let pack_bytes = size("pack", default.pack_bytes);
    let blob_bytes = size("file", default.blob_bytes);
    let inflated_bytes = size("inflated", default.inflated_bytes);
    let paths = match section.optional("paths") {
        Some(field) => field.number(1, 100_000_000),
        None => Some(default.paths),
    };
    let depth = match section.optional("depth") {
        Some(field) => field.count(1, 1_000),
        None => Some(default.depth),
    };
    section.finish();
    Some(GateLimits {
        pack_bytes: pack_bytes?,
        blob_bytes: blob_bytes?,
        inflated_bytes: inflated_bytes?,
        paths: paths?,
        depth: depth?,
    })
}
