//! `cargo demo`: the whole product on embedded defaults. No account, no network, no container.
//!
//! ```text
//!  demo ─▶ stage: repository, configuration, scripted model server, orchestratord (a process)
//!       ─▶ sample issues ─▶ the control room, or with --plain: what happened, line by line
//!       ─▶ everything that was started is ended; the state stays where it is said
//! ```

mod issues;
mod plain;
mod stage;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use stage::Stage;

/// Shows Cloud Code at work on a sample repository, with a scripted coding CLI.
#[derive(Debug, Parser)]
#[command(name = "cargo demo")]
struct Arguments {
    /// Without a terminal: answers what waits, prints what happens, and ends.
    #[arg(long)]
    plain: bool,
}

/// Runs the demo.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // There is nowhere left to say that nothing can be said.
            let _unsaid = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    match runtime.block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut stage = Stage::set().await?;
    let shown = if arguments.plain {
        plain::run(&stage).await
    } else {
        issues::file_all(&stage, issues::Pace::Watched).await?;
        control_room(&stage).await
    };
    let struck = stage.strike().await;
    say(&format!("the state is in {}", stage.state_dir().display()));
    shown.and(struck)
}

/// What a first look has to know.
const WELCOME: &str =
    "5 sample issues are being worked on. ! what waits for you  n new task  q leave";

/// Opens the control room as its user would: the program itself, in this terminal.
async fn control_room(stage: &Stage) -> anyhow::Result<()> {
    let mut client = tokio::process::Command::new(stage.program("cloud-code"));
    client.arg("--socket").arg(stage.socket());
    let status = client.arg("--welcome").arg(WELCOME).status().await?;
    anyhow::ensure!(status.success(), "the control room ended with {status}");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "this is the program's edge")]
fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("demo: {error:#}");
    ExitCode::FAILURE
}

/// Says something to whoever watches.
#[expect(clippy::print_stdout, reason = "this is the program's edge")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
