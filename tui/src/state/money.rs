//! Numbers as people read them.

use cloud_code_domain::cost::{MicroUsd, Tokens};
use cloud_code_proto::v1;

/// `0.84`; what was spent is never shown as zero.
#[must_use]
pub(crate) fn amount(micro_usd: u64) -> String {
    MicroUsd(micro_usd).to_string()
}

/// `$0.84`.
#[must_use]
pub(crate) fn usd(micro_usd: u64) -> String {
    format!("${}", MicroUsd(micro_usd))
}

/// `1.9M`, `88k`, `312`.
#[must_use]
pub(crate) fn tokens(count: u64) -> String {
    Tokens(count).to_string()
}

/// `$0.84`, `~$0.84` where it is what a subscription's tokens would have cost.
#[must_use]
pub(crate) fn usd_or_about(micro_usd: u64, notional: bool) -> String {
    format!("{}{}", roughly(notional), usd(micro_usd))
}

/// The mark of what is notional.
#[must_use]
pub(crate) fn roughly(notional: bool) -> &'static str {
    if notional { "~" } else { "" }
}

/// What a task has spent of its limit: `$0.84 of $2.00`, or `420k of 1.0M tokens (~$0.84)` where a
/// subscription pays.
#[must_use]
pub(crate) fn spent(task: &v1::Task) -> String {
    if task.counts_tokens {
        let (used, limit) = (tokens(task.tokens_counted), tokens(task.token_limit));
        let cost = usd_or_about(task.cost_micro_usd, true);
        return format!("{used} of {limit} tokens ({cost})");
    }
    let real = task.cost_micro_usd.saturating_sub(task.notional_micro_usd);
    match task.cost_limit_micro_usd {
        0 => usd(real),
        limit => format!("{} of {}", usd(real), usd(limit)),
    }
}

/// Whether a task has reached its limit.
#[must_use]
pub(crate) fn is_over(task: &v1::Task) -> bool {
    let real = task.cost_micro_usd.saturating_sub(task.notional_micro_usd);
    let (used, limit) = if task.counts_tokens {
        (task.tokens_counted, task.token_limit)
    } else {
        (real, task.cost_limit_micro_usd)
    };
    limit > 0 && used >= limit
}

/// `1.6G`, `640M`, `12K`.
#[must_use]
pub(crate) fn bytes(count: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match count {
        0..KIB => count.to_string(),
        KIB..MIB => format!("{}K", count / KIB),
        MIB..GIB => format!("{}M", count / MIB),
        _ => format!("{}.{}G", count / GIB, count % GIB * 10 / GIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_fit_their_columns() {
        assert_eq!(
            [0, 999, 88_123, 1_949_000].map(tokens),
            ["0", "999", "88k", "1.9M"]
        );
        assert_eq!(
            [12, 671_088_640, 1_717_986_919].map(bytes),
            ["12", "640M", "1.6G"]
        );
        assert_eq!(usd(18_400_000), "$18.40");
    }

    #[test]
    fn what_a_subscription_pays_is_limited_in_tokens_and_its_dollars_are_marked() {
        let mut task = v1::Task {
            cost_micro_usd: 3_000_000,
            cost_limit_micro_usd: 2_000_000,
            notional_micro_usd: 2_500_000,
            tokens_counted: 420_000,
            token_limit: 1_000_000,
            counts_tokens: true,
            ..v1::Task::default()
        };
        assert_eq!(spent(&task), "420k of 1.0M tokens (~$3.00)");
        assert!(!is_over(&task));
        task.counts_tokens = false;
        assert_eq!(spent(&task), "$0.50 of $2.00");
        assert!(!is_over(&task));
        task.notional_micro_usd = 0;
        assert!(is_over(&task));
    }
}
