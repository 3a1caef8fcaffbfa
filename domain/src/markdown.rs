//! The little that we read out of an issue's Markdown: its lines outside code fences.

use crate::text::visible;

/// The visible lines outside code fences, as trackers show them: comments are gone, code is not
/// prose.
pub(crate) fn prose_lines(body: &str) -> Vec<String> {
    let body = visible(body, usize::MAX);
    let mut fence: Option<(char, usize)> = None;
    let mut lines = Vec::new();
    for line in body.lines() {
        match (fence, fence_run(line)) {
            (None, Some((mark, length, _))) => fence = Some((mark, length)),
            (None, None) => lines.push(line.to_owned()),
            (Some((open, at_least)), Some((mark, length, true)))
                if mark == open && length >= at_least =>
            {
                fence = None;
            }
            (Some(_), _) => {}
        }
    }
    lines
}

/// The fence that a line opens or closes: its character, its length, and whether nothing follows.
fn fence_run(line: &str) -> Option<(char, usize, bool)> {
    let line = line.trim_start();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.chars().take_while(|c| *c == mark).count();
    let rest = &line[length..];
    // A backtick fence cannot carry backticks in its first line: that is a code span.
    (length >= 3 && !(mark == '`' && rest.contains('`')))
        .then(|| (mark, length, rest.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_not_prose() {
        let body = "a\n```sh\nb\n~~~\n```x\n````\nc\n~~~\nd\n```\ne\n~~~ \nf\n``` inline ```";
        assert_eq!(prose_lines(body), ["a", "c", "f", "``` inline ```"]);
    }

    #[test]
    fn a_fence_that_is_never_closed_runs_to_the_end() {
        assert_eq!(prose_lines("a\n```\nb\nc"), ["a"]);
    }
}
