//! The world as operators' clients see it.

mod account;
mod approval;

pub use account::{account, project};
pub use approval::approval;

use cloud_code_domain::account::Parking;
use cloud_code_domain::agent::{Agent, AgentState};
use cloud_code_domain::cost::{MicroUsd, Usage};
use cloud_code_domain::credential::CredentialState;
use cloud_code_domain::dependencies::Verdict;
use cloud_code_domain::execution::{Execution, ExecutionState};
use cloud_code_domain::limit::{Amount, Measure};
use cloud_code_domain::report::{CriterionStatus, Report};
use cloud_code_domain::task::{BlockedReason, Task, TaskState, possible_actions, waiting_sentence};
use cloud_code_domain::time::Timestamp;
use cloud_code_proto::v1;

use crate::config::RuntimeKind;
use crate::engine::{Wait, World};

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

/// Where no workstation of its kind stands, with why.
fn waits_for_agent(world: &World, task: &Task) -> String {
    let mut stuck = None;
    for agent in world
        .agents
        .values()
        .filter(|agent| agent.project == task.project && Some(agent.agent_type) == task.agent_type)
    {
        let live = world.live.get(&agent.id);
        match live.and_then(|live| live.stuck.as_ref()) {
            Some(why) => stuck = Some(why),
            None => return "waits for an agent".into(),
        }
    }
    stuck.map_or_else(
        || "waits for an agent".into(),
        |why| format!("waits for an agent, which cannot be started: {why}"),
    )
}

/// Why a task waits or what it does, and until when, where that is known.
fn state_detail(world: &World, task: &Task) -> (String, Option<i64>) {
    if let TaskState::Publishing(_) = task.state
        && let Some((why, until)) = ["publish", "open"]
            .iter()
            .find_map(|kind| world.held_up(kind, task))
    {
        return (format!("{}: {why}", waiting_sentence(task)), Some(until.0));
    }
    if task.state != TaskState::Pending {
        return (waiting_sentence(task), None);
    }
    let (detail, until) = pending_detail(world, task);
    (format!("{detail}{}", no_such_issues(world, task)), until)
}

/// What a task names as its dependency and is no issue: it is not waited for.
fn no_such_issues(world: &World, task: &Task) -> String {
    let named = world.dependencies_of(task).into_iter();
    let missing = named.filter(|(_, verdict)| *verdict == Verdict::Missing);
    let missing: Vec<String> = missing.map(|(number, _)| format!("#{number}")).collect();
    match missing.as_slice() {
        [] => String::new(),
        [one] => format!("; there is no issue {one} to wait for"),
        more => format!("; there are no issues {} to wait for", more.join(", ")),
    }
}

fn pending_detail(world: &World, task: &Task) -> (String, Option<i64>) {
    match world.wait_of(task) {
        None | Some(Wait::Agent) => (waits_for_agent(world, task), None),
        Some(Wait::Halted) => ("halted by the operator".into(), None),
        Some(Wait::BackOff(until)) => ("tried again after a pause".into(), Some(until.0)),
        Some(Wait::Dependencies(open)) => {
            let open = open.iter().map(|(number, why)| match why {
                Verdict::Task => format!("#{number}"),
                Verdict::Open | Verdict::Unknown | Verdict::Done | Verdict::Missing => {
                    format!("#{number} ({why})")
                }
            });
            let open: Vec<String> = open.collect();
            (format!("waits for {}", open.join(", ")), None)
        }
        Some(Wait::Circle(numbers)) => {
            let numbers = numbers.iter().map(|number| format!("#{number}"));
            let numbers: Vec<String> = numbers.take(10).collect();
            (
                format!(
                    "{} wait for each other: take one dependency out",
                    numbers.join(", ")
                ),
                None,
            )
        }
        Some(Wait::Account(Parking::UsageLimit { until })) => {
            ("its account is parked: a usage limit".into(), Some(until.0))
        }
        Some(Wait::Account(Parking::NoAnswer { until })) => {
            let why = "its account's provider gives no answer; it is asked again then";
            (why.into(), Some(until.0))
        }
        Some(Wait::Account(Parking::LogInAgain)) => {
            let account = world.account_of_task(task);
            let account = account.map_or_else(|| "NAME".to_owned(), ToString::to_string);
            (
                format!(
                    "its account's secret was refused: put a new one into secret_file of \
                     accounts.{account}, then cloud-code resume account {account}"
                ),
                None,
            )
        }
        Some(Wait::DailyLimit(level)) => (
            format!("the project's daily limit is reached: {level}"),
            Some(world.now.next_day().0),
        ),
        Some(Wait::Disk) => ("the host is short of room".into(), None),
        Some(Wait::Handover(agent)) => {
            let held = world.held_up("bring", task);
            let why = held.map_or_else(String::new, |(why, _)| format!(": {why}"));
            (
                format!("what {agent} committed is being fetched{why}"),
                held.map(|(_, until)| until.0),
            )
        }
        Some(Wait::Base(why, until)) => (
            format!("the repository cannot be fetched: {why}"),
            Some(until.0),
        ),
    }
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

/// An agent in a list.
#[must_use]
pub fn agent(world: &World, agent: &Agent) -> v1::Agent {
    let live = world.live.get(&agent.id).cloned().unwrap_or_default();
    let stuck = live.stuck.clone().unwrap_or_default();
    let (execution, detail) = match &agent.state {
        AgentState::Working(execution) => (Some(execution), stuck),
        AgentState::Recreating(why) if stuck.is_empty() => (None, why.clone()),
        AgentState::Recreating(_) => (None, stuck),
        AgentState::Provisioning
        | AgentState::Idle
        | AgentState::Maintenance
        | AgentState::Retired => (None, stuck),
    };
    let docker = world.config.agents.runtime == RuntimeKind::Docker;
    let image = world
        .config
        .agents
        .types
        .get(&agent.agent_type)
        .map(|kind| kind.image.clone());
    v1::Agent {
        id: agent.id.to_string(),
        name: agent.short_name(),
        project: agent.project.to_string(),
        agent_type: agent.agent_type.to_string(),
        state: agent.state.as_str().into(),
        state_detail: detail,
        task: execution
            .map(|execution| execution.task.to_string())
            .unwrap_or_default(),
        execution: execution.map(ToString::to_string).unwrap_or_default(),
        connected: live.connected,
        last_heard_ms: live.last_heard.map(|at| at.0),
        cpu_percent: live.vitals.cpu_percent,
        memory_bytes: live.vitals.memory,
        disk_free_bytes: live.vitals.disk_free,
        cost_today_micro_usd: spent(world, |row| row.agent == agent.id).0,
        succeeded: agent.succeeded,
        failed: agent.failed,
        runtime: if docker { "docker" } else { "process" }.into(),
        image: image.filter(|_| docker).unwrap_or_default(),
        confined: docker,
        agentd_version: live.version,
        created_at_ms: agent.created_at.0,
    }
}

fn spent(world: &World, of: impl Fn(&crate::store::SpendRow) -> bool) -> MicroUsd {
    let today = world.now.day();
    let rows = world
        .spend
        .values()
        .filter(|row| row.day == today && of(row));
    rows.fold(MicroUsd::default(), |sum, row| sum.plus(row.cost))
}

/// The sums of the header.
#[must_use]
pub fn totals(world: &World) -> v1::Totals {
    let limit = world
        .config
        .projects
        .iter()
        .filter(|project| project.enabled);
    let limit = limit.fold(Amount::default(), |sum, project| {
        sum.plus(project.daily_limit)
    });
    let day = world.now.day();
    let today = world.spend.values().filter(|row| row.day == day);
    let today = today.fold(Amount::default(), |sum, row| sum.plus(world.counts(row)));
    let all = spent(world, |_| true);
    let warning = if !world.warning.is_empty() {
        world.warning.clone()
    } else if world.disk_short {
        "the host is short of room: no new work is given out".to_owned()
    } else {
        world.fleet_trouble.clone().unwrap_or_default()
    };
    v1::Totals {
        halted: world.host.halted,
        cost_today_micro_usd: today.cost.0,
        daily_limit_micro_usd: limit.cost.0,
        tokens_today: today.tokens.0,
        daily_token_limit: limit.tokens.0,
        notional_today_micro_usd: all.0.saturating_sub(today.cost.0),
        finished_tasks: world.finished,
        warning,
        unconfined: world.config.agents.runtime == RuntimeKind::Process,
    }
}

/// Everything, for a client that begins.
#[must_use]
pub fn snapshot(world: &World, operator: &str, host: &str, events: Vec<v1::Event>) -> v1::Snapshot {
    let live = |task: &&Task| !task.state.is_finished();
    v1::Snapshot {
        server_version: env!("CARGO_PKG_VERSION").into(),
        protocol: cloud_code_proto::PROTOCOL,
        host: host.into(),
        operator: operator.into(),
        seq: world.last_event(),
        tasks: world
            .tasks
            .values()
            .filter(live)
            .map(|of| task(world, of))
            .collect(),
        finished_tasks: world.finished,
        agents: world
            .agents
            .values()
            .filter(|agent| agent.state != AgentState::Retired)
            .map(|of| agent(world, of))
            .collect(),
        approvals: world
            .requests
            .values()
            .filter(|request| request.state == CredentialState::Pending)
            .map(|request| approval(world, request))
            .collect(),
        coding_clis: world
            .config
            .coding_clis
            .keys()
            .map(ToString::to_string)
            .collect(),
        accounts: world
            .config
            .accounts
            .keys()
            .map(|name| account(world, name))
            .collect(),
        projects: world
            .config
            .projects
            .iter()
            .map(|config| project(world, config))
            .collect(),
        events,
        totals: Some(totals(world)),
    }
}

/// The day as text, 2026-01-31, UTC.
#[must_use]
pub fn day(day: i64) -> String {
    let at = Timestamp(day.saturating_mul(86_400_000));
    jiff::Timestamp::from_millisecond(at.0)
        .map(|at| at.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default()
}
