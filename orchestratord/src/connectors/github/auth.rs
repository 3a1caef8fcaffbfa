//! How a call is authorised: a token, or an app's installation token.
//!
//! An installation token is good for the project's repository alone and for what we do there. It is
//! kept until a few minutes before it expires, by GitHub's clock: the time that is left is counted
//! from the `Date` of the answer that brought it, so a wrong clock of ours does no harm.

use std::time::Duration;

use octocrab::auth::{AppAuth, EncodingKey};
use octocrab::models::AppId;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::GithubAuthorisation;

/// A token is not used in the last minutes of its life.
const MARGIN: Duration = Duration::from_secs(300);

/// How a project is authorised.
#[derive(Debug)]
pub(super) enum Auth {
    /// By a token.
    Token(SecretString),
    /// By an app.
    App(Box<App>),
}

/// An app's installation.
#[derive(Debug)]
pub(super) struct App {
    /// `AppAuth` shows no key.
    signer: AppAuth,
    pub(super) installation: u64,
    /// The repository's name, without its owner.
    repository: String,
    /// Held while a token is fetched, so that one is fetched only once.
    pub(super) kept: Mutex<Option<Kept>>,
}

/// A token of an installation.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) token: SecretString,
    good_until: Instant,
}

impl Kept {
    /// `lifetime`: how long GitHub will take it.
    pub(super) fn new(token: SecretString, lifetime: Duration, now: Instant) -> Self {
        Self {
            token,
            good_until: now + lifetime.saturating_sub(MARGIN),
        }
    }

    pub(super) fn is_good(&self, now: Instant) -> bool {
        now < self.good_until
    }
}

/// What is asked for: this repository, and no more than we use.
#[derive(Debug, Serialize)]
pub(super) struct TokenRequest<'a> {
    repositories: [&'a str; 1],
    permissions: Permissions,
}

#[derive(Debug, Serialize)]
struct Permissions {
    contents: &'static str,
    issues: &'static str,
    metadata: &'static str,
    pull_requests: &'static str,
}

impl Auth {
    pub(super) fn new(
        configured: &GithubAuthorisation,
        repository: &str,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match configured {
            GithubAuthorisation::Token(token) => Self::Token(token.clone()),
            GithubAuthorisation::App {
                id,
                private_key,
                installation_id,
            } => Self::App(Box::new(App {
                signer: AppAuth {
                    app_id: AppId(*id),
                    key: EncodingKey::from_rsa_pem(private_key.expose_secret().as_bytes())?,
                },
                installation: *installation_id,
                repository: repository.to_owned(),
                kept: Mutex::default(),
            })),
        })
    }
}

impl App {
    /// The app's own token, for asking for an installation's: issued a minute ago and good for nine
    /// more, which leaves room for clocks that differ.
    pub(super) fn sign(&self) -> Result<SecretString, octocrab::Error> {
        self.signer.generate_bearer_token().map(SecretString::from)
    }

    pub(super) fn id(&self) -> u64 {
        self.signer.app_id.0
    }

    pub(super) fn request(&self) -> TokenRequest<'_> {
        TokenRequest {
            repositories: [&self.repository],
            permissions: Permissions {
                contents: "write",
                issues: "write",
                metadata: "read",
                pull_requests: "write",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_token_is_given_up_before_it_expires() {
        let now = Instant::now();
        let kept = Kept::new("t".into(), Duration::from_secs(3_600), now);
        assert!(kept.is_good(now + Duration::from_secs(3_299)));
        assert!(!kept.is_good(now + Duration::from_secs(3_300)));
        let short = Kept::new("t".into(), Duration::from_secs(10), now);
        assert!(!short.is_good(now));
    }

    #[test]
    fn neither_a_token_nor_a_key_is_shown() {
        let auth = Auth::Token("ghp_secret".into());
        assert!(!format!("{auth:?}").contains("ghp_secret"));
    }
}
