//! reporting.yaml: read under a budget into what the coding CLI claims, written from our report.

use std::collections::BTreeMap;

use cloud_code_domain::id::TaskId;
use cloud_code_domain::report::{
    CredentialAsk, Criterion, CriterionStatus, FileClaim, Report, ReportStatus, bounds,
};
use serde::{Deserialize, Serialize};
use serde_saphyr::Options;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::VERSION;
use super::dir::{Dir, ReadError};
use super::tasking::yaml;
use crate::failpoint::failpoint;

/// The file's name.
pub(crate) const NAME: &str = "reporting.yaml";

/// Foreign tasks that a file may speak of.
const TASKS: usize = 64;

/// Why a report was not taken. The text goes to the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is not a report: {0}")]
    Yaml(String),
}

/// What the file claims of our task; nothing where it does not speak of it.
///
/// # Errors
/// Where it cannot be read or is no report. A missing file claims nothing.
pub(crate) fn read(dir: &Dir, task: &TaskId) -> Result<Option<Claim>, ReportError> {
    match dir.read(NAME, bounds::FILE) {
        Ok(bytes) => {
            failpoint!("agentd::report_parse");
            parse(&bytes, task)
        }
        Err(ReadError::Missing) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn parse(bytes: &[u8], task: &TaskId) -> Result<Option<Claim>, ReportError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ReportError::NotUtf8)?;
    if text.contains('\0') {
        return Err(ReportError::Yaml("it holds a NUL".to_owned()));
    }
    if text.trim().is_empty() {
        return Ok(None);
    }
    let file: Reporting = serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| ReportError::Yaml(complaint(&error.to_string())))?;
    if file.version != VERSION {
        let text = format!("its version is {}, not {VERSION}", file.version);
        return Err(ReportError::Yaml(text));
    }
    let mut tasks = file.tasks.unwrap_or_default();
    if tasks.len() > TASKS {
        let text = format!("it speaks of more than {TASKS} tasks");
        return Err(ReportError::Yaml(text));
    }
    let claim = tasks.remove(task.as_str());
    if !tasks.is_empty() {
        tracing::debug!(task_id = %task, foreign = tasks.len(), "a report speaks of other tasks");
    }
    Ok(claim)
}

/// The first line, which says what and where; the rest quotes the file.
fn complaint(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(bounds::LINE).collect()
}

/// An agent's file is hostile: small, flat, plain, one document.
fn options() -> Options {
    let budget = serde_saphyr::budget! {
        max_reader_input_bytes: Some(bounds::FILE),
        max_depth: 16,
        max_nodes: 20_000,
        max_events: 60_000,
        max_aliases: 0,
        max_anchors: 0,
        max_documents: 1,
        max_total_scalar_bytes: bounds::FILE,
        max_merge_keys: 0,
        flow_nesting_limit: 16,
    };
    serde_saphyr::options! {
        budget: budget,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
    }
}

#[derive(Debug, Deserialize)]
struct Reporting {
    version: u32,
    tasks: Option<BTreeMap<String, Claim>>,
}

/// What a coding CLI claims of its task. Fields that are ours are not even read; fields that nobody
/// knows are ignored, since programs and models add them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Claim {
    pub(crate) current_step: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) blocked_reason: Option<String>,
    pub(crate) progress: Option<Vec<ClaimedProgress>>,
    pub(crate) changes_summary: Option<Vec<String>>,
    files_modified: Option<Vec<ClaimedFile>>,
    acceptance_criteria: Option<Vec<ClaimedCriterion>>,
    credential_requests: Option<Vec<ClaimedAsk>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ClaimedProgress {
    pub(crate) status: Option<ReportStatus>,
    pub(crate) message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct ClaimedFile {
    path: String,
    #[serde(default)]
    lines_added: u64,
    #[serde(default)]
    lines_removed: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct ClaimedCriterion {
    criterion: String,
    #[serde(default)]
    status: CriterionStatus,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct ClaimedAsk {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    scope: String,
    #[serde(default)]
    reason: String,
}

impl Claim {
    pub(crate) fn files(&self) -> Option<Vec<FileClaim>> {
        let files = self.files_modified.as_ref()?;
        Some(
            files
                .iter()
                .map(|file| FileClaim {
                    path: file.path.clone(),
                    added: file.lines_added,
                    removed: file.lines_removed,
                })
                .collect(),
        )
    }

    pub(crate) fn criteria(&self) -> Vec<Criterion> {
        let criteria = self.acceptance_criteria.iter().flatten();
        criteria
            .map(|criterion| Criterion {
                criterion: criterion.criterion.clone(),
                status: criterion.status,
            })
            .collect()
    }

    pub(crate) fn asks(&self) -> Vec<CredentialAsk> {
        let asks = self.credential_requests.iter().flatten();
        asks.map(|ask| CredentialAsk {
            label: ask.id.clone().unwrap_or_default(),
            kind: ask.kind.clone(),
            scope: ask.scope.clone(),
            reason: ask.reason.clone(),
        })
        .collect()
    }
}

#[derive(Debug, Serialize)]
struct Written<'a> {
    version: u32,
    agent_type: &'a str,
    updated_at: &'a str,
    status: &'static str,
    tasks: BTreeMap<&'a str, WrittenTask<'a>>,
}

#[derive(Debug, Serialize)]
struct WrittenTask<'a> {
    status: ReportStatus,
    current_step: Option<&'a str>,
    summary: Option<&'a str>,
    progress: Vec<WrittenProgress<'a>>,
    changes_summary: &'a [String],
    files_modified: Vec<WrittenFile<'a>>,
    acceptance_criteria: &'a [Criterion],
    error: Option<&'a str>,
    blocked_reason: Option<&'a str>,
    credential_requests: Vec<WrittenAsk<'a>>,
}

#[derive(Debug, Serialize)]
struct WrittenProgress<'a> {
    timestamp: String,
    status: ReportStatus,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct WrittenFile<'a> {
    path: &'a str,
    lines_added: u64,
    lines_removed: u64,
}

#[derive(Debug, Serialize)]
struct WrittenAsk<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    scope: &'a str,
    reason: &'a str,
}

/// The file's content for our report.
pub(crate) fn write(report: &Report, task: &TaskId, agent_type: &str, now: &str) -> String {
    let written = WrittenTask {
        status: report.status,
        current_step: report.current_step.as_deref(),
        summary: report.summary.as_deref(),
        progress: report
            .progress
            .iter()
            .map(|entry| WrittenProgress {
                timestamp: crate::clock::rfc3339(entry.at),
                status: entry.status,
                message: &entry.message,
            })
            .collect(),
        changes_summary: &report.changes_summary,
        files_modified: report
            .files
            .iter()
            .map(|file| WrittenFile {
                path: &file.path,
                lines_added: file.added,
                lines_removed: file.removed,
            })
            .collect(),
        acceptance_criteria: &report.criteria,
        error: report.error.as_deref(),
        blocked_reason: report.blocked_reason.as_deref(),
        credential_requests: report
            .credential_requests
            .iter()
            .map(|ask| WrittenAsk {
                id: &ask.label,
                kind: &ask.kind,
                scope: &ask.scope,
                reason: &ask.reason,
            })
            .collect(),
    };
    let status = match report.status {
        ReportStatus::Failed => "error",
        ReportStatus::InProgress | ReportStatus::Planning | ReportStatus::Received => "working",
        ReportStatus::Waiting | ReportStatus::Blocked | ReportStatus::Completed => "idle",
    };
    yaml(&Written {
        version: VERSION,
        agent_type,
        updated_at: now,
        status,
        tasks: BTreeMap::from([(task.as_str(), written)]),
    })
}

#[cfg(test)]
mod tests;
