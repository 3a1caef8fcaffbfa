//! What anybody may post to the webhook's port: H01 to H05.

use anyhow::{Context, Result, ensure};
use cloud_code_tests::cluster::{Cluster, WEBHOOK_SECRET};
use cloud_code_tests::forge::signature;

/// A delivery, and the answers that it may have.
struct Delivery {
    name: &'static str,
    event: &'static str,
    signature: Option<String>,
    body: Vec<u8>,
    answers: &'static [u16],
}

fn deliveries(genuine: &str) -> Vec<Delivery> {
    let signed = |name, event, body: String, answers| Delivery {
        name,
        event,
        signature: None,
        body: body.into_bytes(),
        answers,
    };
    let twice = genuine.replacen("{", r#"{"action":"closed","#, 1);
    let deep = genuine.replacen(
        "{",
        &format!(r#"{{"x":{}{},"#, "[".repeat(500_000), "]".repeat(500_000)),
        1,
    );
    let deeper = genuine.replacen("{", &format!(r#"{{"x":{}"#, "[".repeat(1_000_000)), 1);
    vec![
        Delivery {
            name: "H01",
            event: "issues",
            signature: Some(format!("sha256={}", "0".repeat(64))),
            body: format!("\"{}\"", "a".repeat(26 << 20)).into_bytes(),
            answers: &[413],
        },
        signed("H02", "issues", genuine.to_owned(), &[202]),
        signed("H03", "installation", genuine.to_owned(), &[400]),
        signed("H04", "issues", twice, &[400]),
        signed("H05", "issues", deep, &[400]),
        signed("H05, larger", "issues", deeper, &[400, 413]),
    ]
}

/// Posts them all, and one that is genuine three times; `genuine` was delivered before.
pub(super) async fn send_all(cluster: &Cluster, genuine: &str) -> Result<()> {
    let http = reqwest::Client::new();
    for delivery in deliveries(genuine) {
        let times = if delivery.name == "H02" { 3 } else { 1 };
        for _ in 0..times {
            let name = delivery.name;
            let right = || signature(WEBHOOK_SECRET, &delivery.body);
            let posted = http
                .post(cluster.webhook_url())
                .header("content-type", "application/json")
                .header("x-github-event", delivery.event)
                .header("x-github-delivery", uuid::Uuid::new_v4().to_string())
                .header(
                    "x-hub-signature-256",
                    delivery.signature.clone().unwrap_or_else(right),
                )
                .body(delivery.body.clone())
                .send()
                .await;
            // Who is refused in the middle of its body may never read why.
            let cut_off = delivery.answers.contains(&413) && posted.is_err();
            if cut_off {
                continue;
            }
            let status = posted
                .with_context(|| format!("{name} was not answered"))?
                .status();
            ensure!(
                delivery.answers.contains(&status.as_u16()),
                "{name}: {status}"
            );
        }
    }
    Ok(())
}
