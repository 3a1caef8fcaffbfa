//! What an issue waits for: the issues that its text names.

use std::collections::BTreeSet;

use crate::markdown::prose_lines;
use crate::report::bounds;

/// The issues that the text says it depends on: lines that start with `Depends on` or `Blocked by`
/// and name issues of the same tracker (`Depends on #12, #13 and #14`). Sorted, without
/// repetition, the first [`bounds::LIST`] of the text.
#[must_use]
pub fn from_body(body: &str) -> Vec<u64> {
    let mut found = BTreeSet::new();
    let lines = prose_lines(body);
    for number in lines.iter().flat_map(|line| numbers(line)) {
        if found.len() == bounds::LIST {
            break;
        }
        found.insert(number);
    }
    found.into_iter().collect()
}

fn numbers(line: &str) -> Vec<u64> {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "-*+>_".contains(c));
    let line = line.to_lowercase();
    let Some(mut rest) = ["depends on", "blocked by"]
        .iter()
        .find_map(|phrase| line.strip_prefix(phrase))
    else {
        return Vec::new();
    };
    let mut numbers = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || ":*_,;&".contains(c));
        rest = rest.strip_prefix("and ").map_or(rest, str::trim_start);
        let Some(after) = rest.strip_prefix('#') else {
            return numbers;
        };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        match after[..digits].parse() {
            Ok(number) if number > 0 => numbers.push(number),
            // No number, zero, or one that no tracker gives out: not an issue.
            Ok(_) | Err(_) => return numbers,
        }
        rest = &after[digits..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_waits_for_those_that_its_text_names() {
        let body = "Depends on #12, #3 and #7.\n- **Blocked by:** #40\nDEPENDS ON: #3\n\
                    > depends on #5";
        assert_eq!(from_body(body), [3, 5, 7, 12, 40]);
    }

    #[test]
    fn only_statements_count() {
        for body in [
            "This no longer depends on #4",
            "Depends on the weather, see #4",
            "Depends on acme/app#4",
            "Depends on #",
            "Depends on #0",
            "Depends on #99999999999999999999999",
            "```\nDepends on #4\n```",
            "<!-- Depends on #4 -->",
        ] {
            assert_eq!(from_body(body), [0_u64; 0], "{body:?}");
        }
    }

    #[test]
    fn dependencies_are_bounded() {
        let body: String = (1..5_000).map(|n| format!("Depends on #{n}\n")).collect();
        assert_eq!(from_body(&body).len(), bounds::LIST);
    }
}
