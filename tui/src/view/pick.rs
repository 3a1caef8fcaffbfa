//! A list to choose from, over the screen: the palette, agents, projects, accounts.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::keymap::shown;
use crate::state::State;
use crate::theme::Role;
use crate::ui::{PickKind, Picker, Ui};
use crate::update::{Choice, Item, items};

/// Draws the list.
pub(super) fn draw(pen: &mut Pen<'_>, state: &State, ui: &Ui, picker: &Picker, body: Rect) {
    let rows = items(state, ui, picker);
    let width = body.width.saturating_sub(4).min(100);
    let wanted = u16::try_from(rows.len().max(1) + 3).unwrap_or(u16::MAX);
    let height = wanted.min(body.height).min(20);
    let area = Rect {
        x: body.x + (body.width - width) / 2,
        y: body.y + (body.height - height) / 4,
        width,
        height,
    };
    pen.clear(area);
    let inner = pen.frame(area, title(&picker.kind));
    if inner.height < 2 || inner.width < 12 {
        return;
    }
    let used = pen.put(inner.x + 1, inner.y, 2, "> ", Role::Key);
    let x = inner.x + 1 + used;
    let end = x + pen.put(x, inner.y, inner.width - 4, &picker.text, Role::Input);
    pen.info.cursor = Some((end.min(inner.right() - 1), inner.y));
    pen.info.typing = true;
    let list = Rect {
        y: inner.y + 1,
        height: inner.height - 1,
        ..inner
    };
    if rows.is_empty() {
        pen.put(
            list.x + 3,
            list.y,
            list.width - 4,
            "nothing is called like that",
            Role::Muted,
        );
    }
    let height = usize::from(list.height);
    let top = (picker.row + 1).saturating_sub(height);
    for (y, (index, item)) in (list.y..list.bottom()).zip(rows.iter().enumerate().skip(top)) {
        row(pen, list, y, item, index == picker.row);
    }
}

fn title(kind: &PickKind) -> &'static str {
    match kind {
        PickKind::Palette => "what?",
        PickKind::Agent(_) => "to which agent?",
        PickKind::Account => "which account can be used again?",
        PickKind::Halt => "halt what?",
        PickKind::Resume => "resume what?",
    }
}

fn row(pen: &mut Pen<'_>, list: Rect, y: u16, item: &Item, chosen: bool) {
    let role = if item.refused.is_some() {
        Role::Muted
    } else {
        Role::Text
    };
    let label = (list.width / 3).clamp(8, 30);
    let key = match &item.choice {
        Choice::Command(command) => shown(command.key()),
        Choice::Task(_)
        | Choice::Agent(_)
        | Choice::Reassign(..)
        | Choice::Handoff(..)
        | Choice::Halt(_)
        | Choice::Resume(_)
        | Choice::Account(_) => String::new(),
    };
    pen.put(list.x + 2, y, label, &item.label, role);
    let x = list.x + 3 + label;
    let room = list.right().saturating_sub(x + 8);
    let about = match item.refused {
        Some(why) => format!("not now: {why}"),
        None => item.about.clone(),
    };
    pen.put(x, y, room, about, Role::Muted);
    pen.put_right(list.right().saturating_sub(7), y, 6, key, Role::Key);
    if chosen {
        let line = Rect {
            y,
            height: 1,
            ..list
        };
        pen.tint(line, Role::Selection);
        pen.put(list.x, y, 1, ">", Role::Accent);
    }
}
