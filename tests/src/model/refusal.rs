//! HTTP errors in the words of each provider.

use serde_json::{Value, json};

use super::ask::Protocol;
use super::sse;

/// The body of an error answer; an empty code or message becomes the usual one for the status.
pub(super) fn body(
    protocol: Protocol,
    status: u16,
    (code, message): (&str, &str),
    headers: &[(String, String)],
) -> Value {
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
        Protocol::Google => google(status, message, headers),
    }
}

/// What Google says in headers nowhere: how long to wait stands in the details.
fn google(status: u16, message: &str, headers: &[(String, String)]) -> Value {
    let name = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        _ => "UNAVAILABLE",
    };
    let wait = headers.iter().find(|(name, _)| name == "retry-after");
    let details: Vec<Value> = wait
        .map(|(_, seconds)| {
            json!({
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": format!("{seconds}s"),
            })
        })
        .into_iter()
        .collect();
    json!({
        "error": { "code": status, "message": message, "status": name, "details": details },
    })
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
