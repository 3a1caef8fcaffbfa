//! `[projects.github]`: how we are authorised, and how we hear of changes.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::super::super::read::Section;
use super::super::super::{GithubAuthorisation, GithubConfig};
use super::super::Ground;

/// The fewest bytes of a webhook secret: what can be guessed admits anybody.
const WEBHOOK_SECRET_LEAST: usize = 32;

pub(super) fn github(section: Section<'_, '_>, ground: Ground<'_>) -> Option<GithubConfig> {
    let api_url = match section.optional("api_url") {
        Some(field) => field.api_url(),
        None => Some("https://api.github.com".to_owned()),
    };
    let authorisation = authorisation(&section, ground);
    let webhook_secret = webhook_secret(&section, ground);
    let poll = match section.optional("poll_seconds") {
        Some(field) => field.seconds(86_400),
        None => Some(Duration::from_secs(60)),
    };
    section.finish();
    Some(GithubConfig {
        api_url: api_url?,
        authorisation: authorisation?,
        webhook_secret: webhook_secret?,
        poll: poll?,
    })
}

fn authorisation(section: &Section<'_, '_>, ground: Ground<'_>) -> Option<GithubAuthorisation> {
    let token = section.optional("token_file");
    let app = section.section("app");
    match (token, app.is_there()) {
        (Some(field), false) => field
            .token(ground.base, ground.state_dir, ground.files)
            .map(GithubAuthorisation::Token),
        (None, true) => read_app(app, ground),
        (None, false) => {
            section.required(
                "token_file",
                "write token_file = \"FILE\", or app = { id = …, private_key_file = \"FILE\", installation_id = … }",
            );
            None
        }
        (Some(_), true) => {
            app.note(
                "there are both token_file and app",
                "remove one of them: an app is narrower and lives shorter",
            );
            // Its own mistakes are told as well.
            read_app(app, ground).and(None)
        }
    }
}

fn read_app(section: Section<'_, '_>, ground: Ground<'_>) -> Option<GithubAuthorisation> {
    let id = section
        .required("id", "write the app's id, a number")
        .and_then(|field| field.number(1, u64::MAX >> 1));
    let installation_id = section
        .required("installation_id", "write the installation's id, a number")
        .and_then(|field| field.number(1, u64::MAX >> 1));
    let key_field = section.required(
        "private_key_file",
        "write private_key_file = \"FILE\": the app's key as GitHub gave it, mode 0600",
    );
    section.finish();
    let field = key_field?;
    let private_key = field.secret(ground.base, ground.state_dir, ground.files)?;
    if !private_key.expose_secret().contains("PRIVATE KEY-----") {
        field.note(
            "its file holds no private key",
            "put the .pem file there that GitHub gave when the key was made",
        );
        return None;
    }
    Some(GithubAuthorisation::App {
        id: id?,
        private_key,
        installation_id: installation_id?,
    })
}

#[expect(
    clippy::option_option,
    reason = "none: a mistake; none inside: polled only"
)]
fn webhook_secret(section: &Section<'_, '_>, ground: Ground<'_>) -> Option<Option<SecretString>> {
    let Some(field) = section.optional("webhook_secret_file") else {
        return Some(None);
    };
    let secret = field.secret(ground.base, ground.state_dir, ground.files)?;
    if secret.expose_secret().len() < WEBHOOK_SECRET_LEAST {
        field.note(
            format!("its file holds fewer than {WEBHOOK_SECRET_LEAST} bytes: it could be guessed"),
            "make one with: openssl rand -hex 32",
        );
        return None;
    }
    Some(Some(secret))
}
