//! Who a request comes from: a person's token, an app's signed claim, or an installation's token.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

/// The id of the forge's one app.
pub const APP_ID: u64 = 77;
/// The installation of the app.
pub const INSTALLATION_ID: u64 = 31;

/// The app's private key, made for these tests alone; it opens nothing.
pub const APP_KEY: &str = include_str!("../../contract/fixtures/app-test-key.pem");
/// The half of it that the forge has.
const APP_PUBLIC_KEY: &str = include_str!("../../contract/fixtures/app-test-key.pub.pem");
/// How long an installation's token lives, in seconds.
const LIFETIME: i64 = 3_600;

/// What the owner of the repository did with the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Installation {
    /// It may work.
    #[default]
    Active,
    /// It may not for now; its tokens are refused.
    Suspended,
    /// It is gone, and its tokens with it.
    Deleted,
}

/// The tokens that are good.
#[derive(Debug)]
pub(super) struct Access {
    tokens: BTreeMap<String, Token>,
    minted: u32,
    lifetime: i64,
    pub(super) installation: Installation,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            tokens: BTreeMap::new(),
            minted: 0,
            lifetime: LIFETIME,
            installation: Installation::Active,
        }
    }
}

#[derive(Debug)]
struct Token {
    login: String,
    expires: Option<Timestamp>,
}

impl Access {
    pub(super) fn add(&mut self, token: &str, login: &str) {
        let token_of = Token {
            login: login.to_owned(),
            expires: None,
        };
        self.tokens.insert(token.to_owned(), token_of);
    }

    /// Every installation token ends now.
    pub(super) fn revoke_installations(&mut self) {
        self.tokens.retain(|_, token| token.expires.is_none());
    }

    /// From now on installation tokens live so many seconds.
    pub(super) fn limit_lifetime(&mut self, seconds: i64) {
        self.lifetime = seconds;
    }

    /// Whether the request carries the token of an installation that is suspended.
    pub(super) fn is_suspended(&self, headers: &HeaderMap) -> bool {
        let token = token_of(headers).and_then(|token| self.tokens.get(&token));
        self.installation == Installation::Suspended
            && token.is_some_and(|token| token.expires.is_some())
    }

    pub(super) fn minted(&self) -> u32 {
        self.minted
    }

    pub(super) fn mint(&mut self, login: &str, now: Timestamp) -> (String, Timestamp) {
        self.minted += 1;
        let name = format!("ghs_{:036}", self.minted);
        let expires = Timestamp::from_second(now.as_second() + self.lifetime).unwrap_or(now);
        let token = Token {
            login: login.to_owned(),
            expires: Some(expires),
        };
        self.tokens.insert(name.clone(), token);
        (name, expires)
    }

    /// Whose token the request carries.
    pub(super) fn login(&self, headers: &HeaderMap, now: Timestamp) -> Option<String> {
        let token = token_of(headers)?;
        let token = self.tokens.get(&token)?;
        let good = token.expires.is_none_or(|expires| expires > now);
        good.then(|| token.login.clone())
    }

    /// Whether the request carries the app's claim: signed with its key (RS256), right issuer, in
    /// force by the forge's clock, of ten minutes at most.
    pub(super) fn is_app(headers: &HeaderMap, now: Timestamp) -> bool {
        let Some(claims) = signed_claims(headers) else {
            return false;
        };
        let issuer = claims["iss"]
            .as_u64()
            .or_else(|| claims["iss"].as_str()?.parse().ok());
        let (from, to) = (claims["iat"].as_i64(), claims["exp"].as_i64());
        let now = now.as_second();
        issuer == Some(APP_ID)
            && from.is_some_and(|from| from <= now)
            && to.is_some_and(|to| to > now && to <= now + 600)
    }
}

/// The token that a request carries, in either of the forms that GitHub takes.
fn token_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    match value.split_once(' ')? {
        ("Bearer" | "bearer" | "token", token) => Some(token.to_owned()),
        ("Basic", pair) => {
            let pair = String::from_utf8(STANDARD.decode(pair).ok()?).ok()?;
            Some(pair.strip_prefix("x-access-token:")?.to_owned())
        }
        _other => None,
    }
}

/// The claims of a token that the app's key has signed.
fn signed_claims(headers: &HeaderMap) -> Option<Value> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let token = value.strip_prefix("Bearer ")?;
    let key = DecodingKey::from_rsa_pem(APP_PUBLIC_KEY.as_bytes()).ok()?;
    let mut validation = Validation::new(Algorithm::RS256);
    // Times are compared with the forge's clock, by the caller.
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let decoded = jsonwebtoken::decode::<Value>(token, &key, &validation);
    Some(decoded.ok()?.claims)
}
