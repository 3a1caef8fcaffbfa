//! `cargo bench`: one table of what it takes, each figure beside its goal and, where there is one, beside
//! something that was measured in the same run on the same machine.
//!
//! Real programs, process runtime, scripted coding CLI, every commit durable.

mod agents;
mod gate;
mod idle;
mod latency;
mod logs;
mod many;
mod simulated;
mod table;

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

/// The rows up to the first that could not be measured, if there is one: all, or those that are named,
/// as in `cargo bench -p cloud-code-tests -- logs agents`.
async fn measure(table: &mut Table) -> Result<()> {
    let named: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|one| one == name);
    if wanted("latency") {
        latency::local_issue(table).await?;
        latency::webhook(table).await?;
        latency::report(table).await?;
    }
    if wanted("many") {
        many::finished_tasks(table).await?;
    }
    if wanted("agents") {
        agents::thousand(table).await?;
    }
    if wanted("logs") {
        logs::million(table).await?;
    }
    if wanted("gate") {
        gate::pack(table).await?;
    }
    if wanted("idle") {
        idle::programs(table).await?;
        idle::demo(table)?;
    }
    Ok(())
}
