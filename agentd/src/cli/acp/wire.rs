//! The messages of the Agent Client Protocol, version 1, as far as they mean something here.

use serde::Deserialize;
use serde_json::Value;

use crate::cli::ErrorKind;
use crate::cli::error_kind::error_kind;

/// The version that is spoken here.
pub(super) const VERSION: u64 = 1;

/// "Log in first", before anything else.
const AUTHENTICATION_REQUIRED: i64 = -32_000;

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
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Value,
}

/// The answer to `initialize`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Initialized {
    pub(super) protocol_version: u64,
    pub(super) agent_capabilities: Capabilities,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Capabilities {
    /// `session/load`: the conversation is told again.
    pub(super) load_session: bool,
    session_capabilities: SessionCapabilities,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SessionCapabilities {
    /// Present where `session/resume` is possible.
    resume: Option<Value>,
}

impl Capabilities {
    /// `session/resume`: nothing is told again.
    pub(super) fn can_resume(&self) -> bool {
        self.session_capabilities.resume.is_some()
    }
}

/// The answer to `session/prompt`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stopped {
    pub(super) stop_reason: StopReason,
    /// Absent also where no model answered.
    pub(super) usage: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StopReason {
    EndTurn,
    MaxTokens,
    MaxTurnRequests,
    Refusal,
    Cancelled,
    #[serde(other)]
    Other,
}

/// `session/update`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdateOf {
    pub(super) session_id: String,
    pub(super) update: Update,
}

#[derive(Debug, Deserialize)]
#[serde(
    tag = "sessionUpdate",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub(super) enum Update {
    AgentMessageChunk {
        content: Text,
        message_id: Option<String>,
    },
    ToolCall(ToolUpdate),
    #[serde(rename = "tool_call_update")]
    ToolProgress(ToolUpdate),
    Plan {
        #[serde(default)]
        entries: Vec<Entry>,
    },
    /// Thoughts, commands, modes, counts: nothing that is not told otherwise.
    #[serde(other)]
    Other,
}

/// A content that may be a text.
#[derive(Debug, Deserialize)]
pub(super) struct Text {
    #[serde(default)]
    pub(super) text: String,
}

/// A step of a plan.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    pub(super) content: String,
    #[serde(default)]
    pub(super) status: String,
}

/// A tool call that begins or goes on; only what changed is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUpdate {
    pub(super) tool_call_id: String,
    pub(super) title: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) status: Option<ToolStatus>,
    #[serde(default)]
    pub(super) raw_input: Value,
    #[serde(default)]
    pub(super) raw_output: Value,
    pub(super) content: Option<Vec<Part>>,
    pub(super) locations: Option<Vec<Location>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToolStatus {
    Pending,
    InProgress,
    Completed,
    Failed,
    #[serde(other)]
    Other,
}

/// What a tool made.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part {
    Content {
        content: Text,
    },
    Diff {
        path: String,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Location {
    pub(super) path: String,
}

/// `session/request_permission`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Permission {
    pub(super) session_id: String,
    pub(super) tool_call: ToolUpdate,
    pub(super) options: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Choice {
    pub(super) option_id: String,
    pub(super) kind: String,
}

impl Permission {
    /// The answer that allows it. Once, if possible: some programs write down in the worktree what
    /// is always allowed.
    pub(super) fn allowing(&self) -> Option<&str> {
        let of = |kind: &str| self.options.iter().find(|choice| choice.kind == kind);
        let choice = of("allow_once").or_else(|| of("allow_always"))?;
        Some(&choice.option_id)
    }
}

impl Refusal {
    /// What it says; some programs say "internal error" and put the reason beside it, or repeat the
    /// provider's answer as it is.
    pub(super) fn words(&self) -> String {
        let data = &self.data;
        let details = data["details"].as_str().or(data["message"].as_str());
        if let Some(details) = details.or(data.as_str()) {
            return format!("{}: {details}", self.message);
        }
        let answer: Value = serde_json::from_str(&self.message).unwrap_or_default();
        let said = answer["error"]["message"].as_str();
        said.unwrap_or(&self.message).to_owned()
    }

    /// What it means for a prompt.
    pub(super) fn kind(&self) -> ErrorKind {
        if self.code == AUTHENTICATION_REQUIRED {
            return ErrorKind::Auth;
        }
        // Some programs put the provider's status where a code of the protocol belongs.
        let provider = u16::try_from(self.code).ok();
        let provider = provider.filter(|status| is_error(*status));
        let words = self.words();
        error_kind(provider.or_else(|| status(&words)), &words)
    }
}

fn is_error(status: u16) -> bool {
    (400..600).contains(&status)
}

/// The kind of an error that is told as a text alone.
pub(super) fn kind_of(words: &str) -> ErrorKind {
    error_kind(status(words), words)
}

/// An HTTP status where one usually stands in a text. A number anywhere else is none.
fn status(words: &str) -> Option<u16> {
    const BEFORE: [&str; 4] = ["error: ", "http ", "status code ", "status: "];
    let words = words.to_ascii_lowercase();
    BEFORE.iter().find_map(|before| {
        let (_, rest) = words.split_once(before)?;
        let end = rest.find(|c: char| !c.is_ascii_digit());
        let number = &rest[..end.unwrap_or(rest.len())];
        let status = number.parse().ok()?;
        is_error(status).then_some(status)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_provider_said_and_what_it_meant() {
        let answer = r#"{\"error\":{\"code\":400,\"message\":\"Your credit balance is too low\"}}"#;
        for (refusal, words, kind) in [
            (
                format!(r#"{{"code":400,"message":"{answer}"}}"#),
                "Your credit balance is too low",
                ErrorKind::Quota,
            ),
            (
                r#"{"code":403,"message":"no"}"#.into(),
                "no",
                ErrorKind::Auth,
            ),
            (
                r#"{"code":429,"message":"{}"}"#.into(),
                "{}",
                ErrorKind::RateLimit,
            ),
            (
                r#"{"code":-32000,"message":"log in"}"#.into(),
                "log in",
                ErrorKind::Auth,
            ),
            (
                r#"{"code":-32603,"message":"?"}"#.into(),
                "?",
                ErrorKind::Unknown,
            ),
            (
                r#"{"code":70403,"message":"?"}"#.into(),
                "?",
                ErrorKind::Unknown,
            ),
            (
                r#"{"code":99,"message":"?"}"#.into(),
                "?",
                ErrorKind::Unknown,
            ),
        ] {
            let refusal: Refusal = serde_json::from_str(&refusal).expect("a refusal");
            assert_eq!((refusal.words().as_str(), refusal.kind()), (words, kind));
        }
    }

    #[test]
    fn a_status_is_read_only_where_one_stands() {
        for (words, wanted) in [
            ("Internal error: 401 invalid x-api-key", Some(401)),
            ("Error: 429 Rate limit reached", Some(429)),
            ("Error: it failed with provider (HTTP 403).", Some(403)),
            ("connect ECONNREFUSED 127.0.0.1:443", None),
            ("prompt is too long: 250000 tokens", None),
            ("Error: 4290", None),
            ("", None),
        ] {
            assert_eq!(status(words), wanted, "{words}");
        }
    }
}
