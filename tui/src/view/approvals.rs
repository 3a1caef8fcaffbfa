//! What waits for an answer: who asks, for exactly what, what policy says, what follows.
//!
//! Facts of the server come first. What the agent says about itself comes last, quoted, and is
//! marked as the agent's. Nothing is selected at first, so that no key typed ahead answers.

use cloud_code_proto::v1;
use ratatui::layout::Rect;

use super::pen::{Pen, Span, span};
use super::preview::besides;
use super::table::{self, Column, left, lines, right};
use super::tasks::{about, short_agent};
use super::{WIDE, empty, split_bottom, split_right};
use crate::safe_text::SafeText;
use crate::selection;
use crate::state::{State, Task};
use crate::theme::Role;
use crate::ui::Ui;

const COLUMNS: [Column; 6] = [
    left("", 1, 0),
    left("KIND", 14, 0),
    left("WHO", 12, 2),
    left("TASK", 12, 1),
    left("SCOPE", 0, 0),
    right("WAITS", 5, 0),
];

/// Draws the screen.
pub(super) fn draw(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    let rows = state.approvals.rows();
    if rows.is_empty() {
        let what = "When an agent asks for a credential that policy does not grant, it is here.";
        empty(pen, area, "Nothing waits for your answer.", what);
        return;
    }
    let (list, card) = if area.width >= WIDE {
        split_right(area, area.width * 55 / 100)
    } else {
        let rows = u16::try_from(rows.len() + 1).unwrap_or(u16::MAX);
        let list = rows.clamp(2, (area.height / 3).max(2));
        split_bottom(area, area.height.saturating_sub(list))
    };
    table::draw(
        pen,
        list,
        &COLUMNS,
        rows.len(),
        &ui.approvals,
        |pen, index| {
            rows.get(index)
                .map(|request| row(pen, state, ui, request))
                .unwrap_or_default()
        },
    );
    let request = selection::approval(state, ui);
    let title = match request {
        Some(request) => format!(
            "{} {} · version {}",
            request.kind, request.scope, request.version
        ),
        None => "nothing is selected".to_owned(),
    };
    let inner = if area.width >= WIDE {
        pen.frame(card, title)
    } else {
        pen.rule(
            Rect {
                height: 1.min(card.height),
                ..card
            },
            title,
        );
        Rect {
            x: card.x + 1,
            y: card.y + 1,
            width: card.width - 2,
            height: card.height.saturating_sub(1),
        }
    };
    match request {
        Some(request) => {
            let mut text = facts(pen, state, request, usize::from(inner.width));
            let task = state.tasks.get(&request.task);
            if let Some(task) = task.filter(|_| area.width >= WIDE) {
                the_task(pen, state, task, inner, &mut text);
            }
            lines(pen, inner, &text, 0);
        }
        None => {
            let text = "j selects a request: then you see what it asks for, and can answer it.";
            pen.put(inner.x, inner.y, inner.width, text, Role::Text);
        }
    }
}

/// The task that asks, where there is room for it below the facts.
fn the_task(pen: &mut Pen<'_>, state: &State, task: &Task, inner: Rect, text: &mut Vec<Vec<Span>>) {
    text.push(Vec::new());
    text.push(vec![span("THE TASK", Role::Muted)]);
    text.extend(about(pen, state, task, usize::from(inner.width)));
    text.push(Vec::new());
    let used = u16::try_from(text.len()).unwrap_or(inner.height);
    let (_, rest) = split_bottom(inner, inner.height.saturating_sub(used));
    text.extend(besides(pen, state, task, rest));
}

fn row(pen: &mut Pen<'_>, state: &State, ui: &Ui, request: &v1::Approval) -> Vec<Span> {
    let task = state.tasks.get(&request.task);
    let age = pen.age(request.asked_at_ms);
    let sign = if ui.in_flight.contains(&request.id) {
        "…"
    } else {
        "!"
    };
    vec![
        span(sign, Role::Attention),
        span(&request.kind, Role::Text),
        span(short_agent(&request.agent), Role::Text),
        span(
            task.map_or_else(|| request.task.clone(), |task| state.name(task)),
            Role::Text,
        ),
        span(&request.scope, Role::Text),
        span(age, Role::Muted),
    ]
}

fn facts(pen: &mut Pen<'_>, state: &State, request: &v1::Approval, width: usize) -> Vec<Vec<Span>> {
    let mut text = Vec::new();
    let mut fact = |key: &str, value: &str, role: Role| {
        let lines = SafeText::new(value).wrap(width.saturating_sub(11).max(10));
        for (index, line) in lines.into_iter().take(4).enumerate() {
            let key = if index == 0 { key } else { "" };
            text.push(vec![span(format!("{key:<11}"), Role::Muted), (line, role)]);
        }
    };
    let what = format!("{}, scope {}", request.kind, request.scope);
    fact("wants", &what, Role::Title);
    let task = state.tasks.get(&request.task);
    let name = task.map_or_else(
        || request.task.clone(),
        |task| format!("{} {}", state.name(task), task.wire.title),
    );
    fact(
        "for",
        &format!("{name}, project {}", request.project),
        Role::Text,
    );
    fact("on", &request.agent, Role::Text);
    let asked = format!("{} ago", pen.age(request.asked_at_ms));
    fact("asked", &asked, Role::Text);
    fact("policy", &request.policy, Role::Text);
    let secret = if request.secret_known {
        ("the secrets file holds one; it is never shown", Role::Text)
    } else {
        (
            "none is stored: cloud-code secret set TYPE SCOPE",
            Role::ToastWarn,
        )
    };
    fact("secret", secret.0, secret.1);
    if request.refused {
        fact(
            "",
            "policy never grants this: it can only be denied",
            Role::ToastWarn,
        );
    } else {
        fact("if granted", &request.on_approve, Role::Text);
    }
    fact("if denied", &request.on_deny, Role::Text);
    text.push(Vec::new());
    text.push(vec![span(
        "the agent says (not checked, may be anything):",
        Role::Muted,
    )]);
    let mut quote = |what: &str, said: &str| {
        let lines = SafeText::new(said).wrap(width.saturating_sub(4).max(10));
        let count = lines.len().min(6);
        for (index, line) in lines.into_iter().take(6).enumerate() {
            let open = if index == 0 { "“" } else { " " };
            let close = if index + 1 == count { "”" } else { "" };
            text.push(vec![
                span(format!(" {open}"), Role::Muted),
                (line, Role::Text),
                span(
                    format!("{close}{}", if index + 1 == count { what } else { "" }),
                    Role::Muted,
                ),
            ]);
        }
    };
    quote("", &request.reason);
    if !request.label.is_empty() {
        quote("  (its name for it)", &request.label);
    }
    text
}
