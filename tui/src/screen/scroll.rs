//! A list that moved by a few rows is moved by the terminal, not drawn again.
//!
//! Over ssh that is the difference between one packet and ten. Whole rows are compared, so only
//! what is as wide as the screen can move.

use ratatui::buffer::{Buffer, Cell};

/// Rows that a list moves by at most in one frame for this to be worth looking for.
const FURTHEST: usize = 4;

/// Rows that have to be saved for it to be worth the sequences.
const WORTH: i32 = 3;

/// A part of the screen that moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scroll {
    /// The first row of the part.
    pub(super) top: usize,
    /// Its last row.
    pub(super) bottom: usize,
    /// By how many rows.
    pub(super) rows: usize,
    /// Up, so that new rows come in at the bottom.
    pub(super) up: bool,
}

/// Looks for the part whose move saves most.
pub(super) fn find(shown: &Buffer, next: &Buffer) -> Option<Scroll> {
    let width = usize::from(next.area.width).max(1);
    let shown: Vec<&[Cell]> = shown.content.chunks(width).collect();
    let next: Vec<&[Cell]> = next.content.chunks(width).collect();
    let moves = (1..=FURTHEST).flat_map(|rows| [(rows, true), (rows, false)]);
    let saved = moves.filter_map(|(rows, up)| best(&shown, &next, rows, up));
    let (saved, scroll) = saved.max_by_key(|(saved, _)| *saved)?;
    (saved >= WORTH).then_some(scroll)
}

/// The part that one move saves most rows of: the run of rows with the largest sum, where a row
/// that comes from its neighbour counts for it, and one that would be destroyed against it.
fn best(shown: &[&[Cell]], next: &[&[Cell]], rows: usize, up: bool) -> Option<(i32, Scroll)> {
    let count = next.len();
    let (mut best, mut run) = (None::<(i32, usize, usize)>, (0, 0));
    for y in 0..count {
        let from = if up {
            y.checked_add(rows)
        } else {
            y.checked_sub(rows)
        };
        let comes = from.is_some_and(|from| shown.get(from) == next.get(y));
        let stays = shown.get(y) == next.get(y);
        let value = match (comes, stays) {
            (true, false) => 1,
            (false, true) => -1,
            (true, true) | (false, false) => 0,
        };
        run = if run.0 > 0 {
            (run.0 + value, run.1)
        } else {
            (value, y)
        };
        if best.is_none_or(|(sum, ..)| run.0 > sum) {
            best = Some((run.0, run.1, y));
        }
    }
    let (sum, first, last) = best?;
    let (top, bottom) = if up {
        (first, last + rows)
    } else {
        (first.checked_sub(rows)?, last)
    };
    let scroll = Scroll {
        top,
        bottom,
        rows,
        up,
    };
    (bottom < count).then_some((sum, scroll))
}

impl Scroll {
    /// What the terminal shows after the move. Rows that came in empty are like nothing that is
    /// ever drawn, so that they are written.
    pub(super) fn apply(self, shown: &Buffer) -> Buffer {
        let width = usize::from(shown.area.width);
        let mut moved = shown.clone();
        for y in self.top..=self.bottom {
            let from = if self.up {
                y.checked_add(self.rows)
            } else {
                y.checked_sub(self.rows)
            };
            let from = from.filter(|from| (self.top..=self.bottom).contains(from));
            let row = from.and_then(|from| shown.content.get(from * width..(from + 1) * width));
            let Some(slot) = moved.content.get_mut(y * width..(y + 1) * width) else {
                continue;
            };
            match row {
                Some(row) => slot.clone_from_slice(row),
                None => slot.fill(Cell::new("\0")),
            }
        }
        moved
    }
}
