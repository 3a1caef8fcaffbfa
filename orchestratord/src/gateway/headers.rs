//! Headers on their way in and out. Both ways only listed ones pass: the agent's authorisation
//! never reaches the provider, and the provider's words about our account never reach the agent.

use cloud_code_domain::account::{Authorisation, Provider};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

/// Bytes of a header that is passed on.
const MAX_VALUE: usize = 2_048;

const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const GOOGLE_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");

/// The beta without which a subscription's token is not accepted.
const TOKEN_BETA: &str = "oauth-2025-04-20";
/// Betas that let the provider reach out; the tools themselves are taken out of the body.
const OUTWARD_BETAS: [&str; 6] = [
    "web-fetch-",
    "web-search-",
    "code-execution-",
    "mcp-client-",
    "files-api-",
    "skills-",
];

const TO_ANTHROPIC: [HeaderName; 4] = [
    ACCEPT,
    USER_AGENT,
    VERSION,
    HeaderName::from_static("x-app"),
];

/// Not among them: `openai-organization` and `openai-project`, which choose who pays.
const TO_OPENAI: [HeaderName; 5] = [
    ACCEPT,
    USER_AGENT,
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("originator"),
    HeaderName::from_static("session-id"),
];

/// Not among them: `x-goog-user-project`, which chooses who pays.
const TO_GOOGLE: [HeaderName; 3] = [
    ACCEPT,
    USER_AGENT,
    HeaderName::from_static("x-goog-api-client"),
];

const FROM_PROVIDER: [HeaderName; 6] = [
    CONTENT_TYPE,
    RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-should-retry"),
];

/// The token that a coding CLI presents: the gateway's own, never a provider's. What speaks to Google
/// may have it in the query.
pub(crate) fn token<'a>(
    headers: &'a HeaderMap,
    query: Option<&'a str>,
    provider: Provider,
) -> Option<&'a str> {
    let keys: &[HeaderName] = match provider {
        Provider::Anthropic | Provider::Openai => &[API_KEY],
        Provider::Google => &[GOOGLE_KEY, API_KEY],
    };
    if let Some(key) = keys.iter().find_map(|name| headers.get(name)) {
        return key.to_str().ok();
    }
    let Some(authorisation) = headers.get(AUTHORIZATION) else {
        return match provider {
            Provider::Anthropic | Provider::Openai => None,
            Provider::Google => query?.split('&').find_map(|part| part.strip_prefix("key=")),
        };
    };
    let (scheme, token) = authorisation.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// What goes to the provider: the listed headers of the request and the real authorisation.
///
/// None where the secret cannot stand in a header.
pub(crate) fn to_provider(
    client: &HeaderMap,
    provider: Provider,
    authorisation: Authorisation,
    secret: &SecretString,
) -> Option<HeaderMap> {
    let listed: &[HeaderName] = match provider {
        Provider::Anthropic => &TO_ANTHROPIC,
        Provider::Openai => &TO_OPENAI,
        Provider::Google => &TO_GOOGLE,
    };
    let mut headers = passed(client, |name| listed.contains(name));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let secret = secret.expose_secret();
    let (name, value) = match (provider, authorisation) {
        (Provider::Anthropic, Authorisation::ApiKey) => (API_KEY, secret.to_owned()),
        (Provider::Anthropic, Authorisation::ClaudeToken)
        | (Provider::Openai, Authorisation::ApiKey | Authorisation::ClaudeToken) => {
            (AUTHORIZATION, format!("Bearer {secret}"))
        }
        (Provider::Google, Authorisation::ApiKey | Authorisation::ClaudeToken) => {
            (GOOGLE_KEY, secret.to_owned())
        }
    };
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    headers.insert(name, value);
    if provider == Provider::Anthropic {
        headers
            .entry(VERSION)
            .or_insert(HeaderValue::from_static("2023-06-01"));
        if let Some(betas) = betas(client, authorisation) {
            headers.insert(BETA, betas);
        }
    }
    Some(headers)
}

/// What of the provider's answer goes to the agent.
pub(crate) fn to_agent(provider: &HeaderMap) -> HeaderMap {
    passed(provider, |name| {
        FROM_PROVIDER.contains(name)
            || name.as_str().starts_with("anthropic-ratelimit-")
            || name.as_str().starts_with("x-ratelimit-")
    })
}

fn passed(from: &HeaderMap, listed: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in from {
        if listed(name) && value.len() <= MAX_VALUE {
            headers.insert(name.clone(), value.clone());
        }
    }
    headers
}

fn betas(client: &HeaderMap, authorisation: Authorisation) -> Option<HeaderValue> {
    let mut betas: Vec<&str> = client
        .get_all(BETA)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter(|value| value.len() <= MAX_VALUE)
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|beta| !beta.is_empty())
        .filter(|beta| {
            !OUTWARD_BETAS
                .iter()
                .any(|outward| beta.starts_with(outward))
        })
        .collect();
    if authorisation == Authorisation::ClaudeToken && !betas.contains(&TOKEN_BETA) {
        betas.push(TOKEN_BETA);
    }
    (!betas.is_empty())
        .then(|| HeaderValue::try_from(betas.join(",")).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let mut shown: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        shown.sort();
        shown
    }

    #[test]
    fn the_agents_authorisation_is_replaced() {
        let client = headers(&[
            ("x-api-key", "ours"),
            ("x-goog-api-key", "ours"),
            ("x-goog-user-project", "somebody-else"),
            ("x-goog-api-client", "genai/1"),
            ("authorization", "Bearer ours"),
            ("cookie", "a=b"),
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("openai-organization", "somebody-else"),
            (
                "anthropic-beta",
                "interleaved-thinking-2025-05-14, web-fetch-2025-09-10",
            ),
            ("user-agent", "cli/1"),
        ]);
        let secret = SecretString::from("real");
        let to = |provider, authorisation| {
            shown(&to_provider(&client, provider, authorisation, &secret).unwrap())
        };
        assert_eq!(
            to(Provider::Anthropic, Authorisation::ApiKey),
            [
                "anthropic-beta: interleaved-thinking-2025-05-14",
                "anthropic-version: 2023-06-01",
                "content-type: application/json",
                "user-agent: cli/1",
                "x-api-key: real",
            ]
        );
        assert_eq!(
            to(Provider::Anthropic, Authorisation::ClaudeToken),
            [
                "anthropic-beta: interleaved-thinking-2025-05-14,oauth-2025-04-20",
                "anthropic-version: 2023-06-01",
                "authorization: Bearer real",
                "content-type: application/json",
                "user-agent: cli/1",
            ]
        );
        assert_eq!(
            to(Provider::Openai, Authorisation::ApiKey),
            [
                "authorization: Bearer real",
                "content-type: application/json",
                "user-agent: cli/1",
            ]
        );
        assert_eq!(
            to(Provider::Google, Authorisation::ApiKey),
            [
                "content-type: application/json",
                "user-agent: cli/1",
                "x-goog-api-client: genai/1",
                "x-goog-api-key: real",
            ]
        );
    }

    #[test]
    fn a_secret_with_a_line_break_is_no_header() {
        let secret = SecretString::from("real\r\nx-evil: 1");
        let headers = to_provider(
            &HeaderMap::new(),
            Provider::Openai,
            Authorisation::ApiKey,
            &secret,
        );
        assert!(headers.is_none());
    }

    #[test]
    fn what_the_provider_says_about_our_account_stays_here() {
        let provider = headers(&[
            ("content-type", "text/event-stream"),
            ("anthropic-organization-id", "secret"),
            ("openai-organization", "secret"),
            ("set-cookie", "a=b"),
            ("location", "https://evil.example"),
            ("anthropic-ratelimit-requests-remaining", "3"),
            ("retry-after", "2"),
        ]);
        assert_eq!(
            shown(&to_agent(&provider)),
            [
                "anthropic-ratelimit-requests-remaining: 3",
                "content-type: text/event-stream",
                "retry-after: 2",
            ]
        );
    }

    #[test]
    fn the_token_is_found_where_either_kind_of_cli_puts_it() {
        let found = |provider, pairs: &[(&'static str, &'static str)], query| {
            token(&headers(pairs), query, provider).map(ToOwned::to_owned)
        };
        let t = Some("t".to_owned());
        for provider in Provider::ALL {
            assert_eq!(found(provider, &[("x-api-key", "t")], None), t);
            assert_eq!(found(provider, &[("authorization", "bearer t")], None), t);
            assert_eq!(found(provider, &[("authorization", "Basic t")], None), None);
            assert_eq!(found(provider, &[], None), None);
            assert_eq!(found(provider, &[], Some("alt=sse")), None);
        }
        let (google, query) = (Provider::Google, Some("alt=sse&key=t"));
        assert_eq!(found(google, &[("x-goog-api-key", "t")], Some("key=u")), t);
        assert_eq!(found(google, &[], query), t);
        assert_eq!(found(Provider::Anthropic, &[], query), None);
    }
}
