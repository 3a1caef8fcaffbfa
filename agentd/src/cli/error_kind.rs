//! From an HTTP status and a provider's words to the kind of an error.

use super::ErrorKind;

impl ErrorKind {
    /// For a log.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Auth => "the provider refused the secret",
            Self::RateLimit => "too many requests",
            Self::Quota => "the account's limit or balance is reached",
            Self::Overloaded => "the provider is overloaded",
            Self::Server => "the provider failed",
            Self::BadRequest => "the provider refused the request",
            Self::ContextLength => "the conversation is too long for the model",
            Self::ModelNotFound => "there is no such model",
            Self::Network => "no connection",
            Self::Timeout => "no answer in time",
            Self::MaxTokens => "the answer was cut at the model's limit",
            Self::MaxTurns => "the coding CLI reached its own bound of turns",
            Self::Interrupted => "it was interrupted",
            Self::Killed => "a signal ended the coding CLI",
            Self::Usage => "the coding CLI does not run with this command line",
            Self::Protocol => "the coding CLI ended without saying how",
            Self::Unknown => "the coding CLI says so",
        }
    }
}

/// Words that say more than the status does. Money and length come as 400 or 429 as well.
const BEFORE_STATUS: [(&str, ErrorKind); 13] = [
    ("insufficient_quota", ErrorKind::Quota),
    ("exceeded your current quota", ErrorKind::Quota),
    ("quota exceeded", ErrorKind::Quota),
    ("credit balance", ErrorKind::Quota),
    ("billing_error", ErrorKind::Quota),
    ("usage limit", ErrorKind::Quota),
    ("context_length", ErrorKind::ContextLength),
    ("prompt is too long", ErrorKind::ContextLength),
    ("prompt_too_long", ErrorKind::ContextLength),
    ("context window", ErrorKind::ContextLength),
    ("contextwindow", ErrorKind::ContextLength),
    ("max_output_tokens", ErrorKind::MaxTokens),
    ("model_not_found", ErrorKind::ModelNotFound),
];

/// Words to go by where there is no status.
const WITHOUT_STATUS: [(&str, ErrorKind); 20] = [
    ("malformed response", ErrorKind::Protocol),
    ("authentication", ErrorKind::Auth),
    ("invalid x-api-key", ErrorKind::Auth),
    ("invalid api key", ErrorKind::Auth),
    ("not logged in", ErrorKind::Auth),
    ("unauthorized", ErrorKind::Auth),
    ("not have permission", ErrorKind::Auth),
    ("rate limit", ErrorKind::RateLimit),
    ("rate_limit", ErrorKind::RateLimit),
    ("too many requests", ErrorKind::RateLimit),
    ("overloaded", ErrorKind::Overloaded),
    ("high demand", ErrorKind::Overloaded),
    ("timed out", ErrorKind::Timeout),
    ("timeout", ErrorKind::Timeout),
    ("connection", ErrorKind::Network),
    ("connect", ErrorKind::Network),
    ("server_error", ErrorKind::Server),
    ("internal server error", ErrorKind::Server),
    ("invalid_request", ErrorKind::BadRequest),
    ("model not found", ErrorKind::ModelNotFound),
];

/// The kind of a failed model call.
pub(super) fn error_kind(status: Option<u16>, words: &str) -> ErrorKind {
    let words = words.to_lowercase();
    let said = |list: &[(&str, ErrorKind)]| {
        let found = list.iter().find(|(word, _)| words.contains(word));
        found.map(|(_, kind)| *kind)
    };
    if let Some(kind) = said(&BEFORE_STATUS) {
        return kind;
    }
    match status {
        Some(401 | 403) => ErrorKind::Auth,
        Some(404) => ErrorKind::ModelNotFound,
        Some(408) => ErrorKind::Timeout,
        Some(429) => ErrorKind::RateLimit,
        Some(503 | 529) => ErrorKind::Overloaded,
        Some(500..) => ErrorKind::Server,
        Some(400..) => ErrorKind::BadRequest,
        Some(_) | None => said(&WITHOUT_STATUS).unwrap_or(ErrorKind::Unknown),
    }
}

/// Whether another try cannot help before somebody acts. A coding CLI that repeats such a call all
/// the same is interrupted.
pub(super) fn is_final(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Auth | ErrorKind::Quota)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_and_length_are_told_by_words_whatever_the_status() {
        for (status, words, kind) in [
            (429, "You exceeded your current quota", ErrorKind::Quota),
            (400, "Your credit balance is too low", ErrorKind::Quota),
            (
                400,
                "prompt is too long: 250000 tokens",
                ErrorKind::ContextLength,
            ),
            (429, "slow down", ErrorKind::RateLimit),
            (400, "messages.0: malformed", ErrorKind::BadRequest),
        ] {
            assert_eq!(error_kind(Some(status), words), kind, "{status} {words}");
        }
    }

    #[test]
    fn a_status_counts_more_than_other_words() {
        let words = "authentication service: connection timed out";
        assert_eq!(error_kind(Some(529), words), ErrorKind::Overloaded);
        assert_eq!(error_kind(None, words), ErrorKind::Auth);
        assert_eq!(error_kind(None, "what?"), ErrorKind::Unknown);
    }
}
