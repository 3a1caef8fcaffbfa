//! What there is room for beside a selected task: its criteria, what happened last, the end of its
//! log, what it has changed. Only what the client holds already: moving the cursor loads nothing.

use ratatui::layout::Rect;

use super::pen::{Pen, Span, span};
use super::task::criteria;
use super::timeline::{self, Order};
use crate::safe_text::SafeText;
use crate::state::{LogSource, State, Task};
use crate::theme::Role;

type Lines = Vec<Vec<Span>>;

/// Files of a change that are named.
const FILES: usize = 6;

/// Lines of the log that are shown.
const LOG: usize = 6;

/// Rows of what happened last that are shown, whatever else there is.
const LEAST: usize = 5;

/// What happened last, at most so many lines.
pub(super) fn last_events(
    pen: &Pen<'_>,
    state: &State,
    task: &Task,
    width: usize,
    rows: usize,
) -> Lines {
    let open = state.detail.loaded.as_ref();
    let open = open.filter(|_| state.detail.task == task.wire.id);
    let mut text = match open {
        Some(detail) => {
            let events = state.detail.history(&state.activity);
            timeline::lines(pen, &detail.progress, events, width, Order::OldestFirst)
        }
        None => {
            let heard: Vec<_> = state
                .activity
                .of_task(&task.wire.id)
                .rev()
                .take(rows)
                .collect();
            timeline::lines(pen, &[], heard.into_iter().rev(), width, Order::OldestFirst)
        }
    };
    text.split_off(text.len().saturating_sub(rows))
}

/// What happened last, and what is held of the task besides, in as many rows.
pub(super) fn besides(pen: &Pen<'_>, state: &State, task: &Task, area: Rect) -> Lines {
    let (width, rows) = (usize::from(area.width), usize::from(area.height));
    let held = held(pen, state, task, width);
    let left = rows.saturating_sub(held.len() + 2).max(LEAST);
    let mut text = Vec::new();
    section(
        &mut text,
        "LAST",
        last_events(pen, state, task, width, left),
    );
    if !text.is_empty() && !held.is_empty() {
        text.push(Vec::new());
    }
    text.extend(held);
    text
}

/// What is held of the task: criteria, what it has changed, the end of its log.
pub(super) fn held(pen: &Pen<'_>, state: &State, task: &Task, width: usize) -> Lines {
    let mut text = Vec::new();
    let detail = state.detail.loaded.as_ref();
    if let Some(detail) = detail.filter(|_| state.detail.task == task.wire.id) {
        section(&mut text, "CRITERIA", criteria(detail, width));
        section(&mut text, "CHANGED", changed(&detail.diff, width));
    }
    section(&mut text, "LOG", log(pen, state, task));
    text
}

/// Adds a part with a heading, where there is something in it.
pub(super) fn section(text: &mut Lines, title: &'static str, part: Lines) {
    if part.is_empty() {
        return;
    }
    if !text.is_empty() {
        text.push(Vec::new());
    }
    text.push(vec![span(title, Role::Muted)]);
    text.extend(part);
}

/// The end of the task's log, where it is the one that is followed.
fn log(pen: &Pen<'_>, state: &State, task: &Task) -> Lines {
    let is_of = match &state.logs.source {
        Some(LogSource::Task(id)) => *id == task.wire.id,
        Some(LogSource::Agent(id)) => *id == task.wire.agent,
        None => false,
    };
    let lines = state.logs.lines();
    let last = lines.iter().skip(lines.len().saturating_sub(LOG));
    last.filter(|_| is_of)
        .map(|line| {
            vec![
                span(format!("{} ", pen.clock(line.at_ms)), Role::LogTime),
                (line.text.clone(), Role::Text),
            ]
        })
        .collect()
}

/// The files of a change, and how many lines of each.
fn changed(diff: &str, width: usize) -> Lines {
    let mut files: Vec<(SafeText, usize, usize)> = Vec::new();
    for line in diff.lines() {
        if let Some(names) = line.strip_prefix("diff --git ") {
            let name = names.rsplit(" b/").next().unwrap_or(names);
            files.push((SafeText::new(name), 0, 0));
        } else if let Some((_, added, removed)) = files.last_mut() {
            if line.starts_with('+') && !line.starts_with("+++ ") {
                *added += 1;
            } else if line.starts_with('-') && !line.starts_with("--- ") {
                *removed += 1;
            }
        }
    }
    let more = files.len().saturating_sub(FILES);
    let mut text: Lines = files
        .into_iter()
        .take(FILES)
        .map(|(name, added, removed)| {
            vec![
                (name.fit(width.saturating_sub(14)), Role::Text),
                span(format!("  +{added}"), Role::DiffAdd),
                span(format!(" -{removed}"), Role::DiffDel),
            ]
        })
        .collect();
    if more > 0 {
        text.push(vec![span(format!("… {more} more"), Role::Muted)]);
    }
    text
}
