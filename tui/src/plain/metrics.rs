//! `cloud-code metrics`: what a collector of figures reads.

use cloud_code_proto::v1;
use serde_json::json;

use super::{About, Failure, Out};
use crate::link::Client;
use crate::safe_text::{is_a_tower, is_obeyed};

/// Writes the daemon's figures as they came, but for what a terminal could obey.
pub(super) async fn run(mut client: Client, out: Out) -> Result<(), Failure> {
    let answer = client.metrics(v1::MetricsRequest {}).await;
    let text = answer
        .map_err(|status| Failure::status(&status, About::Fleet))?
        .into_inner()
        .text;
    if out.json {
        return out.value(&json!({ "openmetrics": text }));
    }
    let mut combining = 0;
    let shown = |c| {
        let is_a_tower = is_a_tower(&mut combining, c);
        if c != '\n' && (is_obeyed(c) || is_a_tower) {
            '\u{fffd}'
        } else {
            c
        }
    };
    out.whole(text.chars().map(shown).collect::<String>().as_bytes())
}
