//! The text of a pull request: title and body.
//!
//! A merge can make commit messages of both, so that what is inert on the page has to be inert in
//! git too: closing words in an agent's mouth close nothing, and nothing skips the checks.

use crate::comment::{criteria, joined};
use crate::task::{PullRequestRecord, Task};
use crate::text::{inert, one_line, quoted, visible};

/// Characters of a title at most.
const TITLE: usize = 120;

/// Characters of a block of somebody else's words.
const WORDS: usize = 4_000;

/// The title: one line with our prefix, at most 120 characters. Titles are not Markdown, so what
/// could act in one is taken apart: `#12` is written `# 12`, `@team` `@ team`, `[skip ci]`
/// `(skip ci)`.
#[must_use]
pub fn title(task: &Task) -> String {
    let mut title = String::from("[Cloud Code] ");
    let line = one_line(&task.title, TITLE);
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        let next = line[at + c.len_utf8()..].chars().next().unwrap_or(' ');
        match c {
            '[' | '<' => title.push('('),
            ']' | '>' => title.push(')'),
            '`' => title.push('\''),
            '*' => {}
            c => title.push(c),
        }
        let address = c == ':' && next == '/';
        let issue = c == '-' && before.eq_ignore_ascii_case(&'h') && next.is_ascii_digit();
        if (matches!(c, '#' | '@') && !next.is_whitespace()) || address || issue {
            title.push(' ');
        }
        before = c;
    }
    one_line(&title, TITLE)
}

/// The body: what it closes, what changed, what the agent says, git's facts. `closes` is the task's
/// own issue; `marker` is the line that the pull request is recognised by.
#[must_use]
pub fn body(task: &Task, closes: Option<u64>, marker: &str) -> String {
    let mut head = marker.to_owned();
    if let Some(issue) = closes {
        head.push_str(&format!("\n\nCloses #{issue}"));
    }
    let foot = format!(
        "<sub>Task `{}`, done by `{}` under Cloud Code for ${}. A review that asks for changes \
         starts the next attempt.</sub>",
        task.id, task.coding_cli, task.cost
    );
    let sections = [
        wanted(task, closes),
        changes(task),
        summary(task),
        task.pull_request.as_ref().map(size),
        criteria(&task.criteria_met()),
    ];
    joined(head, sections.into_iter().flatten(), &foot)
}

/// What was wanted, where no issue says it.
fn wanted(task: &Task, closes: Option<u64>) -> Option<String> {
    let text = visible(&task.description, WORDS);
    (closes.is_none() && !text.is_empty())
        .then(|| format!("## What was wanted\n\n{}", quoted(&text)))
}

fn changes(task: &Task) -> Option<String> {
    let lines = &task.report.changes_summary;
    let list: Vec<String> = lines
        .iter()
        .map(|text| format!("- {}", inert(text)))
        .collect();
    (!list.is_empty()).then(|| format!("## Changes\n\n{}", list.join("\n")))
}

fn summary(task: &Task) -> Option<String> {
    let text = visible(task.report.summary.as_deref()?, WORDS);
    (!text.is_empty()).then(|| format!("## Summary, in the agent's words\n\n{}", quoted(&text)))
}

fn size(record: &PullRequestRecord) -> String {
    format!(
        "{} file{} changed, {} lines added, {} removed, as git counts them.",
        record.files,
        if record.files == 1 { "" } else { "s" },
        record.added,
        record.removed
    )
}

#[cfg(test)]
mod tests;
