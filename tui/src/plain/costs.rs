//! `cloud-code costs`.

use cloud_code_proto::v1;
use serde_json::Value;

use super::table::table;
use super::{About, Failure, Out, json};
use crate::link::Client;
use crate::state::{CostLine, Dimension, amount, roughly, sums, tokens, usd, usd_or_about};

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
        vec![
            line.label.clone(),
            format!("{}{}", roughly(line.notional), amount(line.cost)),
            tokens(line.tokens_in),
            tokens(line.cached),
            tokens(line.tokens_out),
            line.calls.to_string(),
        ]
    };
    let title = by.word().to_uppercase();
    let heading = [title.as_str(), "$", "IN", "CACHED", "OUT", "CALLS"];
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    for line in table(&heading, &rows) {
        out.line(&line)?;
    }
    let sum = |of: fn(&CostLine) -> u64| {
        lines
            .iter()
            .fold(0, |sum: u64, line| sum.saturating_add(of(line)))
    };
    let money = sum(|line| line.cost.saturating_sub(line.about));
    if !lines.iter().any(|line| line.notional) {
        return out.line(&format!("{} together", usd(money)));
    }
    let notional = usd_or_about(sum(|line| line.about), true);
    out.line(&format!("{} together, and {notional}", usd(money)))?;
    out.line("~ a subscription pays: what it would have cost by the price table")
}
