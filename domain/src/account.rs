//! An account: what a coding CLI spends from. Its secret stays on the host.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::AccountName;
use crate::limit::Measure;
use crate::time::Timestamp;

/// Whose API an account speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Responses and Chat Completions.
    Openai,
    /// Google's Generative Language API.
    Google,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Anthropic, Self::Openai, Self::Google];

    /// Its word in configurations, on the wire and in the gateway's paths.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Openai => "openai",
            Self::Google => "google",
        }
    }
}

/// How an account's secret is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorisation {
    /// A key of the API.
    ApiKey,
    /// The long-lived token of a subscription; dollars are notional, limits count tokens.
    ClaudeToken,
}

impl Authorisation {
    /// What the limits of its calls are counted in.
    #[must_use]
    pub fn measure(self) -> Measure {
        match self {
            Self::ApiKey => Measure::Dollars,
            Self::ClaudeToken => Measure::Tokens,
        }
    }
}

/// Why an account is not used now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Parking {
    /// Its usage limit is reached until this time.
    UsageLimit {
        /// When the provider says that it can be used again.
        until: Timestamp,
    },
    /// The provider refused its secret; it waits for the operator to log in again.
    LogInAgain,
    /// The provider answers no call; one is tried again at this time.
    NoAnswer {
        /// When.
        until: Timestamp,
    },
}

impl Parking {
    /// Whether it is over by itself at `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::UsageLimit { until } | Self::NoAnswer { until } => now >= *until,
            Self::LogInAgain => false,
        }
    }

    /// When it is over by itself, if it ever is.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::UsageLimit { until } | Self::NoAnswer { until } => Some(*until),
            Self::LogInAgain => None,
        }
    }
}

/// So many calls in a row may fail before it is the provider that is out of order.
const FAILURES: u32 = 8;
/// Then nothing is called for so long, and for twice as long after each call that fails again.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// At most: a provider that is there again is found within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// The calls of an account that failed since one was answered, whichever tasks made them.
///
/// A task whose calls fail may be to blame. Where those of all tasks do, it is the provider: they wait
/// together, no attempt is counted, and it is asked no more often than a few times in the hour.
///
/// ```text
///  answered ─▶ 8 failures ─▶ parked 1 min ─▶ failure ─▶ 2 min ─▶ failure ─▶ 4 min … 15 min
///      ▲                                       │
///      └──────────────── an answer ────────────┘
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unanswered {
    failures: u32,
    pauses: u32,
}

impl Unanswered {
    /// One more call failed, while the account was not parked. Some: it is from now on. `jitter` is from
    /// 0 to 1.
    #[must_use]
    pub fn failed(&mut self, now: Timestamp, jitter: f64) -> Option<Parking> {
        self.failures = self.failures.saturating_add(1);
        if self.pauses == 0 && self.failures < FAILURES {
            return None;
        }
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.pauses.min(9))
            .min(LONGEST_PAUSE);
        self.pauses = self.pauses.saturating_add(1);
        let until = now.after(pause.mul_f64(0.8 + 0.2 * jitter.clamp(0.0, 1.0)));
        Some(Parking::NoAnswer { until })
    }
}

/// What the store keeps of an account. The rest is configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its configured name.
    pub name: AccountName,
    /// Why it is not used now, if so.
    pub parking: Option<Parking>,
    /// When that changed last.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// When the account is parked until, one failed call after the other, each made at once.
    fn pauses(unanswered: &mut Unanswered, mut now: Timestamp, end: Timestamp) -> Vec<Timestamp> {
        let mut ends = Vec::new();
        while now < end {
            if let Some(parking) = unanswered.failed(now, 1.0) {
                now = parking.until().unwrap();
                ends.push(now);
            } else {
                now = now.after(Duration::from_secs(1));
            }
        }
        ends
    }

    #[test]
    fn a_few_failures_are_a_tasks_own_and_more_are_the_providers() {
        let mut unanswered = Unanswered::default();
        for _ in 1..FAILURES {
            assert_eq!(unanswered.failed(Timestamp(0), 0.5), None);
        }
        let until = Timestamp(60_000);
        let parked = Some(Parking::NoAnswer { until });
        assert_eq!(unanswered.failed(Timestamp(0), 1.0), parked);
    }

    #[test]
    fn a_provider_that_is_away_for_a_day_is_asked_a_few_times_in_the_hour() {
        let mut unanswered = Unanswered::default();
        let ends = pauses(&mut unanswered, Timestamp(0), Timestamp(24 * HOUR));
        let minutes: Vec<i64> = ends.iter().map(|end| (end.0 - 7_000) / 60_000).collect();
        assert_eq!(minutes[..6], [1, 3, 7, 15, 30, 45]);
        assert!(ends.len() <= 100, "{}", ends.len());
    }

    #[test]
    fn a_pause_ends_by_itself_and_a_refused_secret_does_not() {
        let until = Timestamp(5);
        let pause = Parking::NoAnswer { until };
        assert!(!pause.is_over(Timestamp(4)) && pause.is_over(until));
        assert!(!Parking::LogInAgain.is_over(Timestamp(i64::MAX)));
        assert_eq!(Parking::LogInAgain.until(), None);
    }
}
