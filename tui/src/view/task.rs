//! One task: what happened, what was asked for, what changed, what was said, what it cost.

mod text;

pub(super) use text::criteria;

use ratatui::layout::Rect;

use super::pen::{Pen, span};
use super::preview::section;
use super::table::{lines, scrolled};
use super::timeline::Order;
use super::{WIDE, empty, row, split_bottom, split_right};
use crate::glyphs;
use crate::state::{State, Task, usd};
use crate::theme::Role;
use crate::ui::{TaskTab, Ui};

/// Draws the screen.
pub(super) fn draw(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let known = state.tasks.get(&state.detail.task).cloned();
    let loaded = state.detail.loaded.as_ref();
    let task = known.or_else(|| loaded.and_then(|detail| detail.task.clone()).map(Task::new));
    let Some(task) = task else {
        let why = state.detail.error.as_deref().unwrap_or("loading …");
        empty(pen, area, why, "Esc goes back");
        return;
    };
    headline(pen, state, &task, row(area, 0));
    tabs(pen, ui, &task, loaded, row(area, 1));
    let body = Rect {
        x: area.x + 1,
        y: area.y + 2,
        width: area.width - 2,
        height: area.height - 2,
    };
    let Some(detail) = loaded else {
        let why = state.detail.error.as_deref().unwrap_or("loading …");
        pen.put(body.x, body.y + 1, body.width, why, Role::Muted);
        return;
    };
    if area.width >= WIDE && ui.task.tab == TaskTab::Overview {
        wide(pen, state, ui, &task, body);
        return;
    }
    let width = usize::from(body.width);
    let text = match ui.task.tab {
        TaskTab::Overview => {
            let mut text = text::standing(pen, state, &task, width);
            section(&mut text, "CRITERIA", criteria(detail, width));
            section(
                &mut text,
                "REFUSED, NOTHING WAS PUSHED",
                text::findings(detail, width),
            );
            section(
                &mut text,
                "SUMMARY BY THE AGENT",
                text::summary(detail, width),
            );
            // It opens at its beginning: there stands what happened last.
            let timeline = text::timeline(pen, state, detail, width, Order::NewestFirst);
            section(&mut text, "TIMELINE, NEWEST FIRST", timeline);
            text
        }
        TaskTab::Diff => text::diff(detail, width, ui.logs.wrap),
        TaskTab::Messages => text::messages(pen, detail, width),
        TaskTab::Runs => text::runs(pen, detail),
    };
    let top = ui.task.scroll.get(ui.task.tab as usize).copied();
    scrolled(pen, body, &text, top.unwrap_or(0));
}

fn headline(pen: &mut Pen<'_>, state: &State, task: &Task, area: Rect) {
    let wire = &task.wire;
    let mark = task.mark();
    let right = format!(
        "P{} · {} · try {}/{} ",
        wire.priority,
        task.standing.word(),
        wire.attempts,
        wire.max_attempts
    );
    let width = u16::try_from(crate::safe_text::SafeText::new(&right).width()).unwrap_or(0);
    let room = area.width.saturating_sub(width + 4);
    pen.mark(area.x + 1, area.y, mark);
    let name = format!("{} {}", state.name(task), wire.title);
    pen.put(area.x + 3, area.y, room, name, Role::Title);
    pen.put_right(area.x, area.y, area.width, right, glyphs::role(mark));
}

fn tabs(
    pen: &mut Pen<'_>,
    ui: &Ui,
    task: &Task,
    detail: Option<&cloud_code_proto::v1::TaskDetail>,
    area: Rect,
) {
    let wire = &task.wire;
    let mut x = area.x;
    for tab in TaskTab::ALL {
        let number = match (tab, detail) {
            (TaskTab::Overview, _) if wire.criteria_total > 0 => {
                format!(" {}/{}", wire.criteria_done, wire.criteria_total)
            }
            (TaskTab::Diff, _) => wire
                .pull_request
                .as_ref()
                .map(|request| format!(" +{}-{}", request.added, request.removed))
                .unwrap_or_default(),
            (TaskTab::Messages, Some(detail)) if !detail.conversation.is_empty() => {
                format!(" {}", detail.conversation.len())
            }
            (TaskTab::Runs, _) => format!(" {}", usd(wire.cost_micro_usd)),
            (TaskTab::Overview | TaskTab::Messages, _) => String::new(),
        };
        let text = format!("{}{number}", tab.title());
        let (text, role) = if tab == ui.task.tab {
            (format!("[{text}]"), Role::TabActive)
        } else {
            (format!(" {text} "), Role::Tab)
        };
        x += pen.put(x, area.y, area.right().saturating_sub(x), text, role) + 1;
    }
}

/// Everything at once where there is room.
fn wide(pen: &mut Pen<'_>, state: &State, ui: &Ui, task: &Task, area: Rect) {
    let Some(detail) = state.detail.loaded.as_ref() else {
        return;
    };
    let (upper, lower) = split_bottom(area, area.height * 2 / 5);
    let (left, right) = split_right(upper, upper.width * 45 / 100);
    let inner = pen.frame(left, "Timeline");
    let mut text = text::timeline(
        pen,
        state,
        detail,
        usize::from(inner.width),
        Order::OldestFirst,
    );
    if text.is_empty() {
        text.push(vec![span("nothing was reported yet", Role::Muted)]);
    }
    // It stays at its end as a log does, until the operator holds it.
    let held = ui.task.scroll.get(TaskTab::Overview as usize).copied();
    let top = held.filter(|_| ui.task.held).unwrap_or(usize::MAX);
    scrolled(pen, inner, &text, top);
    let first = pen.info.top.unwrap_or(0);
    pen.info.at_end = Some(first + usize::from(inner.height) >= text.len());
    let (top, bottom) = split_bottom(right, right.height / 2);
    let inner = pen.frame(top, "State");
    let text = text::standing(pen, state, task, usize::from(inner.width));
    lines(pen, inner, &text, 0);
    let done = format!(
        "Criteria {}/{}",
        task.wire.criteria_done, task.wire.criteria_total
    );
    let inner = pen.frame(bottom, done);
    let width = usize::from(inner.width);
    let mut text = criteria(detail, width);
    section(
        &mut text,
        "REFUSED, NOTHING WAS PUSHED",
        text::findings(detail, width),
    );
    section(
        &mut text,
        "SUMMARY BY THE AGENT",
        text::summary(detail, width),
    );
    if text.is_empty() {
        text.push(vec![span("it names none", Role::Muted)]);
    }
    lines(pen, inner, &text, 0);
    let inner = pen.frame(lower, "Diff (d: all of it)");
    let text = text::diff(detail, usize::from(inner.width), false);
    lines(pen, inner, &text, 0);
}
