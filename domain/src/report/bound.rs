//! The bounds of a report, kept wherever one comes in: from a file, and again from the wire.

use crate::text::{one_line, visible};

use super::{CredentialAsk, Criterion, FileClaim, Progress, Report, ReportDelta, bounds};

impl Report {
    /// The report within its bounds: visible text only, cut; lists cut; the newest progress kept;
    /// no empty texts. Doing it twice changes nothing.
    #[must_use]
    pub fn bounded(self) -> Self {
        let mut progress = progress(self.progress);
        let over = progress.len().saturating_sub(bounds::PROGRESS);
        progress.drain(..over);
        Self {
            status: self.status,
            current_step: optional(self.current_step, one_line, bounds::LINE),
            summary: optional(self.summary, visible, bounds::TEXT),
            error: optional(self.error, visible, bounds::TEXT),
            blocked_reason: optional(self.blocked_reason, visible, bounds::TEXT),
            progress,
            progress_dropped: self.progress_dropped.saturating_add(over as u64),
            changes_summary: lines(self.changes_summary),
            files: files(self.files),
            criteria: criteria(self.criteria),
            credential_requests: asks(self.credential_requests),
            invalid: optional(self.invalid, visible, bounds::TEXT),
        }
    }
}

impl ReportDelta {
    /// The delta within the bounds of a report. Empty texts stay: they clear.
    #[must_use]
    pub fn bounded(self) -> Self {
        let mut progress = progress(self.progress);
        let over = progress.len().saturating_sub(bounds::PROGRESS);
        progress.drain(..over);
        let line = |text: String| one_line(&text, bounds::LINE);
        let text = |text: String| visible(&text, bounds::TEXT);
        Self {
            status: self.status,
            current_step: self.current_step.map(line),
            summary: self.summary.map(text),
            error: self.error.map(text),
            blocked_reason: self.blocked_reason.map(text),
            progress,
            progress_dropped: self.progress_dropped.saturating_add(over as u64),
            changes_summary: self.changes_summary.map(lines),
            files: self.files.map(files),
            criteria: self.criteria.map(criteria),
            credential_requests: self.credential_requests.map(asks),
            invalid: self.invalid.map(text),
        }
    }
}

fn optional(
    text: Option<String>,
    bound: fn(&str, usize) -> String,
    max_chars: usize,
) -> Option<String> {
    text.map(|text| bound(&text, max_chars))
        .filter(|text| !text.is_empty())
}

fn progress(entries: Vec<Progress>) -> Vec<Progress> {
    entries
        .into_iter()
        .map(|entry| Progress {
            message: one_line(&entry.message, bounds::LINE),
            ..entry
        })
        .collect()
}

fn lines(lines: Vec<String>) -> Vec<String> {
    lines
        .into_iter()
        .map(|line| one_line(&line, bounds::LINE))
        .filter(|line| !line.is_empty())
        .take(bounds::LIST)
        .collect()
}

fn files(files: Vec<FileClaim>) -> Vec<FileClaim> {
    files
        .into_iter()
        .map(|file| FileClaim {
            path: one_line(&file.path, bounds::LINE),
            ..file
        })
        .filter(|file| !file.path.is_empty())
        .take(bounds::LIST)
        .collect()
}

fn criteria(criteria: Vec<Criterion>) -> Vec<Criterion> {
    criteria
        .into_iter()
        .map(|one| Criterion {
            criterion: one_line(&one.criterion, bounds::LINE),
            ..one
        })
        .filter(|one| !one.criterion.is_empty())
        .take(bounds::LIST)
        .collect()
}

fn asks(asks: Vec<CredentialAsk>) -> Vec<CredentialAsk> {
    asks.into_iter()
        .map(|ask| CredentialAsk {
            label: one_line(&ask.label, bounds::LINE),
            kind: one_line(&ask.kind, bounds::LINE),
            scope: one_line(&ask.scope, bounds::SCOPE),
            reason: visible(&ask.reason, bounds::REASON),
        })
        .take(bounds::REQUESTS)
        .collect()
}
