//! The providers: a fixed table of accounts, and one request to one of them.
//!
//! No redirect is followed and no request repeated. A client belongs to one account, so that no
//! connection is shared between two secrets.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cloud_code_domain::account::{Authorisation, Provider};
use cloud_code_domain::id::AccountName;
use http::HeaderMap;
use secrecy::ExposeSecret as _;

use super::headers;
use super::route::{Target, version};
use crate::config::{AccountConfig, AccountSecret};

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);
/// Until the first byte of a streamed answer.
const FIRST_BYTE: Duration = Duration::from_secs(120);
/// Until the first byte of an answer that comes whole: the model writes all of it before.
const WHOLE_ANSWER: Duration = Duration::from_secs(600);

/// The accounts and the way to their providers.
#[derive(Debug)]
pub(crate) struct Upstreams(BTreeMap<AccountName, Upstream>);

/// One account and the way to its provider.
#[derive(Debug)]
pub(crate) struct Upstream {
    provider: Provider,
    authorisation: Authorisation,
    base: String,
    secret: AccountSecret,
    patience: Duration,
    unpriced: bool,
    client: reqwest::Client,
}

/// What goes to a provider.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// What the provider is to do.
    pub(crate) target: Target,
    /// The request's headers, as the agent sent them; only listed ones are taken over.
    pub(crate) headers: HeaderMap,
    /// The cleaned body.
    pub(crate) body: Bytes,
    /// Whether the answer comes in pieces.
    pub(crate) streamed: bool,
    /// What follows the path.
    pub(crate) query: Query,
}

/// The queries that are passed on; no other is, and nothing of what the agent wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Query {
    /// None.
    None,
    /// Anthropic's beta API.
    Beta,
    /// Google's stream as events.
    Events,
}

impl Query {
    /// What of a request's query goes on.
    pub(crate) fn of(provider: Provider, query: Option<&str>) -> Self {
        let query = query.unwrap_or_default();
        match provider {
            Provider::Anthropic if query == "beta=true" => Self::Beta,
            Provider::Google if query.split('&').any(|part| part == "alt=sse") => Self::Events,
            Provider::Anthropic | Provider::Openai | Provider::Google => Self::None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Beta => "?beta=true",
            Self::Events => "?alt=sse",
        }
    }
}

/// Why an account cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum BadAccount {
    /// Its address is none.
    #[error("accounts.{account}.base_url {url:?} is not an http or https URL without query")]
    Url {
        /// The account.
        account: AccountName,
        /// What is configured.
        url: String,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client of accounts.{account} cannot be made")]
    Client {
        /// The account.
        account: AccountName,
        /// Why.
        source: reqwest::Error,
    },
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// Nothing was sent.
    NotSent,
    /// The secret cannot stand in a header; nothing was sent.
    BadSecret,
    /// Something was sent, and what came of it is unknown.
    Unknown(&'static str),
}

impl Upstreams {
    /// The table.
    ///
    /// # Errors
    /// The first account that cannot be used.
    pub(crate) fn new(accounts: &BTreeMap<AccountName, AccountConfig>) -> Result<Self, BadAccount> {
        let upstreams: Result<_, BadAccount> = accounts
            .iter()
            .map(|(name, account)| Ok((name.clone(), Upstream::new(name, account)?)))
            .collect();
        Ok(Self(upstreams?))
    }

    /// The way of an account, if it speaks for this provider.
    pub(crate) fn of(&self, account: &AccountName, provider: Provider) -> Option<&Upstream> {
        let upstream = self.0.get(account)?;
        (upstream.provider == provider).then_some(upstream)
    }
}

impl Upstream {
    fn new(name: &AccountName, account: &AccountConfig) -> Result<Self, BadAccount> {
        let base = base(&account.base_url, account.kind).ok_or_else(|| BadAccount::Url {
            account: name.clone(),
            url: account.base_url.chars().take(200).collect(),
        })?;
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            // An encoded answer could be neither streamed as it comes nor read along.
            .no_gzip();
        if base.starts_with("http://") {
            // A proxy would read the secret.
            client = client.no_proxy();
        }
        let client = client.build().map_err(|source| BadAccount::Client {
            account: name.clone(),
            source,
        })?;
        Ok(Self {
            provider: account.kind,
            authorisation: account.auth,
            base,
            secret: account.secret.clone(),
            patience: account.patience,
            unpriced: account.unpriced,
            client,
        })
    }

    /// Whether models without a price may be called.
    pub(crate) fn takes_unpriced(&self) -> bool {
        self.unpriced
    }

    /// How long a coding CLI is let wait for a usage limit.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Whether a text holds the account's secret.
    pub(crate) fn leaks_into(&self, text: &[u8]) -> bool {
        let secret = self.secret.get();
        let secret = secret.expose_secret().as_bytes();
        secret.len() >= 8 && text.windows(secret.len()).any(|window| window == secret)
    }

    /// Sends a request; gives the head of the answer.
    pub(crate) async fn send(&self, call: &Outgoing) -> Result<reqwest::Response, NoAnswer> {
        let headers = headers::to_provider(
            &call.headers,
            self.provider,
            self.authorisation,
            &self.secret.get(),
        )
        .ok_or(NoAnswer::BadSecret)?;
        let (path, query) = (call.target.path(), call.query.as_str());
        let request = self
            .client
            .post(format!("{}{path}{query}", self.base))
            .headers(headers)
            .body(call.body.clone());
        let patience = if call.streamed {
            FIRST_BYTE
        } else {
            WHOLE_ANSWER
        };
        match tokio::time::timeout(patience, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_connect() || error.is_builder() => Err(NoAnswer::NotSent),
            Ok(Err(_)) => Err(NoAnswer::Unknown("the connection broke")),
            Err(_) => Err(NoAnswer::Unknown("it did not begin in time")),
        }
    }
}

/// The address without the version that some providers' addresses end with.
fn base(url: &str, provider: Provider) -> Option<String> {
    let parsed = reqwest::Url::parse(url).ok()?;
    let plain = matches!(parsed.scheme(), "http" | "https")
        && parsed.has_host()
        && parsed.username().is_empty()
        && parsed.password().is_none()
        && parsed.query().is_none()
        && parsed.fragment().is_none();
    let base = parsed.as_str().trim_end_matches('/');
    let version = version(provider);
    plain.then(|| base.strip_suffix(version).unwrap_or(base).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_once_however_the_address_is_written() {
        for (url, expected) in [
            ("https://api.anthropic.com", "https://api.anthropic.com"),
            ("https://api.openai.com/v1/", "https://api.openai.com"),
            ("http://127.0.0.1:1/s/edit/v1", "http://127.0.0.1:1/s/edit"),
        ] {
            assert_eq!(base(url, Provider::Openai).as_deref(), Some(expected));
        }
        let google = base("https://x.example/v1beta/", Provider::Google);
        assert_eq!(google.as_deref(), Some("https://x.example"));
        for bad in [
            "",
            "ftp://x",
            "https://u:p@x",
            "https://x/?a=b",
            "https://x/#f",
            "x",
        ] {
            assert_eq!(base(bad, Provider::Openai), None, "{bad}");
        }
    }

    #[test]
    fn of_a_query_only_what_is_known_is_passed_on() {
        for (provider, query, sent) in [
            (Provider::Anthropic, Some("beta=true"), "?beta=true"),
            (Provider::Anthropic, Some("beta=true&x=y"), ""),
            (Provider::Anthropic, Some("alt=sse"), ""),
            (Provider::Openai, Some("beta=true"), ""),
            (Provider::Google, Some("alt=sse"), "?alt=sse"),
            (Provider::Google, Some("key=t&alt=sse&x=y"), "?alt=sse"),
            (Provider::Google, Some("key=t&alt=media&fields=x"), ""),
            (Provider::Google, Some("x=alt=sse"), ""),
            (Provider::Google, None, ""),
        ] {
            assert_eq!(Query::of(provider, query).as_str(), sent, "{query:?}");
        }
    }
}
