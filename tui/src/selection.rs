//! What is selected, and what can be done with it now.

use crate::actions::Command;
use crate::state::{Agent, Dimension, LogSource, State, Task};
use crate::ui::{Screen, Ui};
use cloud_code_proto::v1;

/// The ids of the open list's rows, in order.
#[must_use]
pub(crate) fn ids(state: &State, ui: &Ui) -> Vec<String> {
    match ui.screen {
        Screen::Fleet => fleet(state, ui)
            .iter()
            .map(|agent| agent.wire.id.clone())
            .collect(),
        Screen::Tasks => tasks(state, ui)
            .iter()
            .map(|task| task.wire.id.clone())
            .collect(),
        Screen::Task => Vec::new(),
        Screen::Logs if state.logs.source.is_some() => Vec::new(),
        Screen::Logs => sources(state)
            .iter()
            .map(|task| task.wire.id.clone())
            .collect(),
        Screen::Costs => state
            .costs
            .lines(ui.dimension, &state.tasks)
            .into_iter()
            .map(|line| line.key)
            .collect(),
        Screen::Approvals => state
            .approvals
            .rows()
            .iter()
            .map(|one| one.id.clone())
            .collect(),
        Screen::Activity => state
            .activity
            .rows(&ui.activity_filter)
            .iter()
            .map(|event| event.seq.to_string())
            .collect(),
    }
}

/// The rows of the list of agents.
#[must_use]
pub(crate) fn fleet<'a>(state: &'a State, ui: &Ui) -> Vec<&'a Agent> {
    state.agents.rows(&state.tasks, &ui.fleet_filter)
}

/// The rows of the list of tasks.
#[must_use]
pub(crate) fn tasks<'a>(state: &'a State, ui: &Ui) -> Vec<&'a Task> {
    state.tasks.rows(ui.sort, ui.finished, &ui.tasks_filter)
}

/// The tasks that there is a log of, the newest first.
#[must_use]
pub(crate) fn sources(state: &State) -> Vec<&Task> {
    let mut rows: Vec<&Task> = state
        .tasks
        .open()
        .filter(|task| task.wire.started_at_ms.is_some())
        .collect();
    rows.sort_by_key(|task| (-task.wire.updated_at_ms, task.wire.id.clone()));
    rows
}

/// The selected agent.
#[must_use]
pub(crate) fn agent<'a>(state: &'a State, ui: &Ui) -> Option<&'a Agent> {
    match ui.screen {
        Screen::Fleet => state.agents.find(ui.fleet.id.as_deref()?),
        Screen::Costs if ui.dimension == Dimension::Agent => {
            state.agents.find(ui.costs.id.as_deref()?)
        }
        Screen::Tasks
        | Screen::Task
        | Screen::Logs
        | Screen::Costs
        | Screen::Approvals
        | Screen::Activity => None,
    }
}

/// The selected request.
#[must_use]
pub(crate) fn approval<'a>(state: &'a State, ui: &Ui) -> Option<&'a v1::Approval> {
    match ui.screen {
        Screen::Approvals => state.approvals.get(ui.approvals.id.as_deref()?),
        Screen::Fleet
        | Screen::Tasks
        | Screen::Task
        | Screen::Logs
        | Screen::Costs
        | Screen::Activity => None,
    }
}

/// The selected event.
#[must_use]
pub(crate) fn event<'a>(state: &'a State, ui: &Ui) -> Option<&'a v1::Event> {
    let seq = ui.activity.id.as_deref()?;
    let rows = state.activity.rows("");
    rows.into_iter().find(|event| event.seq.to_string() == seq)
}

/// The task that is meant: the selected one, or the one that what is selected is about.
#[must_use]
pub(crate) fn task<'a>(state: &'a State, ui: &Ui) -> Option<&'a Task> {
    let id = match ui.screen {
        Screen::Fleet => return agent(state, ui)?.task(&state.tasks),
        Screen::Tasks => ui.tasks.id.as_deref()?,
        Screen::Task => state.detail.task.as_str(),
        Screen::Logs => match &state.logs.source {
            Some(LogSource::Task(id)) => id,
            Some(LogSource::Agent(id)) => return state.agents.find(id)?.task(&state.tasks),
            None => ui.sources.id.as_deref()?,
        },
        Screen::Costs if ui.dimension == Dimension::Task => ui.costs.id.as_deref()?,
        Screen::Costs => return None,
        Screen::Approvals => approval(state, ui)?.task.as_str(),
        Screen::Activity => {
            let event = event(state, ui).filter(|event| event.subject_kind == "task")?;
            return state.tasks.get(&event.subject);
        }
    };
    state.tasks.get(id)
}

/// Whether a command can be carried out now; else why not, in a few words.
///
/// # Errors
/// The words.
pub(crate) fn available(command: Command, state: &State, ui: &Ui) -> Result<(), &'static str> {
    let log_is_open = ui.screen != Screen::Logs || state.logs.source.is_some();
    let when = |is: bool, else_it: &'static str| if is { Ok(()) } else { Err(else_it) };
    match command {
        Command::Approve | Command::ApproveForTask => match approval(state, ui) {
            None => Err("select a request first: j"),
            Some(request) if request.refused => Err("policy never grants it: it can be denied"),
            Some(_) => Ok(()),
        },
        Command::Deny => when(approval(state, ui).is_some(), "select a request first: j"),
        Command::Accept => {
            let asks = |task: &Task| state.approvals.of_task(&task.wire.id).next().is_some();
            if task(state, ui).is_some_and(asks) {
                return Ok(());
            }
            task_allows(command, state, ui, "is not in triage")
        }
        Command::Reject => task_allows(command, state, ui, "is not in triage"),
        Command::Retry => task_allows(command, state, ui, "cannot be tried again now"),
        Command::Reassign => task_allows(command, state, ui, "cannot be given away now"),
        Command::Priority => task_allows(command, state, ui, "has no priority any more"),
        Command::Undo => when(ui.undo.is_some(), "there is nothing to take back"),
        Command::Earlier => when(
            state.detail.wants_earlier().is_some(),
            "everything that happened is here",
        ),
        Command::Steer => task_allows(command, state, ui, "takes no messages now"),
        Command::Grant => task_allows(command, state, ui, "has no limit to set now"),
        Command::Pass => task_allows(command, state, ui, "has no refused result that may pass"),
        Command::Merge => task_allows(command, state, ui, "has no pull request to merge now"),
        Command::Close => task_allows(command, state, ui, "has no open pull request"),
        Command::Cancel => task_allows(command, state, ui, "is finished"),
        Command::ShowLog | Command::CopyId => something(state, ui),
        Command::ShowDiff => when(task(state, ui).is_some(), "no task is selected"),
        Command::CopyLink => when(link(state, ui).is_some(), "it has no address"),
        Command::NextHit | Command::PreviousHit => {
            when(!ui.logs.search.is_empty(), "search first: /")
        }
        Command::Follow | Command::Wrap | Command::LogFilter => {
            when(log_is_open, "open a log first")
        }
        Command::Resume => when(state.halted().is_some(), "nothing is halted"),
        Command::NextAttention => when(!attention(state).is_empty(), "nothing needs you"),
        Command::ResumeAccount => when(!parked(state).is_empty(), "no account is parked"),
        Command::Reconnect => when(!state.link.is_live(), "the link is up"),
        Command::Filter => when(filters(state, ui), "there is nothing to filter here"),
        Command::Open => openable(state, ui),
        Command::Down
        | Command::Up
        | Command::Left
        | Command::Right
        | Command::PageDown
        | Command::PageUp
        | Command::Top
        | Command::Bottom
        | Command::Back
        | Command::NextTab
        | Command::Fleet
        | Command::Tasks
        | Command::Logs
        | Command::Costs
        | Command::Approvals
        | Command::Activity
        | Command::Palette
        | Command::Help
        | Command::New
        | Command::SortBy
        | Command::Finished
        | Command::Dimension
        | Command::Range
        | Command::Halt
        | Command::Theme
        | Command::Repaint
        | Command::Suspend
        | Command::Quit => Ok(()),
    }
}

fn filters(state: &State, ui: &Ui) -> bool {
    match ui.screen {
        Screen::Fleet | Screen::Tasks | Screen::Activity => state.loaded,
        Screen::Logs => state.logs.source.is_some(),
        Screen::Task | Screen::Costs | Screen::Approvals => false,
    }
}

fn openable(state: &State, ui: &Ui) -> Result<(), &'static str> {
    match ui.screen {
        Screen::Task => Err("it is open"),
        Screen::Logs if state.logs.source.is_some() => Err("it is open"),
        Screen::Approvals => approval(state, ui).map(drop).ok_or("nothing is selected"),
        Screen::Fleet if agent(state, ui).is_some() => Ok(()),
        Screen::Fleet | Screen::Tasks | Screen::Logs | Screen::Costs | Screen::Activity => {
            task(state, ui).map(drop).ok_or("there is nothing to open")
        }
    }
}

fn something(state: &State, ui: &Ui) -> Result<(), &'static str> {
    let found = task(state, ui).is_some() || agent(state, ui).is_some();
    found.then_some(()).ok_or("nothing is selected")
}

fn task_allows(
    command: Command,
    state: &State,
    ui: &Ui,
    else_it: &'static str,
) -> Result<(), &'static str> {
    let task = task(state, ui).ok_or("no task is selected")?;
    let name = command.entry().map_or("", |entry| entry.name);
    if task.allows(name) {
        Ok(())
    } else {
        Err(else_it)
    }
}

/// The address of a task's pull request, or of its issue.
#[must_use]
pub(crate) fn link(state: &State, ui: &Ui) -> Option<String> {
    let task = task(state, ui)?;
    let request = task
        .wire
        .pull_request
        .as_ref()
        .map(|request| request.url.clone());
    let issue = task.wire.issue_url.clone();
    request.or(issue).filter(|address| !address.is_empty())
}

/// What needs the operator: requests first, then tasks.
#[must_use]
pub(crate) fn attention(state: &State) -> Vec<Waiting> {
    let requests = state.approvals.rows().into_iter();
    let asked: Vec<&str> = requests
        .clone()
        .map(|request| request.task.as_str())
        .collect();
    let tasks = state.tasks.rows(crate::state::Sort::Attention, false, "");
    let tasks = tasks
        .into_iter()
        .filter(|task| task.wire.needs_operator && !asked.contains(&task.wire.id.as_str()))
        .map(|task| Waiting::Task(task.wire.id.clone()));
    requests
        .map(|request| Waiting::Request(request.id.clone()))
        .chain(tasks)
        .collect()
}

/// Who waits for the operator, and for what.
#[must_use]
pub(crate) fn waiting_for(state: &State, waiting: &Waiting) -> Option<(String, String)> {
    match waiting {
        Waiting::Request(id) => {
            let request = state.approvals.get(id)?;
            let task = state.tasks.get(&request.task);
            let who = task.map_or_else(|| request.task.clone(), |task| state.name(task));
            Some((who, format!("{} {}", request.kind, request.scope)))
        }
        Waiting::Task(id) => {
            let task = state.tasks.get(id)?;
            Some((state.name(task), wants(state, task)))
        }
    }
}

/// What a task wants of the operator: the request that waits longest, else why it waits.
#[must_use]
pub(crate) fn wants(state: &State, task: &Task) -> String {
    let requests = state.approvals.of_task(&task.wire.id);
    if let Some(request) = requests.min_by_key(|request| request.asked_at_ms) {
        return format!("{} {}", request.kind, request.scope);
    }
    let detail = task.wire.state_detail.as_str();
    let why = if detail.is_empty() {
        task.standing.word()
    } else {
        detail
    };
    why.to_owned()
}

/// Something that needs the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// A credential request.
    Request(String),
    /// A task.
    Task(String),
}

/// The accounts that are parked.
#[must_use]
pub(crate) fn parked(state: &State) -> Vec<&v1::Account> {
    let parked = |account: &&v1::Account| !account.parking.is_empty();
    state.accounts.iter().filter(parked).collect()
}
