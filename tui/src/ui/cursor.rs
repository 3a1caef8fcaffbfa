//! What is selected in a list.

/// The selection follows the object, not the row: when others come and go it stays where it was
/// meant. Where its object is gone nothing is selected, so that no key hits what slid beneath it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    /// The id of what is selected.
    pub id: Option<String>,
    /// Where it was last.
    pub index: usize,
    /// The first row shown.
    pub top: usize,
}

impl Cursor {
    /// The selected row; none where what was selected is gone.
    #[must_use]
    pub(crate) fn row(&self, ids: &[impl AsRef<str>]) -> Option<usize> {
        let id = self.id.as_deref()?;
        // Where it was is where it most likely is.
        if ids
            .get(self.index)
            .is_some_and(|known| known.as_ref() == id)
        {
            return Some(self.index);
        }
        ids.iter().position(|known| known.as_ref() == id)
    }

    /// Selects a row.
    pub(crate) fn select(&mut self, ids: &[impl AsRef<str>], row: usize) {
        let row = row.min(ids.len().saturating_sub(1));
        self.id = ids.get(row).map(|id| id.as_ref().to_owned());
        self.index = row;
    }

    /// Moves by rows. Where nothing is selected the first move selects the row that is nearest to
    /// where the selection was.
    pub(crate) fn step(&mut self, ids: &[impl AsRef<str>], rows: isize) {
        let row = match self.row(ids) {
            Some(row) => row.saturating_add_signed(rows),
            None => self.index,
        };
        self.select(ids, row);
    }

    /// Follows its object after rows came or went.
    pub(crate) fn settle(&mut self, ids: &[impl AsRef<str>]) {
        if self.id.is_none() {
            return;
        }
        match self.row(ids) {
            Some(row) => self.index = row,
            None => self.id = None,
        }
    }

    /// The first row to show so that the selection is seen.
    #[must_use]
    pub(crate) fn top_for(&self, rows: usize, height: usize) -> usize {
        let last = rows.saturating_sub(height);
        let at = self.index.min(rows.saturating_sub(1));
        let top = self.top.min(last);
        if at < top {
            at
        } else if height > 0 && at >= top + height {
            at + 1 - height
        } else {
            top
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_follows_its_object() {
        let mut cursor = Cursor::default();
        cursor.select(&["a", "b", "c"], 1);
        cursor.settle(&["x", "a", "b", "c"]);
        assert_eq!(cursor.row(&["x", "a", "b", "c"]), Some(2));
    }

    #[test]
    fn nothing_is_selected_where_the_object_is_gone() {
        let mut cursor = Cursor::default();
        cursor.select(&["a", "b", "c"], 1);
        cursor.settle(&["a", "c"]);
        assert_eq!(cursor.id, None, "c slid beneath it and is not selected");
        cursor.step(&["a", "c"], 1);
        assert_eq!(cursor.id.as_deref(), Some("c"));
    }

    #[test]
    fn moves_stop_at_the_ends() {
        let mut cursor = Cursor::default();
        cursor.step(&[] as &[&str], 1);
        assert_eq!(cursor.id, None);
        cursor.step(&["a", "b"], 1);
        cursor.step(&["a", "b"], 9);
        assert_eq!(cursor.id.as_deref(), Some("b"));
        cursor.step(&["a", "b"], -9);
        assert_eq!(cursor.id.as_deref(), Some("a"));
    }

    #[test]
    fn the_selected_row_is_always_seen() {
        let cursor = Cursor {
            id: None,
            index: 30,
            top: 0,
        };
        assert_eq!(cursor.top_for(50, 10), 21);
        assert_eq!(cursor.top_for(5, 10), 0);
        assert_eq!(cursor.top_for(0, 0), 0);
    }
}
