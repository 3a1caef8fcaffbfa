//! tasking.yaml and config.yaml, as the contract's version 1 has them.

use std::collections::BTreeMap;
use std::path::Path;

use cloud_code_domain::report::Criterion;
use serde::Serialize;

use super::VERSION;
use crate::execution::job::Job;

#[derive(Debug, Serialize)]
struct Tasking<'a> {
    version: u32,
    updated_at: &'a str,
    workspace: String,
    tasks: [Task<'a>; 1],
}

#[derive(Debug, Serialize)]
struct Task<'a> {
    id: &'a str,
    title: &'a str,
    status: &'static str,
    priority: &'a str,
    #[serde(rename = "type")]
    task_type: &'a str,
    branch: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    issue: &'a str,
    description: &'a str,
    acceptance_criteria: Vec<&'a str>,
    messages: Vec<Message<'a>>,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    kind: &'a str,
    author: &'a str,
    text: &'a str,
}

/// The content of tasking.yaml.
pub(crate) fn tasking(job: &Job, workdir: &Path, now: &str) -> String {
    let task = Task {
        id: job.execution.task.as_str(),
        title: &job.title,
        status: "assigned",
        priority: &job.priority,
        task_type: &job.task_type,
        branch: &job.branch,
        issue: &job.issue,
        description: &job.description,
        acceptance_criteria: job.criteria.iter().map(criterion).collect(),
        messages: job
            .conversation
            .iter()
            .map(|message| Message {
                kind: &message.kind,
                author: &message.author,
                text: &message.text,
            })
            .collect(),
    };
    yaml(&Tasking {
        version: VERSION,
        updated_at: now,
        workspace: workdir.to_string_lossy().into_owned(),
        tasks: [task],
    })
}

fn criterion(criterion: &Criterion) -> &str {
    &criterion.criterion
}

#[derive(Debug, Serialize)]
struct Config<'a> {
    version: u32,
    project: &'a str,
    agent_type: &'a str,
    coding_cli: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    branch: &'a str,
    base: &'a str,
    check: &'a str,
    files: BTreeMap<&'static str, &'static str>,
}

/// The content of config.yaml.
pub(crate) fn config(job: &Job) -> String {
    yaml(&Config {
        version: VERSION,
        project: &job.project,
        agent_type: &job.agent_type,
        coding_cli: &job.cli.name,
        model: job.cli.model.as_deref(),
        branch: &job.branch,
        base: job.base.as_str(),
        check: &job.check,
        files: BTreeMap::from([
            ("tasking", ".cloud-code/tasking.yaml"),
            ("reporting", ".cloud-code/reporting.yaml"),
            ("credentials", ".cloud-code/credentials"),
        ]),
    })
}

/// Our own types always have a YAML form; should one not, the file says so.
pub(crate) fn yaml<T: Serialize>(value: &T) -> String {
    serde_yaml::to_string(value).unwrap_or_else(|error| format!("# not written: {error}\n"))
}
