//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::link::Connection;
use crate::plain::Failure;
use crate::state::Dimension;
use crate::theme::ThemeName;

/// The control room of Cloud Code. Without a subcommand it opens; with one it does the same
/// without a screen.
#[derive(Debug, Parser)]
#[command(name = "cloud-code", version)]
pub(crate) struct Args {
    /// The daemon's socket [default: $CLOUD_CODE_SOCKET, /run/cloud-code/operator.sock,
    /// $XDG_RUNTIME_DIR/cloud-code/operator.sock]
    #[arg(long, global = true, value_name = "PATH", conflicts_with = "host")]
    pub(crate) socket: Option<PathBuf>,
    /// The daemon on another host, through your own ssh
    #[arg(long, global = true, value_name = "USER@SERVER")]
    pub(crate) host: Option<String>,
    /// Write JSON; logs and events as one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// night or paper [default: $CLOUD_CODE_THEME, night]
    #[arg(long, value_name = "THEME")]
    pub(crate) theme: Option<ThemeName>,
    /// Draw with ASCII signs only
    #[arg(long)]
    pub(crate) ascii: bool,
    /// What the message line says at first; for programs that open the control room
    #[arg(long, value_name = "TEXT", hide = true)]
    pub(crate) welcome: Option<String>,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// A subcommand.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List tasks, also finished ones
    Tasks(Tasks),
    /// Show, make or steer a task
    #[command(subcommand)]
    Task(Task),
    /// List the agents
    Agents,
    /// List the accounts that coding CLIs spend from
    Accounts,
    /// List credential requests that wait for an answer
    Approvals,
    /// Grant a credential request
    Approve {
        /// The request's id
        request: String,
        /// Also grant every later one of the task with the same kind and scope
        #[arg(long)]
        for_task: bool,
        /// Only if it still has this version
        #[arg(
            long = "if-version",
            value_name = "N",
            default_value_t = 0,
            hide_default_value = true
        )]
        version: u64,
    },
    /// Deny a credential request
    Deny {
        /// The request's id
        request: String,
        /// What the agent is told
        #[arg(long, default_value = "")]
        note: String,
        /// Only if it still has this version
        #[arg(
            long = "if-version",
            value_name = "N",
            default_value_t = 0,
            hide_default_value = true
        )]
        version: u64,
    },
    /// Set what a task may spend; one that waits for it goes on
    ///
    /// Where an account with a key pays, dollars are limited; where a subscription pays, tokens are.
    /// A task that its project's daily limit holds back goes on today.
    Grant {
        /// The task's id, the start of one, #42, or PROJECT#42
        task: String,
        /// Dollars: 4.50
        #[arg(required_unless_present = "tokens")]
        usd: Option<String>,
        /// Tokens of a subscription: 500k, 1.5M
        #[arg(long, conflicts_with = "usd")]
        tokens: Option<String>,
    },
    /// Stop what runs and give out no work: of one project, or of the whole fleet
    Halt {
        /// The project
        project: Option<String>,
    },
    /// Go on after a halt, or use a parked account again
    #[command(
        override_usage = "cloud-code resume [PROJECT]\n       cloud-code resume account NAME"
    )]
    Resume {
        /// The project, or `account` and its name
        #[arg(num_args = 0..=2, value_name = "PROJECT")]
        what: Vec<String>,
    },
    /// Show the log of a task's newest execution
    Logs {
        /// The task's id, the start of one, #42, or PROJECT#42
        task: String,
        /// Go on with what comes
        #[arg(long, short)]
        follow: bool,
        /// Only the last lines
        #[arg(long, default_value_t = 0, hide_default_value = true)]
        tail: u32,
        /// Only lines with this text, of all the task's executions; in either case where it has no
        /// capitals
        #[arg(long, value_name = "TEXT", conflicts_with_all = ["follow", "tail"])]
        search: Option<String>,
    },
    /// Show what was done, and by whom
    Events {
        /// Only what comes after the event with this number
        #[arg(long, default_value_t = 0)]
        since: u64,
        /// Go on with what comes
        #[arg(long, short)]
        follow: bool,
    },
    /// Show what was spent
    Costs {
        /// How many days; today is 1
        #[arg(long, default_value_t = 1)]
        days: u32,
        /// Sum by day, project, agent, model or task
        #[arg(long, default_value = "agent", value_parser = dimension)]
        by: Dimension,
    },
    /// Keep secrets that agents may be granted
    #[command(subcommand)]
    Secret(Secret),
    /// Check that everything that is needed is there
    Doctor,
    /// Write figures of the fleet as OpenMetrics text, for a collector to read
    Metrics,
    /// Write a completion script for a shell
    ///
    /// bash: cloud-code completions bash > ~/.local/share/bash-completion/completions/cloud-code
    Completions {
        /// Whose
        shell: clap_complete::Shell,
    },
    /// Write the manual, a page for each subcommand
    Man {
        /// Where to, for example /usr/local/share/man/man1
        directory: PathBuf,
    },
    /// Carry the protocol for a client on another host
    #[command(hide = true)]
    Connect {
        /// On standard input and output
        #[arg(long, required = true)]
        stdio: bool,
    },
}

/// Which tasks.
#[derive(Debug, ClapArgs)]
pub(crate) struct Tasks {
    /// Only those of a project
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) project: String,
    /// Only those in this state; can be given several times
    #[arg(long = "state", value_name = "STATE")]
    pub(crate) states: Vec<String>,
    /// Only those that are not finished
    #[arg(long, conflicts_with = "states")]
    pub(crate) open: bool,
    /// At most this many
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// What to do with a task. TASK is an id, the start of one, #42, or PROJECT#42.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Show everything about a task
    Show {
        /// The task
        task: String,
        /// All of its events, not only the newest 200
        #[arg(long)]
        all_events: bool,
    },
    /// Make a task
    New {
        /// One line
        #[arg(required_unless_present = "title_option")]
        title: Option<String>,
        /// One line
        #[arg(
            long = "title",
            value_name = "TITLE",
            id = "title_option",
            conflicts_with = "title"
        )]
        title_option: Option<String>,
        /// The project; not needed where there is only one
        #[arg(long, default_value = "", hide_default_value = true)]
        project: String,
        /// The text; `-` reads it from standard input
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
        /// 0 (most urgent) to 4
        #[arg(long, value_parser = priority)]
        priority: Option<u32>,
    },
    /// Accept a task out of triage
    Accept {
        /// The task
        task: String,
    },
    /// Reject a task in triage
    Reject {
        /// The task
        task: String,
    },
    /// Try a failed or blocked task again
    Retry {
        /// The task
        task: String,
    },
    /// End a task
    Cancel {
        /// The task
        task: String,
    },
    /// Give a task to another agent, to another coding CLI, or to both
    Reassign {
        /// The task
        task: String,
        /// The agent; without it the one that fits best, or with --cli the one that has it
        #[arg(default_value = "", hide_default_value = true)]
        agent: String,
        /// The coding CLI; without it the one that has it
        #[arg(
            long,
            value_name = "NAME",
            default_value = "",
            hide_default_value = true
        )]
        cli: String,
    },
    /// Set how urgent a task is
    Priority {
        /// The task
        task: String,
        /// 0 (most urgent) to 4
        #[arg(value_parser = priority)]
        priority: u32,
    },
    /// Tell the agent something
    Steer {
        /// The task
        task: String,
        /// The message; `-` reads it from standard input
        #[arg(required = true, num_args = 1..)]
        text: Vec<String>,
    },
    /// Let a result pass that the gate refused, this once
    Pass {
        /// The task
        task: String,
    },
    /// Merge the pull request, and wait up to 20 seconds for how that ends
    Merge {
        /// The task
        task: String,
    },
    /// Close the pull request without a merge, and wait up to 20 seconds for how that ends
    Close {
        /// The task
        task: String,
    },
}

/// What to do with secrets. A value is never an argument: it is asked for, or read from standard
/// input.
#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Store a secret
    Set {
        /// The type, for example npm_token
        r#type: String,
        /// The scope, for example read
        scope: String,
        /// Only for a project
        #[arg(long, default_value = "", hide_default_value = true)]
        project: String,
    },
    /// List what is stored, never the values
    Ls,
    /// Remove a secret
    Rm {
        /// The type
        r#type: String,
        /// The scope
        scope: String,
        /// Only that of a project
        #[arg(long, default_value = "", hide_default_value = true)]
        project: String,
    },
}

fn priority(text: &str) -> Result<u32, String> {
    let digits = text.trim_start_matches(['p', 'P']);
    digits
        .parse()
        .ok()
        .filter(|priority| *priority <= 4)
        .ok_or_else(|| "a priority is 0 (most urgent) to 4".to_owned())
}

fn dimension(text: &str) -> Result<Dimension, String> {
    Dimension::ALL
        .into_iter()
        .find(|dimension| dimension.word() == text)
        .ok_or_else(|| "write day, project, agent, model or task".to_owned())
}

/// What the command line has to say instead of a command: a mistake, the help, the version.
#[derive(Debug)]
pub(crate) struct Said(clap::Error);

impl Said {
    /// Says it. Help and version are no mistakes.
    pub(crate) fn print_and_code(&self) -> ExitCode {
        // Where it cannot be written there is nobody to read it.
        let _unread = self.0.print();
        ExitCode::from(if self.0.use_stderr() { 2 } else { 0 })
    }
}

impl Args {
    /// Reads the command line.
    pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Self, Said> {
        Self::try_parse_from(arguments).map_err(Said)
    }

    /// Where the daemon is.
    pub(crate) fn connection(&self) -> Result<Connection, Failure> {
        if let Some(host) = &self.host {
            return Connection::host(host, self.command.is_some())
                .map_err(|error| Failure::link(&error));
        }
        Ok(match &self.socket {
            Some(path) => Connection::Socket(path.clone()),
            None => Connection::usual(|name| std::env::var_os(name), std::path::Path::exists),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::actions::ENTRIES;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_subcommand_of_the_registry_exists() {
        let root = Args::command();
        for name in ENTRIES.iter().filter_map(|entry| entry.subcommand) {
            let mut command = &root;
            for word in name.split(' ') {
                command = command
                    .find_subcommand(word)
                    .unwrap_or_else(|| panic!("{name}"));
            }
        }
    }

    #[test]
    fn every_subcommand_that_acts_is_in_the_registry() {
        let shows = [
            "show",
            "tasks",
            "agents",
            "accounts",
            "approvals",
            "logs",
            "events",
            "costs",
        ];
        let others = [
            "secret",
            "doctor",
            "metrics",
            "completions",
            "man",
            "connect",
            "task",
            "help",
        ];
        let root = Args::command();
        let of_task = root
            .find_subcommand("task")
            .expect("task")
            .get_subcommands();
        for command in root.get_subcommands().chain(of_task) {
            let name = command.get_name();
            let known = ENTRIES.iter().filter_map(|entry| entry.subcommand);
            let known = known.filter_map(|known| known.split(' ').next_back());
            assert!(
                shows.contains(&name)
                    || others.contains(&name)
                    || known.clone().any(|one| one == name),
                "{name}"
            );
        }
    }

    #[test]
    fn a_secret_is_never_an_argument() {
        let line = ["cloud-code", "secret", "set", "npm_token", "read", "s3cr3t"];
        assert!(Args::try_parse_from(line).is_err());
    }
}
