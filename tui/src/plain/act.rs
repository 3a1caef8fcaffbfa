//! Subcommands that change something. Each is one action; who did it is recorded by the daemon.

use std::io::Read;

use cloud_code_domain::cost::{MicroUsd, Tokens};
use cloud_code_proto::v1::{self, action::Action};
use serde_json::json;

use super::{About, Failure, Out, outcome};
use crate::args::{Command, Task};
use crate::link::Client;
use crate::safe_text::SafeText;

/// Bytes of a text that are read from standard input at most.
const TEXT: u64 = 256 << 10;

/// Sends the action of a subcommand, and says what follows.
pub(super) async fn run(mut client: Client, command: &Command, out: Out) -> Result<(), Failure> {
    let Some((action, expected_version)) = action(command)? else {
        return Ok(());
    };
    let awaited = outcome::Awaited::before(&mut client, &action).await?;
    let request = v1::ActRequest {
        action: Some(v1::Action {
            action: Some(action),
        }),
        expected_version,
    };
    let answer = client.act(request).await;
    let answer = answer
        .map_err(|status| Failure::status(&status, about(command)))?
        .into_inner();
    if let Some(awaited) = awaited {
        return awaited.wait(client, &answer.task, out).await;
    }
    if out.json {
        let task = (!answer.task.is_empty()).then_some(&answer.task);
        return out.value(&json!({ "message": answer.message, "task": task }));
    }
    if answer.task.is_empty() {
        out.line(SafeText::new(&answer.message).as_str())
    } else {
        let line = format!("{}  {}", answer.task, answer.message);
        out.line(SafeText::new(&line).as_str())
    }
}

/// What a refusal of this is about.
fn about(command: &Command) -> About<'_> {
    match command {
        Command::Grant { task, .. } => About::Task(task),
        Command::Task(task) => match task {
            Task::New { .. } => About::Fleet,
            Task::Show { task, .. }
            | Task::Accept { task }
            | Task::Reject { task }
            | Task::Retry { task }
            | Task::Cancel { task }
            | Task::Reassign { task, .. }
            | Task::Priority { task, .. }
            | Task::Steer { task, .. }
            | Task::Pass { task }
            | Task::Merge { task }
            | Task::Close { task } => About::Task(task),
        },
        Command::Approve { .. } | Command::Deny { .. } | Command::Approvals => About::Request,
        Command::Resume { what } if what.len() == 2 => About::Account,
        Command::Halt { .. }
        | Command::Resume { .. }
        | Command::Tasks(_)
        | Command::Agents
        | Command::Accounts
        | Command::Logs { .. }
        | Command::Events { .. }
        | Command::Costs { .. }
        | Command::Secret(_)
        | Command::Doctor
        | Command::Metrics
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Connect { .. } => About::Fleet,
    }
}

/// The action of a subcommand, and the version it is for; none for one that changes nothing.
fn action(command: &Command) -> Result<Option<(Action, u64)>, Failure> {
    let action = match command {
        Command::Task(task) => return Ok(of_task(task)?.map(|action| (action, 0))),
        Command::Approve {
            request,
            for_task,
            version,
        } => {
            let approve = v1::Approve {
                request: request.clone(),
                for_task: *for_task,
            };
            return Ok(Some((Action::Approve(approve), *version)));
        }
        Command::Deny {
            request,
            note,
            version,
        } => {
            let deny = v1::Deny {
                request: request.clone(),
                note: note.clone(),
            };
            return Ok(Some((Action::Deny(deny), *version)));
        }
        Command::Grant {
            task,
            tokens: Some(tokens),
            ..
        } => Action::SetTokenLimit(v1::SetTokenLimit {
            task: task.clone(),
            limit_tokens: number_of_tokens(tokens)?,
        }),
        Command::Grant { task, usd, .. } => Action::SetCostLimit(v1::SetCostLimit {
            task: task.clone(),
            limit_micro_usd: dollars(usd.as_deref().unwrap_or_default())?,
        }),
        Command::Halt { project } => Action::Halt(v1::Scope {
            project: project.clone().unwrap_or_default(),
        }),
        Command::Resume { what } => resume(what)?,
        Command::Tasks(_)
        | Command::Agents
        | Command::Accounts
        | Command::Approvals
        | Command::Logs { .. }
        | Command::Events { .. }
        | Command::Costs { .. }
        | Command::Secret(_)
        | Command::Doctor
        | Command::Metrics
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Connect { .. } => return Ok(None),
    };
    Ok(Some((action, 0)))
}

fn of_task(task: &Task) -> Result<Option<Action>, Failure> {
    Ok(Some(match task {
        Task::Show { .. } => return Ok(None),
        Task::New {
            title,
            title_option,
            project,
            description,
            priority,
        } => Action::NewTask(v1::NewTask {
            project: project.clone(),
            title: title
                .clone()
                .or_else(|| title_option.clone())
                .unwrap_or_default(),
            description: text(description)?,
            priority: *priority,
        }),
        Task::Accept { task } => Action::Accept(task.clone()),
        Task::Reject { task } => Action::Reject(task.clone()),
        Task::Retry { task } => Action::Retry(task.clone()),
        Task::Cancel { task } => Action::Cancel(task.clone()),
        Task::Reassign { task, agent, cli } => Action::Reassign(v1::Reassign {
            task: task.clone(),
            agent: agent.clone(),
            coding_cli: cli.clone(),
        }),
        Task::Priority { task, priority } => Action::SetPriority(v1::SetPriority {
            task: task.clone(),
            priority: *priority,
        }),
        Task::Steer { task, text: words } => Action::Steer(v1::SteerTask {
            task: task.clone(),
            text: text(&words.join(" "))?,
        }),
        Task::Pass { task } => Action::Pass(task.clone()),
        Task::Merge { task } => Action::Merge(task.clone()),
        Task::Close { task } => Action::Close(task.clone()),
    }))
}

fn resume(what: &[String]) -> Result<Action, Failure> {
    match what {
        [] => Ok(Action::Resume(v1::Scope::default())),
        [project] if project != "account" => Ok(Action::Resume(v1::Scope {
            project: project.clone(),
        })),
        [word, account] if word == "account" => Ok(Action::ResumeAccount(account.clone())),
        _ => Err(Failure::misuse(
            "it is not clear what should go on",
            "a project, or `account` and its name",
            "cloud-code resume [PROJECT], or cloud-code resume account NAME",
        )),
    }
}

fn dollars(text: &str) -> Result<u64, Failure> {
    let number = text.trim_start_matches('$').parse().ok();
    let limit = number.and_then(MicroUsd::from_dollars);
    limit.map(|limit| limit.0).ok_or_else(|| {
        Failure::misuse(
            "that is no amount of dollars",
            text,
            "cloud-code grant TASK 4.50",
        )
    })
}

fn number_of_tokens(text: &str) -> Result<u64, Failure> {
    let limit = Tokens::from_text(text).map(|tokens| tokens.0);
    limit.ok_or_else(|| {
        Failure::misuse(
            "that is no number of tokens",
            text,
            "cloud-code grant TASK --tokens 500k",
        )
    })
}

/// The text itself, or what standard input holds for `-`.
fn text(given: &str) -> Result<String, Failure> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin()
        .lock()
        .take(TEXT + 1)
        .read_to_end(&mut bytes);
    let count = read.map_err(|error| unreadable(&error.to_string()))?;
    if u64::try_from(count).is_ok_and(|count| count > TEXT) {
        return Err(Failure::misuse(
            "the text is too long",
            "standard input has more than 256 KiB",
            "put it into a file of the repository, and name that",
        ));
    }
    String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8"))
}

fn unreadable(why: &str) -> Failure {
    Failure::new("standard input cannot be read", why, "")
}
