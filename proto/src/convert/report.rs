//! Conversions of `report.proto`.
//!
//! Only shapes are checked here. Lengths are the domain's: whoever takes a delta from the wire
//! bounds it ([`ReportDelta::bounded`]) before it is applied.

use cloud_code_domain::report::{
    CredentialAsk, Criterion, CriterionStatus, FileClaim, Progress, ReportDelta, ReportStatus,
};
use cloud_code_domain::time::Timestamp;

use super::{Malformed, malformed};
use crate::v1;

impl From<ReportDelta> for v1::ReportDelta {
    fn from(delta: ReportDelta) -> Self {
        Self {
            status: delta.status.map(|s| v1::ReportStatus::from(s).into()),
            current_step: delta.current_step,
            summary: delta.summary,
            error: delta.error,
            blocked_reason: delta.blocked_reason,
            progress: all(delta.progress),
            changes_summary: delta.changes_summary.map(|lines| v1::Lines { lines }),
            files: delta
                .files
                .map(|files| v1::FileClaims { files: all(files) }),
            criteria: delta.criteria.map(|criteria| v1::Criteria {
                criteria: all(criteria),
            }),
            credential_requests: delta.credential_requests.map(|asks| v1::CredentialAsks {
                requests: all(asks),
            }),
            invalid: delta.invalid,
            progress_dropped: delta.progress_dropped,
        }
    }
}

impl TryFrom<v1::ReportDelta> for ReportDelta {
    type Error = Malformed;

    fn try_from(delta: v1::ReportDelta) -> Result<Self, Malformed> {
        Ok(Self {
            status: delta.status.map(|s| status("status", s)).transpose()?,
            current_step: delta.current_step,
            summary: delta.summary,
            error: delta.error,
            blocked_reason: delta.blocked_reason,
            progress: try_all(delta.progress)?,
            progress_dropped: delta.progress_dropped,
            changes_summary: delta.changes_summary.map(|holder| holder.lines),
            files: delta.files.map(|holder| all(holder.files)),
            criteria: delta.criteria.map(|h| try_all(h.criteria)).transpose()?,
            credential_requests: delta.credential_requests.map(|holder| all(holder.requests)),
            invalid: delta.invalid,
        })
    }
}

fn all<A, B: From<A>>(items: Vec<A>) -> Vec<B> {
    items.into_iter().map(B::from).collect()
}

fn try_all<A, B: TryFrom<A, Error = Malformed>>(items: Vec<A>) -> Result<Vec<B>, Malformed> {
    items.into_iter().map(B::try_from).collect()
}

fn status(field: &'static str, number: i32) -> Result<ReportStatus, Malformed> {
    let known = v1::ReportStatus::try_from(number).map_err(|error| malformed(field, error))?;
    match known {
        v1::ReportStatus::Unspecified => Err(malformed(field, "it is missing")),
        v1::ReportStatus::Waiting => Ok(ReportStatus::Waiting),
        v1::ReportStatus::Received => Ok(ReportStatus::Received),
        v1::ReportStatus::Planning => Ok(ReportStatus::Planning),
        v1::ReportStatus::InProgress => Ok(ReportStatus::InProgress),
        v1::ReportStatus::Blocked => Ok(ReportStatus::Blocked),
        v1::ReportStatus::Completed => Ok(ReportStatus::Completed),
        v1::ReportStatus::Failed => Ok(ReportStatus::Failed),
    }
}

impl From<ReportStatus> for v1::ReportStatus {
    fn from(status: ReportStatus) -> Self {
        match status {
            ReportStatus::Waiting => Self::Waiting,
            ReportStatus::Received => Self::Received,
            ReportStatus::Planning => Self::Planning,
            ReportStatus::InProgress => Self::InProgress,
            ReportStatus::Blocked => Self::Blocked,
            ReportStatus::Completed => Self::Completed,
            ReportStatus::Failed => Self::Failed,
        }
    }
}

impl From<Progress> for v1::Progress {
    fn from(entry: Progress) -> Self {
        Self {
            at_ms: entry.at.0,
            status: v1::ReportStatus::from(entry.status).into(),
            message: entry.message,
        }
    }
}

impl TryFrom<v1::Progress> for Progress {
    type Error = Malformed;

    fn try_from(entry: v1::Progress) -> Result<Self, Malformed> {
        Ok(Self {
            at: Timestamp(entry.at_ms),
            status: status("progress.status", entry.status)?,
            message: entry.message,
        })
    }
}

impl From<FileClaim> for v1::FileClaim {
    fn from(file: FileClaim) -> Self {
        Self {
            path: file.path,
            added: file.added,
            removed: file.removed,
        }
    }
}

impl From<v1::FileClaim> for FileClaim {
    fn from(file: v1::FileClaim) -> Self {
        Self {
            path: file.path,
            added: file.added,
            removed: file.removed,
        }
    }
}

impl From<CriterionStatus> for v1::CriterionStatus {
    fn from(status: CriterionStatus) -> Self {
        match status {
            CriterionStatus::Pending => Self::Pending,
            CriterionStatus::InProgress => Self::InProgress,
            CriterionStatus::Done => Self::Done,
        }
    }
}

impl From<Criterion> for v1::Criterion {
    fn from(one: Criterion) -> Self {
        Self {
            criterion: one.criterion,
            status: v1::CriterionStatus::from(one.status).into(),
        }
    }
}

impl TryFrom<v1::Criterion> for Criterion {
    type Error = Malformed;

    fn try_from(one: v1::Criterion) -> Result<Self, Malformed> {
        let field = "criteria.status";
        let known =
            v1::CriterionStatus::try_from(one.status).map_err(|error| malformed(field, error))?;
        let status = match known {
            v1::CriterionStatus::Unspecified => return Err(malformed(field, "it is missing")),
            v1::CriterionStatus::Pending => CriterionStatus::Pending,
            v1::CriterionStatus::InProgress => CriterionStatus::InProgress,
            v1::CriterionStatus::Done => CriterionStatus::Done,
        };
        Ok(Self {
            criterion: one.criterion,
            status,
        })
    }
}

impl From<CredentialAsk> for v1::CredentialAsk {
    fn from(ask: CredentialAsk) -> Self {
        Self {
            label: ask.label,
            kind: ask.kind,
            scope: ask.scope,
            reason: ask.reason,
        }
    }
}

impl From<v1::CredentialAsk> for CredentialAsk {
    fn from(ask: v1::CredentialAsk) -> Self {
        Self {
            label: ask.label,
            kind: ask.kind,
            scope: ask.scope,
            reason: ask.reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUSES: [ReportStatus; 7] = [
        ReportStatus::Waiting,
        ReportStatus::Received,
        ReportStatus::Planning,
        ReportStatus::InProgress,
        ReportStatus::Blocked,
        ReportStatus::Completed,
        ReportStatus::Failed,
    ];

    fn full(status: ReportStatus, criterion: CriterionStatus) -> ReportDelta {
        ReportDelta {
            status: Some(status),
            current_step: Some("step".to_owned()),
            summary: Some(String::new()),
            error: Some("error".to_owned()),
            blocked_reason: Some("reason".to_owned()),
            progress: vec![Progress {
                at: Timestamp(-5),
                status,
                message: "m".to_owned(),
            }],
            progress_dropped: 7,
            changes_summary: Some(vec!["a".to_owned()]),
            files: Some(vec![FileClaim {
                path: "src/a.rs".to_owned(),
                added: 1,
                removed: u64::MAX,
            }]),
            criteria: Some(vec![Criterion {
                criterion: "c".to_owned(),
                status: criterion,
            }]),
            credential_requests: Some(vec![CredentialAsk {
                label: "l".to_owned(),
                kind: "npm_token".to_owned(),
                scope: "@acme".to_owned(),
                reason: "r".to_owned(),
            }]),
            invalid: Some("i".to_owned()),
        }
    }

    #[test]
    fn a_delta_comes_back_from_the_wire_as_it_went() {
        let criteria = [
            CriterionStatus::Pending,
            CriterionStatus::InProgress,
            CriterionStatus::Done,
        ];
        let mut deltas = vec![ReportDelta::default()];
        deltas.push(ReportDelta {
            changes_summary: Some(Vec::new()),
            files: Some(Vec::new()),
            criteria: Some(Vec::new()),
            credential_requests: Some(Vec::new()),
            ..ReportDelta::default()
        });
        for status in STATUSES {
            deltas.extend(criteria.map(|criterion| full(status, criterion)));
        }
        for delta in deltas {
            let wire = v1::ReportDelta::from(delta.clone());
            assert_eq!(ReportDelta::try_from(wire), Ok(delta));
        }
    }

    #[test]
    fn a_number_without_a_meaning_is_malformed_and_never_a_default() {
        let good = v1::ReportDelta::from(full(ReportStatus::Planning, CriterionStatus::Done));
        for number in [0, 8, -1, i32::MAX] {
            let mut bad = good.clone();
            bad.status = Some(number);
            assert_eq!(ReportDelta::try_from(bad).unwrap_err().field, "status");
            let mut bad = good.clone();
            bad.progress[0].status = number;
            let error = ReportDelta::try_from(bad).unwrap_err();
            assert_eq!(error.field, "progress.status");
            let mut bad = good.clone();
            bad.criteria.as_mut().unwrap().criteria[0].status = number;
            let error = ReportDelta::try_from(bad).unwrap_err();
            assert_eq!(error.field, "criteria.status");
        }
    }
}
