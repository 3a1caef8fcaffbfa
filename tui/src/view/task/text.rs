//! The lines of a task's screen.

use cloud_code_proto::v1;

use crate::glyphs;
use crate::safe_text::SafeText;
use crate::state::{Mark, State, Task, tokens, usd};
use crate::theme::Role;
use crate::view::pen::{Pen, Span, span};
use crate::view::preview::section;
use crate::view::tasks::{about, short_agent};
use crate::view::timeline::{self, Order};

type Lines = Vec<Vec<Span>>;

/// Where it stands, and what can be done.
pub(super) fn standing(pen: &mut Pen<'_>, state: &State, task: &Task, width: usize) -> Lines {
    let wire = &task.wire;
    let mut text = Vec::new();
    let agent = if wire.agent.is_empty() {
        "no agent yet"
    } else {
        &wire.agent
    };
    let place = format!("{agent} · {} · {}", wire.project, wire.branch);
    text.push(vec![span(place, Role::Muted)]);
    text.extend(about(pen, state, task, width));
    text
}

/// The acceptance criteria.
pub(in crate::view) fn criteria(detail: &v1::TaskDetail, width: usize) -> Lines {
    let mut text = Vec::new();
    for criterion in &detail.criteria {
        let mark = match v1::CriterionStatus::try_from(criterion.status) {
            Ok(v1::CriterionStatus::Done) => Mark::Done,
            Ok(v1::CriterionStatus::InProgress) => Mark::Working,
            Ok(v1::CriterionStatus::Pending | v1::CriterionStatus::Unspecified) | Err(_) => {
                Mark::Idle
            }
        };
        push_wrapped(&mut text, &criterion.criterion, width, mark, Role::Text);
    }
    text
}

/// What the gate found, where it refused.
pub(super) fn findings(detail: &v1::TaskDetail, width: usize) -> Lines {
    let mut text = Vec::new();
    for finding in &detail.findings {
        push_wrapped(&mut text, finding, width, Mark::Failed, Role::Text);
    }
    text
}

/// What the agent says it did.
pub(super) fn summary(detail: &v1::TaskDetail, width: usize) -> Lines {
    paragraphs(&detail.summary, 200, width, 0)
}

/// A text of several lines, broken at the width.
fn paragraphs(raw: &str, max: usize, width: usize, indent: usize) -> Lines {
    let mut text = Vec::new();
    for line in SafeText::lines(raw, max) {
        for line in line.wrap(width.saturating_sub(indent)) {
            text.push(vec![
                span(" ".repeat(indent), Role::Text),
                (line, Role::Text),
            ]);
        }
    }
    text
}

fn push_wrapped(text: &mut Lines, raw: &str, width: usize, mark: Mark, role: Role) {
    let lines = SafeText::new(raw).wrap(width.saturating_sub(2).max(8));
    for (index, line) in lines.into_iter().enumerate() {
        let sign = if index == 0 { glyphs::glyph(mark) } else { " " };
        text.push(vec![
            span(sign, glyphs::role(mark)),
            span(" ", Role::Text),
            (line, role),
        ]);
    }
}

/// What was reported and what was done, by time, and how much of it is not here.
pub(super) fn timeline(
    pen: &mut Pen<'_>,
    state: &State,
    detail: &v1::TaskDetail,
    width: usize,
    order: Order,
) -> Lines {
    let events = state.detail.history(&state.activity);
    let mut text = timeline::lines(pen, &detail.progress, events, width, order);
    let before = state.detail.before();
    if before > 0 {
        let mut line = vec![span(format!("… {before} earlier events"), Role::Muted)];
        if state.detail.wants_earlier().is_some() {
            line.push(span(": ", Role::Muted));
            line.push(span("e", Role::Key));
            line.push(span(" fetches them", Role::Muted));
        }
        match order {
            Order::OldestFirst => text.insert(0, line),
            Order::NewestFirst => text.push(line),
        }
    }
    text
}

/// What the task has changed. A change this client cannot show as a whole says so.
pub(super) fn diff(detail: &v1::TaskDetail, width: usize, wrap: bool) -> Lines {
    let mut text = Vec::new();
    for change in detail.changes_summary.iter().take(50) {
        push_wrapped(&mut text, change, width, Mark::Assigned, Role::Text);
    }
    if detail.diff.is_empty() {
        text.push(vec![span("no result was published yet", Role::Muted)]);
        return text;
    }
    if !text.is_empty() {
        text.push(Vec::new());
    }
    for line in SafeText::lines(&detail.diff, 20_000) {
        let role = role_of_line(line.as_str());
        if wrap {
            text.extend(line.wrap(width).into_iter().map(|line| vec![(line, role)]));
        } else {
            text.push(vec![(line, role)]);
        }
    }
    if detail.diff_cut {
        let cut = "the difference is longer: look at the pull request (o copies its address)";
        text.push(vec![span(cut, Role::ToastWarn)]);
    }
    text
}

fn role_of_line(line: &str) -> Role {
    let header = [
        "diff ",
        "index ",
        "--- ",
        "+++ ",
        "new file",
        "deleted file",
        "similarity",
    ];
    if header.iter().any(|start| line.starts_with(start)) {
        Role::Title
    } else if line.starts_with("@@") {
        Role::DiffHunk
    } else if line.starts_with('+') {
        Role::DiffAdd
    } else if line.starts_with('-') {
        Role::DiffDel
    } else {
        Role::Text
    }
}

/// What people said to the agent, and whether it knows.
pub(super) fn messages(pen: &mut Pen<'_>, detail: &v1::TaskDetail, width: usize) -> Lines {
    let mut text = Vec::new();
    section(
        &mut text,
        "THE TASK",
        paragraphs(&detail.description, 2_000, width, 0),
    );
    let mut said = Vec::new();
    for entry in &detail.conversation {
        let known = if entry.delivered {
            "the agent knows"
        } else {
            "not delivered yet"
        };
        said.push(vec![
            span(format!("{} ", pen.clock(entry.at_ms)), Role::LogTime),
            span(&entry.author, Role::Accent),
            span(format!("  {}, {known}", entry.kind), Role::Muted),
        ]);
        said.extend(paragraphs(&entry.text, 500, width, 2));
    }
    section(&mut text, "SAID TO THE AGENT", said);
    let last = paragraphs(&detail.last_words, 200, width, 0);
    section(&mut text, "LAST WORDS OF THE AGENT", last);
    let refused = paragraphs(&detail.report_invalid, 20, width, 0);
    section(&mut text, "ITS LAST REPORT WAS NOT TAKEN", refused);
    if text.is_empty() {
        text.push(vec![span(
            "nothing was said yet; c writes to the agent",
            Role::Muted,
        )]);
    }
    text
}

/// The executions and what they cost.
pub(super) fn runs(pen: &mut Pen<'_>, detail: &v1::TaskDetail) -> Lines {
    let mut text = vec![vec![span(
        format!(
            "{:>3} {:<10} {:<12} {:<12} {:>8} {:>7} {:>6} {:>5}  MODELS",
            "#", "STATE", "AGENT", "CODING CLI", "STARTED", "$", "IN", "OUT"
        ),
        Role::Muted,
    )]];
    for run in &detail.executions {
        let tokens_in = run
            .input_tokens
            .saturating_add(run.cache_read_tokens)
            .saturating_add(run.cache_write_tokens);
        let safe = |text: &str, cells: usize| SafeText::new(text).fit(cells);
        text.push(vec![
            span(format!("{:>3} ", run.number), Role::Muted),
            span(
                format!("{:<10} ", safe(&run.state, 10)),
                role_of_run(&run.state),
            ),
            span(
                format!(
                    "{:<12} {:<12} ",
                    safe(&short_agent(&run.agent), 12),
                    safe(&run.coding_cli, 12)
                ),
                Role::Text,
            ),
            span(
                format!("{:>8} ", pen.clock(run.started_at_ms)),
                Role::LogTime,
            ),
            span(format!("{:>7} ", usd(run.cost_micro_usd)), Role::Text),
            span(
                format!(
                    "{:>6} {:>5}  ",
                    tokens(tokens_in),
                    tokens(run.output_tokens)
                ),
                Role::Muted,
            ),
            span(run.models.join(" "), Role::Muted),
        ]);
        let about = [run.cause.replace('_', " "), run.summary.clone()];
        let about: Vec<String> = about.into_iter().filter(|part| !part.is_empty()).collect();
        if !about.is_empty() {
            text.push(vec![span(format!("    {}", about.join(": ")), Role::Text)]);
        }
    }
    if detail.executions.is_empty() {
        text.push(vec![span("no execution yet", Role::Muted)]);
    }
    text
}

fn role_of_run(state: &str) -> Role {
    match state {
        "starting" | "running" => Role::Working,
        "succeeded" => Role::Done,
        "blocked" => Role::Blocked,
        "failed" | "lost" => Role::Failed,
        _ => Role::Muted,
    }
}
