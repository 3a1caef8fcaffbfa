//! Actions from the wire: names are resolved against the world, everything else is parsed.

use cloud_code_domain::cost::{MicroUsd, Tokens};
use cloud_code_domain::id::{ProjectName, TaskId};
use cloud_code_domain::operator::Action;
use cloud_code_domain::task::{Priority, Task};
use cloud_code_proto::v1;
use tonic::Status;

use crate::engine::World;

/// Whether a text names a task: an id, the start of one, `#42`, or `acme/app#42`.
pub(super) fn names(text: &str, task: &Task) -> bool {
    let Some((project, number)) = text.split_once('#') else {
        return !text.is_empty() && task.id.as_str().starts_with(text);
    };
    let issue = task.issue.as_ref();
    issue.is_some_and(|issue| issue.number.to_string() == number)
        && (project.is_empty() || task.project.as_str() == project)
}

/// The live task that a text names, where it is only one.
fn resolve(world: &World, text: &str) -> Result<TaskId, Status> {
    if let Some(live) = live(world, text)? {
        return Ok(live);
    }
    match finished(world, text) {
        Some(task) => Err(Status::failed_precondition(format!(
            "task {} is {}, and stays so",
            task.id,
            task.state.name().as_str()
        ))),
        None => Err(no_task(text)),
    }
}

pub(super) fn no_task(text: &str) -> Status {
    Status::not_found(format!("there is no task {}", text.trim()))
}

/// The newest finished task that a text names.
pub(super) fn finished(world: &World, text: &str) -> Option<Task> {
    let mut stored = world.finished_tasks().into_iter();
    stored.find(|task| names(text.trim(), task))
}

/// The live task that a text names, if there is one.
///
/// # Errors
/// Where there are several.
pub(super) fn live(world: &World, text: &str) -> Result<Option<TaskId>, Status> {
    let text = text.trim();
    let found = world.tasks.values().filter(|task| names(text, task));
    let found: Vec<&TaskId> = found.map(|task| &task.id).collect();
    match found.as_slice() {
        [one] => Ok(Some((*one).clone())),
        [] => Ok(None),
        many => {
            let ids: Vec<&str> = many.iter().map(|id| id.as_str()).collect();
            Err(Status::invalid_argument(format!(
                "{text} could be any of {}; write more of the id, or PROJECT#NUMBER",
                ids.join(", ")
            )))
        }
    }
}

pub(super) fn project_of(world: &World, text: &str) -> Result<ProjectName, Status> {
    let known = || {
        let names: Vec<&str> = world
            .config
            .projects
            .iter()
            .map(|p| p.name.as_str())
            .collect();
        names.join(", ")
    };
    if text.is_empty() {
        return match world.config.projects.as_slice() {
            [only] => Ok(only.name.clone()),
            [] => Err(Status::failed_precondition("no project is configured")),
            _ => Err(Status::invalid_argument(format!(
                "name a project, one of {}",
                known()
            ))),
        };
    }
    let found = world
        .config
        .projects
        .iter()
        .find(|project| project.name.as_str() == text);
    found
        .map(|project| project.name.clone())
        .ok_or_else(|| Status::not_found(format!("there is no project {text}, only {}", known())))
}

fn invalid(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(error.to_string())
}

fn priority_of(number: u32) -> Result<Priority, Status> {
    u8::try_from(number)
        .ok()
        .and_then(Priority::from_number)
        .ok_or_else(|| invalid("a priority is a number from 0 to 4"))
}

fn scope_of(world: &World, scope: &v1::Scope) -> Result<Option<ProjectName>, Status> {
    if scope.project.is_empty() {
        Ok(None)
    } else {
        project_of(world, &scope.project).map(Some)
    }
}

/// The action that a message means.
pub(super) fn action(world: &World, action: v1::Action) -> Result<Action, Status> {
    use v1::action::Action as Wire;
    let task = |text: &str| resolve(world, text);
    Ok(
        match action
            .action
            .ok_or_else(|| invalid("there is no action in it"))?
        {
            Wire::NewTask(new) => Action::NewTask {
                project: project_of(world, &new.project)?,
                title: new.title,
                description: new.description,
                priority: new.priority.map(priority_of).transpose()?,
            },
            Wire::Accept(id) => Action::Accept(task(&id)?),
            Wire::Reject(id) => Action::Reject(task(&id)?),
            Wire::Retry(id) => Action::Retry(task(&id)?),
            Wire::Cancel(id) => Action::Cancel(task(&id)?),
            Wire::Pass(id) => Action::Pass(task(&id)?),
            Wire::Merge(id) => Action::Merge(task(&id)?),
            Wire::Close(id) => Action::Close(task(&id)?),
            Wire::Reassign(reassign) => {
                let task = task(&reassign.task)?;
                let agent = match reassign.agent.as_str() {
                    "" => None,
                    name => Some(agent_of(world, &task, name)?),
                };
                let coding_cli = match reassign.coding_cli.as_str() {
                    "" => None,
                    name => Some(name.parse().map_err(invalid)?),
                };
                Action::Reassign {
                    task,
                    agent,
                    coding_cli,
                }
            }
            Wire::SetPriority(set) => Action::SetPriority {
                task: task(&set.task)?,
                priority: priority_of(set.priority)?,
            },
            Wire::Steer(steer) => Action::Steer {
                task: task(&steer.task)?,
                text: steer.text,
            },
            Wire::SetCostLimit(set) => Action::SetCostLimit {
                task: task(&set.task)?,
                limit: MicroUsd(set.limit_micro_usd),
            },
            Wire::SetTokenLimit(set) => Action::SetTokenLimit {
                task: task(&set.task)?,
                limit: Tokens(set.limit_tokens),
            },
            Wire::Approve(approve) => Action::Approve {
                request: approve.request.parse().map_err(invalid)?,
                for_task: approve.for_task,
            },
            Wire::Deny(deny) => Action::Deny {
                request: deny.request.parse().map_err(invalid)?,
                note: deny.note,
            },
            Wire::Halt(scope) => Action::Halt(scope_of(world, &scope)?),
            Wire::Resume(scope) => Action::Resume(scope_of(world, &scope)?),
            Wire::ResumeAccount(name) => Action::ResumeAccount(name.parse().map_err(invalid)?),
        },
    )
}

/// An agent of the task's project, by id or short name.
fn agent_of(
    world: &World,
    task: &TaskId,
    name: &str,
) -> Result<cloud_code_domain::id::AgentId, Status> {
    let project = world.tasks.get(task).map(|task| &task.project);
    let mut agents = world
        .agents
        .values()
        .filter(|agent| Some(&agent.project) == project);
    agents
        .find(|agent| agent.id.as_str() == name || agent.short_name() == name)
        .map(|agent| agent.id.clone())
        .ok_or_else(|| Status::not_found(format!("the task's project has no agent {name}")))
}
