//! `cloud-code agents`, `accounts`, `approvals`: parts of one snapshot.

use std::time::Duration;

use cloud_code_proto::{PROTOCOL, v1};
use serde_json::Value;

use super::table::table;
use super::{About, Failure, Out, json};
use crate::link::Client;
use crate::state::{bytes, tokens, usd, usd_or_about};

/// How long the daemon may take for its snapshot.
const SNAPSHOT: Duration = Duration::from_secs(30);

async fn snapshot(mut client: Client) -> Result<v1::Snapshot, Failure> {
    let request = v1::WatchRequest {
        protocol: PROTOCOL,
        client_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let first = async {
        let stream = client.watch(request).await?;
        stream.into_inner().message().await
    };
    let first = tokio::time::timeout(SNAPSHOT, first).await;
    let none = || {
        Failure::new(
            "the daemon gave no snapshot",
            "it did not answer",
            "cloud-code doctor",
        )
    };
    let message = first
        .map_err(|_| none())?
        .map_err(|status| Failure::status(&status, About::Fleet))?;
    match message.and_then(|response| response.message) {
        Some(v1::watch_response::Message::Snapshot(snapshot)) => Ok(snapshot),
        Some(v1::watch_response::Message::Change(_)) | None => Err(none()),
    }
}

fn write(
    out: Out,
    values: Vec<Value>,
    heading: &[&str],
    rows: &[Vec<String>],
    none: &str,
) -> Result<(), Failure> {
    if out.json {
        return out.value(&Value::Array(values));
    }
    if rows.is_empty() {
        return out.line(none);
    }
    for line in table(heading, rows) {
        out.line(&line)?;
    }
    Ok(())
}

/// How long ago something was.
fn since(at: i64) -> String {
    let age = jiff::Timestamp::now().as_millisecond().saturating_sub(at);
    match age.max(0) / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// Lists the agents.
pub(super) async fn agents(client: Client, out: Out) -> Result<(), Failure> {
    let agents = snapshot(client).await?.agents;
    let row = |agent: &v1::Agent| {
        let state = match agent.last_heard_ms {
            _ if agent.connected => agent.state.clone(),
            Some(at) => format!("{}, silent for {}", agent.state, since(at)),
            None => format!("{} ?", agent.state),
        };
        vec![
            agent.name.clone(),
            agent.project.clone(),
            state,
            agent.task.clone(),
            format!("{}%", agent.cpu_percent),
            bytes(agent.memory_bytes),
            usd(agent.cost_today_micro_usd),
            if agent.confined { "" } else { "unconfined" }.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = agents.iter().map(row).collect();
    let heading = [
        "AGENT", "PROJECT", "STATE", "TASK", "CPU", "MEM", "$ TODAY", "",
    ];
    let values = agents.iter().map(json::agent).collect();
    write(
        out,
        values,
        &heading,
        &rows,
        "no agents; they come with the first task",
    )
}

/// Lists the accounts.
pub(super) async fn accounts(client: Client, out: Out) -> Result<(), Failure> {
    let accounts = snapshot(client).await?.accounts;
    let row = |account: &v1::Account| {
        let until = account.parked_until_ms.and_then(|at| {
            let until = json::time(at);
            until.as_str().map(|until| format!(" until {until}"))
        });
        vec![
            account.name.clone(),
            account.kind.clone(),
            account.auth.clone(),
            usd_or_about(account.cost_today_micro_usd, account.notional),
            tokens(account.tokens_today),
            format!("{}{}", account.parking, until.unwrap_or_default()),
        ]
    };
    let rows: Vec<Vec<String>> = accounts.iter().map(row).collect();
    let heading = ["ACCOUNT", "KIND", "AUTH", "$ TODAY", "TOKENS", "PARKED"];
    let values = accounts.iter().map(json::account).collect();
    write(out, values, &heading, &rows, "no accounts are configured")
}

/// Lists what waits for an answer.
pub(super) async fn approvals(client: Client, out: Out) -> Result<(), Failure> {
    let mut requests = snapshot(client).await?.approvals;
    requests.retain(|request| request.state == "pending");
    requests.sort_by_key(|request| request.asked_at_ms);
    let row = |request: &v1::Approval| {
        vec![
            request.id.clone(),
            request.task.clone(),
            request.agent.clone(),
            request.kind.clone(),
            request.scope.clone(),
            request.policy.clone(),
            format!("“{}”", request.reason),
        ]
    };
    let rows: Vec<Vec<String>> = requests.iter().map(row).collect();
    let heading = [
        "ID",
        "TASK",
        "AGENT",
        "TYPE",
        "SCOPE",
        "POLICY",
        "THE AGENT SAYS",
    ];
    let values = requests.iter().map(json::approval).collect();
    write(
        out,
        values,
        &heading,
        &rows,
        "nothing waits for your answer",
    )
}
