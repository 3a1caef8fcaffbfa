//! A log, line by line; before one is chosen, what there are logs of.

use ratatui::layout::Rect;

use super::pen::{Pen, Span, span};
use super::table::{self, Column, left, right};
use super::tasks::widest;
use super::{empty, row};
use crate::glyphs;
use crate::safe_text::SafeText;
use crate::selection;
use crate::state::{Line, LogSource, State};
use crate::theme::Role;
use crate::ui::Ui;

const SOURCES: [Column; 5] = [
    left("", 1, 0),
    left("ID", 8, 0),
    left("STATE", 9, 0),
    left("TASK", 0, 0),
    right("CHANGED", 7, 1),
];

/// Cells before the text of a line: time, level, category.
const LEAD: u16 = 9 + 2 + 5;

/// Draws the screen.
pub(super) fn draw(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    if state.logs.source.is_none() {
        sources(pen, state, ui, area);
        return;
    }
    heading(pen, state, ui, row(area, 0));
    let body = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    pen.info.page = usize::from(body.height);
    if state.logs.lines().is_empty() {
        let (why, what) = match &state.logs.ended {
            Some(why) => (why.as_str(), "Enter on the list of logs tries again: Esc"),
            None => ("Nothing was logged yet.", "Lines appear here as they come."),
        };
        empty(pen, body, why, what);
        return;
    }
    let shown = shown(state, ui, body);
    let mut y = body.y;
    for (number, line) in shown {
        for part in drawn(pen, ui, line, body.width) {
            if y < body.bottom() {
                pen.spans(body.x, y, body.width, &part);
                mark_hits(pen, ui, body, y);
                if ui.logs.hit == Some(number) {
                    pen.put(body.x, y, 1, ">", Role::Accent);
                    pen.info.cursor = Some((body.x, y));
                }
                y += 1;
            }
        }
    }
}

fn sources(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let rows = selection::sources(state);
    if rows.is_empty() {
        let what = "They begin with the first execution. On an agent or task, L shows its log.";
        empty(pen, area, "There are no logs yet.", what);
        return;
    }
    let mut columns = SOURCES;
    columns[1].width = widest(&rows, |task| state.name(task), 4, 16);
    table::draw(
        pen,
        area,
        &columns,
        rows.len(),
        &ui.sources,
        |pen, index| {
            let Some(task) = rows.get(index) else {
                return Vec::new();
            };
            let role = glyphs::role(task.mark());
            let age = pen.age(task.wire.updated_at_ms);
            vec![
                span(glyphs::glyph(task.mark()), role),
                span(state.name(task), Role::Text),
                span(task.standing.word(), role),
                span(&task.wire.title, Role::Text),
                span(age, Role::Muted),
            ]
        },
    );
}

fn heading(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let whose = match &state.logs.source {
        Some(LogSource::Task(id)) => state.tasks.get(id).map_or_else(
            || id.clone(),
            |task| format!("{} {}", state.name(task), task.wire.title),
        ),
        Some(LogSource::Agent(id)) => state.agent_name(id),
        None => String::new(),
    };
    let mut right = Vec::new();
    if !ui.logs.filter.is_empty() {
        right.push(span(format!("only {}  ", ui.logs.filter), Role::Accent));
    }
    if !ui.logs.search.is_empty() {
        let total = ui.logs.total.map(|total| format!(" ({total} lines)"));
        let total = total.unwrap_or_default();
        right.push(span(format!("/{}{total}  ", ui.logs.search), Role::Accent));
    }
    if state.logs.lost > 0 {
        right.push(span(
            format!("{} lines lost  ", state.logs.lost),
            Role::ToastWarn,
        ));
    }
    right.push(match (&state.logs.ended, ui.logs.follow) {
        _ if state.logs.part => span("a part of it (f goes to the end) ", Role::ToastWarn),
        (Some(why), _) => span(format!("ended: {why} "), Role::Muted),
        (None, true) => span("following ", Role::Working),
        (None, false) => {
            let page = u64::try_from(pen.info.page.max(1)).unwrap_or(1);
            let page = page.max(u64::from(ui.size.1.saturating_sub(5)));
            let below = state.logs.end().saturating_sub(ui.logs.top + page);
            let held = match below {
                0 => "held (f follows) ".to_owned(),
                below => format!("held, {below} lines below "),
            };
            span(held, Role::ToastWarn)
        }
    });
    let width: usize = right.iter().map(|(text, _)| text.width()).sum();
    let width = u16::try_from(width).unwrap_or(area.width).min(area.width);
    let room = area.width.saturating_sub(width + 2);
    pen.put(area.x + 1, area.y, room, whose, Role::Title);
    pen.spans(area.right() - width, area.y, width, &right);
}

/// The lines that fit: the last ones where it follows, else from the held line on.
fn shown<'a>(state: &'a State, ui: &Ui, body: Rect) -> Vec<(u64, &'a Line)> {
    let height = usize::from(body.height);
    let filter = ui.logs.filter.to_lowercase();
    let terms: Vec<&str> = filter.split_whitespace().collect();
    let wanted = |line: &Line| {
        if terms.is_empty() {
            return true;
        }
        let text = format!("{} {}", line.word(), line.text).to_lowercase();
        terms.iter().all(|term| match term.strip_prefix('!') {
            Some(unwanted) => unwanted.is_empty() || !text.contains(unwanted),
            None => text.contains(term),
        })
    };
    let lines = state.logs.lines();
    if ui.logs.follow {
        let mut room = height;
        let mut last: Vec<(u64, &Line)> = Vec::new();
        for (line, back) in lines.iter().rev().zip(1..) {
            if !wanted(line) {
                continue;
            }
            let cells = if ui.logs.wrap {
                wrapped(line, body.width)
            } else {
                1
            };
            if cells > room {
                break;
            }
            room -= cells;
            last.push((state.logs.end() - back, line));
        }
        last.reverse();
        return last;
    }
    let top = ui.logs.top.max(state.logs.first());
    let skip = usize::try_from(top - state.logs.first()).unwrap_or(usize::MAX);
    let numbered = (top..).zip(lines.iter().skip(skip));
    numbered
        .filter(|(_, line)| wanted(line))
        .take(height)
        .collect()
}

fn wrapped(line: &Line, width: u16) -> usize {
    let room = usize::from(width.saturating_sub(LEAD + 1)).max(10);
    line.text.width().div_ceil(room).max(1)
}

fn drawn(pen: &Pen<'_>, ui: &Ui, line: &Line, width: u16) -> Vec<Vec<Span>> {
    use cloud_code_proto::v1::LogLevel;
    let role = match line.level {
        LogLevel::Debug => Role::Muted,
        LogLevel::Warning => Role::LogWarn,
        LogLevel::Error => Role::LogError,
        LogLevel::Info | LogLevel::Unspecified => Role::Text,
    };
    let lead = vec![
        span(" ", Role::Text),
        span(pen.clock(line.at_ms), Role::LogTime),
        span(format!(" {} ", line.letter()), role),
        span(format!("{:<5}", line.word()), Role::Muted),
    ];
    let with = |mut lead: Vec<Span>, text: SafeText| {
        lead.push((text, role));
        lead
    };
    if !ui.logs.wrap {
        return vec![with(lead, line.text.after(ui.logs.left))];
    }
    let room = usize::from(width.saturating_sub(LEAD + 1)).max(10);
    let indent = vec![span(" ".repeat(usize::from(LEAD) + 1), Role::Text)];
    let parts = line.text.wrap(room).into_iter().enumerate();
    let lead_of = |index| {
        if index == 0 {
            lead.clone()
        } else {
            indent.clone()
        }
    };
    parts
        .map(|(index, part)| with(lead_of(index), part))
        .collect()
}

/// Lays the colour of hits over a row.
fn mark_hits(pen: &mut Pen<'_>, ui: &Ui, body: Rect, y: u16) {
    let wanted: Vec<char> = ui.logs.search.to_lowercase().chars().collect();
    if wanted.is_empty() {
        return;
    }
    for at in pen.find(body, y, &wanted) {
        let width = u16::try_from(wanted.len()).unwrap_or(1);
        let area = Rect {
            x: at,
            y,
            width,
            height: 1,
        };
        pen.tint(area.intersection(body), Role::Match);
    }
}
