//! `cargo bench`: one table of what it takes, each figure beside its goal and, where there is one, beside
//! something that was measured in the same run on the same machine.
//!
//! Real programs, process runtime, scripted coding CLI, every commit durable.

mod gate;
mod idle;
mod latency;
mod many;
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
    let measured = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::new)
        .and_then(|runtime| runtime.block_on(measure()));
    match measured {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<Table> {
    let mut table = Table::new();
    latency::local_issue(&mut table).await?;
    latency::webhook(&mut table).await?;
    latency::report(&mut table).await?;
    many::finished_tasks(&mut table).await?;
    gate::pack(&mut table).await?;
    idle::programs(&mut table).await?;
    idle::demo(&mut table)?;
    Ok(table)
}
