//! The same actions as the control room, as subcommands: for scripts, pipes and screen readers.
//!
//! What is written with `--json` is stable. Text is for people: it is made harmless, since it may
//! end in a terminal too. Exit codes: 0 it went well, 1 it did not, 2 misuse.

mod act;
mod connect;
mod costs;
mod doctor;
mod failure;
mod fleet;
mod json;
mod manual;
mod metrics;
mod outcome;
mod refusal;
mod secret;
mod stream;
mod table;
mod task;
mod tasks;

pub(crate) use failure::Failure;
use refusal::About;

use std::io::{self, Write};

use serde_json::Value;

use crate::args::{Command, Task};
use crate::link::{Client, Connection};
use crate::safe_text::{is_a_tower, is_obeyed};

/// Runs a subcommand.
pub(crate) async fn run(
    command: &Command,
    connection: Connection,
    json: bool,
) -> Result<(), Failure> {
    let out = Out { json };
    match command {
        Command::Connect { stdio: _ } => return connect::run(connection).await,
        Command::Doctor => return doctor::run(&connection, out).await,
        Command::Secret(secret) => return secret::run(secret, &connection, out).await,
        Command::Completions { shell } => return manual::completions(*shell, out),
        Command::Man { directory } => return manual::pages(directory),
        Command::Tasks(_)
        | Command::Task(_)
        | Command::Agents
        | Command::Accounts
        | Command::Approvals
        | Command::Approve { .. }
        | Command::Deny { .. }
        | Command::Grant { .. }
        | Command::Halt { .. }
        | Command::Resume { .. }
        | Command::Logs { .. }
        | Command::Events { .. }
        | Command::Costs { .. }
        | Command::Metrics => {}
    }
    let client = open(&connection).await?;
    match command {
        Command::Tasks(which) => tasks::run(client, which, out).await,
        Command::Task(Task::Show { task, all_events }) => {
            task::show(client, task, *all_events, out).await
        }
        Command::Agents => fleet::agents(client, out).await,
        Command::Accounts => fleet::accounts(client, out).await,
        Command::Approvals => fleet::approvals(client, out).await,
        Command::Logs {
            task,
            follow,
            tail,
            search,
        } => match search {
            Some(text) => stream::search(client, task, text, out).await,
            None => stream::logs(client, task, *follow, *tail, out).await,
        },
        Command::Events { since, follow } => stream::events(client, *since, *follow, out).await,
        Command::Metrics => metrics::run(client, out).await,
        Command::Costs { days, by } => costs::run(client, *days, *by, out).await,
        Command::Task(_)
        | Command::Approve { .. }
        | Command::Deny { .. }
        | Command::Grant { .. }
        | Command::Halt { .. }
        | Command::Resume { .. } => act::run(client, command, out).await,
        Command::Connect { .. }
        | Command::Doctor
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Secret(_) => Ok(()),
    }
}

/// Opens the link.
async fn open(connection: &Connection) -> Result<Client, Failure> {
    connection
        .connect()
        .await
        .map_err(|error| Failure::link(&error))
}

/// Standard output.
#[derive(Debug, Clone, Copy)]
struct Out {
    json: bool,
}

impl Out {
    /// Writes a line.
    fn line(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")
            .and_then(|()| out.flush())
            .map_err(|error| Failure::output(&error))
    }

    /// Writes what was made for another program, as it is.
    fn whole(self, text: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text)
            .and_then(|()| out.flush())
            .map_err(|error| Failure::output(&error))
    }

    /// Writes a value as JSON, indented.
    fn value(self, value: &Value) -> Result<(), Failure> {
        self.line(&harmless(&format!("{value:#}")))
    }

    /// Writes a value as JSON on one line.
    fn record(self, value: &Value) -> Result<(), Failure> {
        self.line(&harmless(&value.to_string()))
    }
}

/// JSON that means the same and that a terminal shows as it is: what it could obey, what turns text
/// round or shows as nothing is escaped. JSON itself asks for that only below U+0020.
fn harmless(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut combining = 0;
    for c in json.chars() {
        let is_a_tower = is_a_tower(&mut combining, c);
        if c != '\n' && (is_obeyed(c) || is_a_tower) {
            let units = c.encode_utf16(&mut [0; 2]).to_vec();
            text.extend(units.iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}
