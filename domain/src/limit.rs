//! Limits of what is spent.
//!
//! | the account has | a call comes to | limits |
//! | --- | --- | --- |
//! | a key | dollars | `cost_limit_usd`, `daily_limit_usd` |
//! | a subscription | tokens; its dollars are notional | `token_limit`, `daily_token_limit` |
//!
//! Each call counts towards one of the two and is held against that one: notional dollars stop
//! nothing, and what a subscription gives does not use up money.

use std::fmt;

use crate::cost::{MicroUsd, Tokens};

/// What a limit is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Real money.
    Dollars,
    /// Tokens of a subscription.
    Tokens,
}

/// So much in both measures: what was spent, what is set aside, or what may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Real money.
    pub cost: MicroUsd,
    /// Tokens of a subscription.
    pub tokens: Tokens,
}

/// How far a limit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Of a limit in dollars.
    Dollars {
        /// What counts towards it.
        used: MicroUsd,
        /// The limit.
        limit: MicroUsd,
    },
    /// Of a limit in tokens.
    Tokens {
        /// What counts towards it.
        used: Tokens,
        /// The limit.
        limit: Tokens,
    },
}

impl Amount {
    /// What a call with this price and these tokens counts as.
    #[must_use]
    pub fn of_call(measure: Measure, cost: MicroUsd, tokens: Tokens) -> Self {
        match measure {
            Measure::Dollars => Self {
                cost,
                ..Self::default()
            },
            Measure::Tokens => Self {
                tokens,
                ..Self::default()
            },
        }
    }

    /// The sum; saturates.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cost: self.cost.plus(other.cost),
            tokens: self.tokens.plus(other.tokens),
        }
    }

    /// How far this uses up a limit.
    #[must_use]
    pub fn level(self, measure: Measure, limit: Self) -> Level {
        match measure {
            Measure::Dollars => Level::Dollars {
                used: self.cost,
                limit: limit.cost,
            },
            Measure::Tokens => Level::Tokens {
                used: self.tokens,
                limit: limit.tokens,
            },
        }
    }
}

impl Level {
    /// Whether nothing is left.
    #[must_use]
    pub fn is_reached(self) -> bool {
        match self {
            Self::Dollars { used, limit } => used >= limit,
            Self::Tokens { used, limit } => used >= limit,
        }
    }
}

impl fmt::Display for Level {
    /// `$2.03 of $2.00`, `1.2M of 1.0M tokens`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dollars { used, limit } => write!(f, "${used} of ${limit}"),
            Self::Tokens { used, limit } => write!(f, "{used} of {limit} tokens"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Authorisation;

    const LIMIT: Amount = Amount {
        cost: MicroUsd(2_000_000),
        tokens: Tokens(1_000_000),
    };

    #[test]
    fn each_kind_of_account_is_held_against_its_own_limit() {
        let (key, subscription) = (Authorisation::ApiKey, Authorisation::ClaudeToken);
        let table = [
            // (dollars, tokens) spent, by a call of, reached
            ((0, 0), key, false),
            ((1_999_999, 5_000_000), key, false),
            ((2_000_000, 0), key, true),
            ((0, 999_999), subscription, false),
            ((50_000_000, 0), subscription, false),
            ((0, 1_000_000), subscription, true),
        ];
        for ((cost, tokens), auth, reached) in table {
            let spent = Amount {
                cost: MicroUsd(cost),
                tokens: Tokens(tokens),
            };
            let level = spent.level(auth.measure(), LIMIT);
            assert_eq!(level.is_reached(), reached, "{level}");
        }
    }

    #[test]
    fn a_call_counts_once() {
        let call = |measure| Amount::of_call(measure, MicroUsd(3), Tokens(4));
        let sum = call(Measure::Dollars).plus(call(Measure::Tokens));
        let both = Amount {
            cost: MicroUsd(3),
            tokens: Tokens(4),
        };
        assert_eq!(sum, both);
    }

    #[test]
    fn a_level_says_how_much_of_what() {
        let spent = Amount {
            cost: MicroUsd(2_030_000),
            tokens: Tokens(1_200_000),
        };
        let shown = [Measure::Dollars, Measure::Tokens].map(|m| spent.level(m, LIMIT).to_string());
        assert_eq!(shown, ["$2.03 of $2.00", "1.2M of 1.0M tokens"]);
    }
}
