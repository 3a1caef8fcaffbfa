//! What clients ask that changes nothing.

use cloud_code_domain::id::{ExecutionId, TaskId};
use cloud_code_domain::task::{Task, TaskState, TaskStateName};
use cloud_code_proto::v1;
use tonic::Status;

use crate::engine::World;

use super::{actions, view};

/// Tasks that a list holds where the client names no limit.
const LIST: u32 = 1_000;

pub(super) fn list(
    world: &World,
    request: &v1::ListTasksRequest,
) -> Result<v1::ListTasksResponse, Status> {
    let known = |state: &String| TaskStateName::ALL.iter().any(|name| name.as_str() == state);
    if let Some(unknown) = request.states.iter().find(|state| !known(state)) {
        let names = TaskStateName::ALL.map(TaskStateName::as_str).join(", ");
        return Err(Status::invalid_argument(format!(
            "{unknown} is no state; they are {names}"
        )));
    }
    let wanted = |task: &&Task| {
        (request.project.is_empty() || task.project.as_str() == request.project)
            && (request.states.is_empty()
                || request
                    .states
                    .iter()
                    .any(|state| state == task.state.name().as_str()))
    };
    let finished = ["completed", "cancelled"];
    let with_finished = request.states.is_empty()
        || request
            .states
            .iter()
            .any(|state| finished.contains(&state.as_str()));
    let stored = if with_finished {
        world.finished_tasks()
    } else {
        Vec::new()
    };
    let all: Vec<&Task> = world.tasks.values().chain(&stored).filter(wanted).collect();
    if all.is_empty() && !request.project.is_empty() {
        // Perhaps none is in it; perhaps there is no such project.
        actions::project_of(world, &request.project)?;
    }
    let limit = if request.limit == 0 {
        LIST
    } else {
        request.limit
    };
    let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let tasks = all
        .into_iter()
        .take(usize::try_from(limit).unwrap_or(usize::MAX))
        .map(|task| view::task(world, task))
        .collect();
    Ok(v1::ListTasksResponse { tasks, total })
}

/// What the detail of a task needs besides the world: the range of its diff.
pub(super) struct Detail {
    pub(super) detail: v1::TaskDetail,
    pub(super) task: Task,
}

pub(super) fn task(world: &World, text: &str) -> Result<Detail, Status> {
    let id = match actions::live(world, text)? {
        Some(live) => live,
        None => {
            actions::finished(world, text)
                .ok_or_else(|| actions::no_task(text))?
                .id
        }
    };
    let (task, executions) = world
        .whole_task(&id)
        .ok_or_else(|| Status::not_found(format!("there is no task {id}")))?;
    Ok(Detail {
        detail: view::task_detail(world, &task, &executions),
        task,
    })
}

/// The execution whose log is meant, and whether more of the task may come.
pub(super) fn log_of(world: &World, request: &v1::LogsRequest) -> Result<Vec<ExecutionId>, Status> {
    let id = if request.task.is_empty() {
        let agent = request.agent.parse().map_err(|error| {
            Status::invalid_argument(format!("name a task or an agent: {error}"))
        })?;
        let working = world
            .working_on(&agent)
            .map(|execution| execution.id.task.clone());
        let last = || {
            world
                .tasks
                .values()
                .find(|t| t.agent.as_ref() == Some(&agent))
        };
        working.or_else(|| last().map(|task| task.id.clone()))
    } else {
        Some(task(world, &request.task)?.task.id)
    };
    let id = id.ok_or_else(|| Status::not_found("the agent has no task"))?;
    let (task, _) = world
        .whole_task(&id)
        .ok_or_else(|| Status::not_found(format!("there is no task {id}")))?;
    Ok((1..=task.executions)
        .map(|number| ExecutionId {
            task: id.clone(),
            number,
        })
        .collect())
}

/// Whether a task can still have another execution.
pub(super) fn may_go_on(world: &World, id: &TaskId) -> bool {
    world.tasks.get(id).is_some_and(|task| match task.state {
        TaskState::Completed | TaskState::Cancelled(_) | TaskState::Failed(_) => false,
        TaskState::Triage(_)
        | TaskState::Pending
        | TaskState::Assigned(_)
        | TaskState::InProgress(_)
        | TaskState::Publishing(_)
        | TaskState::Review
        | TaskState::Blocked(_) => true,
    })
}

pub(super) fn costs(world: &World, days: u32) -> v1::CostsResponse {
    let notional = |account: &cloud_code_domain::id::AccountName| {
        world.config.accounts.get(account).is_some_and(|config| {
            config.auth == cloud_code_domain::account::Authorisation::ClaudeToken
        })
    };
    let rows = world.spend_since(days).into_iter().map(|row| v1::CostRow {
        day: view::day(row.day),
        project: row.project.to_string(),
        agent: row.agent.to_string(),
        task: row.task.to_string(),
        notional: notional(&row.account),
        model: row.model,
        account: row.account.to_string(),
        cost_micro_usd: row.cost.0,
        input_tokens: row.usage.input,
        output_tokens: row.usage.output,
        cache_read_tokens: row.usage.cache_read,
        cache_write_tokens: row.usage.cache_write,
        calls: row.calls,
    });
    v1::CostsResponse {
        rows: rows.collect(),
    }
}
