//! What the engine counts while it runs, for whoever collects figures; never stored, and no decision
//! depends on it.
//!
//! What a group of inputs counts belongs to its changes, so that a group that never happened has
//! counted nothing.

use std::collections::BTreeMap;

use cloud_code_domain::cost::{MicroUsd, Usage};
use cloud_code_domain::id::{AccountName, ProjectName};
use cloud_code_domain::metrics::Histogram;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meters {
    /// Model calls that were settled, by who paid them and what for.
    pub(crate) calls: BTreeMap<(AccountName, ProjectName), Calls>,
    /// Webhook deliveries that were taken.
    pub(crate) deliveries: u64,
    /// Lines of logs that agents had to let go.
    pub(crate) log_lines_lost: u64,
    /// How long the commits of groups took.
    pub(crate) commits: Histogram,
}

/// What model calls came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Calls {
    /// How many.
    pub(crate) count: u64,
    /// Their tokens.
    pub(crate) usage: Usage,
    /// Their price.
    pub(crate) cost: MicroUsd,
}

impl Calls {
    fn add(&mut self, more: Self) {
        self.count = self.count.saturating_add(more.count);
        self.usage = self.usage.plus(more.usage);
        self.cost = self.cost.plus(more.cost);
    }
}

impl Meters {
    /// Counts a call.
    pub(crate) fn call(
        &mut self,
        account: AccountName,
        project: ProjectName,
        usage: Usage,
        cost: MicroUsd,
    ) {
        let call = Calls {
            count: 1,
            usage,
            cost,
        };
        self.calls.entry((account, project)).or_default().add(call);
    }

    /// Adds what a group of inputs counted. Commits are counted where they are made.
    pub(super) fn add(&mut self, group: Self) {
        for (key, calls) in group.calls {
            self.calls.entry(key).or_default().add(calls);
        }
        self.deliveries = self.deliveries.saturating_add(group.deliveries);
        self.log_lines_lost = self.log_lines_lost.saturating_add(group.log_lines_lost);
    }
}
