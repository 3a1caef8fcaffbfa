//! Tasks as clients see them: in a list, and in full.

use cloud_code_domain::cost::Usage;
use cloud_code_domain::execution::{Execution, ExecutionState};
use cloud_code_domain::limit::Measure;
use cloud_code_domain::report::{CriterionStatus, Report};
use cloud_code_domain::task::{BlockedReason, Task, TaskState, possible_actions};
use cloud_code_proto::v1;

use super::waiting::state_detail;
use crate::engine::World;

/// A task in a list.
#[must_use]
pub fn task(world: &World, task: &Task) -> v1::Task {
    let done = |report: &Report| {
        report
            .criteria
            .iter()
            .filter(|c| c.status == CriterionStatus::Done)
            .count()
    };
    let (state_detail, waits_until_ms) = state_detail(world, task);
    v1::Task {
        id: task.id.to_string(),
        version: task.version,
        project: task.project.to_string(),
        issue_number: task.issue.as_ref().map(|issue| issue.number),
        issue_url: task.issue.as_ref().and_then(|issue| issue.url.clone()),
        title: task.title.clone(),
        state: task.state.name().as_str().into(),
        state_detail,
        needs_operator: matches!(task.state, TaskState::Triage(_) | TaskState::Blocked(_)),
        priority: u32::from(task.priority.number()),
        task_type: format!("{:?}", task.task_type).to_lowercase(),
        agent_type: task
            .agent_type
            .map(|kind| kind.to_string())
            .unwrap_or_default(),
        agent: task
            .agent
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        coding_cli: task.coding_cli.to_string(),
        attempts: task.attempt(),
        max_attempts: task.max_attempts,
        cost_micro_usd: task.cost.0,
        cost_limit_micro_usd: task.cost_limit.0,
        tokens_in: tokens_in(task.usage),
        tokens_out: task.usage.output,
        blocked_reason: match &task.state {
            TaskState::Blocked(reason) => reason.as_str().into(),
            TaskState::Triage(_)
            | TaskState::Pending
            | TaskState::Assigned(_)
            | TaskState::InProgress(_)
            | TaskState::Publishing(_)
            | TaskState::Review
            | TaskState::Completed
            | TaskState::Failed(_)
            | TaskState::Cancelled(_) => String::new(),
        },
        pull_request: pull_request(task),
        branch: task.branch.clone(),
        labels: task.labels.clone(),
        criteria_done: count(done(&task.report)),
        criteria_total: count(task.criteria.len().max(task.report.criteria.len())),
        created_at_ms: task.created_at.0,
        updated_at_ms: task.updated_at.0,
        started_at_ms: task.started_at.map(|at| at.0),
        finished_at_ms: task.finished_at.map(|at| at.0),
        last_error: task.last_error.clone().unwrap_or_default(),
        current_step: task.report.current_step.clone().unwrap_or_default(),
        actions: possible_actions(task).into_iter().map(Into::into).collect(),
        waits_until_ms,
        notional_micro_usd: task.notional.0,
        tokens_counted: task.tokens.0,
        token_limit: task.token_limit.0,
        counts_tokens: world.measure_of(task) == Measure::Tokens,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn tokens_in(usage: Usage) -> u64 {
    usage
        .input
        .saturating_add(usage.cache_read)
        .saturating_add(usage.cache_write)
}

fn pull_request(task: &Task) -> Option<v1::PullRequest> {
    let record = task.pull_request.as_ref()?;
    let state = match &task.state {
        TaskState::Completed => "merged",
        TaskState::Cancelled(_) => "closed",
        TaskState::Triage(_)
        | TaskState::Pending
        | TaskState::Assigned(_)
        | TaskState::InProgress(_)
        | TaskState::Publishing(_)
        | TaskState::Review
        | TaskState::Blocked(_)
        | TaskState::Failed(_) => "open",
    };
    Some(v1::PullRequest {
        number: record.number,
        url: record.url.clone().unwrap_or_default(),
        head: record.head.to_string(),
        added: record.added,
        removed: record.removed,
        files: record.files,
        state: state.into(),
    })
}

/// A task in full, but for its diff and its history.
#[must_use]
pub fn task_detail(world: &World, of: &Task, executions: &[Execution]) -> v1::TaskDetail {
    let findings = match &of.state {
        TaskState::Blocked(BlockedReason::PublishRejected { findings, .. }) => findings.clone(),
        TaskState::Blocked(_)
        | TaskState::Triage(_)
        | TaskState::Pending
        | TaskState::Assigned(_)
        | TaskState::InProgress(_)
        | TaskState::Publishing(_)
        | TaskState::Review
        | TaskState::Completed
        | TaskState::Failed(_)
        | TaskState::Cancelled(_) => Vec::new(),
    };
    let report: v1::ReportDelta = cloud_code_domain::report::ReportDelta {
        progress: of.report.progress.clone(),
        criteria: Some(criteria(of)),
        ..Default::default()
    }
    .into();
    v1::TaskDetail {
        task: Some(task(world, of)),
        description: of.description.clone(),
        criteria: report
            .criteria
            .map(|criteria| criteria.criteria)
            .unwrap_or_default(),
        summary: of.report.summary.clone().unwrap_or_default(),
        changes_summary: of.report.changes_summary.clone(),
        progress: report.progress,
        executions: executions.iter().map(execution).collect(),
        conversation: (of.conversation.first..)
            .zip(&of.conversation.messages)
            .map(|(number, message)| v1::ConversationEntry {
                number,
                kind: format!("{:?}", message.kind).to_lowercase(),
                author: message.author.clone(),
                text: message.text.clone(),
                at_ms: message.at.0,
                delivered: number < of.conversation.delivered,
            })
            .collect(),
        diff: String::new(),
        diff_cut: false,
        base: of
            .base
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        findings,
        last_words: executions
            .last()
            .and_then(|e| e.summary.clone())
            .unwrap_or_default(),
        report_invalid: of.report.invalid.clone().unwrap_or_default(),
        depends_on: of
            .depends_on
            .iter()
            .map(|number| format!("#{number}"))
            .collect(),
        // The history is the store's.
        events: Vec::new(),
        events_before: 0,
    }
}

/// The criteria of the issue, as far as the agent reports them, then those that it added.
fn criteria(task: &Task) -> Vec<cloud_code_domain::report::Criterion> {
    let reported = &task.report.criteria;
    let mut all: Vec<_> = task
        .criteria
        .iter()
        .map(|text| cloud_code_domain::report::Criterion {
            criterion: text.clone(),
            status: reported
                .iter()
                .find(|reported| reported.criterion == *text)
                .map_or(CriterionStatus::Pending, |reported| reported.status),
        })
        .collect();
    all.extend(
        reported
            .iter()
            .filter(|r| !task.criteria.contains(&r.criterion))
            .cloned(),
    );
    all
}

fn execution(execution: &Execution) -> v1::Execution {
    let cause = match &execution.state {
        ExecutionState::Failed(cause) => cause.as_str().into(),
        ExecutionState::Starting
        | ExecutionState::Running
        | ExecutionState::Succeeded
        | ExecutionState::Blocked
        | ExecutionState::Cancelled
        | ExecutionState::Lost => String::new(),
    };
    v1::Execution {
        id: execution.id.to_string(),
        number: execution.id.number,
        agent: execution.agent.to_string(),
        coding_cli: execution.coding_cli.to_string(),
        state: execution.state.as_str().into(),
        cause,
        started_at_ms: execution.started_at.0,
        ended_at_ms: execution.ended_at.map(|at| at.0),
        models: execution.models.clone(),
        input_tokens: execution.usage.input,
        output_tokens: execution.usage.output,
        cache_read_tokens: execution.usage.cache_read,
        cache_write_tokens: execution.usage.cache_write,
        cost_micro_usd: execution.cost.0,
        summary: execution.summary.clone().unwrap_or_default(),
    }
}
