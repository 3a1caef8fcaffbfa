//! Who a request comes from: a person's token, an app's signed claim, or an installation's token.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

/// The id of the forge's one app.
pub const APP_ID: u64 = 77;
/// The installation of the app.
pub const INSTALLATION_ID: u64 = 31;

/// The tokens that are good.
#[derive(Debug, Default)]
pub(super) struct Access {
    tokens: BTreeMap<String, Token>,
    minted: u32,
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

    pub(super) fn minted(&self) -> u32 {
        self.minted
    }

    pub(super) fn mint(&mut self, login: &str, now: Timestamp) -> (String, Timestamp) {
        self.minted += 1;
        let name = format!("ghs_{:036}", self.minted);
        let expires = Timestamp::from_second(now.as_second() + 3_600).unwrap_or(now);
        let token = Token {
            login: login.to_owned(),
            expires: Some(expires),
        };
        self.tokens.insert(name.clone(), token);
        (name, expires)
    }

    /// Whose token the request carries, in either of the forms that GitHub takes.
    pub(super) fn login(&self, headers: &HeaderMap, now: Timestamp) -> Option<String> {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let token = match value.split_once(' ')? {
            ("Bearer" | "bearer" | "token", token) => token.to_owned(),
            ("Basic", pair) => {
                let pair = String::from_utf8(STANDARD.decode(pair).ok()?).ok()?;
                pair.strip_prefix("x-access-token:")?.to_owned()
            }
            _other => return None,
        };
        let token = self.tokens.get(&token)?;
        let good = token.expires.is_none_or(|expires| expires > now);
        good.then(|| token.login.clone())
    }

    /// Whether the request carries the app's claim: right issuer, in force, of ten minutes at most.
    /// The signature is not checked, which no test relies on.
    pub(super) fn is_app(headers: &HeaderMap, now: Timestamp) -> bool {
        let claims = || -> Option<Value> {
            let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
            let claims = value.strip_prefix("Bearer ")?.split('.').nth(1)?;
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
        };
        let Some(claims) = claims() else {
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
