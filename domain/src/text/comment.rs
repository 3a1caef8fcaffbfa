//! HTML comments: a tracker shows nothing of them, so nothing of them is passed on.

const OPENER: &str = "<!--";

/// The text without HTML comments. One that is never closed hides the rest of the text where it
/// begins a line, as Markdown has it; elsewhere its mark is shown by trackers, and stays.
pub(super) fn without(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    // Removing a comment may join `<!` and `--` into the mark of another one, so the mark is looked
    // for at the end of what is kept, not at the beginning of what is left.
    while let Some(c) = rest.chars().next() {
        shown.push(c);
        rest = &rest[c.len_utf8()..];
        if !shown.ends_with(OPENER) {
            continue;
        }
        if let Some(end) = end_of_comment(rest) {
            shown.truncate(shown.len() - OPENER.len());
            rest = &rest[end..];
        } else if begins_line(&shown[..shown.len() - OPENER.len()]) {
            shown.truncate(shown.len() - OPENER.len());
            return shown;
        } else {
            // Nothing further closes anything: what is left is shown as it is, up to the next mark
            // at the beginning of a line.
            shown.push_str(up_to_hidden_line(rest));
            return shown;
        }
    }
    shown
}

/// How many bytes after the mark the comment ends. `<!-->` and `<!--->` are whole comments.
fn end_of_comment(rest: &str) -> Option<usize> {
    if rest.starts_with('>') {
        Some(1)
    } else if rest.starts_with("->") {
        Some(2)
    } else {
        rest.find("-->").map(|at| at + 3)
    }
}

/// Whether only indentation and marks of quotes and lists stand between the last line end and here.
fn begins_line(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.chars().all(is_line_mark)
}

fn is_line_mark(c: char) -> bool {
    c == ' ' || c.is_ascii_digit() || ">-*+.)".contains(c)
}

/// The text up to the first of its lines, but for the one that it begins in, that begins with the
/// mark of a comment.
fn up_to_hidden_line(text: &str) -> &str {
    let mut end = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let bare = line.trim_start_matches(is_line_mark);
        if number > 0 && bare.starts_with(OPENER) {
            return &text[..end + line.len() - bare.len()];
        }
        end += line.len();
    }
    text
}
