//! The report of a task: what agentd knows, merged with what the coding CLI claims. Pure.
//!
//! Status and error are agentd's. What is told (summary, current step, blocked reason, changes,
//! criteria, files) is the CLI's; where it says nothing, what is there stays. Lists that may have
//! two authors (progress, criteria, credential requests) are united: a claim adds, it never removes.

use std::collections::BTreeSet;

use cloud_code_domain::report::{
    CredentialAsk, Criterion, Progress, Report, ReportDelta, ReportStatus, bounds, diff,
};
use cloud_code_domain::text::one_line;
use cloud_code_domain::time::Timestamp;

use super::reporting::{Claim, ClaimedProgress};

/// Distinct progress messages that one execution may add.
const SEEN: usize = 5_000;

/// Keeps the report of one execution and what of it was sent.
#[derive(Debug)]
pub(crate) struct Keeper {
    report: Report,
    sent: Report,
    first: bool,
    seen: BTreeSet<String>,
    /// Requests that were answered before: they block nothing any more.
    answered: Vec<CredentialAsk>,
}

impl Keeper {
    /// Begins an execution. `before` is what the file of a kept worktree says, and what of its
    /// progress is in the spool: an agentd that was killed may not have read all of the file.
    pub(crate) fn begin(
        before: Option<(&Claim, &[String])>,
        criteria: &[Criterion],
        now: Timestamp,
    ) -> Self {
        let mut keeper = Self {
            report: Report {
                criteria: criteria.to_vec(),
                ..Report::default()
            },
            sent: Report::default(),
            first: true,
            seen: BTreeSet::new(),
            answered: Vec::new(),
        };
        if let Some((claim, told)) = before {
            keeper.claim(claim, now);
            keeper.sent.progress.clone_from(&keeper.report.progress);
            keeper.sent.progress_dropped = keeper.report.progress_dropped;
            keeper
                .sent
                .progress
                .retain(|entry| told.contains(&entry.message));
            // The people's answer to both is why the task goes on.
            keeper.report.blocked_reason = None;
            keeper.answer_all();
        }
        keeper
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// agentd's own word.
    pub(crate) fn status(&mut self, status: ReportStatus, message: &str, now: Timestamp) {
        self.report.status = status;
        self.push(status, one_line(message, bounds::LINE), now);
        self.bound();
    }

    /// Why it failed; empty for not.
    pub(crate) fn error(&mut self, error: &str) {
        self.report.error = Some(error.to_owned());
    }

    /// What the file claims.
    pub(crate) fn claim(&mut self, claim: &Claim, now: Timestamp) {
        let report = &mut self.report;
        report.invalid = None;
        for (ours, theirs) in [
            (&mut report.current_step, &claim.current_step),
            (&mut report.summary, &claim.summary),
            (&mut report.blocked_reason, &claim.blocked_reason),
        ] {
            if theirs.is_some() {
                ours.clone_from(theirs);
            }
        }
        if let Some(changes) = &claim.changes_summary {
            report.changes_summary.clone_from(changes);
        }
        if let Some(files) = claim.files() {
            report.files = files;
        }
        unite_criteria(&mut report.criteria, claim.criteria());
        for ask in claim.asks() {
            if report.credential_requests.len() < bounds::REQUESTS
                && !report
                    .credential_requests
                    .iter()
                    .any(|ours| same(ours, &ask))
            {
                report.credential_requests.push(ask);
            }
        }
        let claimed = claim.progress.as_deref().unwrap_or_default();
        let newest = claimed.len().saturating_sub(bounds::PROGRESS);
        for ClaimedProgress { status, message } in &claimed[newest..] {
            let message = one_line(message, bounds::LINE);
            if !self.seen.contains(&message) && self.seen.len() < SEEN {
                self.push(status.unwrap_or(self.report.status), message, now);
            }
        }
        self.bound();
    }

    /// The file cannot be read; the last good claim stays.
    pub(crate) fn invalid(&mut self, reason: &str) {
        self.report.invalid = Some(reason.to_owned());
        self.bound();
    }

    /// What changed since the last call, if something did. The first one states everything, since
    /// the host may know another report of this task.
    pub(crate) fn take_delta(&mut self) -> Option<ReportDelta> {
        self.bound();
        let mut delta = diff(&self.sent, &self.report);
        if std::mem::take(&mut self.first) {
            state_everything(&mut delta, &self.report);
        }
        self.sent = self.report.clone();
        (!delta.is_empty()).then_some(delta)
    }

    /// The progress messages that were sent, as far as the report still holds them.
    pub(crate) fn told(&self) -> Vec<String> {
        let sent = self.sent.progress.iter();
        sent.map(|entry| entry.message.clone()).collect()
    }

    /// Whether a request waits for an answer.
    pub(crate) fn has_open_request(&self) -> bool {
        self.open_requests().next().is_some()
    }

    fn open_requests(&self) -> impl Iterator<Item = &CredentialAsk> {
        let answered = |ask: &&CredentialAsk| !self.answered.iter().any(|ours| same(ours, ask));
        self.report.credential_requests.iter().filter(answered)
    }

    /// A secret came for the open requests with this label and kind.
    pub(crate) fn answer(&mut self, label: &str, kind: &str) {
        let answers = |ask: &&CredentialAsk| ask.kind == kind && ask.label == label;
        let answered: Vec<CredentialAsk> = self.open_requests().filter(answers).cloned().collect();
        self.answered.extend(answered);
    }

    /// A person answered.
    pub(crate) fn answer_all(&mut self) {
        self.answered = self.report.credential_requests.clone();
    }

    /// Why the CLI says that it cannot go on.
    pub(crate) fn blocked_reason(&self) -> Option<&str> {
        self.report
            .blocked_reason
            .as_deref()
            .filter(|reason| !reason.trim().is_empty())
    }

    /// A new turn answers what the one before was blocked on.
    pub(crate) fn unblock(&mut self) {
        self.report.blocked_reason = None;
    }

    fn push(&mut self, status: ReportStatus, message: String, at: Timestamp) {
        if message.is_empty() {
            return;
        }
        self.seen.insert(message.clone());
        self.report.progress.push(Progress {
            at,
            status,
            message,
        });
    }

    fn bound(&mut self) {
        self.report = std::mem::take(&mut self.report).bounded();
    }
}

/// The label is the agent's name for it; kind and scope are what a person decides on.
fn same(one: &CredentialAsk, other: &CredentialAsk) -> bool {
    (&one.label, &one.kind, &one.scope) == (&other.label, &other.kind, &other.scope)
}

fn unite_criteria(ours: &mut Vec<Criterion>, theirs: Vec<Criterion>) {
    for mut claimed in theirs {
        claimed.criterion = one_line(&claimed.criterion, bounds::LINE);
        let known = ours
            .iter()
            .position(|one| one.criterion == claimed.criterion);
        match known {
            Some(index) => ours[index].status = claimed.status,
            None if ours.len() < bounds::LIST => ours.push(claimed),
            None => {}
        }
    }
}

fn state_everything(delta: &mut ReportDelta, report: &Report) {
    let text = |text: &Option<String>| Some(text.clone().unwrap_or_default());
    delta.status = Some(report.status);
    delta.current_step = text(&report.current_step);
    delta.summary = text(&report.summary);
    delta.error = text(&report.error);
    delta.blocked_reason = text(&report.blocked_reason);
    delta.changes_summary = Some(report.changes_summary.clone());
    delta.files = Some(report.files.clone());
    delta.criteria = Some(report.criteria.clone());
    delta.credential_requests = Some(report.credential_requests.clone());
    delta.invalid = text(&report.invalid);
}

/// Every text of a delta that a coding CLI may have written.
pub(crate) fn texts(delta: &mut ReportDelta) -> Vec<&mut String> {
    let single = [
        &mut delta.current_step,
        &mut delta.summary,
        &mut delta.error,
        &mut delta.blocked_reason,
        &mut delta.invalid,
    ];
    let mut texts: Vec<&mut String> = single.into_iter().flatten().collect();
    texts.extend(delta.progress.iter_mut().map(|entry| &mut entry.message));
    texts.extend(delta.changes_summary.iter_mut().flatten());
    texts.extend(delta.files.iter_mut().flatten().map(|file| &mut file.path));
    let criteria = delta.criteria.iter_mut().flatten();
    texts.extend(criteria.map(|one| &mut one.criterion));
    for ask in delta.credential_requests.iter_mut().flatten() {
        texts.extend([
            &mut ask.label,
            &mut ask.kind,
            &mut ask.scope,
            &mut ask.reason,
        ]);
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn claim(yaml: &str) -> Claim {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn criterion(text: &str) -> Criterion {
        Criterion {
            criterion: text.into(),
            status: cloud_code_domain::report::CriterionStatus::Pending,
        }
    }

    #[test]
    fn the_host_gets_the_report_by_applying_the_deltas() {
        let mut keeper = Keeper::begin(None, &[criterion("a"), criterion("b")], NOW);
        let mut host = Report {
            summary: Some("of another execution".into()),
            ..Report::default()
        };
        for yaml in [
            "summary: one",
            "progress: [{message: x}, {message: y}]",
            "acceptance_criteria: [{criterion: b, status: done}]",
            "progress: [{message: y}, {message: z}]\nsummary: ''",
        ] {
            keeper.claim(&claim(yaml), NOW);
            host.apply(keeper.take_delta().unwrap());
        }
        assert_eq!(&host, keeper.report());
        let messages: Vec<&str> = host.progress.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(messages, ["x", "y", "z"]);
        assert_eq!(keeper.take_delta(), None);
    }

    #[test]
    fn status_and_error_of_a_claim_are_not_even_read() {
        let mut keeper = Keeper::begin(None, &[], NOW);
        keeper.status(ReportStatus::InProgress, "it runs", NOW);
        keeper.claim(&claim("status: completed\nerror: none of yours"), NOW);
        assert_eq!(keeper.report().status, ReportStatus::InProgress);
        assert_eq!(keeper.report().error, None);
    }

    #[test]
    fn a_claim_never_removes_what_two_may_write() {
        let mut keeper = Keeper::begin(None, &[criterion("a")], NOW);
        let yaml = "credential_requests: [{id: c, type: npm_token, scope: read, reason: r}]";
        keeper.claim(&claim(yaml), NOW);
        keeper.claim(
            &claim("credential_requests: []\nacceptance_criteria: []"),
            NOW,
        );
        assert_eq!(keeper.report().credential_requests.len(), 1);
        assert_eq!(keeper.report().criteria.len(), 1);
    }

    #[test]
    fn a_request_is_open_until_it_is_answered_and_not_again_after_a_resumption() {
        let yaml = "credential_requests: [{id: c, type: npm_token, scope: read, reason: r}]";
        let mut keeper = Keeper::begin(None, &[], NOW);
        keeper.claim(&claim(yaml), NOW);
        assert!(keeper.has_open_request());
        keeper.answer("other", "npm_token");
        assert!(keeper.has_open_request());
        keeper.answer("c", "npm_token");
        assert!(!keeper.has_open_request());

        let mut resumed = Keeper::begin(Some((&claim(yaml), &[])), &[], NOW);
        assert!(!resumed.has_open_request());
        let more = "credential_requests: [{id: d, type: npm_token, scope: publish}]";
        resumed.claim(&claim(more), NOW);
        assert!(resumed.has_open_request());
    }

    #[test]
    fn a_resumed_execution_sends_no_progress_twice() {
        let before = claim("progress: [{message: x}]\nblocked_reason: stuck");
        let told = ["x".to_owned()];
        let mut keeper = Keeper::begin(Some((&before, &told)), &[], NOW);
        let delta = keeper.take_delta().unwrap();
        assert_eq!(delta.progress, []);
        assert_eq!(delta.blocked_reason.as_deref(), Some(""));
        keeper.claim(&claim("progress: [{message: x}, {message: y}]"), NOW);
        assert_eq!(keeper.take_delta().unwrap().progress.len(), 1);
    }

    #[test]
    fn progress_that_nobody_read_before_the_kill_is_sent_by_the_next_execution() {
        let before = claim("progress: [{message: x}, {message: y}, {message: z}]");
        let told = ["Task received".to_owned(), "x".to_owned()];
        let mut keeper = Keeper::begin(Some((&before, &told)), &[], NOW);
        let delta = keeper.take_delta().unwrap();
        let messages: Vec<&str> = delta.progress.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(messages, ["y", "z"]);
        assert_eq!(keeper.told(), ["x", "y", "z"]);
    }

    #[test]
    fn a_flood_of_progress_ends() {
        let mut keeper = Keeper::begin(None, &[], NOW);
        for round in 0..SEEN / 100 + 3 {
            let entries: Vec<String> = (0..100)
                .map(|step| format!("{{message: {round} {step}}}"))
                .collect();
            keeper.claim(&claim(&format!("progress: [{}]", entries.join(", "))), NOW);
        }
        assert_eq!(keeper.report().progress.len(), bounds::PROGRESS);
        assert_eq!(keeper.seen.len(), SEEN);
    }
}
