//! What clients ask that changes nothing.

use cloud_code_domain::id::{ExecutionId, TaskId};
use cloud_code_domain::limit::Measure;
use cloud_code_domain::task::{Task, TaskState, TaskStateName};
use cloud_code_proto::v1;
use tonic::Status;

use crate::engine::World;

use super::{actions, view};

/// Tasks that a list holds where the client names no limit.
const LIST: u32 = 1_000;
/// Events of a task that come with it, and that a page holds where the client names no limit.
const HISTORY: u32 = 200;
/// Events of a task that a page holds at most.
const PAGE: u32 = 500;

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
    let id = any_task(world, text)?;
    let (task, executions) = world
        .whole_task(&id)
        .ok_or_else(|| Status::not_found(format!("there is no task {id}")))?;
    let history = v1::TaskEventsRequest::default();
    let history = history_of(world, &id, &history);
    let mut detail = view::task_detail(world, &task, &executions);
    detail.events = history.events;
    detail.events_before = history.events_before;
    Ok(Detail { detail, task })
}

/// A page of the history of a task.
pub(super) fn history(
    world: &World,
    request: &v1::TaskEventsRequest,
) -> Result<v1::TaskEventsResponse, Status> {
    let id = any_task(world, &request.task)?;
    Ok(history_of(world, &id, request))
}

fn history_of(
    world: &World,
    id: &TaskId,
    request: &v1::TaskEventsRequest,
) -> v1::TaskEventsResponse {
    let before = (request.before > 0).then_some(request.before);
    let limit = match request.limit {
        0 => HISTORY,
        limit => limit.min(PAGE),
    };
    let page = world.events_of_task(id, before, usize::try_from(limit).unwrap_or(0));
    v1::TaskEventsResponse {
        events: page.events.into_iter().map(Into::into).collect(),
        events_before: page.before,
    }
}

/// The task that a text names: a live one, else the newest finished one.
fn any_task(world: &World, text: &str) -> Result<TaskId, Status> {
    if let Some(live) = actions::live(world, text)? {
        return Ok(live);
    }
    let finished = actions::finished(world, text);
    finished
        .map(|task| task.id)
        .ok_or_else(|| actions::no_task(text))
}

/// The executions whose logs are meant: those of a task, or of what an agent works on; or the only
/// one with this number.
pub(super) fn log_of(
    world: &World,
    task: &str,
    agent: &str,
    only: u32,
) -> Result<Vec<ExecutionId>, Status> {
    let id = if task.is_empty() {
        let agent = agent.parse().map_err(|error| {
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
        Some(any_task(world, task)?)
    };
    let id = id.ok_or_else(|| Status::not_found("the agent has no task"))?;
    let (task, _) = world
        .whole_task(&id)
        .ok_or_else(|| Status::not_found(format!("there is no task {id}")))?;
    if only > task.executions {
        let last = task.executions;
        return Err(Status::not_found(format!(
            "there is no execution {only} of task {id}: it has {last}"
        )));
    }
    Ok((1..=task.executions)
        .filter(|number| only == 0 || only == *number)
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
    let rows = world.spend_since(days).into_iter().map(|row| v1::CostRow {
        day: view::day(row.day),
        project: row.project.to_string(),
        agent: row.agent.to_string(),
        task: row.task.to_string(),
        notional: world.measure(&row.account) == Measure::Tokens,
        tokens_counted: row.tokens.0,
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
