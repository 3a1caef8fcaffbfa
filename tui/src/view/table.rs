//! A list with columns. Only the rows that are seen are made, so a list may be as long as it wants.

use ratatui::layout::Rect;

use super::pen::{Pen, Span};
use super::split_bottom;
use crate::theme::Role;
use crate::ui::Cursor;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Its title.
    pub title: &'static str,
    /// Cells; the one with 0 takes what is left.
    pub width: u16,
    /// Numbers stand on the right.
    pub right: bool,
    /// Columns with a higher number go first where there is no room; 0 stays.
    pub drop: u8,
}

/// A column on the left.
pub(super) const fn left(title: &'static str, width: u16, drop: u8) -> Column {
    Column {
        title,
        width,
        right: false,
        drop,
    }
}

/// A column of numbers.
pub(super) const fn right(title: &'static str, width: u16, drop: u8) -> Column {
    Column {
        title,
        width,
        right: true,
        drop,
    }
}

/// The least that the column without a width gets before others are dropped.
const REST: u16 = 26;

/// The columns that there is room for: index, offset, width.
fn layout(columns: &[Column], width: u16) -> Vec<(usize, u16, u16)> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let at = |index: usize| columns.get(index).copied().unwrap_or(left("", 0, 0));
    let needs = |kept: &[usize]| -> u16 {
        let fixed: u16 = kept.iter().map(|index| at(*index).width + 1).sum();
        fixed + REST
    };
    while needs(&kept) > width {
        let Some(worst) = kept
            .iter()
            .copied()
            .filter(|index| at(*index).drop > 0)
            .max_by_key(|index| at(*index).drop)
        else {
            break;
        };
        kept.retain(|index| *index != worst);
    }
    let fixed: u16 = kept.iter().map(|index| at(*index).width + 1).sum();
    let rest = width.saturating_sub(fixed);
    let mut x = 0;
    kept.into_iter()
        .map(|index| {
            let column = at(index);
            let cells = if column.width == 0 {
                rest
            } else {
                column.width
            };
            let place = (index, x, cells);
            x += cells + 1;
            place
        })
        .collect()
}

/// Draws a list. `row` gives the cells of a row, one for each column. The gutter shows what is
/// selected, also without colours.
pub(super) fn draw(
    pen: &mut Pen<'_>,
    area: Rect,
    columns: &[Column],
    rows: usize,
    cursor: &Cursor,
    mut row: impl FnMut(&mut Pen<'_>, usize) -> Vec<Span>,
) {
    if area.height < 2 || area.width < 4 {
        return;
    }
    let places = layout(columns, area.width - 2);
    for (index, x, width) in &places {
        let Some(column) = columns.get(*index) else {
            continue;
        };
        let x = area.x + 2 + x;
        if column.right {
            pen.put_right(x, area.y, *width, column.title, Role::Muted);
        } else {
            pen.put(x, area.y, *width, column.title, Role::Muted);
        }
    }
    let height = usize::from(area.height - 1);
    let top = cursor.top_for(rows, height);
    pen.info.top = Some(top);
    pen.info.page = height;
    for (y, index) in (area.y + 1..area.bottom()).zip(top..rows) {
        let cells = row(pen, index);
        for (index, x, width) in &places {
            let (Some(column), Some((text, role))) = (columns.get(*index), cells.get(*index))
            else {
                continue;
            };
            let x = area.x + 2 + x;
            if column.right {
                pen.put_right(x, y, *width, text, *role);
            } else {
                pen.put(x, y, *width, text, *role);
            }
        }
        if cursor.id.is_some() && cursor.index == index {
            let line = Rect {
                y,
                height: 1,
                ..area
            };
            pen.tint(line, Role::Selection);
            pen.put(area.x, y, 1, ">", Role::Accent);
            pen.info.cursor = Some((area.x, y));
        }
    }
}

/// Draws lines from the `top`th on. Gives the first line that was drawn: no further than the end.
pub(super) fn lines(pen: &mut Pen<'_>, area: Rect, lines: &[Vec<Span>], top: usize) -> usize {
    let height = usize::from(area.height);
    let top = top.min(lines.len().saturating_sub(height));
    for (y, line) in (area.y..area.bottom()).zip(lines.iter().skip(top)) {
        pen.spans(area.x, y, area.width, line);
    }
    top
}

/// The same, for a text that may be longer than the screen: its last row then says so.
pub(super) fn scrolled(pen: &mut Pen<'_>, area: Rect, text: &[Vec<Span>], top: usize) {
    let longer = text.len() > usize::from(area.height) && area.height > 2;
    let (area, foot) = split_bottom(area, u16::from(longer));
    pen.info.page = usize::from(area.height);
    let first = lines(pen, area, text, top);
    pen.info.top = Some(first);
    if longer {
        let below = text.len().saturating_sub(first + usize::from(area.height));
        let more = match below {
            0 => "the end".to_owned(),
            below => format!("{below} more below"),
        };
        pen.put_right(foot.x, foot.y, foot.width, more, Role::Muted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [left("NAME", 10, 0), left("TITLE", 0, 0), right("MEM", 6, 1)];

    #[test]
    fn the_column_without_a_width_takes_what_is_left() {
        assert_eq!(layout(&COLUMNS, 60), [(0, 0, 10), (1, 11, 41), (2, 53, 6)]);
    }

    #[test]
    fn columns_are_dropped_in_their_order() {
        assert_eq!(layout(&COLUMNS, 36), [(0, 0, 10), (1, 11, 24)]);
        assert_eq!(
            layout(&COLUMNS, 5).len(),
            2,
            "what may not be dropped stays"
        );
    }
}
