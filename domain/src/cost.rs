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

/// A number of tokens that count towards a limit: see [`Usage::counted`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Tokens(pub u64);

impl Tokens {
    /// What a task may use on a subscription where nothing is configured.
    pub const PER_TASK: Self = Self(1_000_000);
    /// What a project may use on subscriptions in a day where nothing is configured.
    pub const PER_DAY: Self = Self(25_000_000);
    const MOST: f64 = 1e15;

    /// The sum; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What a person wrote: `500000`, `500_000`, `500k`, `1.5M`. None for nothing, and for what is
    /// negative or absurd.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked first"
    )]
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.trim().replace('_', "");
        let (number, unit) = match text.char_indices().last()? {
            (end, 'k' | 'K') => (&text[..end], 1e3),
            (end, 'm' | 'M') => (&text[..end], 1e6),
            (_, _) => (text.as_str(), 1.0),
        };
        let plain = |c: char| c.is_ascii_digit() || c == '.';
        if number.is_empty() || !number.chars().all(plain) {
            return None;
        }
        let tokens = number.parse::<f64>().ok()? * unit;
        (1.0..=Self::MOST)
            .contains(&tokens)
            .then(|| Self(tokens.round() as u64))
    }
}

impl fmt::Display for Tokens {
    /// `1.9M`, `88k`, `312`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self.0 {
            count @ 0..1_000 => count.to_string(),
            count @ 1_000..1_000_000 => format!("{}k", count / 1_000),
            count => format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000),
        })
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

    /// The tokens that count towards a limit of tokens: all but those read from a cache. A coding
    /// CLI sends its whole conversation again with every call, nearly all of it from the cache;
    /// counting that would limit the number of calls, not the work.
    #[must_use]
    pub fn counted(self) -> Tokens {
        Tokens(
            self.input
                .saturating_add(self.output)
                .saturating_add(self.cache_write),
        )
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
    fn what_was_read_from_a_cache_counts_towards_no_limit() {
        let usage = Usage {
            input: 1,
            output: 20,
            cache_read: 4_000,
            cache_write: 300,
        };
        assert_eq!(usage.counted(), Tokens(321));
        assert_eq!(usage.total(), 4_321);
    }

    #[test]
    fn tokens_are_read_as_people_write_them() {
        for (text, tokens) in [
            ("500000", 500_000),
            ("500_000", 500_000),
            ("500k", 500_000),
            (" 1.5M ", 1_500_000),
            ("1", 1),
        ] {
            assert_eq!(Tokens::from_text(text), Some(Tokens(tokens)), "{text}");
        }
        for bad in [
            "",
            "k",
            "0",
            "-1k",
            "1e9",
            "inf",
            "NaN",
            "$2",
            "9999999999M",
            "1.2.3",
            "é",
        ] {
            assert_eq!(Tokens::from_text(bad), None, "{bad}");
        }
        let shown = [312, 88_123, 1_949_000].map(|n| Tokens(n).to_string());
        assert_eq!(shown, ["312", "88k", "1.9M"]);
    }

    #[test]
    fn only_amounts_that_can_be_are_configured() {
        assert_eq!(MicroUsd::from_dollars(2.0), Some(MicroUsd(2_000_000)));
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e10] {
            assert_eq!(MicroUsd::from_dollars(bad), None);
        }
    }
}
