//! What the host asks for besides executions, done one after the other.

use std::path::PathBuf;

use cloud_code_domain::id::{ExecutionId, Oid, TaskId};
use cloud_code_proto::v1;
use cloud_code_proto::v1::from_agent::Message as Outgoing;
use tokio::sync::{mpsc, oneshot};

use crate::app::Parts;
use crate::session::chain;
use crate::workspace::worktree::Worktree;
use crate::workspace::{WorkspaceError, pack};

/// See the variants.
#[derive(Debug)]
pub(super) enum Chore {
    /// Sends the result of an execution.
    Result(v1::RequestResult),
    /// Moves a branch to the head that was pushed.
    Published(v1::Published),
    /// Removes a task.
    Clean(TaskId),
    /// Says that everything before is done.
    Tell(oneshot::Sender<()>),
}

/// Does chores until nobody asks any more.
pub(super) async fn work(parts: Parts, mut waiting: mpsc::Receiver<Chore>) {
    while let Some(chore) = waiting.recv().await {
        match chore {
            Chore::Result(request) => result(&parts, request).await,
            Chore::Published(published) => publish(&parts, &published).await,
            Chore::Clean(task) => clean(&parts, task).await,
            Chore::Tell(done) => {
                if done.send(()).is_err() {
                    tracing::debug!("an execution was gone before its turn came");
                }
            }
        }
    }
}

async fn result(parts: &Parts, request: v1::RequestResult) {
    let sent = match (request.head.parse::<Oid>(), request.base.parse::<Oid>()) {
        (Ok(head), Ok(base)) => {
            let repository = repository(parts, &request.execution);
            let of = (request.execution.as_str(), request.ask);
            pack::send_result(&repository, &parts.answers, of, &head, &base).await
        }
        (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
    };
    if let Err(reason) = sent {
        tracing::warn!(
            execution_id = request.execution,
            reason,
            "a result cannot be sent"
        );
        let failed = v1::ResultFailed {
            execution: request.execution,
            reason,
            ask: request.ask,
        };
        parts.answers.send(Outgoing::ResultFailed(failed)).await;
    }
}

/// Where the commits of an execution are.
fn repository(parts: &Parts, execution: &str) -> PathBuf {
    let workspace = &parts.workspace;
    let execution = execution.parse::<ExecutionId>();
    execution.map_or_else(
        |_| workspace.repository(),
        |execution| {
            let (_, worktree) = Worktree::remembered(workspace, &execution.task);
            worktree.repository(workspace)
        },
    )
}

async fn publish(parts: &Parts, published: &v1::Published) {
    if let Err(error) = follow(parts, published).await {
        tracing::warn!(
            task_id = published.task,
            error,
            "a branch stays where it is; its next execution starts from the new base"
        );
    }
}

async fn follow(parts: &Parts, published: &v1::Published) -> Result<(), String> {
    let task: TaskId = published.task.parse().map_err(as_text)?;
    let head: Oid = published.head.parse().map_err(as_text)?;
    let (memory, worktree) = Worktree::remembered(&parts.workspace, &task);
    if !worktree.is_usable().await || worktree.branch.is_empty() {
        return Ok(());
    }
    let fetched = fetch(parts, &memory.execution, &head).await;
    fetched.map_err(|error| chain(&error))?;
    let taken = worktree.take_from(&parts.workspace, &head).await;
    taken.map_err(|error| chain(&error))?;
    match worktree.move_to(&head).await {
        Ok(true) => Ok(()),
        Ok(false) => Err("its tree is another one".to_owned()),
        Err(error) => Err(chain(&error)),
    }
}

async fn fetch(parts: &Parts, execution: &str, head: &Oid) -> Result<(), WorkspaceError> {
    let workspace = &parts.workspace;
    if workspace.holds(head).await? {
        workspace.keep_base(head).await?;
        return Ok(());
    }
    let requests = &parts.requests;
    let pack = requests
        .ask(workspace, &parts.answers, execution, head)
        .await?;
    workspace.take_pack(pack, head).await
}

async fn clean(parts: &Parts, task: TaskId) {
    match remove(parts, &task).await {
        Ok(()) => {
            let task = task.to_string();
            let cleaned = Outgoing::TaskCleaned(v1::TaskCleaned { task });
            parts.answers.send(cleaned).await;
        }
        // Not answered: the host asks again.
        Err(error) => tracing::error!(task_id = %task, error, "a task is not cleaned"),
    }
}

async fn remove(parts: &Parts, task: &TaskId) -> Result<(), String> {
    let dirs = parts.workspace.task(task);
    let (_, worktree) = Worktree::remembered(&parts.workspace, task);
    parts
        .credentials
        .clear(task)
        .map_err(|error| chain(&error))?;
    let gone = async {
        parts.workspace.remove_worktree(&dirs.work()).await?;
        // A branch of its own repository went with it.
        if !worktree.branch.is_empty() && !worktree.mode.is_copied() {
            parts.workspace.remove_branch(&worktree.branch).await?;
        }
        dirs.remove()
    };
    gone.await.map_err(|error: WorkspaceError| chain(&error))
}

fn as_text(error: impl std::error::Error) -> String {
    error.to_string()
}
