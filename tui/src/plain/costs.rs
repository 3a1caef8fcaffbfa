//! `cloud-code costs`.

use cloud_code_proto::v1;
use serde_json::Value;

use super::table::table;
use super::{About, Failure, Out, json};
use crate::link::Client;
use crate::state::{CostLine, Dimension, amount, sums, tokens, usd};

/// Shows what was spent: sums for people, every row as JSON.
pub(super) async fn run(
    mut client: Client,
    days: u32,
    by: Dimension,
    out: Out,
) -> Result<(), Failure> {
    let answer = client.costs(v1::CostsRequest { days }).await;
    let rows = answer
        .map_err(|status| Failure::status(&status, About::Fleet))?
        .into_inner()
        .rows;
    if out.json {
        return out.value(&Value::Array(rows.iter().map(json::cost).collect()));
    }
    let lines = sums(&rows, by);
    if lines.is_empty() {
        return out.line("nothing was spent");
    }
    let row = |line: &CostLine| {
        let about = if line.notional { "~" } else { "" };
        vec![
            line.label.clone(),
            format!("{about}{}", amount(line.cost)),
            tokens(line.tokens_in),
            tokens(line.cached),
            tokens(line.tokens_out),
            line.calls.to_string(),
        ]
    };
    let title = by.word().to_uppercase();
    let heading = [title.as_str(), "$", "IN", "CACHED", "OUT", "CALLS"];
    let total = lines
        .iter()
        .fold(0, |sum: u64, line| sum.saturating_add(line.cost));
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    for line in table(&heading, &rows) {
        out.line(&line)?;
    }
    out.line(&format!("{} together", usd(total)))?;
    if lines.iter().any(|line| line.notional) {
        out.line("~ a subscription pays: what it would have cost by the price table")?;
    }
    Ok(())
}
