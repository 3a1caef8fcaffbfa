//! What the way through the gateway adds to a model call: agentd's loopback, the agent's socket, the
//! durable reservation, the provider's real key.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_tests::cluster::{PATIENCE, PROVIDER_KEY};
use serde_json::json;

use crate::latency::local_cluster_with;
use crate::sight::until;
use crate::table::{Samples, Table};

/// Calls before the ones that count, and those.
const WARM: usize = 20;
const CALLS: usize = 300;

/// Where a model is called, and with which key.
struct Way {
    url: String,
    key: String,
    client: reqwest::Client,
}

impl Way {
    fn new(base: &str, key: &str) -> Result<Self> {
        Ok(Self {
            url: format!("{base}/v1/messages"),
            key: key.to_owned(),
            client: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    /// How long the first byte of a streamed answer takes; the rest is read.
    async fn first_byte(&self) -> Result<Duration> {
        let body = json!({
            "model": "scripted-model",
            "max_tokens": 16,
            "stream": true,
            "messages": [{ "role": "user", "content": "Think." }],
        });
        let request = self.client.post(&self.url).json(&body);
        let request = request
            .header("x-api-key", &self.key)
            .header("anthropic-version", "2023-06-01");
        let began = Instant::now();
        let mut answer = request.send().await?;
        let first = answer.chunk().await?;
        let took = began.elapsed();
        let status = answer.status();
        while answer.chunk().await?.is_some() {}
        ensure!(status.is_success() && first.is_some(), "{status}");
        Ok(took)
    }
}

/// One call this way, one that, and again.
pub(crate) async fn first_byte(table: &mut Table) -> Result<()> {
    let dear = "cost_limit_usd = 100000.0\ndaily_limit_usd = 100000.0";
    let cluster = local_cluster_with(1, dear).await?;
    let operator = cluster.operator()?;
    let (gate, said) = (cluster.root().join("go"), cluster.root().join("said"));
    let script = format!(
        "Please.\n\n```script\nrun echo $ANTHROPIC_BASE_URL $ANTHROPIC_API_KEY > {}\nwait-for {}\n```\n",
        said.display(),
        gate.display()
    );
    let task = operator.new_task("sample", "Wait", &script).await?;
    let works = |shown: &v1::Task| shown.state == "in_progress";
    operator
        .wait_for(&task, "in progress", PATIENCE, works)
        .await?;
    let line = until("an address", || {
        let said = std::fs::read_to_string(&said).ok()?;
        said.ends_with('\n').then_some(said)
    });
    let line = line.await?;
    let (base, key) = line.trim().split_once(' ').context("no address")?;
    let direct = Way::new(cluster.model().url(), PROVIDER_KEY)?;
    let through = Way::new(base, key)?;
    let (mut one, mut other) = (Samples::default(), Samples::default());
    for number in 0..WARM + CALLS {
        let (fast, slow) = (direct.first_byte().await?, through.first_byte().await?);
        if number >= WARM {
            one.add(fast);
            other.add(slow);
        }
    }
    std::fs::write(gate, "")?;
    let middle = other.percentile(50).saturating_sub(one.percentile(50));
    let figure = format!("{:.1} ms more ({other})", middle.as_secs_f64() * 1_000.0);
    table.row(
        "first byte of a model's answer through the gateway",
        "p50 ≤ 2 ms more",
        figure,
        format!("called directly: {one}"),
    );
    Ok(())
}
