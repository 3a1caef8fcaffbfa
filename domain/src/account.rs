//! An account: what a coding CLI spends from. Its secret stays on the host.

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
}

impl Parking {
    /// Whether it is over by itself at `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        match self {
            Self::UsageLimit { until } => now >= *until,
            Self::LogInAgain => false,
        }
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
