//! The messages of codex's app server, as far as they mean something here.

use serde::Deserialize;
use serde_json::Value;

use crate::cli::ErrorKind;
use crate::cli::error_kind::error_kind;

/// One line: a request or notification has a method, a response has none.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub(super) id: Option<Value>,
    pub(super) method: Option<String>,
    #[serde(default)]
    pub(super) params: Value,
    pub(super) result: Option<Value>,
    pub(super) error: Option<Refusal>,
}

/// A request that was refused.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) message: String,
}

/// `turn/completed`, and the answer to `turn/start`.
#[derive(Debug, Deserialize)]
pub(super) struct TurnOf {
    pub(super) turn: Turn,
}

#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) error: Option<TurnError>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Status {
    Completed,
    Interrupted,
    Failed,
    InProgress,
}

/// `error`: a model call failed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failed {
    pub(super) error: TurnError,
    #[serde(default)]
    pub(super) will_retry: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TurnError {
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    codex_error_info: Value,
    additional_details: Option<String>,
}

/// `item/started` and `item/completed`.
#[derive(Debug, Deserialize)]
pub(super) struct ItemOf {
    pub(super) item: Item,
}

#[derive(Debug, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum Item {
    AgentMessage {
        #[serde(default)]
        text: String,
    },
    CommandExecution {
        #[serde(default)]
        command: String,
        aggregated_output: Option<String>,
        exit_code: Option<i64>,
    },
    FileChange {
        #[serde(default)]
        changes: Vec<Change>,
        #[serde(default)]
        status: String,
    },
    McpToolCall {
        #[serde(default)]
        tool: String,
        #[serde(default)]
        arguments: Value,
        #[serde(default)]
        status: String,
    },
    WebSearch {
        #[serde(default)]
        query: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    pub(super) path: String,
}

impl TurnError {
    /// What the provider said, where it tells that beside its own words.
    pub(super) fn words(&self) -> &str {
        self.additional_details.as_deref().unwrap_or(&self.message)
    }

    /// The HTTP status, where it tells one.
    pub(super) fn status(&self) -> Option<u16> {
        let details = self.codex_error_info.as_object()?.values().next()?;
        u16::try_from(details["httpStatusCode"].as_u64()?).ok()
    }

    /// What it means. Its own word for it first, else status and words.
    pub(super) fn kind(&self) -> ErrorKind {
        let words = match &self.additional_details {
            Some(details) => format!("{} {details}", self.message),
            None => self.message.clone(),
        };
        match self.codex_error_info.as_str() {
            Some("contextWindowExceeded") => ErrorKind::ContextLength,
            Some("sessionBudgetExceeded" | "usageLimitExceeded") => ErrorKind::Quota,
            Some("rateLimitExceeded") => ErrorKind::RateLimit,
            Some("serverOverloaded" | "flexUnavailable" | "policyCapacityUnavailable") => {
                ErrorKind::Overloaded
            }
            Some("modelNotFound") => ErrorKind::ModelNotFound,
            Some("internalServerError") => ErrorKind::Server,
            Some("unauthorized") => ErrorKind::Auth,
            Some("badRequest") => error_kind(Some(400), &words),
            Some(_) | None => error_kind(self.status(), &words),
        }
    }
}
