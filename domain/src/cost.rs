//! Money and tokens, in whole numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Millionths of a US dollar.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MicroUsd(pub u64);

impl MicroUsd {
    /// Dollars as a number, for `--json`.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to nine billion dollars"
    )]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1_000_000.0
    }

    /// The amount for a number of dollars as configured; none for negative, NaN or absurd ones.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked first"
    )]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        (dollars.is_finite() && (0.0..=1e9).contains(&dollars))
            .then(|| Self((dollars * 1_000_000.0).round() as u64))
    }

    /// The sum; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for MicroUsd {
    /// Two decimals; what was spent is never shown as zero (`<0.01`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (1..5_000).contains(&self.0) {
            return f.pad("<0.01");
        }
        let cents = self.0.saturating_add(5_000) / 10_000;
        f.pad(&format!("{}.{:02}", cents / 100, cents % 100))
    }
}

/// Tokens as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens that were neither read from nor written to a cache.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Input tokens read from a cache.
    pub cache_read: u64,
    /// Input tokens written to a cache.
    pub cache_write: u64,
}

impl Usage {
    /// The sum; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
        }
    }

    /// All tokens together.
    #[must_use]
    pub fn total(self) -> u64 {
        self.input
            .saturating_add(self.output)
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_is_never_shown_as_zero() {
        let shown: Vec<String> = [0, 1, 4_999, 5_000, 840_000, 2_000_000]
            .map(|n| MicroUsd(n).to_string())
            .into();
        assert_eq!(shown, ["0.00", "<0.01", "<0.01", "0.01", "0.84", "2.00"]);
    }

    #[test]
    fn only_amounts_that_can_be_are_configured() {
        assert_eq!(MicroUsd::from_dollars(2.0), Some(MicroUsd(2_000_000)));
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e10] {
            assert_eq!(MicroUsd::from_dollars(bad), None);
        }
    }
}
