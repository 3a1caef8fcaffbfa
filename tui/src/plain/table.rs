//! Columns for people.

use crate::safe_text::SafeText;

/// Cells that a column takes at most, but for the last one.
const WIDEST: usize = 40;

/// Rows under a heading, made harmless. The last column is not padded.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let safe = |cell: &String| SafeText::new(cell);
    let rows: Vec<Vec<SafeText>> = rows
        .iter()
        .map(|row| row.iter().map(safe).collect())
        .collect();
    let widths: Vec<usize> = heading
        .iter()
        .enumerate()
        .map(|(index, title)| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(index))
                .map(SafeText::width);
            cells.chain([title.len()]).max().unwrap_or(0).min(WIDEST)
        })
        .collect();
    let heading = heading.iter().map(|title| SafeText::new(title)).collect();
    std::iter::once(heading)
        .chain(rows)
        .map(|row: Vec<SafeText>| line(&row, &widths))
        .collect()
}

fn line(row: &[SafeText], widths: &[usize]) -> String {
    let mut line = String::new();
    for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
        if index + 1 == row.len() {
            line.push_str(cell.as_str());
        } else {
            let cell = cell.fit(*width);
            line.push_str(cell.as_str());
            line.push_str(&" ".repeat(width - cell.width() + 2));
        }
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_harmless() {
        let rows = [
            vec!["a\x1b[2J".to_owned(), "one".to_owned()],
            vec!["日本".to_owned(), "two".to_owned()],
        ];
        assert_eq!(
            table(&["ID", "TITLE"], &rows),
            ["ID     TITLE", "a␛[2J  one", "日本   two"]
        );
    }
}
