//! Lines that are typed, and lists that are chosen from.

use cloud_code_domain::cost::{MicroUsd, Tokens};
use cloud_code_proto::v1::{self, action};
use crossterm::event::KeyEvent;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::typing::Typed;
use super::{ask, commands, moves};
use crate::actions::{Command, ENTRIES};
use crate::effect::{Ask, Effect};
use crate::keymap::Key;
use crate::safe_text::SafeText;
use crate::selection;
use crate::state::State;
use crate::ui::{LineKind, LinePrompt, Mode, Now, PickKind, Picker, Screen, TaskTab, Tone, Ui};

/// Characters that a line takes at most.
const LINE: usize = 500;

/// Adds pasted or typed text to a line, made harmless.
pub(super) fn extend(line: &mut String, text: &str) {
    let room = LINE.saturating_sub(line.chars().count());
    line.extend(SafeText::new(text).as_str().chars().take(room));
}

/// A key for a line. A filter works while it is typed; Esc brings back what was before.
pub(super) fn line(
    state: &State,
    ui: &mut Ui,
    mut line: LinePrompt,
    key: &KeyEvent,
) -> Vec<Effect> {
    match Typed::of(Key::of(key)) {
        Typed::Char(c) => extend(&mut line.text, c.encode_utf8(&mut [0; 4])),
        Typed::Erase => {
            line.text.pop();
        }
        Typed::Clear => line.text.clear(),
        Typed::Enter => return entered(state, ui, line),
        Typed::GiveUp => {
            line.text = std::mem::take(&mut line.before);
            narrow(state, ui, &line);
            return Vec::new();
        }
        Typed::Next | Typed::Previous | Typed::Nothing => {}
    }
    narrow(state, ui, &line);
    ui.mode = Mode::Line(line);
    Vec::new()
}

fn narrow(state: &State, ui: &mut Ui, line: &LinePrompt) {
    let text = line.text.clone();
    match (&line.kind, ui.screen) {
        (LineKind::Filter, Screen::Fleet) => ui.fleet_filter = text,
        (LineKind::Filter, Screen::Tasks) => ui.tasks_filter = text,
        (LineKind::Filter, Screen::Activity) => ui.activity_filter = text,
        (LineKind::Search, _) => {
            ui.logs.search = text;
            ui.logs.total = None;
        }
        (LineKind::LogFilter, _) => ui.logs.filter = text,
        (LineKind::Filter | LineKind::CostLimit(_) | LineKind::TokenLimit(_), _) => return,
    }
    if line.kind == LineKind::Filter {
        let ids = selection::ids(state, ui);
        if let Some(cursor) = ui.cursor() {
            cursor.settle(&ids);
            if cursor.id.is_none() {
                cursor.select(&ids, 0);
            }
        }
    }
}

fn entered(state: &State, ui: &mut Ui, line: LinePrompt) -> Vec<Effect> {
    match &line.kind {
        LineKind::Filter | LineKind::LogFilter => Vec::new(),
        LineKind::Search => {
            ui.logs.hit = None;
            moves::find(state, ui, true)
        }
        LineKind::CostLimit(id) => {
            let dollars = line.text.trim().trim_start_matches('$').parse().ok();
            let set = dollars.and_then(MicroUsd::from_dollars).map(|limit| {
                action::Action::SetCostLimit(v1::SetCostLimit {
                    task: id.clone(),
                    limit_micro_usd: limit.0,
                })
            });
            let id = id.clone();
            granted(state, ui, line, &id, set, "write dollars, for example 4.50")
        }
        LineKind::TokenLimit(id) => {
            let set = Tokens::from_text(&line.text).map(|limit| {
                action::Action::SetTokenLimit(v1::SetTokenLimit {
                    task: id.clone(),
                    limit_tokens: limit.0,
                })
            });
            let id = id.clone();
            granted(state, ui, line, &id, set, "write tokens, for example 500k")
        }
    }
}

/// Sends the new limit, or asks for it again where it is none.
fn granted(
    state: &State,
    ui: &mut Ui,
    line: LinePrompt,
    id: &str,
    set: Option<action::Action>,
    how: &str,
) -> Vec<Effect> {
    let (Some(set), Some(task)) = (set, state.tasks.get(id)) else {
        ui.say(Tone::Warn, format!("nothing done: {how}"));
        ui.mode = Mode::Line(line);
        return Vec::new();
    };
    let ask = ask::on_task(task, set, false);
    ask::send(state, ui, ask)
}

/// What a row of a list to choose from does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Runs a command.
    Command(Command),
    /// Opens a task.
    Task(String),
    /// Shows an agent.
    Agent(String),
    /// Gives the task to this agent; empty: to whom placement chooses.
    Reassign(String, String),
    /// Gives the task to this coding CLI; its agent stays.
    Handoff(String, String),
    /// Halts a project, or all of them.
    Halt(String),
    /// Lets a project go on, or all of them.
    Resume(String),
    /// Says that an account can be used again.
    Account(String),
}

/// A row of a list to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// What is matched and shown.
    pub label: String,
    /// What it is.
    pub about: String,
    /// What it does.
    pub choice: Choice,
    /// Why it cannot be chosen now.
    pub refused: Option<&'static str>,
}

/// The rows of a list, the best match first.
#[must_use]
pub(crate) fn items(state: &State, ui: &Ui, picker: &Picker) -> Vec<Item> {
    let mut all = match &picker.kind {
        PickKind::Palette => palette(state, ui),
        PickKind::Agent(task) => agents(state, task)
            .into_iter()
            .chain(coding_clis(state, task))
            .collect(),
        PickKind::Account => accounts(state),
        PickKind::Halt => projects(state, "halt", Choice::Halt),
        PickKind::Resume => projects(state, "resume", Choice::Resume),
    };
    // What cannot be done now is found, and says why, after what can.
    all.sort_by_key(|item| item.refused.is_some());
    let text = picker.text.trim();
    if text.is_empty() {
        return all;
    }
    let mut matcher = Matcher::new(Config::DEFAULT);
    let pattern = Pattern::parse(text, CaseMatching::Ignore, Normalization::Smart);
    let mut buffer = Vec::new();
    let mut scored: Vec<(u32, Item)> = all
        .into_iter()
        .filter_map(|item| {
            let haystack = Utf32Str::new(&item.label, &mut buffer);
            let score = pattern.score(haystack, &mut matcher)?;
            Some((score, item))
        })
        .collect();
    scored.sort_by_key(|(score, item)| (std::cmp::Reverse(*score), item.refused.is_some()));
    scored.into_iter().map(|(_, item)| item).collect()
}

fn palette(state: &State, ui: &Ui) -> Vec<Item> {
    let commands = ENTRIES.iter().map(|entry| Item {
        label: entry.name.to_owned(),
        about: entry.help.to_owned(),
        choice: Choice::Command(entry.command),
        refused: selection::available(entry.command, state, ui).err(),
    });
    // What cannot be done now comes after everything else.
    let (commands, later): (Vec<Item>, Vec<Item>) = commands.partition(|one| one.refused.is_none());
    let tasks = state.tasks.rows(ui.sort, ui.finished, "").into_iter();
    let tasks = tasks.take(2_000).map(|task| Item {
        label: format!("{} {}", state.name(task), task.wire.title),
        about: format!("{} {}", task.standing.word(), task.wire.project),
        choice: Choice::Task(task.wire.id.clone()),
        refused: None,
    });
    let agents = state.agents.all().map(|agent| Item {
        label: state.agent_name(&agent.wire.id),
        about: format!("agent, {}", agent.standing(&state.tasks).1),
        choice: Choice::Agent(agent.wire.id.clone()),
        refused: None,
    });
    let all = commands.into_iter().chain(tasks).chain(agents);
    all.chain(later).collect()
}

fn agents(state: &State, task: &str) -> Vec<Item> {
    let project = state
        .tasks
        .get(task)
        .map_or("", |task| task.wire.project.as_str());
    let any = Item {
        label: "any agent".to_owned(),
        about: "the one that fits best".to_owned(),
        choice: Choice::Reassign(task.to_owned(), String::new()),
        refused: None,
    };
    let own = state
        .agents
        .all()
        .filter(|agent| agent.wire.project == project);
    let own = own.map(|agent| Item {
        label: agent.wire.name.clone(),
        about: format!(
            "{}, {}",
            agent.wire.agent_type,
            agent.standing(&state.tasks).1
        ),
        choice: Choice::Reassign(task.to_owned(), agent.wire.id.clone()),
        refused: None,
    });
    std::iter::once(any).chain(own).collect()
}

/// Another coding CLI goes on in the same worktree.
fn coding_clis<'a>(state: &'a State, task: &'a str) -> impl Iterator<Item = Item> + 'a {
    let now = state.tasks.get(task);
    let now = now.map_or("", |task| task.wire.coding_cli.as_str());
    let others = state.coding_clis.iter().filter(move |name| *name != now);
    others.map(move |name| Item {
        label: name.clone(),
        about: format!("coding CLI, instead of {now}; the agent stays"),
        choice: Choice::Handoff(task.to_owned(), name.clone()),
        refused: None,
    })
}

fn accounts(state: &State) -> Vec<Item> {
    let parked = selection::parked(state).into_iter();
    parked
        .map(|account| Item {
            label: account.name.clone(),
            about: account.parking.replace('_', " "),
            choice: Choice::Account(account.name.clone()),
            refused: None,
        })
        .collect()
}

fn projects(state: &State, verb: &str, choice: fn(String) -> Choice) -> Vec<Item> {
    let all = Item {
        label: "all projects".to_owned(),
        about: format!("{verb} the whole fleet"),
        choice: choice(String::new()),
        refused: None,
    };
    let each = state.projects.iter().map(|project| Item {
        label: project.name.clone(),
        about: if project.halted { "halted" } else { "at work" }.to_owned(),
        choice: choice(project.name.clone()),
        refused: None,
    });
    std::iter::once(all).chain(each).collect()
}

/// A key for a list to choose from.
pub(super) fn pick(
    state: &mut State,
    ui: &mut Ui,
    mut picker: Picker,
    key: &KeyEvent,
    now: Now,
) -> Vec<Effect> {
    let rows = items(state, ui, &picker);
    let last = rows.len().saturating_sub(1);
    match Typed::of(Key::of(key)) {
        Typed::Next => picker.row = (picker.row + 1).min(last),
        Typed::Previous => picker.row = picker.row.saturating_sub(1),
        Typed::Char(c) => {
            extend(&mut picker.text, c.encode_utf8(&mut [0; 4]));
            picker.row = 0;
        }
        Typed::Erase => {
            picker.text.pop();
            picker.row = 0;
        }
        Typed::Clear => picker.text.clear(),
        Typed::Enter => {
            return match rows.get(picker.row).cloned() {
                Some(item) => choose(state, ui, item, now),
                None => Vec::new(),
            };
        }
        Typed::GiveUp => return Vec::new(),
        Typed::Nothing => {}
    }
    ui.mode = Mode::Pick(picker);
    Vec::new()
}

fn choose(state: &mut State, ui: &mut Ui, item: Item, now: Now) -> Vec<Effect> {
    if let Some(why) = item.refused {
        ui.say(Tone::Warn, format!("{}: {why}", item.label));
        return Vec::new();
    }
    match item.choice {
        Choice::Command(command) => commands::run(state, ui, command, now),
        Choice::Task(id) => commands::open_task(state, ui, &id, TaskTab::Overview, now),
        Choice::Agent(id) => {
            let effects = commands::go(state, ui, Screen::Fleet, now);
            ui.fleet_filter.clear();
            commands::select(state, ui, &id);
            effects
        }
        Choice::Reassign(task, agent) => {
            let coding_cli = String::new();
            let reassign = v1::Reassign {
                task,
                agent,
                coding_cli,
            };
            give(state, ui, reassign)
        }
        Choice::Handoff(task, coding_cli) => {
            let agent = String::new();
            let reassign = v1::Reassign {
                task,
                agent,
                coding_cli,
            };
            give(state, ui, reassign)
        }
        Choice::Halt(project) => {
            let what = named(&project);
            let question = format!("halt {what}? what runs is stopped, nothing is lost");
            let ask = of_fleet(action::Action::Halt(v1::Scope { project }));
            ui.mode = ask::confirm(question, "halt", None, ask, now);
            Vec::new()
        }
        Choice::Resume(project) => {
            let question = format!("let {} go on? waiting work is given out", named(&project));
            let ask = of_fleet(action::Action::Resume(v1::Scope { project }));
            ui.mode = ask::confirm(question, "resume", None, ask, now);
            Vec::new()
        }
        Choice::Account(name) => {
            let ask = of_fleet(action::Action::ResumeAccount(name));
            ask::send(state, ui, ask)
        }
    }
}

fn give(state: &State, ui: &mut Ui, reassign: v1::Reassign) -> Vec<Effect> {
    let Some(task) = state.tasks.get(&reassign.task) else {
        return Vec::new();
    };
    let ask = ask::on_task(task, action::Action::Reassign(reassign), false);
    ask::send(state, ui, ask)
}

fn named(project: &str) -> &str {
    if project.is_empty() {
        "the whole fleet"
    } else {
        project
    }
}

fn of_fleet(action: action::Action) -> Ask {
    Ask {
        action,
        expected_version: 0,
        about: String::new(),
        inverse: None,
        draft: None,
    }
}
