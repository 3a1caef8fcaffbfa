//! What was reported and what was done, by time.

use cloud_code_proto::v1;

use super::brief;
use super::pen::{Pen, Span, span};
use crate::glyphs;
use crate::safe_text::SafeText;
use crate::state::Mark;
use crate::theme::Role;

/// Cells of the time, the mark, and the blanks between them and what comes.
const BEFORE: usize = 12;

/// Cells of what an entry is, and where there is room for all of it.
const WORD: (usize, usize) = (13, 21);

/// From so many cells on there is room.
const ROOM: usize = 70;

/// Lines that one entry takes at most.
const ENTRY: usize = 6;

/// Which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// As in a log, where its end is what is shown.
    OldestFirst,
    /// Where its beginning is what is shown.
    NewestFirst,
}

struct Entry {
    at: i64,
    mark: Mark,
    word: String,
    what: String,
}

/// The lines. Where the reports are known, the events that only announce them are
/// left out.
pub(super) fn lines<'a>(
    pen: &Pen<'_>,
    progress: &[v1::Progress],
    events: impl Iterator<Item = &'a v1::Event>,
    width: usize,
    order: Order,
) -> Vec<Vec<Span>> {
    let mut entries: Vec<Entry> = progress.iter().map(reported).collect();
    let told = !entries.is_empty();
    let events = events.filter(|event| !(told && event.kind.contains("progress")));
    entries.extend(events.map(happened));
    entries.sort_by_key(|entry| entry.at);
    if order == Order::NewestFirst {
        entries.reverse();
    }
    let cells = if width < ROOM { WORD.0 } else { WORD.1 };
    let indent = BEFORE + cells;
    let room = width.saturating_sub(indent).max(10);
    let mut text = Vec::new();
    for entry in entries {
        let mut lines = SafeText::new(&entry.what).wrap(room).into_iter();
        text.push(vec![
            span(format!("{} ", pen.clock(entry.at)), Role::LogTime),
            span(glyphs::glyph(entry.mark), glyphs::role(entry.mark)),
            span(" ", Role::Text),
            span(
                format!("{:<1$} ", SafeText::new(&entry.word).fit(cells), cells),
                Role::Muted,
            ),
            (lines.next().unwrap_or_default(), Role::Text),
        ]);
        for line in lines.take(ENTRY - 1) {
            text.push(vec![
                span(" ".repeat(indent), Role::Text),
                (line, Role::Text),
            ]);
        }
    }
    text
}

fn happened(event: &v1::Event) -> Entry {
    let who = if event.actor_kind == "operator" {
        format!(" by {}", event.actor)
    } else {
        String::new()
    };
    Entry {
        at: event.at_ms,
        mark: mark_of(&event.kind),
        word: event.kind.replace('_', " "),
        what: format!("{}{who}", brief(&event.detail)),
    }
}

/// What an event means for the task, as far as its name says so.
fn mark_of(kind: &str) -> Mark {
    let has = |word: &str| kind.contains(word);
    if has("fail") || has("refused") || has("rejected") {
        Mark::Failed
    } else if has("blocked") || has("limit") {
        Mark::Blocked
    } else if has("credential") || has("triage") {
        Mark::Attention
    } else if has("merged") || has("completed") || has("succeeded") {
        Mark::Done
    } else {
        Mark::Assigned
    }
}

fn reported(progress: &v1::Progress) -> Entry {
    let (mark, word) = match v1::ReportStatus::try_from(progress.status) {
        Ok(v1::ReportStatus::Waiting) => (Mark::Idle, "waiting"),
        Ok(v1::ReportStatus::Received) => (Mark::Assigned, "received"),
        Ok(v1::ReportStatus::Planning) => (Mark::Working, "planning"),
        Ok(v1::ReportStatus::InProgress) => (Mark::Working, "in progress"),
        Ok(v1::ReportStatus::Blocked) => (Mark::Blocked, "blocked"),
        Ok(v1::ReportStatus::Completed) => (Mark::Done, "completed"),
        Ok(v1::ReportStatus::Failed) => (Mark::Failed, "failed"),
        Ok(v1::ReportStatus::Unspecified) | Err(_) => (Mark::Unknown, "reported"),
    };
    Entry {
        at: progress.at_ms,
        mark,
        word: word.to_owned(),
        what: progress.message.clone(),
    }
}
