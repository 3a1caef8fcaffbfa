use proptest::prelude::*;

use super::super::{CredentialAsk, Criterion, CriterionStatus, FileClaim, ReportStatus};
use super::*;
use crate::time::Timestamp;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-c]{1,3}",
        "\\PC{0,8}",
        Just("x\u{202e}\n<!-- y -->z".to_owned()),
        Just("long ".repeat(2_000)),
    ]
}

fn status() -> impl Strategy<Value = ReportStatus> {
    prop::sample::select(vec![
        ReportStatus::Waiting,
        ReportStatus::Planning,
        ReportStatus::InProgress,
        ReportStatus::Completed,
    ])
}

fn entries(most: usize) -> impl Strategy<Value = Vec<Progress>> {
    prop::collection::vec((any::<i64>(), status(), "[a-z]{0,3}"), 0..most).prop_map(|rows| {
        rows.into_iter()
            .map(|(at, status, message)| Progress {
                at: Timestamp(at),
                status,
                message,
            })
            .collect()
    })
}

fn texts() -> impl Strategy<Value = [Option<String>; 5]> {
    prop::array::uniform5(prop::option::of(text()))
}

fn lists() -> impl Strategy<Value = [Vec<String>; 4]> {
    let one = || prop::collection::vec(text(), 0..4);
    [one(), one(), one(), one()]
}

fn report(most: usize) -> impl Strategy<Value = Report> {
    (status(), texts(), lists(), entries(most)).prop_map(|(status, texts, lists, progress)| {
        let [current_step, summary, error, blocked_reason, invalid] = texts;
        let [changes_summary, paths, criteria, asks] = lists;
        Report {
            status,
            current_step,
            summary,
            error,
            blocked_reason,
            progress,
            progress_dropped: 0,
            changes_summary,
            files: paths
                .into_iter()
                .map(|path| FileClaim {
                    path,
                    added: 1,
                    removed: 0,
                })
                .collect(),
            criteria: criteria
                .into_iter()
                .map(|criterion| Criterion {
                    criterion,
                    status: CriterionStatus::Done,
                })
                .collect(),
            credential_requests: asks
                .into_iter()
                .map(|reason| CredentialAsk {
                    label: "l".to_owned(),
                    kind: "npm_token".to_owned(),
                    scope: "s".to_owned(),
                    reason,
                })
                .collect(),
            invalid,
        }
    })
}

/// What agentd does: everything may be new, but progress only grows.
fn continued(old: &Report, mut new: Report) -> Report {
    let mut progress = old.progress.clone();
    progress.append(&mut new.progress);
    Report {
        progress,
        progress_dropped: old.progress_dropped,
        ..new
    }
    .bounded()
}

proptest! {
    #[test]
    fn applying_the_difference_yields_the_new_report(
        old in report(12), news in prop::collection::vec(report(500), 1..4)
    ) {
        let mut here = old.bounded();
        let mut there = here.clone();
        for new in news {
            let new = continued(&here, new);
            let delta = diff(&here, &new);
            prop_assert_eq!(delta.is_empty(), here == new);
            // bounding again at the other end changes nothing
            prop_assert_eq!(&delta.clone().bounded(), &delta);
            there.apply(delta);
            prop_assert_eq!(&there, &new);
            here = new;
        }
    }

    #[test]
    fn a_bounded_report_stays_as_it_is(report in report(300)) {
        let bounded = report.bounded();
        prop_assert_eq!(bounded.clone().bounded(), bounded);
    }

    #[test]
    fn no_delta_takes_a_report_out_of_its_bounds(
        report in report(300), other in report(300), dropped in any::<u64>()
    ) {
        let mut hostile = diff(&Report::default(), &other);
        hostile.progress_dropped = dropped;
        let mut report = report.bounded();
        report.apply(hostile.bounded());
        prop_assert_eq!(&report.clone().bounded(), &report);
        prop_assert!(report.progress.len() <= bounds::PROGRESS);
    }
}

fn entry(number: usize) -> Progress {
    Progress {
        at: Timestamp(0),
        status: ReportStatus::InProgress,
        message: number.to_string(),
    }
}

#[test]
fn only_new_progress_is_sent_and_the_front_is_dropped() {
    let old = Report {
        progress: (0..150).map(entry).collect(),
        ..Report::default()
    };
    let new = Report {
        progress: (0..260).map(entry).collect(),
        ..Report::default()
    }
    .bounded();
    assert_eq!((new.progress.len(), new.progress_dropped), (200, 60));
    let delta = diff(&old, &new);
    assert_eq!(delta.progress.len(), 110);
    let mut applied = old;
    applied.apply(delta);
    assert_eq!(applied, new);
}

#[test]
fn progress_that_was_never_sent_is_counted() {
    let old = Report {
        progress: (0..5).map(entry).collect(),
        ..Report::default()
    };
    let new = Report {
        progress: (0..1_000).map(entry).collect(),
        ..Report::default()
    }
    .bounded();
    let delta = diff(&old, &new);
    assert_eq!((delta.progress.len(), delta.progress_dropped), (200, 795));
    let mut applied = old;
    applied.apply(delta);
    assert_eq!(applied, new);
}

#[test]
fn an_empty_text_clears_and_an_absent_one_leaves() {
    let mut report = Report {
        summary: Some("a".to_owned()),
        error: Some("b".to_owned()),
        ..Report::default()
    };
    report.apply(ReportDelta {
        summary: Some(String::new()),
        changes_summary: Some(Vec::new()),
        ..ReportDelta::default()
    });
    assert_eq!(report.summary, None);
    assert_eq!(report.error.as_deref(), Some("b"));
}
