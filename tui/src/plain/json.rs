//! The shapes of `--json`. Fields are added, never renamed or removed; what there is none of is
//! null.

use cloud_code_domain::cost::MicroUsd;
use cloud_code_proto::v1;
use serde_json::{Value, json};

fn dollars(micro_usd: u64) -> f64 {
    MicroUsd(micro_usd).dollars()
}

fn text(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        text.into()
    }
}

/// A point in time as RFC 3339.
pub(super) fn time(at_ms: i64) -> Value {
    jiff::Timestamp::from_millisecond(at_ms).map_or(Value::Null, |at| at.to_string().into())
}

fn maybe_time(at_ms: Option<i64>) -> Value {
    at_ms.map_or(Value::Null, time)
}

/// A task.
pub(super) fn task(task: &v1::Task) -> Value {
    json!({
        "id": task.id,
        "version": task.version,
        "project": task.project,
        "issue": issue(task),
        "title": task.title,
        "state": task.state,
        "state_detail": text(&task.state_detail),
        "needs_operator": task.needs_operator,
        "priority": task.priority,
        "type": text(&task.task_type),
        "agent_type": text(&task.agent_type),
        "agent": text(&task.agent),
        "coding_cli": text(&task.coding_cli),
        "attempts": task.attempts,
        "max_attempts": task.max_attempts,
        "cost_usd": dollars(task.cost_micro_usd),
        "cost_limit_usd": limit(task.cost_limit_micro_usd),
        "notional_usd": dollars(task.notional_micro_usd),
        "limit_counts": if task.counts_tokens { "tokens" } else { "usd" },
        "tokens_counted": task.tokens_counted,
        "token_limit": task.token_limit,
        "tokens_in": task.tokens_in,
        "tokens_out": task.tokens_out,
        "blocked_reason": text(&task.blocked_reason),
        "pull_request": task.pull_request.as_ref().map(pull_request),
        "branch": text(&task.branch),
        "labels": task.labels,
        "criteria_done": task.criteria_done,
        "criteria_total": task.criteria_total,
        "created_at": time(task.created_at_ms),
        "updated_at": time(task.updated_at_ms),
        "started_at": maybe_time(task.started_at_ms),
        "finished_at": maybe_time(task.finished_at_ms),
        "waits_until": maybe_time(task.waits_until_ms),
        "last_error": text(&task.last_error),
        "current_step": text(&task.current_step),
        "actions": task.actions,
    })
}

fn limit(micro_usd: u64) -> Option<f64> {
    (micro_usd > 0).then(|| dollars(micro_usd))
}

fn issue(task: &v1::Task) -> Value {
    match (task.issue_number, &task.issue_url) {
        (None, None) => Value::Null,
        (number, url) => json!({ "number": number, "url": url }),
    }
}

fn pull_request(request: &v1::PullRequest) -> Value {
    json!({
        "number": request.number,
        "url": text(&request.url),
        "head": text(&request.head),
        "state": text(&request.state),
        "added": request.added,
        "removed": request.removed,
        "files": request.files,
    })
}

/// A task with everything that is known about it.
pub(super) fn detail(detail: &v1::TaskDetail) -> Value {
    let mut value = detail.task.as_ref().map_or_else(|| json!({}), task);
    let more = json!({
        "description": detail.description,
        "criteria": detail.criteria.iter().map(criterion).collect::<Vec<_>>(),
        "summary": text(&detail.summary),
        "changes_summary": detail.changes_summary,
        "progress": detail.progress.iter().map(progress).collect::<Vec<_>>(),
        "executions": detail.executions.iter().map(execution).collect::<Vec<_>>(),
        "conversation": detail.conversation.iter().map(message).collect::<Vec<_>>(),
        "diff": text(&detail.diff),
        "diff_cut": detail.diff_cut,
        "base": text(&detail.base),
        "findings": detail.findings,
        "last_words": text(&detail.last_words),
        "report_invalid": text(&detail.report_invalid),
        "depends_on": detail.depends_on,
        "events": detail.events.iter().map(event).collect::<Vec<_>>(),
        "events_before": detail.events_before,
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

fn criterion(criterion: &v1::Criterion) -> Value {
    let status = match v1::CriterionStatus::try_from(criterion.status) {
        Ok(v1::CriterionStatus::Done) => "done",
        Ok(v1::CriterionStatus::InProgress) => "in_progress",
        Ok(v1::CriterionStatus::Pending | v1::CriterionStatus::Unspecified) | Err(_) => "pending",
    };
    json!({ "criterion": criterion.criterion, "status": status })
}

fn progress(progress: &v1::Progress) -> Value {
    let status = v1::ReportStatus::try_from(progress.status).ok();
    let status = status.and_then(|status| {
        let word = status.as_str_name().strip_prefix("REPORT_STATUS_")?;
        Some(word.to_lowercase())
    });
    json!({ "at": time(progress.at_ms), "status": status, "message": progress.message })
}

fn execution(run: &v1::Execution) -> Value {
    json!({
        "id": run.id,
        "number": run.number,
        "agent": run.agent,
        "coding_cli": run.coding_cli,
        "state": run.state,
        "cause": text(&run.cause),
        "started_at": time(run.started_at_ms),
        "ended_at": maybe_time(run.ended_at_ms),
        "models": run.models,
        "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens,
        "cache_read_tokens": run.cache_read_tokens,
        "cache_write_tokens": run.cache_write_tokens,
        "cost_usd": dollars(run.cost_micro_usd),
        "summary": text(&run.summary),
    })
}

fn message(entry: &v1::ConversationEntry) -> Value {
    json!({
        "number": entry.number,
        "kind": entry.kind,
        "author": entry.author,
        "text": entry.text,
        "at": time(entry.at_ms),
        "delivered": entry.delivered,
    })
}

/// An agent.
pub(super) fn agent(agent: &v1::Agent) -> Value {
    json!({
        "id": agent.id,
        "name": agent.name,
        "project": agent.project,
        "agent_type": agent.agent_type,
        "state": agent.state,
        "state_detail": text(&agent.state_detail),
        "task": text(&agent.task),
        "execution": text(&agent.execution),
        "connected": agent.connected,
        "last_heard_at": maybe_time(agent.last_heard_ms),
        "cpu_percent": agent.cpu_percent,
        "memory_bytes": agent.memory_bytes,
        "disk_free_bytes": agent.disk_free_bytes,
        "cost_today_usd": dollars(agent.cost_today_micro_usd),
        "succeeded": agent.succeeded,
        "failed": agent.failed,
        "runtime": agent.runtime,
        "image": text(&agent.image),
        "confined": agent.confined,
        "agentd_version": text(&agent.agentd_version),
        "created_at": time(agent.created_at_ms),
        "workspace_mode": text(&agent.workspace_mode),
    })
}

/// An account.
pub(super) fn account(account: &v1::Account) -> Value {
    json!({
        "name": account.name,
        "kind": account.kind,
        "auth": account.auth,
        "parking": text(&account.parking),
        "parked_until": maybe_time(account.parked_until_ms),
        "cost_today_usd": dollars(account.cost_today_micro_usd),
        "tokens_today": account.tokens_today,
        "notional": account.notional,
    })
}

/// A credential request.
pub(super) fn approval(request: &v1::Approval) -> Value {
    json!({
        "id": request.id,
        "version": request.version,
        "task": request.task,
        "project": request.project,
        "agent": request.agent,
        "type": request.kind,
        "scope": request.scope,
        "reason": request.reason,
        "label": text(&request.label),
        "state": request.state,
        "policy": request.policy,
        "secret_known": request.secret_known,
        "on_approve": text(&request.on_approve),
        "on_deny": text(&request.on_deny),
        "asked_at": time(request.asked_at_ms),
        "refused": request.refused,
    })
}

/// An event.
pub(super) fn event(event: &v1::Event) -> Value {
    json!({
        "seq": event.seq,
        "at": time(event.at_ms),
        "actor_kind": event.actor_kind,
        "actor": text(&event.actor),
        "subject_kind": event.subject_kind,
        "subject": text(&event.subject),
        "kind": event.kind,
        "detail": text(&event.detail),
    })
}

/// A line of a log.
pub(super) fn line(execution: &str, line: &v1::LogLine) -> Value {
    let word = |name: &str, prefix: &str| name.strip_prefix(prefix).map(str::to_lowercase);
    let level = v1::LogLevel::try_from(line.level).ok();
    let category = v1::LogCategory::try_from(line.category).ok();
    json!({
        "at": time(line.at_ms),
        "execution": execution,
        "level": level.and_then(|level| word(level.as_str_name(), "LOG_LEVEL_")),
        "category": category.and_then(|category| word(category.as_str_name(), "LOG_CATEGORY_")),
        "text": line.text,
    })
}

/// A line of a log that was searched for.
pub(super) fn hit(hit: &v1::LogHit, wire: &v1::LogLine) -> Value {
    let mut line = line(&hit.execution, wire);
    if let Value::Object(fields) = &mut line {
        fields.insert("number".to_owned(), hit.number.into());
    }
    line
}

/// What was spent on one day for one combination.
pub(super) fn cost(row: &v1::CostRow) -> Value {
    json!({
        "day": row.day,
        "project": row.project,
        "agent": text(&row.agent),
        "task": text(&row.task),
        "model": text(&row.model),
        "account": text(&row.account),
        "cost_usd": dollars(row.cost_micro_usd),
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "cache_write_tokens": row.cache_write_tokens,
        "tokens_counted": row.tokens_counted,
        "calls": row.calls,
        "notional": row.notional,
    })
}

/// A secret, never its value.
pub(super) fn secret(secret: &v1::Secret) -> Value {
    json!({
        "type": secret.kind,
        "scope": secret.scope,
        "project": text(&secret.project),
        "updated_at": time(secret.updated_at_ms),
    })
}

/// A check of the doctor.
pub(super) fn check(check: &v1::Check) -> Value {
    json!({
        "name": check.name,
        "ok": check.ok,
        "level": super::doctor::level(check),
        "found": check.found,
        "remedy": text(&check.remedy),
    })
}
