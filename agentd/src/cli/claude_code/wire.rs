//! The lines of Claude Code, as far as they mean something here. Fields that may be missing are.

use serde::Deserialize;
use serde_json::{Value, json};

/// A line of its standard output.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line {
    System(System),
    Assistant(Assistant),
    User(User),
    Result(Turn),
    /// A message of ours moved on: queued, started, completed, cancelled.
    CommandLifecycle {
        #[serde(default)]
        state: String,
    },
    /// The answer to a request of ours.
    ControlResponse {},
    /// It asks for something.
    ControlRequest {
        request_id: String,
    },
}

/// `init` begins a turn; `api_retry` announces another try of a model call.
#[derive(Debug, Deserialize)]
#[serde(tag = "subtype", rename_all = "snake_case")]
pub(super) enum System {
    Init {
        session_id: String,
        model: Option<String>,
    },
    ApiRetry {
        retry_delay_ms: Option<f64>,
        error_status: Option<u16>,
        error: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct Assistant {
    pub(super) message: Message,
    /// Its own word for what failed, on a message that no model wrote.
    pub(super) error: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) message: Message,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) model: Option<String>,
    #[serde(default)]
    content: Value,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(default)]
        content: Value,
        #[serde(default)]
        is_error: Option<bool>,
    },
    #[serde(other)]
    Other,
}

/// The end of a turn.
#[derive(Debug, Deserialize)]
pub(super) struct Turn {
    pub(super) is_error: bool,
    #[serde(default)]
    pub(super) subtype: String,
    pub(super) terminal_reason: Option<String>,
    pub(super) api_error_status: Option<u16>,
    pub(super) api_error_type: Option<String>,
    pub(super) result: Option<String>,
    #[serde(default)]
    pub(super) errors: Vec<String>,
    #[serde(default)]
    pub(super) permission_denials: Vec<Denial>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Denial {
    pub(super) tool_name: String,
}

impl Message {
    /// The blocks it understands; a plain text is one.
    pub(super) fn blocks(self) -> Vec<Block> {
        match self.content {
            Value::String(text) => vec![Block::Text { text }],
            Value::Array(blocks) => blocks
                .into_iter()
                .filter_map(|block| serde_json::from_value(block).ok())
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        }
    }
}

impl Turn {
    /// An interrupt ended it.
    pub(super) fn is_aborted(&self) -> bool {
        let reason = self.terminal_reason.as_deref();
        reason.is_some_and(|reason| reason.starts_with("aborted"))
    }

    /// Its last words.
    pub(super) fn text(&self) -> String {
        match &self.result {
            Some(text) => text.clone(),
            None => self.errors.join("; "),
        }
    }
}

/// A tool result is a text, or parts of which some are texts.
pub(super) fn result_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect::<Vec<_>>()
            .join("\n"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

/// A message to it. Only one with an id is followed by lines about its life.
pub(super) fn user(id: &str, text: &str) -> Value {
    json!({
        "type": "user",
        "uuid": id,
        "message": { "role": "user", "content": [{ "type": "text", "text": text }] },
    })
}

/// Ends the running turn.
pub(super) fn interrupt(id: &str) -> Value {
    json!({
        "type": "control_request",
        "request_id": id,
        "request": { "subtype": "interrupt" },
    })
}

/// The answer to whatever it asks: a request without one would hold the turn for ever.
pub(super) fn unsupported(request_id: &str) -> Value {
    json!({
        "type": "control_response",
        "response": {
            "subtype": "error",
            "request_id": request_id,
            "error": "nobody is here to answer",
        },
    })
}
