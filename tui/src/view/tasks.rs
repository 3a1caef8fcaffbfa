//! The tasks, in the order in which they want a decision: `j` is always the next one.

use ratatui::layout::Rect;

use super::fleet::{filter, why};
use super::pen::{Pen, Span, span};
use super::preview::{besides, held, last_events, section};
use super::table::{self, Column, left, lines, right};
use super::{WIDE, empty, row as one_row, split_bottom, split_right};
use crate::actions::ENTRIES;
use crate::glyphs;
use crate::keymap::shown;
use crate::safe_text::SafeText;
use crate::selection;
use crate::state::{State, Task, amount, changed, is_over, roughly, spent, tokens};
use crate::theme::Role;
use crate::ui::Ui;

const COLUMNS: [Column; 10] = [
    left("", 1, 0),
    left("P", 2, 0),
    left("ID", 8, 0),
    left("STATE", 9, 0),
    left("TITLE", 0, 0),
    left("PROJECT", 16, 3),
    left("AGENT", 12, 5),
    right("TRY", 3, 4),
    right("$", 6, 2),
    right("AGE", 4, 1),
];

/// Cells from which on there is room for the branch and the labels.
const BRANCH: usize = 80;

/// Draws the screen.
pub(super) fn draw(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let rows = selection::tasks(state, ui);
    summary(pen, state, ui, one_row(area, 0), rows.len());
    let preview = match area.height {
        0..14 => 0,
        14..30 => 6,
        30..40 => 12,
        _ => 18,
    };
    let (list, below) = split_bottom(area, preview);
    let list = Rect {
        y: list.y + 1,
        height: list.height.saturating_sub(1),
        ..list
    };
    if rows.is_empty() {
        nothing(pen, state, ui, list);
        return;
    }
    let columns = columns(state, &rows);
    table::draw(pen, list, &columns, rows.len(), &ui.tasks, |pen, index| {
        rows.get(index)
            .map(|task| row(pen, state, ui, task))
            .unwrap_or_default()
    });
    if let Some(task) = selection::task(state, ui).filter(|_| preview > 0) {
        let title = format!("{} {}", state.name(task), task.wire.title);
        pen.rule(Rect { height: 1, ..below }, title);
        let inner = Rect {
            x: below.x + 1,
            y: below.y + 1,
            width: below.width - 2,
            height: below.height - 1,
        };
        beside(pen, state, task, inner);
    }
}

/// The selected task: what is decided on, and beside it or below it what happened last.
fn beside(pen: &mut Pen<'_>, state: &State, task: &Task, area: Rect) {
    if area.width + 2 >= WIDE {
        let (left, right) = split_right(area, area.width * 45 / 100);
        let width = usize::from(left.width) - 2;
        let mut text = about(pen, state, task, width);
        let held = held(pen, state, task, usize::from(right.width));
        if held.is_empty() {
            lines(pen, left, &text, 0);
            let text = besides(pen, state, task, right);
            lines(pen, right, &text, 0);
            return;
        }
        let rows = usize::from(left.height).saturating_sub(text.len() + 2);
        section(
            &mut text,
            "LAST",
            last_events(pen, state, task, width, rows),
        );
        lines(pen, left, &text, 0);
        lines(pen, right, &held, 0);
        return;
    }
    let width = usize::from(area.width);
    let mut text = about(pen, state, task, width);
    let left = usize::from(area.height).saturating_sub(text.len());
    text.extend(last_events(pen, state, task, width, left));
    lines(pen, area, &text, 0);
}

/// The columns, as wide as what stands in them; the project is named where there are several.
fn columns(state: &State, rows: &[&Task]) -> Vec<Column> {
    let fit = |column: &mut Column, text: fn(&Task) -> String, least, most| {
        column.width = widest(rows, text, least, most);
    };
    let mut columns = COLUMNS;
    fit(&mut columns[2], Task::short, 4, 8);
    fit(&mut columns[5], |task| task.wire.project.clone(), 7, 16);
    fit(&mut columns[6], |task| short_agent(&task.wire.agent), 5, 12);
    let mut columns = columns.to_vec();
    if !state.has_projects() {
        columns.remove(5);
    }
    columns
}

/// The cells that the widest of these texts takes.
pub(super) fn widest(rows: &[&Task], text: impl Fn(&Task) -> String, least: u16, most: u16) -> u16 {
    let cells = rows.iter().map(|task| text(task).chars().count());
    u16::try_from(cells.max().unwrap_or(0))
        .unwrap_or(u16::MAX)
        .clamp(least, most)
}

/// An agent's name without its project, which stands beside it.
pub(super) fn short_agent(id: &str) -> String {
    id.rsplit('.').next().unwrap_or(id).to_owned()
}

fn nothing(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let all = state.tasks.open().count();
    if all > 0 {
        let none = format!("none of {all} tasks matches {:?}", ui.tasks_filter);
        empty(pen, area, &none, "Esc clears the filter");
    } else if state.tasks.finished_elsewhere > 0 && !ui.finished {
        let done = state.tasks.finished_elsewhere;
        let why = format!("All done: {done} tasks are finished.");
        empty(pen, area, &why, "F shows them. n makes a new one.");
    } else {
        let label = "n makes one, or set the trigger label on an issue of a project.";
        empty(pen, area, "There are no tasks yet.", label);
    }
}

fn summary(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect, shown: usize) {
    let mut x = area.x + 1;
    for (word, count) in state.tasks.standings() {
        x += pen.put(x, area.y, area.right() - x, format!("{word} "), Role::Muted);
        let count = format!("{count}  ");
        x += pen.put(x, area.y, area.right() - x, count, Role::Text);
    }
    let row = selection::task(state, ui).map_or(0, |_| ui.tasks.index + 1);
    let finished = match state.tasks.finished_elsewhere {
        0 => String::new(),
        _ if ui.finished || area.width < 110 => String::new(),
        count => format!(", {count} finished hidden"),
    };
    let place = format!("{row}/{shown}{finished}, by {} ", ui.sort.word());
    let place = format!("{}  {place}", filter(&ui.tasks_filter));
    let room = area.right().saturating_sub(x);
    pen.put_right(x, area.y, room, place, Role::Muted);
}

fn row(pen: &mut Pen<'_>, state: &State, ui: &Ui, task: &Task) -> Vec<Span> {
    let wire = &task.wire;
    let mark = task.mark();
    let role = glyphs::role(mark);
    let age = pen.age(wire.created_at_ms);
    let word = if ui.in_flight.contains(&wire.id) {
        "…"
    } else {
        task.standing.word()
    };
    let urgent = if wire.priority == 0 {
        Role::Attention
    } else {
        Role::Text
    };
    let over = is_over(wire);
    let mut cells = vec![
        span(glyphs::glyph(mark), role),
        span(format!("P{}", wire.priority), urgent),
        span(task.short(), Role::Text),
        span(word, role),
        span(&wire.title, Role::Text),
        span(&wire.project, Role::Muted),
        span(
            if wire.agent.is_empty() {
                "—".to_owned()
            } else {
                short_agent(&wire.agent)
            },
            Role::Muted,
        ),
        span(
            format!("{}/{}", wire.attempts, wire.max_attempts),
            Role::Muted,
        ),
        span(
            format!(
                "{}{}",
                roughly(wire.counts_tokens),
                amount(wire.cost_micro_usd)
            ),
            if over { Role::CostOver } else { Role::Text },
        ),
        span(age, Role::Muted),
    ];
    if !state.has_projects() {
        cells.remove(5);
    }
    cells
}

/// What is decided on: why it waits, what the keys would do.
pub(super) fn about(pen: &mut Pen<'_>, state: &State, task: &Task, width: usize) -> Vec<Vec<Span>> {
    let wire = &task.wire;
    let mut text = why(state, task, width);
    let key = |name: &str| span(format!("{name:<10}"), Role::Muted);
    if let Some(until) = wire.waits_until_ms {
        let waits = format!("until {}", pen.clock(until));
        text.push(vec![key("waits"), span(waits, Role::Text)]);
    }
    if let Some(request) = &wire.pull_request {
        let number = request.number.map(|number| format!("#{number} "));
        let line = format!(
            "{}{} {}  {}",
            number.unwrap_or_default(),
            request.state,
            changed(request),
            request.url
        );
        text.push(vec![key("pull req."), span(line, Role::Review)]);
    }
    let line = format!(
        "{}, {} in / {} out, try {} of {}, {} on {}",
        spent(wire),
        tokens(wire.tokens_in),
        tokens(wire.tokens_out),
        wire.attempts,
        wire.max_attempts,
        wire.coding_cli,
        wire.agent_type,
    );
    text.push(vec![key("spent"), span(line, Role::Text)]);
    let possible = possible(state, task);
    if !possible.is_empty() {
        let mut line = vec![key("you can")];
        line.extend(possible);
        text.push(line);
    }
    if width >= BRANCH {
        let labels = wire.labels.join(" ");
        let age = pen.age(wire.updated_at_ms);
        let line = format!("{} {labels}  changed {age} ago", wire.branch);
        text.push(vec![key("branch"), span(line, Role::Muted)]);
    }
    text
}

/// The keys that would do something for the task.
fn possible(state: &State, task: &Task) -> Vec<Span> {
    let mut spans = Vec::new();
    if state.approvals.of_task(&task.wire.id).next().is_some() {
        spans.push(span("a", Role::Key));
        spans.push(span(" answer  ", Role::Text));
    }
    for entry in ENTRIES.iter().filter(|entry| task.allows(entry.name)) {
        if let Some(key) = entry.keys.first() {
            spans.push(span(shown(key), Role::Key));
            spans.push(span(format!(" {}  ", entry.label), Role::Text));
        }
    }
    // Blanks at the end would be cut, and marked as cut.
    if let Some((last, _)) = spans.last_mut() {
        *last = SafeText::new(last.as_str().trim_end());
    }
    spans
}
