//! What was done, and by whom. The newest is on top.

use cloud_code_proto::v1;
use ratatui::layout::Rect;

use super::pen::{Pen, Span, span};
use super::table::{self, Column, left};
use super::{brief, empty, split_bottom};
use crate::safe_text::SafeText;
use crate::selection;
use crate::state::State;
use crate::theme::Role;
use crate::ui::Ui;

const COLUMNS: [Column; 5] = [
    left("TIME", 8, 0),
    left("WHO", 16, 3),
    left("WHAT", 14, 0),
    left("ABOUT", 16, 2),
    left("DETAIL", 0, 1),
];

/// Draws the screen.
pub(super) fn draw(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let rows = state.activity.rows(&ui.activity_filter);
    if rows.is_empty() {
        if ui.activity_filter.is_empty() {
            empty(pen, area, "Nothing has happened yet.", "");
        } else {
            empty(pen, area, "No event matches.", "Esc clears the filter");
        }
        return;
    }
    let preview = if area.height >= 12 { 5 } else { 0 };
    let (list, below) = split_bottom(area, preview);
    table::draw(
        pen,
        list,
        &COLUMNS,
        rows.len(),
        &ui.activity,
        |pen, index| {
            rows.get(index)
                .map(|event| row(pen, state, event))
                .unwrap_or_default()
        },
    );
    if let Some(event) = selection::event(state, ui).filter(|_| preview > 0) {
        let title = format!("event {}", event.seq);
        pen.rule(Rect { height: 1, ..below }, title);
        let who = format!("{} {}", event.actor_kind, event.actor);
        let when = pen.time(event.at_ms, "%Y-%m-%d %H:%M:%S");
        let head = format!("{when}  {who}  {}", event.kind.replace('_', " "));
        let width = below.width - 2;
        pen.put(below.x + 1, below.y + 1, width, head, Role::Text);
        let detail = SafeText::new(&event.detail).wrap(usize::from(width));
        for (y, line) in (below.y + 2..below.bottom()).zip(detail) {
            pen.put(below.x + 1, y, width, line, Role::Text);
        }
    }
}

fn row(pen: &mut Pen<'_>, state: &State, event: &v1::Event) -> Vec<Span> {
    let (who, role) = match event.actor_kind.as_str() {
        "operator" if event.actor == state.operator => ("you".to_owned(), Role::Accent),
        "operator" => (event.actor.clone(), Role::Accent),
        kind if event.actor.is_empty() => (kind.to_owned(), Role::Muted),
        _ => (state.agent_name(&event.actor), Role::Text),
    };
    let about = match event.subject_kind.as_str() {
        "task" => {
            let task = state.tasks.get(&event.subject);
            task.map(|task| state.name(task))
        }
        "agent" => Some(state.agent_name(&event.subject)),
        _ => None,
    };
    vec![
        span(pen.clock(event.at_ms), Role::LogTime),
        span(who, role),
        span(event.kind.replace('_', " "), Role::Text),
        span(about.unwrap_or_else(|| event.subject.clone()), Role::Muted),
        span(brief(&event.detail), Role::Text),
    ]
}
