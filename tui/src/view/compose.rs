//! A form over the screen.

use ratatui::layout::Rect;

use super::pen::Pen;
use crate::theme::Role;
use crate::ui::{Composer, Field};

/// Draws the form.
pub(super) fn draw(pen: &mut Pen<'_>, composer: &Composer, body: Rect) {
    let width = body.width.saturating_sub(4).min(100);
    let height = body.height.min(16);
    let area = Rect {
        x: body.x + (body.width - width) / 2,
        y: body.y + (body.height - height) / 4,
        width,
        height,
    };
    pen.clear(area);
    let inner = pen.frame(area, &composer.title);
    if inner.height < 3 || inner.width < 20 {
        return;
    }
    let singles = composer.fields.iter().filter(|field| field.single).count();
    let singles = u16::try_from(singles).unwrap_or(0);
    let mut y = inner.y;
    for (index, field) in composer.fields.iter().enumerate() {
        let focus = index == composer.focus;
        let room = inner.bottom().saturating_sub(y + 2);
        let rows = if field.single {
            1
        } else {
            inner.height.saturating_sub(singles + 3)
        };
        let rows = rows.min(room);
        if rows == 0 {
            break;
        }
        y += draw_field(
            pen,
            field,
            focus,
            Rect {
                y,
                height: rows,
                ..inner
            },
        );
    }
    let y = inner.bottom() - 1;
    let button = format!("[ {} ]", composer.verb);
    let role = if composer.on_button() {
        Role::Match
    } else {
        Role::Key
    };
    let used = pen.put(inner.x + 1, y, inner.width - 2, button, role);
    let x = inner.x + 3 + used;
    let room = inner.right().saturating_sub(x);
    match &composer.problem {
        Some(problem) => pen.put(x, y, room, problem, Role::ToastError),
        None => pen.put(x, y, room, "^d sends, Esc keeps the draft", Role::Muted),
    };
}

/// Draws a field. Gives the rows it took, its label included.
fn draw_field(pen: &mut Pen<'_>, field: &Field, focus: bool, area: Rect) -> u16 {
    let role = if focus { Role::Key } else { Role::Muted };
    let (text, rows) = if field.single {
        pen.put(area.x + 1, area.y, 9, field.label, role);
        let text = Rect {
            x: area.x + 11,
            width: area.width.saturating_sub(12),
            ..area
        };
        (text, 1)
    } else {
        pen.put(area.x + 1, area.y, area.width - 2, field.label, role);
        let text = Rect {
            x: area.x + 1,
            y: area.y + 1,
            width: area.width - 2,
            height: area.height.saturating_sub(1).max(1),
        };
        (text, area.height)
    };
    let mut editor = field.area.clone();
    let base = pen.style(Role::Background).patch(pen.style(Role::Input));
    editor.set_style(base);
    editor.set_cursor_line_style(base);
    editor.set_cursor_style(if focus {
        base.add_modifier(ratatui::style::Modifier::REVERSED)
    } else {
        base
    });
    pen.widget(&editor, text);
    rows
}
