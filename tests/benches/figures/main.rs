//! `cargo bench`: one table of what it takes, each figure beside its goal and, where there is one, beside
//! something that was measured in the same run on the same machine.
//!
//! Real programs, process runtime, scripted coding CLI, every commit durable. With words behind `--` only
//! the rows that have one in their name: `cargo bench -p cloud-code-tests -- workspace`.

mod agents;
mod gate;
mod gateway;
mod idle;
mod latency;
mod logs;
mod many;
mod sight;
mod simulated;
mod table;
mod terminal;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use futures_util::future::LocalBoxFuture;

use table::Table;

/// All programs in one.
const PROGRAMS: &str = env!("CARGO_BIN_EXE_demo");

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the program's edge"
)]
fn main() -> ExitCode {
    let mut table = Table::new();
    let measured = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::new)
        .and_then(|runtime| runtime.block_on(measure(&mut table)));
    println!("{table}");
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Measures a figure, or some.
type Row = for<'a> fn(&'a mut Table) -> LocalBoxFuture<'a, Result<()>>;

const ROWS: [(&str, Row); 12] = [
    ("local_issue", |table| Box::pin(latency::local_issue(table))),
    ("webhook", |table| Box::pin(latency::webhook(table))),
    ("burst", |table| Box::pin(latency::burst(table))),
    ("report", |table| Box::pin(latency::report(table))),
    ("gateway", |table| Box::pin(gateway::first_byte(table))),
    ("finished_tasks", |table| {
        Box::pin(many::finished_tasks(table))
    }),
    ("agents", |table| Box::pin(agents::thousand(table))),
    ("logs", |table| Box::pin(logs::million(table))),
    ("gate_pack", |table| Box::pin(gate::pack(table))),
    ("workspace", |table| {
        Box::pin(workspace::large_repository(table))
    }),
    ("idle", |table| Box::pin(idle::programs(table))),
    ("demo", |table| Box::pin(async move { idle::demo(table) })),
];

/// The rows up to the first that could not be measured, if there is one. Arguments are parts of names:
/// only rows whose name has one of them are measured.
async fn measure(table: &mut Table) -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    // Cargo has words of its own to a benchmark.
    let asked: Vec<&String> = asked.iter().filter(|part| !part.starts_with('-')).collect();
    for (name, row) in ROWS {
        if asked.is_empty() || asked.iter().any(|part| name.contains(part.as_str())) {
            row(table).await?;
        }
    }
    Ok(())
}
