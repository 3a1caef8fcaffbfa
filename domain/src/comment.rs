//! The one progress comment on a task's issue: made once, then edited in place.
//!
//! Facts are ours and stand in the open. What an agent says stands in code and in fences
//! ([`crate::text`]), and is named as what the agent says.

use crate::cost::{MicroUsd, Tokens};
use crate::limit::Measure;
use crate::report::{Criterion, CriterionStatus, Progress};
use crate::task::{BlockedReason, PullRequestRecord, Task, TaskState, waiting_sentence};
use crate::text::{inert, quoted, visible};
use crate::time::Timestamp;

/// Characters of a comment at most. GitHub takes 65,536.
const MAX_CHARS: usize = 60_000;

/// Entries of the progress list that are shown.
const PROGRESS: usize = 5;

/// Findings of the gate that are shown.
const FINDINGS: usize = 20;

/// Characters of a block of the agent's own words.
const WORDS: usize = 2_000;

/// The text of the progress comment. `marker` is the line that the comment is found by; `now` is
/// shown as the time of the update.
#[must_use]
pub fn progress(task: &Task, marker: &str, now: Timestamp) -> String {
    let head = format!("{marker}\n### Cloud Code: {}", headline(&task.state));
    let answers = if task.state.is_finished() {
        ""
    } else {
        " A comment by somebody who may write to the repository reaches the agent."
    };
    let foot = format!(
        "<sub>Updated {}. This comment is edited in place.{answers}</sub>",
        now.utc()
    );
    let sections = [
        status(task),
        facts(task),
        agent_words(task),
        criteria(&task.criteria_met()),
        recent(&task.report.progress),
    ];
    joined(head, sections.into_iter().flatten(), &foot)
}

/// Puts sections together, leaving out what would be too much: each is whole or absent, so that no
/// fence is left open.
pub(crate) fn joined(head: String, sections: impl Iterator<Item = String>, foot: &str) -> String {
    const LEFT_OUT: &str = "(Left out: too long to show here.)";
    let mut page = head;
    let mut left =
        MAX_CHARS.saturating_sub(page.chars().count() + foot.chars().count() + LEFT_OUT.len() + 8);
    let mut complete = true;
    for section in sections {
        let length = section.chars().count() + 2;
        if length > left {
            complete = false;
            continue;
        }
        left -= length;
        page.push_str("\n\n");
        page.push_str(&section);
    }
    if !complete {
        page.push_str("\n\n");
        page.push_str(LEFT_OUT);
    }
    page.push_str("\n\n");
    page.push_str(foot);
    page.push('\n');
    page
}

fn headline(state: &TaskState) -> &'static str {
    match state {
        TaskState::Triage(_) => "waits for an operator",
        TaskState::Pending => "waiting to start",
        TaskState::Assigned(_) => "starting",
        TaskState::InProgress(_) => "in progress",
        TaskState::Publishing(_) => "publishing",
        TaskState::Review => "ready for review",
        TaskState::Blocked(_) => "blocked",
        TaskState::Completed => "done",
        TaskState::Failed(_) => "failed",
        TaskState::Cancelled(_) => "cancelled",
    }
}

/// Why it waits or what it does, and what a person can do about it.
fn status(task: &Task) -> Option<String> {
    let mut lines = vec![sentence(task)];
    if let TaskState::Blocked(reason) = &task.state {
        lines.extend(blocked(reason, task));
    }
    let failed = matches!(task.state, TaskState::Pending | TaskState::Failed(_));
    if let Some(error) = task.last_error.as_deref().filter(|_| failed) {
        lines.push(format!("Last error: {}", inert(error)));
    }
    Some(lines.join("\n\n"))
}

fn sentence(task: &Task) -> String {
    if let TaskState::Blocked(BlockedReason::NeedsHuman(_)) = &task.state {
        return "The agent needs a person.".to_owned();
    }
    if let TaskState::Blocked(BlockedReason::PublishRejected { .. }) = &task.state {
        return "The result was refused before it was pushed.".to_owned();
    }
    let sentence = inert(&waiting_sentence(task));
    let mut chars = sentence.chars();
    let first = chars.next().map(char::to_uppercase);
    let sentence: String = first.into_iter().flatten().chain(chars).collect();
    let stop = if sentence.ends_with(['.', '!', '?', '…']) {
        ""
    } else {
        "."
    };
    format!("{sentence}{stop}")
}

fn blocked(reason: &BlockedReason, task: &Task) -> Vec<String> {
    let command = |words: &str| format!("An operator can go on with `cloud-code {words}`.");
    match reason {
        BlockedReason::NeedsHuman(words) => {
            let mut lines = Vec::new();
            let words = visible(words, WORDS);
            if !words.is_empty() {
                lines.push(format!("The agent says:\n\n{}", quoted(&words)));
            }
            lines.push("An answer in a comment here lets it go on.".to_owned());
            lines
        }
        BlockedReason::NeedsCredential => vec![command("approvals")],
        BlockedReason::CostLimit => vec![command(&task.grant_command())],
        BlockedReason::PublishRejected {
            findings, passable, ..
        } => {
            let verb = if *passable { "pass" } else { "steer" };
            vec![
                findings_list(findings),
                command(&format!("task {verb} {}", task.id)),
            ]
        }
        BlockedReason::Handoff(_) | BlockedReason::KeepsBeingInterrupted => {
            vec![command(&format!("task retry {}", task.id))]
        }
    }
}

fn findings_list(findings: &[String]) -> String {
    let shown = findings.iter().take(FINDINGS);
    let mut lines: Vec<String> = shown.map(|text| format!("- {}", inert(text))).collect();
    if findings.len() > FINDINGS {
        lines.push(format!("- and {} more", findings.len() - FINDINGS));
    }
    lines.join("\n")
}

/// What we know ourselves: the gateway's count, git's count, our own names.
fn facts(task: &Task) -> Option<String> {
    let mut facts = vec![format!("- Task `{}`", task.id)];
    if let Some(agent) = &task.agent {
        facts.push(format!("- Agent `{agent}` with `{}`", task.coding_cli));
    }
    if task.attempts > 0 {
        let (attempts, max) = (task.attempts, task.max_attempts);
        facts.push(format!("- {attempts} of {max} attempts failed"));
    }
    let spent = task.spent();
    if spent.cost > MicroUsd(0) {
        let level = spent.level(Measure::Dollars, task.limits());
        facts.push(format!("- Cost {level}"));
    }
    if spent.tokens > Tokens(0) {
        let level = spent.level(Measure::Tokens, task.limits());
        facts.push(format!("- Used {level} of a subscription"));
    }
    if let Some(pull_request) = &task.pull_request {
        facts.push(format!("- {}", pull_request_fact(pull_request)));
    }
    if task.executions > 0 {
        facts.push(format!("- Branch {}", inert_code(&task.branch)));
    }
    Some(facts.join("\n"))
}

fn pull_request_fact(record: &PullRequestRecord) -> String {
    let size = format!(
        "{} file{}, +{} −{}",
        record.files,
        if record.files == 1 { "" } else { "s" },
        record.added,
        record.removed
    );
    match (record.number, record.url.as_deref()) {
        (Some(number), Some(url)) if is_page(url) => {
            format!("Pull request [#{number}]({url}): {size}")
        }
        (Some(number), _) => format!("Pull request #{number}: {size}"),
        (None, _) => format!("Result: {size}"),
    }
}

/// Whether an address can stand in a link of ours as it is.
fn is_page(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && url.len() <= 500
        && url
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#=&%+,".contains(&b))
}

fn inert_code(name: &str) -> String {
    format!("`{}`", name.replace(['`', '\n'], ""))
}

fn agent_words(task: &Task) -> Option<String> {
    let summary = visible(task.report.summary.as_deref()?, WORDS);
    (!summary.is_empty())
        .then(|| format!("**Summary, in the agent's words**\n\n{}", quoted(&summary)))
}

/// The acceptance criteria with what the agent says of each.
pub(crate) fn criteria(criteria: &[Criterion]) -> Option<String> {
    if criteria.is_empty() {
        return None;
    }
    let done = |one: &&Criterion| one.status == CriterionStatus::Done;
    let mut lines = vec![format!(
        "**Acceptance criteria**: {} of {} done, as the agent says\n",
        criteria.iter().filter(done).count(),
        criteria.len()
    )];
    lines.extend(criteria.iter().map(|one| {
        let sign = match one.status {
            CriterionStatus::Done => "✅",
            CriterionStatus::InProgress => "🔄",
            CriterionStatus::Pending => "⬜",
        };
        format!("- {sign} {}", inert(&one.criterion))
    }));
    Some(lines.join("\n"))
}

fn recent(progress: &[Progress]) -> Option<String> {
    let from = progress.len().saturating_sub(PROGRESS);
    let lines: Vec<String> = progress[from..]
        .iter()
        .map(|entry| format!("- {}: {}", entry.at.utc(), inert(&entry.message)))
        .collect();
    (!lines.is_empty()).then(|| format!("**Progress**\n\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests;
