//! The agents: who works on what, who needs you.

use cloud_code_proto::v1;
use ratatui::layout::Rect;

use super::pen::{Pen, Span, span};
use super::preview::besides;
use super::table::{self, Column, left, lines, right};
use super::{WIDE, empty, split_bottom, split_right};
use crate::glyphs;
use crate::selection::{self, Waiting};
use crate::state::{Agent, State, Task, amount, bytes, tokens, usd, usd_or_about};
use crate::theme::Role;
use crate::ui::Ui;

const COLUMNS: [Column; 10] = [
    left("", 1, 0),
    left("AGENT", 12, 0),
    left("TYPE", 9, 6),
    left("STATE", 10, 0),
    left("TASK", 0, 0),
    right("CRIT", 5, 2),
    right("CPU", 5, 4),
    right("MEM", 5, 5),
    right("$", 6, 3),
    right("UPD", 4, 1),
];

/// Draws the screen.
pub(super) fn draw(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let rows = selection::fleet(state, ui);
    let selected = selection::agent(state, ui);
    if area.width >= WIDE {
        let (list, side) = split_right(area, area.width * 35 / 100);
        let title = format!("Fleet {}{}", rows.len(), filter(&ui.fleet_filter));
        let inner = pen.frame(list, title);
        table_or_empty(pen, state, ui, inner, &rows);
        panes(pen, state, selected, side);
        return;
    }
    let preview = if area.height >= 14 { 6 } else { 0 };
    let (list, below) = split_bottom(area, preview);
    table_or_empty(pen, state, ui, list, &rows);
    if let Some(agent) = selected.filter(|_| preview > 0) {
        pen.rule(Rect { height: 1, ..below }, title(state, agent));
        let inner = Rect {
            x: below.x + 1,
            y: below.y + 1,
            width: below.width - 2,
            height: below.height - 1,
        };
        let text = about(pen, state, agent, usize::from(inner.width));
        lines(pen, inner, &text, 0);
    }
}

pub(super) fn filter(filter: &str) -> String {
    if filter.is_empty() {
        String::new()
    } else {
        format!("  filter {filter}")
    }
}

fn table_or_empty(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect, rows: &[&Agent]) {
    if rows.is_empty() {
        let all = state.agents.all().count();
        if all > 0 {
            let none = format!("none of {all} agents matches");
            empty(pen, area, &none, "Esc clears the filter");
        } else {
            empty(
                pen,
                area,
                "There are no agents yet.",
                "They come with the first task: n makes one. How many: [projects.NAME.agents].",
            );
        }
        return;
    }
    let mut columns = COLUMNS;
    columns[1].width = names(state, rows);
    table::draw(pen, area, &columns, rows.len(), &ui.fleet, |pen, index| {
        rows.get(index)
            .map(|agent| row(pen, state, agent))
            .unwrap_or_default()
    });
}

/// The cells that the names of these agents take.
fn names(state: &State, rows: &[&Agent]) -> u16 {
    let name = |agent: &&Agent| state.agent_name(&agent.wire.id).chars().count();
    let widest = rows.iter().map(name).max().unwrap_or(0);
    u16::try_from(widest).unwrap_or(u16::MAX).clamp(10, 20)
}

fn row(pen: &mut Pen<'_>, state: &State, agent: &Agent) -> Vec<Span> {
    let wire = &agent.wire;
    let (mark, word) = agent.standing(&state.tasks);
    let role = glyphs::role(mark);
    let task = agent.task(&state.tasks);
    let doing = match task {
        Some(task) if task.wire.needs_operator => {
            format!("{} {}", task.short(), selection::wants(state, task))
        }
        Some(task) => format!("{} {}", task.short(), task.wire.title),
        None => wire.state_detail.clone(),
    };
    let criteria = task
        .filter(|task| task.wire.criteria_total > 0)
        .map(|task| format!("{}/{}", task.wire.criteria_done, task.wire.criteria_total));
    let heard = wire.last_heard_ms.map(|at| pen.age(at));
    let measured = |text: String| if wire.connected { text } else { "?".to_owned() };
    vec![
        span(glyphs::glyph(mark), role),
        span(state.agent_name(&wire.id), Role::Text),
        span(&wire.agent_type, Role::Muted),
        span(word, role),
        span(
            doing,
            if task.is_some() {
                Role::Text
            } else {
                Role::Muted
            },
        ),
        span(criteria.unwrap_or_default(), Role::Text),
        span(measured(format!("{}%", wire.cpu_percent)), Role::Muted),
        span(measured(bytes(wire.memory_bytes)), Role::Muted),
        span(amount(wire.cost_today_micro_usd), Role::Text),
        span(heard.unwrap_or_else(|| "—".to_owned()), Role::Muted),
    ]
}

fn title(state: &State, agent: &Agent) -> String {
    let (_, word) = agent.standing(&state.tasks);
    format!("{} · {word}", state.agent_name(&agent.wire.id))
}

fn about(pen: &mut Pen<'_>, state: &State, agent: &Agent, width: usize) -> Vec<Vec<Span>> {
    let wire = &agent.wire;
    let pair = |key: &'static str, value: String, role: Role| {
        vec![span(format!("{key:<10}"), Role::Muted), span(value, role)]
    };
    let mut text = Vec::new();
    if let Some(task) = agent.task(&state.tasks) {
        let name = format!("{} {}", task.short(), task.wire.title);
        text.push(pair(
            "task",
            format!("{name}  P{}", task.wire.priority),
            Role::Text,
        ));
        text.extend(why(state, task, width));
    }
    if let Some(at) = wire.last_heard_ms.filter(|_| !wire.connected) {
        let silent = format!("silent for {}", pen.exact_age(at));
        text.push(pair("away", silent, Role::Unknown));
    }
    if !wire.state_detail.is_empty() {
        text.push(pair("state", wire.state_detail.clone(), Role::Text));
    }
    let walls = if wire.confined {
        ""
    } else {
        "  UNCONFINED: it can act as you"
    };
    let walls_role = if wire.confined {
        Role::Muted
    } else {
        Role::ToastWarn
    };
    let apart = match wire.workspace_mode.as_str() {
        "shared" | "" => String::new(),
        mode => format!(", workspace {mode}"),
    };
    text.push(vec![
        span(format!("{:<10}", "runs on"), Role::Muted),
        span(
            format!("{} {}{apart}", wire.runtime, wire.image),
            Role::Text,
        ),
        span(walls, walls_role),
    ]);
    text.push(pair(
        "has used",
        format!(
            "{} today, {}% cpu, {}, {} disk free",
            usd(wire.cost_today_micro_usd),
            wire.cpu_percent,
            bytes(wire.memory_bytes),
            bytes(wire.disk_free_bytes)
        ),
        Role::Text,
    ));
    let age = pen.age(wire.created_at_ms);
    text.push(pair(
        "so far",
        format!(
            "{} done, {} failed, started {age} ago",
            wire.succeeded, wire.failed
        ),
        Role::Text,
    ));
    text
}

/// Why a task waits, in the words of the server; the agent's own are quoted.
pub(super) fn why(state: &State, task: &Task, width: usize) -> Vec<Vec<Span>> {
    let mut text = Vec::new();
    if !task.wire.state_detail.is_empty() {
        let role = if task.wire.needs_operator {
            Role::Attention
        } else {
            Role::Text
        };
        text.push(vec![
            span(format!("{:<10}", task.standing.word()), Role::Muted),
            span(&task.wire.state_detail, role),
        ]);
    }
    for request in state.approvals.of_task(&task.wire.id).take(3) {
        let what = format!("{} {}", request.kind, request.scope);
        text.push(vec![
            span(format!("{:<10}", "asks for"), Role::Muted),
            span(what, Role::Attention),
            span(format!("  “{}”", request.reason), Role::Muted),
        ]);
    }
    if !task.wire.current_step.is_empty() {
        let step = format!("“{}”", task.wire.current_step);
        text.push(vec![
            span(format!("{:<10}", "now"), Role::Muted),
            span(step, Role::Text),
        ]);
    }
    if !task.wire.last_error.is_empty() {
        let error = crate::safe_text::SafeText::new(&task.wire.last_error);
        let room = width.saturating_sub(10).max(10);
        for (index, line) in error.wrap(room).into_iter().take(3).enumerate() {
            let key = if index == 0 { "error" } else { "" };
            text.push(vec![
                span(format!("{key:<10}"), Role::Muted),
                (line, Role::Failed),
            ]);
        }
    }
    text
}

fn panes(pen: &mut Pen<'_>, state: &State, selected: Option<&Agent>, area: Rect) {
    // What is said of accounts and of what waits takes no more than it needs.
    let third = area.height / 3;
    let waiting = attention(pen, state);
    let rows = |count: usize| u16::try_from(count.max(1) + 2).unwrap_or(third).min(third);
    let accounts = accounts(pen, state);
    let (rest, lower) = split_bottom(area, rows(accounts.len()));
    let (upper, middle) = split_bottom(rest, rows(waiting.len()));
    match selected {
        Some(agent) => {
            let inner = pen.frame(upper, title(state, agent));
            let mut text = about(pen, state, agent, usize::from(inner.width));
            if let Some(task) = agent.task(&state.tasks) {
                let used = u16::try_from(text.len() + 1).unwrap_or(inner.height);
                let (_, rest) = split_bottom(inner, inner.height.saturating_sub(used));
                text.push(Vec::new());
                text.extend(besides(pen, state, task, rest));
            }
            lines(pen, inner, &text, 0);
        }
        None => {
            pen.frame(upper, "no agent selected");
        }
    }
    let inner = pen.frame(middle, "Needs you");
    if waiting.is_empty() {
        pen.put(
            inner.x + 1,
            inner.y,
            inner.width - 1,
            "nothing",
            Role::Muted,
        );
    }
    lines(pen, inner, &waiting, 0);
    let inner = pen.frame(lower, "Accounts");
    lines(pen, inner, &accounts, 0);
}

fn attention(pen: &mut Pen<'_>, state: &State) -> Vec<Vec<Span>> {
    let line = |age: String, who: String, what: String| {
        vec![
            span("! ", Role::Attention),
            span(format!("{who:<9} "), Role::Text),
            span(format!("{age:>4}  "), Role::Muted),
            span(what, Role::Text),
        ]
    };
    selection::attention(state)
        .into_iter()
        .take(50)
        .filter_map(|waiting| {
            let since = match &waiting {
                Waiting::Request(id) => state.approvals.get(id)?.asked_at_ms,
                Waiting::Task(id) => state.tasks.get(id)?.wire.updated_at_ms,
            };
            let (who, what) = selection::waiting_for(state, &waiting)?;
            Some(line(pen.age(since), who, what))
        })
        .collect()
}

/// Money; tokens too, where a subscription pays.
fn spent_today(account: &v1::Account) -> String {
    let money = usd_or_about(account.cost_today_micro_usd, account.notional);
    if account.notional {
        format!("{} tokens ({money}) today", tokens(account.tokens_today))
    } else {
        format!("{money} today")
    }
}

fn accounts(pen: &mut Pen<'_>, state: &State) -> Vec<Vec<Span>> {
    state
        .accounts
        .iter()
        .map(|account| {
            let mut text = vec![
                span(format!("{:<12}", account.name), Role::Text),
                span(format!("{:<10}", account.kind), Role::Muted),
            ];
            if account.parking.is_empty() {
                text.push(span(spent_today(account), Role::Text));
            } else {
                let until = account
                    .parked_until_ms
                    .map(|at| pen.time(at, " until %H:%M"));
                let parked = account.parking.replace('_', " ");
                let parked = format!("parked: {parked}{}", until.unwrap_or_default());
                text.push(span(parked, Role::Attention));
            }
            text
        })
        .collect()
}
