//! Answers that we give ourselves, in the words of the provider that the coding CLI believes in.
//!
//! A coding CLI repeats most errors for minutes. The one that ends all of them at once is a 400
//! that says "credit balance is too low", so whatever has to stop a turn says that first, and then
//! the true reason.

use axum::body::Body;
use axum::response::Response;
use cloud_code_domain::account::Provider;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::meter::Refusal;
use super::request::BadRequest;

/// Why a call got no answer of the provider's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnedAway {
    /// The request carries no token.
    #[error("the request carries no token of an execution (x-api-key, x-goog-api-key or Bearer)")]
    NoToken,
    /// The engine refuses.
    #[error("{0}")]
    Refused(Refusal),
    /// The path does not exist.
    #[error("this path does not exist at the gateway; it passes on model calls only")]
    NoRoute,
    /// The execution's account is another provider's, or is not configured any more.
    #[error("the account {0} of this execution does not speak this API")]
    WrongAccount(String),
    /// The account's secret cannot stand in a header.
    #[error("the secret of the account {0} holds characters that no key has; look at its file")]
    BadSecret(String),
    /// The body is larger than the provider would take.
    #[error("the request is larger than {0} bytes")]
    TooLarge(usize),
    /// The body broke off or took too long.
    #[error("the body of the request did not arrive")]
    NoBody,
    /// The body is no request.
    #[error("{0}")]
    Bad(BadRequest),
    /// The model has no price.
    #[error(
        "the model {0} has no price, so its cost could not be limited; add [prices.{0:?}] to the \
         configuration, or price = \"none\" to the account"
    )]
    Unpriced(String),
    /// Too many calls at once.
    #[error("too many model calls at once from this workstation")]
    Busy,
    /// The provider was not reached.
    #[error("the provider cannot be reached")]
    NotReached,
    /// The provider took the request and gave no usable answer.
    #[error("the provider gave no usable answer: {0}")]
    NoAnswer(&'static str),
}

impl TurnedAway {
    /// The answer that the coding CLI gets.
    pub(crate) fn answer(&self, provider: Provider) -> Response {
        let (status, kind) = match self {
            Self::Refused(Refusal::UnknownToken) | Self::NoToken => {
                (StatusCode::FORBIDDEN, "permission_error")
            }
            Self::Refused(
                Refusal::CostLimit
                | Refusal::DailyLimit
                | Refusal::Parked(_)
                | Refusal::Halted
                | Refusal::RetryStorm,
            ) => return stop(provider, &self.to_string()),
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found_error"),
            Self::WrongAccount(_) | Self::BadSecret(_) | Self::Bad(_) | Self::Unpriced(_) => {
                (StatusCode::BAD_REQUEST, "invalid_request_error")
            }
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large"),
            Self::NoBody => (StatusCode::REQUEST_TIMEOUT, "invalid_request_error"),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error"),
            Self::NotReached => (StatusCode::SERVICE_UNAVAILABLE, "api_error"),
            Self::NoAnswer(_) => (StatusCode::BAD_GATEWAY, "api_error"),
        };
        let mut answer = error(provider, status, kind, &self.to_string());
        if status == StatusCode::TOO_MANY_REQUESTS {
            let headers = answer.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

impl From<Refusal> for TurnedAway {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<BadRequest> for TurnedAway {
    fn from(bad: BadRequest) -> Self {
        Self::Bad(bad)
    }
}

/// The answer that ends a turn at once.
pub(crate) fn stop(provider: Provider, reason: &str) -> Response {
    let message = format!("Your credit balance is too low to access the API. Cloud Code: {reason}");
    error(
        provider,
        StatusCode::BAD_REQUEST,
        "invalid_request_error",
        &message,
    )
}

/// An error in the provider's shape.
fn error(provider: Provider, status: StatusCode, kind: &str, message: &str) -> Response {
    let body = match provider {
        Provider::Anthropic => {
            json!({"type": "error", "error": {"type": kind, "message": message}})
        }
        Provider::Openai => {
            json!({"error": {"type": kind, "message": message, "param": null, "code": kind}})
        }
        Provider::Google => {
            let code = status.as_u16();
            json!({"error": {"code": code, "message": message, "status": google_status(status)}})
        }
    };
    json_answer(status, &body)
}

/// Google's name of a status.
fn google_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "PERMISSION_DENIED",
        StatusCode::NOT_FOUND => "NOT_FOUND",
        StatusCode::TOO_MANY_REQUESTS => "RESOURCE_EXHAUSTED",
        StatusCode::REQUEST_TIMEOUT => "DEADLINE_EXCEEDED",
        status if status.is_server_error() => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    }
}

/// An empty list of models. Coding CLIs know the models that they are configured with.
pub(crate) fn models(provider: Provider) -> Response {
    let body = match provider {
        Provider::Anthropic => {
            json!({"data": [], "has_more": false, "first_id": null, "last_id": null})
        }
        // `models` is where Codex looks.
        Provider::Openai => json!({"object": "list", "data": [], "models": []}),
        Provider::Google => json!({"models": []}),
    };
    json_answer(StatusCode::OK, &body)
}

/// Nothing, successfully.
pub(crate) fn empty() -> Response {
    Response::new(Body::empty())
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    whole(status, headers, Body::from(body.to_string()))
}

/// An answer of its parts.
pub(crate) fn whole(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}
