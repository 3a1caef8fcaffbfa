//! The paths that exist. Everything else is not found, however it is spelled.

use cloud_code_domain::account::Provider;
use http::Method;

use super::request::is_model;

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
    /// Google's answer, whole.
    Generate,
    /// Google's answer in pieces: events, or an array that grows.
    StreamGenerate,
    /// Google's token counter; costs nothing.
    CountGoogleTokens,
}

impl Endpoint {
    const ALL: [Self; 7] = [
        Self::Messages,
        Self::CountTokens,
        Self::Responses,
        Self::ChatCompletions,
        Self::Generate,
        Self::StreamGenerate,
        Self::CountGoogleTokens,
    ];

    /// Who does it.
    pub(crate) fn provider(self) -> Provider {
        match self {
            Self::Messages | Self::CountTokens => Provider::Anthropic,
            Self::Responses | Self::ChatCompletions => Provider::Openai,
            Self::Generate | Self::StreamGenerate | Self::CountGoogleTokens => Provider::Google,
        }
    }

    /// Its path at the provider below the version; Google's begins with the model, see
    /// [`Target::path`].
    fn path(self) -> &'static str {
        match self {
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
            Self::Responses => "/responses",
            Self::ChatCompletions => "/chat/completions",
            Self::Generate => ":generateContent",
            Self::StreamGenerate => ":streamGenerateContent",
            Self::CountGoogleTokens => ":countTokens",
        }
    }

    /// Whether a call of it costs anything.
    pub(crate) fn is_paid(self) -> bool {
        match self {
            Self::Messages
            | Self::Responses
            | Self::ChatCompletions
            | Self::Generate
            | Self::StreamGenerate => true,
            Self::CountTokens | Self::CountGoogleTokens => false,
        }
    }
}

/// What a call is addressed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// What the provider is to do.
    pub(crate) endpoint: Endpoint,
    /// The model, where the path names it.
    pub(crate) model: Option<String>,
}

impl Target {
    fn find(provider: Provider, rest: &str) -> Option<Self> {
        let (model, rest) = match provider {
            Provider::Anthropic | Provider::Openai => (None, rest),
            Provider::Google => {
                let rest = rest.strip_prefix("/models/")?;
                let (model, verb) = rest.split_at(rest.find(':')?);
                // It becomes part of a path again.
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
                if !is_model(model) || !model.bytes().all(plain) {
                    return None;
                }
                (Some(model.to_owned()), verb)
            }
        };
        let endpoint = Endpoint::ALL
            .into_iter()
            .find(|endpoint| endpoint.provider() == provider && endpoint.path() == rest)?;
        Some(Self { endpoint, model })
    }

    /// Its path at the provider, version included.
    pub(crate) fn path(&self) -> String {
        let (version, path) = (version(self.endpoint.provider()), self.endpoint.path());
        match &self.model {
            Some(model) => format!("{version}/models/{model}{path}"),
            None => format!("{version}{path}"),
        }
    }
}

/// What a provider's paths begin with.
pub(super) fn version(provider: Provider) -> &'static str {
    match provider {
        Provider::Anthropic | Provider::Openai => "/v1",
        Provider::Google => "/v1beta",
    }
}

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// A call that goes to the provider.
    Call(Target),
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
        let below = |provider: Provider| {
            let rest = path.strip_prefix("/model/")?;
            Some((provider, rest.strip_prefix(provider.as_str())?))
        };
        let found = Provider::ALL.into_iter().find_map(below);
        let (provider, rest) = found.ok_or(Provider::Anthropic)?;
        let rest = rest.strip_prefix(version(provider)).unwrap_or(rest);
        let looks = method == Method::GET || method == Method::HEAD;
        if looks && matches!(rest, "" | "/") {
            return Ok(Self::Probe);
        }
        if looks && rest == "/models" {
            return Ok(Self::Models(provider));
        }
        let target = (method == Method::POST).then(|| Target::find(provider, rest));
        target.flatten().map(Self::Call).ok_or(provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path: &str) -> Option<(Endpoint, String)> {
        match Route::find(&Method::POST, path) {
            Ok(Route::Call(target)) => Some((target.endpoint, target.path())),
            Ok(Route::Models(_) | Route::Probe) | Err(_) => None,
        }
    }

    #[test]
    fn a_path_leads_to_the_same_one_at_the_provider_with_its_version_once() {
        for (path, endpoint, there) in [
            ("anthropic/v1/messages", Endpoint::Messages, "/v1/messages"),
            ("openai/responses", Endpoint::Responses, "/v1/responses"),
            (
                "google/v1beta/models/gemini-2.5-pro:generateContent",
                Endpoint::Generate,
                "/v1beta/models/gemini-2.5-pro:generateContent",
            ),
            (
                "google/models/m_1:streamGenerateContent",
                Endpoint::StreamGenerate,
                "/v1beta/models/m_1:streamGenerateContent",
            ),
            (
                "google/v1beta/models/m:countTokens",
                Endpoint::CountGoogleTokens,
                "/v1beta/models/m:countTokens",
            ),
        ] {
            let found = call(&format!("/model/{path}"));
            assert_eq!(found, Some((endpoint, there.to_owned())));
        }
        let find = |path| Route::find(&Method::HEAD, path);
        assert_eq!(find("/model/anthropic"), Ok(Route::Probe));
        let models = Ok(Route::Models(Provider::Google));
        assert_eq!(find("/model/google/v1beta/models"), models);
    }

    #[test]
    fn only_listed_paths_lead_anywhere() {
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
            "/model/google/v1/models/m:generateContent",
            "/model/google/v1beta/v1beta/models/m:generateContent",
            "/model/google/v1beta/models/:generateContent",
            "/model/google/v1beta/models/../files:generateContent",
            "/model/google/v1beta/models/..%2ffiles:generateContent",
            "/model/google/v1beta/models/m%3Fkey=x:generateContent",
            "/model/google/v1beta/models/m@evil.example:generateContent",
            "/model/google/v1beta/models/m:generateContent:countTokens",
            "/model/google/v1beta/models/m:generateContent/",
            "/model/google/v1beta/models/m:batchGenerateContent",
            "/model/google/v1beta/models/m:embedContent",
            "/model/google/v1beta/models/m:predict",
            "/model/google/v1beta/tunedModels/m:generateContent",
            "/model/google/v1beta/cachedContents",
            "/model/google/v1beta/files",
            "/model/google/upload/v1beta/files",
            "/model/google/v1beta/openai/chat/completions",
            "/model/google/v1/messages",
            "/v1beta/models/m:generateContent",
            "/v1/messages",
            "/",
        ] {
            assert_eq!(call(path), None, "{path}");
        }
        let delete = Route::find(&Method::DELETE, "/model/anthropic/v1/messages");
        assert_eq!(delete, Err(Provider::Anthropic));
        let long = "m".repeat(201);
        let long = format!("/model/google/v1beta/models/{long}:generateContent");
        assert_eq!(call(&long), None);
    }
}
