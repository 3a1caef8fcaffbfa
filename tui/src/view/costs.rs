//! What was spent, by day, project, agent, model or task.

use ratatui::layout::Rect;

use super::pen::{Pen, span};
use super::table::{self, Column, left, right};
use super::{empty, row};
use crate::state::{Dimension, State, amount, roughly, tokens, usd, usd_or_about};
use crate::theme::Role;
use crate::ui::Ui;

const COLUMNS: [Column; 7] = [
    left("", 0, 0),
    right("$", 8, 0),
    left("SHARE", 10, 4),
    right("IN", 6, 1),
    right("CACHED", 6, 3),
    right("OUT", 6, 2),
    right("CALLS", 6, 5),
];

/// Draws the screen.
pub(super) fn draw(pen: &mut Pen<'_>, state: &State, ui: &Ui, area: Rect) {
    choices(pen, ui, row(area, 0));
    let top = Rect {
        y: area.y + 2,
        height: area.height.saturating_sub(2),
        ..area
    };
    today(pen, state, top);
    let body = Rect {
        y: area.y + 4,
        height: area.height.saturating_sub(4),
        ..area
    };
    let lines = state.costs.lines(ui.dimension, &state.tasks);
    if let Some(why) = &state.costs.error {
        empty(pen, body, why, "t asks again");
        return;
    }
    if lines.is_empty() {
        let why = if state.costs.days == 0 {
            "loading …"
        } else {
            "Nothing was spent."
        };
        empty(pen, body, why, "t shows more days");
        return;
    }
    let total = state.costs.total();
    let notional = lines.iter().any(|line| line.notional);
    let (body, foot) = super::split_bottom(body, u16::from(notional));
    let mut columns = COLUMNS;
    columns[0].title = match ui.dimension {
        Dimension::Day => "DAY",
        Dimension::Project => "PROJECT",
        Dimension::Agent => "AGENT",
        Dimension::Model => "MODEL",
        Dimension::Task => "TASK",
    };
    table::draw(pen, body, &columns, lines.len(), &ui.costs, |_, index| {
        let Some(line) = lines.get(index) else {
            return Vec::new();
        };
        let share = line
            .cost
            .saturating_mul(100)
            .checked_div(total)
            .unwrap_or(0);
        let blocks = usize::try_from(share.div_ceil(10)).unwrap_or(0).min(10);
        let label = if line.label.is_empty() {
            "(none)"
        } else {
            &line.label
        };
        vec![
            span(label, Role::Text),
            span(
                format!("{}{}", roughly(line.notional), amount(line.cost)),
                Role::Text,
            ),
            span("█".repeat(blocks), Role::Chart),
            span(tokens(line.tokens_in), Role::Muted),
            span(tokens(line.cached), Role::Muted),
            span(tokens(line.tokens_out), Role::Muted),
            span(line.calls.to_string(), Role::Muted),
        ]
    });
    if notional {
        let note = "~ a subscription pays: what it would have cost by the price table";
        pen.put(
            foot.x + 2,
            foot.y,
            foot.width.saturating_sub(2),
            note,
            Role::Muted,
        );
    }
}

fn choices(pen: &mut Pen<'_>, ui: &Ui, area: Rect) {
    let mut spans = vec![span(" last ", Role::Muted)];
    for (days, word) in [(1, "today"), (7, "7 days"), (30, "30 days")] {
        let open = ui.days == days;
        let text = if open {
            format!("[{word}]")
        } else {
            format!(" {word} ")
        };
        spans.push(span(text, if open { Role::TabActive } else { Role::Tab }));
    }
    spans.push(span("    by ", Role::Muted));
    for dimension in Dimension::ALL {
        let open = ui.dimension == dimension;
        let word = dimension.word();
        let text = if open {
            format!("[{word}]")
        } else {
            format!(" {word} ")
        };
        spans.push(span(text, if open { Role::TabActive } else { Role::Tab }));
    }
    pen.spans(area.x, area.y, area.width, &spans);
}

/// What was spent today of what may be: money, and below it tokens of subscriptions.
fn today(pen: &mut Pen<'_>, state: &State, area: Rect) {
    let totals = &state.totals;
    let (spent, limit) = (totals.cost_today_micro_usd, totals.daily_limit_micro_usd);
    let text = match limit {
        0 => format!("  today {}  no daily limit is set", usd(spent)),
        limit => format!("  today {} of {}  ", usd(spent), usd(limit)),
    };
    used_up(pen, row(area, 0), &text, spent, limit);
    let (used, limit) = (totals.tokens_today, totals.daily_token_limit);
    if used == 0 && !state.accounts.iter().any(|account| account.notional) {
        return;
    }
    let notional = usd_or_about(totals.notional_today_micro_usd, true);
    let (shown, of) = (tokens(used), tokens(limit));
    let text = format!("  today {shown} of {of} tokens ({notional})  ");
    used_up(pen, row(area, 1), &text, used, limit);
}

/// A text and a bar of how much of a limit is used up.
fn used_up(pen: &mut Pen<'_>, area: Rect, text: &str, spent: u64, limit: u64) {
    let used = pen.put(area.x, area.y, area.width, text, Role::Title);
    if limit == 0 {
        return;
    }
    let percent = spent.saturating_mul(100) / limit;
    let role = match percent {
        0..80 => Role::Chart,
        80..100 => Role::CostNear,
        _ => Role::CostOver,
    };
    let width = 20.min(area.width.saturating_sub(used + 8));
    pen.bar(area.x + used, area.y, width, percent, role);
    let x = area.x + used + width;
    let rest = area.right().saturating_sub(x);
    let share = match percent {
        0 if spent > 0 => "  under 1%".to_owned(),
        percent => format!("  {percent}%"),
    };
    pen.put(x, area.y, rest, share, role);
}
