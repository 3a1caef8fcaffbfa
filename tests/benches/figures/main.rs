//! `cargo bench`: one table of what it takes, each figure beside its goal and, where there is one, beside
//! something that was measured in the same run on the same machine.
//!
//! Real programs, process runtime, scripted coding CLI, every commit durable.

mod gate;
mod gateway;
mod idle;
mod latency;
mod many;
mod sight;
mod table;
mod terminal;

use std::process::ExitCode;

use anyhow::Result;

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

/// The rows up to the first that could not be measured, if there is one. Arguments are parts of names:
/// only rows whose name has one of them are measured.
async fn measure(table: &mut Table) -> Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let asked: Vec<&String> = asked.iter().filter(|name| !name.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|part| name.contains(*part));
    if wanted("local_issue") {
        latency::local_issue(table).await?;
    }
    if wanted("webhook") {
        latency::webhook(table).await?;
    }
    if wanted("burst") {
        latency::burst(table).await?;
    }
    if wanted("report") {
        latency::report(table).await?;
    }
    if wanted("gateway") {
        gateway::first_byte(table).await?;
    }
    if wanted("finished_tasks") {
        many::finished_tasks(table).await?;
    }
    if wanted("gate_pack") {
        gate::pack(table).await?;
    }
    if wanted("idle") {
        idle::programs(table).await?;
    }
    if wanted("demo") {
        idle::demo(table)?;
    }
    Ok(())
}
