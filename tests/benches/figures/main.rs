//! `cargo bench`: one table of what it takes, each figure beside its goal and, where there is one, beside
//! something that was measured in the same run on the same machine.
//!
//! Real programs, process runtime, scripted coding CLI, every commit durable. With a word behind `--` only
//! what has it in its name: `cargo bench -p cloud-code-tests -- workspace`.

mod gate;
mod idle;
mod latency;
mod many;
mod table;
mod workspace;

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

/// The rows up to the first that could not be measured, if there is one.
async fn measure(table: &mut Table) -> Result<()> {
    // Cargo adds an option of its own.
    let words = std::env::args().skip(1);
    let words: Vec<String> = words.filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    if wanted("latency") {
        latency::local_issue(table).await?;
        latency::webhook(table).await?;
        latency::report(table).await?;
    }
    if wanted("many") {
        many::finished_tasks(table).await?;
    }
    if wanted("gate") {
        gate::pack(table).await?;
    }
    if wanted("workspace") {
        workspace::large_repository(table).await?;
    }
    if wanted("idle") {
        idle::programs(table).await?;
        idle::demo(table)?;
    }
    Ok(())
}
