//! The paths that exist. Everything else is not found, however it is spelled.

use cloud_code_domain::account::Provider;
use http::Method;

/// Something a provider does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// Anthropic's messages.
    Messages,
    /// Anthropic's token counter; costs nothing.
    CountTokens,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's chat completions.
    ChatCompletions,
}

impl Endpoint {
    /// Who does it.
    pub(crate) fn provider(self) -> Provider {
        match self {
            Self::Messages | Self::CountTokens => Provider::Anthropic,
            Self::Responses | Self::ChatCompletions => Provider::Openai,
        }
    }

    /// Its path at the provider, below the version.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
            Self::Responses => "/responses",
            Self::ChatCompletions => "/chat/completions",
        }
    }

    /// Whether a call of it costs anything.
    pub(crate) fn is_paid(self) -> bool {
        match self {
            Self::Messages | Self::Responses | Self::ChatCompletions => true,
            Self::CountTokens => false,
        }
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// A call that goes to the provider.
    Call(Endpoint),
    /// The list of models: answered here, empty.
    Models(Provider),
    /// A look whether anything is there: answered here.
    Probe,
}

impl Route {
    /// Finds the route; `Err` tells whose dialect the refusal is to be in.
    ///
    /// Coding CLIs differ in whether the version is part of the base URL that they are given, so
    /// the path is found with and without it.
    pub(crate) fn find(method: &Method, path: &str) -> Result<Self, Provider> {
        let (provider, rest) = if let Some(rest) = path.strip_prefix("/model/anthropic") {
            (Provider::Anthropic, rest)
        } else if let Some(rest) = path.strip_prefix("/model/openai") {
            (Provider::Openai, rest)
        } else {
            return Err(Provider::Anthropic);
        };
        let rest = rest.strip_prefix("/v1").unwrap_or(rest);
        let looks = method == Method::GET || method == Method::HEAD;
        if looks && matches!(rest, "" | "/") {
            return Ok(Self::Probe);
        }
        if looks && rest == "/models" {
            return Ok(Self::Models(provider));
        }
        [
            Endpoint::Messages,
            Endpoint::CountTokens,
            Endpoint::Responses,
            Endpoint::ChatCompletions,
        ]
        .into_iter()
        .find(|endpoint| {
            method == Method::POST && endpoint.provider() == provider && endpoint.path() == rest
        })
        .map(Self::Call)
        .ok_or(provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_paths_lead_anywhere() {
        let find = |method: Method, path| Route::find(&method, path);
        assert_eq!(
            find(Method::POST, "/model/anthropic/v1/messages"),
            Ok(Route::Call(Endpoint::Messages))
        );
        assert_eq!(
            find(Method::POST, "/model/openai/responses"),
            Ok(Route::Call(Endpoint::Responses))
        );
        assert_eq!(find(Method::HEAD, "/model/anthropic"), Ok(Route::Probe));
        for path in [
            "/model/anthropic/v1/messages/../files",
            "/model/anthropic/v1/messages/..%2ffiles",
            "/model/anthropic/v1/messages/batches",
            "/model/anthropic//v1/messages",
            "/model/anthropic/v1/responses",
            "/model/openai/v1/messages",
            "/model/openai/v1/files",
            "/model/anthropicx",
            "/model/anthropic@evil.example/v1/messages",
            "/v1/messages",
            "/",
        ] {
            assert!(find(Method::POST, path).is_err(), "{path}");
        }
        assert!(find(Method::DELETE, "/model/anthropic/v1/messages").is_err());
    }
}
