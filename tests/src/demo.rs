//! `cargo demo`: the whole product on embedded defaults. No account, no network, no container.
//!
//! ```text
//!  demo ─▶ stage: repository, configuration, scripted model server, orchestratord (a process)
//!       ─▶ sample issues ─▶ the control room, or with --plain: what happened, line by line
//!       ─▶ everything that was started is ended; the state stays where it is said
//! ```
//!
//! That is so as well where it is ended early: by Ctrl-C, by a closed terminal, by a signal.

mod issues;
mod plain;
mod signals;
mod stage;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use signals::Signals;
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
    // From here on a signal ends the demo, and not only this process of it.
    let mut signals = Signals::catch()?;
    let mut stage = Stage::set().await?;
    let shown = if arguments.plain {
        tokio::select! {
            shown = plain::run(&stage) => shown,
            signal = signals.next() => Err(ended_by(signal)),
        }
    } else {
        control_room(&stage, &mut signals).await
    };
    let struck = stage.strike().await;
    say(&format!("the state is in {}", stage.state_dir().display()));
    shown.and(struck)
}

fn ended_by(signal: &str) -> anyhow::Error {
    anyhow::anyhow!("it was ended by {signal}")
}

/// What a first look has to know.
const WELCOME: &str =
    "5 sample issues are being worked on. ! what waits for you  n new task  q leave";

/// Opens the control room as its user would: the program itself, in this terminal.
async fn control_room(stage: &Stage, signals: &mut Signals) -> anyhow::Result<()> {
    issues::file_all(stage, issues::Pace::Watched).await?;
    let mut client = tokio::process::Command::new(stage.program("cloud-code"));
    client.arg("--socket").arg(stage.socket());
    let mut client = client.arg("--welcome").arg(WELCOME).spawn()?;
    tokio::select! {
        status = client.wait() => {
            let status = status?;
            anyhow::ensure!(status.success(), "the control room ended with {status}");
            Ok(())
        }
        signal = signals.next() => {
            // It gives the terminal back before it ends.
            stage::end(&client)?;
            client.wait().await?;
            Err(ended_by(signal))
        }
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Where nobody hears it, the exit code says it.
    let _unsaid = writeln!(std::io::stderr(), "demo: {error:#}");
    ExitCode::FAILURE
}

/// Says something to whoever watches. Nobody may: a closed pipe is no reason to leave things running.
pub(crate) fn say(line: &str) {
    let _unheard = writeln!(std::io::stdout(), "{line}");
}
