//! Acceptance criteria: the task list in an issue's text.

use crate::markdown::prose_lines;
use crate::report::bounds;
use crate::text::one_line;

/// The items of the task list (`- [ ] …`, `* [x] …`, `1. [ ] …`), one line each, outside code
/// fences, the first [`bounds::LIST`].
#[must_use]
pub fn from_markdown(body: &str) -> Vec<String> {
    prose_lines(body)
        .iter()
        .filter_map(|line| item(line))
        .map(|text| one_line(text, bounds::LINE))
        .filter(|text| !text.is_empty())
        .take(bounds::LIST)
        .collect()
}

fn item(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = if digits == 0 {
        line.strip_prefix(['-', '*', '+'])?
    } else {
        line[digits..].strip_prefix(['.', ')'])?
    };
    let rest = rest.strip_prefix(' ')?.trim_start();
    let text = ["[ ]", "[x]", "[X]"]
        .into_iter()
        .find_map(|mark| rest.strip_prefix(mark))?;
    text.strip_prefix(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_are_the_task_list_outside_code() {
        let body = "Intro\n\n- [ ] First\n  * [x] Second,  nested\n+ [X] Third\r\n1. [ ] Fourth\n\
                    12) [ ] Fifth\n- [] no\n- [ ]no\n-[ ] no\n- plain\n[ ] no\n- [ ]   \n\
                    ```\n- [ ] code\n```\n<!-- - [ ] hidden -->\n- [ ] Last `x`";
        assert_eq!(
            from_markdown(body),
            [
                "First",
                "Second, nested",
                "Third",
                "Fourth",
                "Fifth",
                "Last `x`"
            ]
        );
    }

    #[test]
    fn criteria_are_bounded() {
        let body = format!("- [ ] {}\n", "a".repeat(10_000)).repeat(300);
        let criteria = from_markdown(&body);
        assert_eq!(criteria.len(), bounds::LIST);
        assert!(criteria.iter().all(|c| c.chars().count() == bounds::LINE));
    }
}
