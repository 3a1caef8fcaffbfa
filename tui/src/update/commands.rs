//! The commands of the registry.

use cloud_code_proto::v1::action;

use super::{ask, compose, moves};
use crate::actions::{Command, Tier};
use crate::effect::Effect;
use crate::selection::{self, Waiting, available};
use crate::state::{LogSource, State};
use crate::ui::{
    Cursor, LineKind, LinePrompt, LogsUi, Mode, Now, PickKind, Picker, Screen, TaskTab, TaskUi,
    Tone, Ui,
};

/// Carries out a command, or says why not.
pub(super) fn run(state: &mut State, ui: &mut Ui, command: Command, now: Now) -> Vec<Effect> {
    if let Err(why) = available(command, state, ui) {
        ui.say(Tone::Warn, refusal(command, state, ui, why));
        return Vec::new();
    }
    let acts = command.entry().is_some_and(|entry| entry.tier > Tier::View);
    if acts && !guard(state, ui, command, now) {
        return Vec::new();
    }
    dispatch(state, ui, command, now)
}

fn dispatch(state: &mut State, ui: &mut Ui, command: Command, now: Now) -> Vec<Effect> {
    let half = isize::try_from(ui.page.max(2) / 2).unwrap_or(1);
    match command {
        Command::Down => moves::step(state, ui, 1),
        Command::Up => moves::step(state, ui, -1),
        Command::PageDown => moves::step(state, ui, half),
        Command::PageUp => moves::step(state, ui, -half),
        Command::Top => moves::step(state, ui, isize::MIN / 2),
        Command::Bottom => moves::step(state, ui, isize::MAX / 2),
        Command::Left => moves::turn(state, ui, false),
        Command::Right | Command::NextTab => moves::turn(state, ui, true),
        Command::Back => moves::back(state, ui),
        Command::Follow => moves::follow(state, ui),
        Command::Earlier => earlier(state),
        Command::NextHit => moves::find(state, ui, true),
        Command::PreviousHit => moves::find(state, ui, false),
        Command::Fleet => go(state, ui, Screen::Fleet, now),
        Command::Tasks => go(state, ui, Screen::Tasks, now),
        Command::Logs => go(state, ui, Screen::Logs, now),
        Command::Costs => go(state, ui, Screen::Costs, now),
        Command::Approvals => go(state, ui, Screen::Approvals, now),
        Command::Activity => go(state, ui, Screen::Activity, now),
        Command::Open => open(state, ui, now),
        Command::ShowLog => show_log(state, ui, now),
        Command::ShowDiff => show_diff(state, ui, now),
        Command::NextAttention => next_attention(state, ui, now),
        Command::Palette => turn_to(ui, Mode::Pick(Picker::new(PickKind::Palette))),
        Command::Help => turn_to(ui, Mode::Help(0)),
        Command::Filter => filter(ui),
        Command::LogFilter => turn_to(ui, line(LineKind::LogFilter, ui.logs.filter.clone())),
        Command::CopyId => copy_id(state, ui),
        Command::CopyLink => copy_link(state, ui),
        Command::Finished | Command::Range => load(state, ui, command, now),
        Command::SortBy | Command::Dimension | Command::Theme | Command::Wrap => {
            toggle(ui, command)
        }
        Command::New => compose::new_task(state, ui),
        Command::Deny => compose::deny(state, ui),
        Command::Steer => compose::steer(state, ui),
        Command::Priority | Command::Reassign | Command::Grant => ask_for(state, ui, command),
        Command::Halt => turn_to(ui, Mode::Pick(Picker::new(PickKind::Halt))),
        Command::Resume => turn_to(ui, Mode::Pick(Picker::new(PickKind::Resume))),
        Command::ResumeAccount => turn_to(ui, Mode::Pick(Picker::new(PickKind::Account))),
        Command::Undo => ask::undo(state, ui),
        Command::Accept => accept(state, ui, now),
        Command::Retry => ask::at_once(state, ui, action::Action::Retry, false),
        Command::Reject => ask::first(state, ui, now, &ask::REJECT),
        Command::Cancel => ask::first(state, ui, now, &ask::CANCEL),
        Command::Pass => ask::first(state, ui, now, &ask::PASS),
        Command::Close => ask::first(state, ui, now, &ask::CLOSE),
        Command::Merge => ask::merge(state, ui, now),
        Command::Approve => ask::approve(state, ui, now, false),
        Command::ApproveForTask => ask::approve(state, ui, now, true),
        Command::Reconnect => vec![Effect::Reconnect],
        Command::Repaint => vec![Effect::Repaint],
        Command::Suspend => vec![Effect::Suspend],
        Command::Quit => vec![Effect::Quit],
    }
}

fn turn_to(ui: &mut Ui, mode: Mode) -> Vec<Effect> {
    ui.mode = mode;
    Vec::new()
}

fn refusal(command: Command, state: &State, ui: &Ui, why: &str) -> String {
    let about = selection::task(state, ui).map(crate::state::Task::short);
    match (about, command.entry()) {
        (Some(task), Some(entry)) if entry.tier > Tier::View && ui.screen != Screen::Approvals => {
            format!("{}: {task} {why}", entry.name)
        }
        (_, Some(entry)) => format!("{}: {why}", entry.name),
        (_, None) => why.to_owned(),
    }
}

/// Nothing is sent without a link, and a request is answered only after it was seen.
fn guard(state: &State, ui: &mut Ui, command: Command, now: Now) -> bool {
    if command.answers() && ui.unread(now).is_some() {
        ui.say(
            Tone::Warn,
            "nothing done: read the request first, then press the key again",
        );
        return false;
    }
    let typed_first = [Command::New, Command::Steer, Command::Deny].contains(&command);
    if !state.link.is_live() && !typed_first {
        ui.say(Tone::Error, "not connected: nothing was sent");
        return false;
    }
    true
}

/// Goes to a screen, and loads what it shows.
pub(super) fn go(state: &mut State, ui: &mut Ui, screen: Screen, now: Now) -> Vec<Effect> {
    if ui.screen != screen {
        ui.back.retain(|known| *known != screen);
        ui.back.push(ui.screen);
        ui.screen = screen;
    }
    if screen == Screen::Approvals {
        ui.approvals = Cursor::default();
    }
    let stale = state.costs.days != ui.days || now.wall - state.costs.asked_at > 60_000;
    if screen == Screen::Costs && stale && state.link.is_live() {
        state.costs.asked_at = now.wall;
        return vec![Effect::LoadCosts(ui.days)];
    }
    if screen == Screen::Logs && state.logs.source.is_none() && ui.sources.id.is_none() {
        let ids = selection::ids(state, ui);
        ui.sources.select(&ids, 0);
    }
    Vec::new()
}

/// Opens a task's screen.
pub(super) fn open_task(
    state: &mut State,
    ui: &mut Ui,
    id: &str,
    tab: TaskTab,
    now: Now,
) -> Vec<Effect> {
    if state.detail.task != id {
        ui.task = TaskUi::default();
    }
    ui.task.tab = tab;
    state.detail.open(id);
    go(state, ui, Screen::Task, now)
}

fn load(state: &mut State, ui: &mut Ui, command: Command, now: Now) -> Vec<Effect> {
    if command == Command::Finished {
        ui.finished = !ui.finished;
        return if ui.finished {
            vec![Effect::LoadFinished]
        } else {
            Vec::new()
        };
    }
    ui.days = match ui.days {
        1 => 7,
        7 => 30,
        _ => 1,
    };
    state.costs.asked_at = now.wall;
    vec![Effect::LoadCosts(ui.days)]
}

fn toggle(ui: &mut Ui, command: Command) -> Vec<Effect> {
    if command == Command::SortBy {
        ui.sort = ui.sort.next();
    } else if command == Command::Dimension {
        ui.dimension = ui.dimension.next();
        ui.costs = Cursor::default();
    } else if command == Command::Theme {
        ui.theme = ui.theme.next();
        ui.say(Tone::Info, format!("theme {}", ui.theme.as_str()));
    } else {
        ui.logs.wrap = !ui.logs.wrap;
    }
    Vec::new()
}

/// What has to be known first: a digit, an agent, an amount.
fn ask_for(state: &State, ui: &mut Ui, command: Command) -> Vec<Effect> {
    let Some(wire) = selection::task(state, ui).map(|task| &task.wire) else {
        return Vec::new();
    };
    let (task, counts_tokens) = (wire.id.clone(), wire.counts_tokens);
    ui.mode = if command == Command::Priority {
        Mode::Priority(task)
    } else if command == Command::Reassign {
        Mode::Pick(Picker::new(PickKind::Agent(task)))
    } else {
        let kind = if counts_tokens {
            LineKind::TokenLimit(task)
        } else {
            LineKind::CostLimit(task)
        };
        line(kind, String::new())
    };
    Vec::new()
}

fn line(kind: LineKind, before: String) -> Mode {
    Mode::Line(LinePrompt {
        kind,
        text: before.clone(),
        before,
    })
}

fn filter(ui: &mut Ui) -> Vec<Effect> {
    ui.mode = match ui.screen {
        Screen::Logs => line(LineKind::Search, ui.logs.search.clone()),
        Screen::Fleet => line(LineKind::Filter, ui.fleet_filter.clone()),
        Screen::Activity => line(LineKind::Filter, ui.activity_filter.clone()),
        Screen::Tasks => line(LineKind::Filter, ui.tasks_filter.clone()),
        Screen::Task | Screen::Costs | Screen::Approvals => Mode::Browse,
    };
    Vec::new()
}

fn open(state: &mut State, ui: &mut Ui, now: Now) -> Vec<Effect> {
    if ui.screen == Screen::Logs {
        return show_log(state, ui, now);
    }
    if let Some(id) = selection::task(state, ui).map(|task| task.wire.id.clone()) {
        return open_task(state, ui, &id, TaskTab::Overview, now);
    }
    if selection::agent(state, ui).is_some() {
        return show_log(state, ui, now);
    }
    Vec::new()
}

/// Fetches the page before what is here of the open task's history.
fn earlier(state: &State) -> Vec<Effect> {
    let page = |below| Effect::LoadEarlier {
        task: state.detail.task.clone(),
        below,
    };
    state.detail.wants_earlier().map(page).into_iter().collect()
}

fn show_diff(state: &mut State, ui: &mut Ui, now: Now) -> Vec<Effect> {
    match selection::task(state, ui).map(|task| task.wire.id.clone()) {
        Some(id) => open_task(state, ui, &id, TaskTab::Diff, now),
        None => Vec::new(),
    }
}

fn show_log(state: &mut State, ui: &mut Ui, now: Now) -> Vec<Effect> {
    let of_agent = || selection::agent(state, ui).map(|agent| agent.wire.id.clone());
    let of_task = || selection::task(state, ui).map(|task| task.wire.id.clone());
    let source = match of_task() {
        Some(id) => Some(LogSource::Task(id)),
        None => of_agent().map(LogSource::Agent),
    };
    let Some(source) = source else {
        return Vec::new();
    };
    let mut effects = go(state, ui, Screen::Logs, now);
    if state.logs.source.as_ref() != Some(&source) || state.logs.ended.is_some() {
        ui.logs = LogsUi {
            wrap: ui.logs.wrap,
            ..LogsUi::default()
        };
        let stream = state.logs.open(source.clone());
        effects.push(Effect::FollowLog { stream, source });
    }
    effects
}

fn next_attention(state: &mut State, ui: &mut Ui, now: Now) -> Vec<Effect> {
    let waiting = selection::attention(state);
    let current = match ui.screen {
        Screen::Approvals => ui.approvals.id.clone().map(Waiting::Request),
        Screen::Tasks => ui.tasks.id.clone().map(Waiting::Task),
        Screen::Fleet | Screen::Task | Screen::Logs | Screen::Costs | Screen::Activity => None,
    };
    let at = waiting.iter().position(|one| Some(one) == current.as_ref());
    let next = at.map_or(0, |at| (at + 1) % waiting.len());
    match waiting.get(next) {
        Some(Waiting::Request(id)) => {
            let effects = go(state, ui, Screen::Approvals, now);
            select(state, ui, id);
            effects
        }
        Some(Waiting::Task(id)) => {
            let effects = go(state, ui, Screen::Tasks, now);
            ui.tasks_filter.clear();
            select(state, ui, id);
            effects
        }
        None => Vec::new(),
    }
}

/// Selects an object of the open list.
pub(super) fn select(state: &State, ui: &mut Ui, id: &str) {
    let ids = selection::ids(state, ui);
    let row = ids.iter().position(|known| known == id);
    if let (Some(row), Some(cursor)) = (row, ui.cursor()) {
        cursor.select(&ids, row);
    }
}

fn copy_id(state: &State, ui: &mut Ui) -> Vec<Effect> {
    let task = selection::task(state, ui).map(|task| task.wire.id.clone());
    let id = task.or_else(|| selection::agent(state, ui).map(|agent| agent.wire.id.clone()));
    let Some(id) = id else { return Vec::new() };
    ui.say(Tone::Good, format!("copied {id}"));
    vec![Effect::Copy(id)]
}

fn copy_link(state: &State, ui: &mut Ui) -> Vec<Effect> {
    let Some(address) = selection::link(state, ui) else {
        return Vec::new();
    };
    ui.say(Tone::Good, format!("copied {address}"));
    vec![Effect::Copy(address)]
}

/// Accepts a task; where it waits for a credential, shows the request instead.
fn accept(state: &mut State, ui: &mut Ui, now: Now) -> Vec<Effect> {
    let request = selection::task(state, ui)
        .filter(|task| !task.allows("accept"))
        .and_then(|task| state.approvals.of_task(&task.wire.id).next())
        .map(|request| request.id.clone());
    let Some(request) = request else {
        return ask::at_once(state, ui, action::Action::Accept, true);
    };
    let effects = go(state, ui, Screen::Approvals, now);
    select(state, ui, &request);
    effects
}
