//! The command line of `orchestratord`.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::backup;
use crate::config::{self, Config, Problems, RealFiles};

/// The program did what it was asked to.
pub const OK: u8 = 0;
/// It could not.
pub const FAILURE: u8 = 1;
/// The command line is wrong.
pub const MISUSE: u8 = 2;
/// The configuration is wrong.
pub const BAD_CONFIG: u8 = 64;
/// Something that cannot be is.
pub const BROKEN: u8 = 70;

/// Runs a fleet of coding agents: issues become pull requests.
#[derive(Debug, Parser)]
#[command(name = "orchestratord", version, about)]
struct Arguments {
    /// The configuration, TOML.
    #[arg(
        long,
        global = true,
        default_value = "/etc/cloud-code/orchestratord.toml"
    )]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads the configuration and says every mistake in it.
    Check,
    /// Prints every key of the configuration, annotated.
    PrintConfig,
    /// Makes a key for the secrets file.
    SecretsKey {
        /// The file to make, for `[secrets] key_file`.
        file: PathBuf,
    },
    /// Copies the state into a new directory, also while the daemon runs, and verifies the copy.
    Backup {
        /// The directory to make.
        directory: PathBuf,
    },
    /// Puts a backup into a state_dir that is empty, after verifying it.
    Restore {
        /// The directory that `backup` made.
        directory: PathBuf,
    },
    /// Writes a completion script for a shell.
    Completions {
        /// Whose.
        shell: clap_complete::Shell,
    },
    /// Writes the manual, a page for each subcommand.
    Man {
        /// Where to, for example /usr/local/share/man/man1.
        directory: PathBuf,
    },
}

/// Runs the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // There is nowhere left to say that nothing can be said.
            let _unsaid = error.print();
            return if error.use_stderr() {
                MISUSE.into()
            } else {
                OK.into()
            };
        }
    };
    match arguments.command {
        Some(Command::PrintConfig) => {
            say(&config::annotated());
            OK.into()
        }
        Some(Command::SecretsKey { file }) => match crate::credentials::generate_key(&file) {
            Ok(()) => {
                say(&format!("made {}\n", file.display()));
                OK.into()
            }
            Err(error) => complain(&anyhow::Error::new(error), FAILURE),
        },
        Some(Command::Backup { directory }) => copied(&arguments.config, |config| {
            let contents = backup::backup(&config.state_dir, &directory)?;
            Ok(format!("backed up {contents} to {}", directory.display()))
        }),
        Some(Command::Restore { directory }) => copied(&arguments.config, |config| {
            let contents = backup::restore(&directory, &config.state_dir)?;
            let state = config.state_dir.display();
            Ok(format!(
                "restored {contents} to {state}; start orchestratord"
            ))
        }),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            let command = &mut Arguments::command();
            clap_complete::generate(shell, command, "orchestratord", &mut script);
            say(&String::from_utf8_lossy(&script));
            OK.into()
        }
        Some(Command::Man { directory }) => match manual(&directory) {
            Ok(()) => OK.into(),
            Err(error) => complain(&error, FAILURE),
        },
        Some(Command::Check) => match read(&arguments.config) {
            Ok(_) => {
                say(&format!("{} is good\n", arguments.config.display()));
                OK.into()
            }
            Err(problems) => bad_config(&problems),
        },
        None => match read(&arguments.config) {
            Ok(config) => serve(config),
            Err(problems) => bad_config(&problems),
        },
    }
}

/// Writes a manual page for the program and one for each subcommand.
fn manual(directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory))
        .with_context(|| format!("the manual cannot be written to {}", directory.display()))
}

/// Copies state as the configuration says where it is.
fn copied(
    config: &Path,
    copy: impl FnOnce(&Config) -> Result<String, backup::BackupError>,
) -> ExitCode {
    let config = match read(config) {
        Ok(config) => config,
        Err(problems) => return bad_config(&problems),
    };
    match copy(&config) {
        Ok(done) => {
            say(&format!("{done}\n"));
            OK.into()
        }
        Err(error) => complain(&anyhow::Error::new(error), FAILURE),
    }
}

fn read(path: &Path) -> Result<Config, Problems> {
    config::read(path, &RealFiles)
}

/// Runs the daemon until SIGTERM, SIGINT, or the SIGHUP of a terminal that was closed.
fn serve(config: Config) -> ExitCode {
    die_of_panics();
    #[cfg(feature = "failpoints")]
    let _failpoints = crate::failpoint::from_environment();
    if let Err(error) = crate::tracing_setup::start(&config) {
        return complain(&error, FAILURE);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return complain(&anyhow::Error::new(error), FAILURE),
    };
    let stop = CancellationToken::new();
    let serving = serving(&config);
    let ended = runtime.block_on(async {
        tokio::spawn(end_on_signal(stop.clone()));
        crate::app::run(config, stop, || complain_text(&serving)).await
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match ended {
        Ok(()) => OK.into(),
        Err(error) => complain(&error, FAILURE),
    }
}

/// The one line that a terminal is told: where everything is from now on.
fn serving(config: &Config) -> String {
    let webhooks = config.webhooks.as_ref().map(|webhooks| {
        format!(
            ", webhooks on http://{}{}",
            webhooks.listen,
            crate::issues::webhook::GITHUB
        )
    });
    format!(
        "orchestratord serves: operators on {}, state_dir {}, log in {}{}\n",
        config.operator.socket.display(),
        config.state_dir.display(),
        crate::tracing_setup::directory(config).display(),
        webhooks.unwrap_or_default()
    )
}

/// A broken invariant in any part ends the process: half a daemon is worse than none, and what it did
/// is found again at the next start.
fn die_of_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        tracing::error!(%panic, "a broken invariant");
        #[expect(clippy::exit, reason = "the one way out of a broken invariant")]
        std::process::exit(BROKEN.into());
    }));
}

async fn end_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hang_up)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    ) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hang_up.recv() => {}
    }
    stop.cancel();
}

fn bad_config(problems: &Problems) -> ExitCode {
    // Without our name in front: `file:line:column:` is what editors jump to.
    complain_text(&format!("{problems}\n"));
    BAD_CONFIG.into()
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    complain_text(&format!("orchestratord: {error:#}\n"));
    code.into()
}

/// Whoever closed a pipe has read enough.
fn say(text: &str) {
    let _unheard = std::io::stdout().write_all(text.as_bytes());
}

/// Where nobody hears it, the exit code says it.
fn complain_text(text: &str) {
    let _unheard = std::io::stderr().write_all(text.as_bytes());
}
