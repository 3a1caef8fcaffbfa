//! How much may be tried, spent and accepted.

use cloud_code_domain::cost::MicroUsd;

use super::super::super::GateLimits;
use super::super::super::read::Section;

/// How much may be spent.
pub(super) struct Bounds {
    pub(super) max_attempts: u32,
    pub(super) cost_limit: MicroUsd,
    pub(super) daily_limit: MicroUsd,
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
    let cost_limit = dollars("cost_limit_usd", 2.0);
    let daily_limit = dollars("daily_limit_usd", 50.0);
    let protected_paths = match section.optional("protected_paths") {
        Some(field) => field.lines(500),
        None => Some(Vec::new()),
    };
    let gate = gate(section.section("gate"));
    Some(Bounds {
        max_attempts: max_attempts?,
        cost_limit: cost_limit?,
        daily_limit: daily_limit?,
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
