//! HTTP errors in the words of each provider.

use serde_json::{Value, json};

use super::ask::Protocol;
use super::sse;

/// The body of an error answer; an empty code or message becomes the usual one for the status.
pub(super) fn body(protocol: Protocol, status: u16, code: &str, message: &str) -> Value {
    let (anthropic, openai, words) = usual(status);
    let message = if message.is_empty() { words } else { message };
    match protocol {
        Protocol::Messages => json!({
            "type": "error",
            "error": { "type": if code.is_empty() { anthropic } else { code }, "message": message },
            "request_id": sse::id("req_"),
        }),
        Protocol::Responses | Protocol::Chat => {
            let code = if code.is_empty() { openai } else { code };
            let kind = match (status, code) {
                (_, "insufficient_quota") => "insufficient_quota",
                (429, _) => "requests",
                (500.., _) => "server_error",
                _ => "invalid_request_error",
            };
            json!({
                "error": { "message": message, "type": kind, "param": null, "code": code },
            })
        }
    }
}

/// Anthropic's type, OpenAI's code, a message.
fn usual(status: u16) -> (&'static str, &'static str, &'static str) {
    match status {
        401 => (
            "authentication_error",
            "invalid_api_key",
            "invalid x-api-key",
        ),
        403 => (
            "permission_error",
            "permission_denied",
            "Your API key does not have permission to use the specified resource.",
        ),
        404 => ("not_found_error", "model_not_found", "model not found"),
        429 => (
            "rate_limit_error",
            "rate_limit_exceeded",
            "This request would exceed your rate limit. Please try again later.",
        ),
        529 => ("overloaded_error", "server_error", "Overloaded"),
        503 => ("overloaded_error", "server_error", "Service unavailable"),
        500.. => ("api_error", "server_error", "Internal server error"),
        _ => (
            "invalid_request_error",
            "invalid_request_error",
            "messages.0: the request is malformed",
        ),
    }
}
