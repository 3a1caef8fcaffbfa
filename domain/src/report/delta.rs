//! The difference of two reports, and its application.
//!
//! ```text
//!  apply(old, diff(old, new)) == new       where new continues old's progress
//! ```
//!
//! Progress only grows: entry `n` counted from the beginning never changes, and the front is dropped
//! to keep the bound. So the difference is what lies behind the end of the old list.

use super::{Progress, Report, ReportDelta, bounds};

/// What has to be applied to `old` to get `new`. Both are bounded, and the progress of `new`
/// continues that of `old`.
#[must_use]
pub fn diff(old: &Report, new: &Report) -> ReportDelta {
    let (progress_dropped, progress) = appended(old, new);
    ReportDelta {
        status: (old.status != new.status).then_some(new.status),
        current_step: changed_text(old.current_step.as_ref(), new.current_step.as_ref()),
        summary: changed_text(old.summary.as_ref(), new.summary.as_ref()),
        error: changed_text(old.error.as_ref(), new.error.as_ref()),
        blocked_reason: changed_text(old.blocked_reason.as_ref(), new.blocked_reason.as_ref()),
        progress,
        progress_dropped,
        changes_summary: changed(&old.changes_summary, &new.changes_summary),
        files: changed(&old.files, &new.files),
        criteria: changed(&old.criteria, &new.criteria),
        credential_requests: changed(&old.credential_requests, &new.credential_requests),
        invalid: changed_text(old.invalid.as_ref(), new.invalid.as_ref()),
    }
}

/// How many entries were dropped between the end of the old list and the beginning of the new one,
/// and the entries behind the end of the old list.
fn appended(old: &Report, new: &Report) -> (u64, Vec<Progress>) {
    let old_end = old
        .progress_dropped
        .saturating_add(old.progress.len() as u64);
    let gap = new.progress_dropped.saturating_sub(old_end);
    let known = old_end.saturating_sub(new.progress_dropped);
    let known = usize::try_from(known).unwrap_or(usize::MAX);
    (gap, new.progress.iter().skip(known).cloned().collect())
}

fn changed<T: PartialEq + Clone>(old: &Vec<T>, new: &Vec<T>) -> Option<Vec<T>> {
    (old != new).then(|| new.clone())
}

fn changed_text(old: Option<&String>, new: Option<&String>) -> Option<String> {
    (old != new).then(|| new.cloned().unwrap_or_default())
}

impl Report {
    /// Applies a bounded delta. Applying it twice would double progress; the sequence number of its
    /// record prevents that.
    pub fn apply(&mut self, delta: ReportDelta) {
        if let Some(status) = delta.status {
            self.status = status;
        }
        apply_text(&mut self.current_step, delta.current_step);
        apply_text(&mut self.summary, delta.summary);
        apply_text(&mut self.error, delta.error);
        apply_text(&mut self.blocked_reason, delta.blocked_reason);
        apply_text(&mut self.invalid, delta.invalid);
        apply_list(&mut self.changes_summary, delta.changes_summary);
        apply_list(&mut self.files, delta.files);
        apply_list(&mut self.criteria, delta.criteria);
        apply_list(&mut self.credential_requests, delta.credential_requests);
        self.append(delta.progress, delta.progress_dropped);
    }

    fn append(&mut self, progress: Vec<Progress>, dropped_before: u64) {
        let mut dropped = dropped_before;
        if dropped_before > 0 {
            // The new entries do not join the old ones: the list goes on behind the gap.
            dropped = dropped.saturating_add(self.progress.len() as u64);
            self.progress.clear();
        }
        self.progress.extend(progress);
        let over = self.progress.len().saturating_sub(bounds::PROGRESS);
        self.progress.drain(..over);
        self.progress_dropped = self
            .progress_dropped
            .saturating_add(dropped)
            .saturating_add(over as u64);
    }
}

fn apply_text(text: &mut Option<String>, new: Option<String>) {
    if let Some(new) = new {
        *text = (!new.is_empty()).then_some(new);
    }
}

fn apply_list<T>(list: &mut Vec<T>, new: Option<Vec<T>>) {
    if let Some(new) = new {
        *list = new;
    }
}

impl ReportDelta {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests;
