//! Sends what happened to whoever asked for it, signed. Nothing is sent twice by itself: as at GitHub,
//! a delivery that failed is lost until somebody asks for it again.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Where deliveries go.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) url: String,
    pub(super) secret: String,
}

/// A delivery, as it went.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The event.
    pub event: String,
    /// The body.
    pub body: String,
    /// The answer's status; none where there was none, or where it was not sent.
    pub status: Option<u16>,
}

/// The value of `X-Hub-Signature-256`.
#[must_use]
pub fn signature(secret: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    let mac = mac.map(|mac| mac.chain_update(body).finalize().into_bytes());
    format!("sha256={}", mac.map(hex::encode).unwrap_or_default())
}

pub(super) async fn send(
    http: &reqwest::Client,
    target: &Target,
    event: &str,
    body: &str,
) -> Option<u16> {
    let sent = http
        .post(&target.url)
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/forge")
        .header("x-github-event", event)
        .header("x-github-delivery", uuid::Uuid::new_v4().to_string())
        .header(
            "x-hub-signature-256",
            signature(&target.secret, body.as_bytes()),
        )
        .body(body.to_owned())
        .send()
        .await;
    sent.ok().map(|response| response.status().as_u16())
}
