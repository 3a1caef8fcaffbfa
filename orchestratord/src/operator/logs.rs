//! The log of a task: what is there, then, with `follow`, what comes, over all its executions.

use std::ops::Range;
use std::sync::Arc;

use cloud_code_domain::id::{ExecutionId, TaskId};
use cloud_code_domain::time::Timestamp;
use cloud_code_proto::v1;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tonic::Status;

use crate::engine::Update;
use crate::logs::{LogsError, Page};

use super::queries;
use super::service::Parts;

/// Lines of an answer.
const PAGE: usize = 500;

type Answers = mpsc::Sender<Result<v1::LogsResponse, Status>>;

/// Why sending ended.
enum Ended {
    /// The client went away.
    Gone,
    /// The log does not read.
    Unreadable(LogsError),
}

impl From<LogsError> for Ended {
    fn from(error: LogsError) -> Self {
        Self::Unreadable(error)
    }
}

pub(super) async fn send(
    parts: Parts,
    executions: Vec<ExecutionId>,
    request: v1::LogsRequest,
    to: Answers,
) {
    if let Err(Ended::Unreadable(error)) = all(&parts, executions, &request, &to).await {
        // The client may be gone as well.
        let _gone = to.send(Err(Status::internal(error.to_string()))).await;
    }
}

async fn all(
    parts: &Parts,
    executions: Vec<ExecutionId>,
    request: &v1::LogsRequest,
    to: &Answers,
) -> Result<(), Ended> {
    let tail = usize::try_from(request.tail).unwrap_or(usize::MAX);
    let Some((last, earlier)) = executions.split_last() else {
        return Ok(());
    };
    if request.execution != 0 {
        let from = request.from.max(since(parts, last, request)?);
        let most = match request.limit {
            0 => u64::MAX,
            limit => u64::from(limit),
        };
        return range(parts, last, from..from.saturating_add(most), to).await;
    }
    if tail == 0 {
        for execution in earlier {
            let from = since(parts, execution, request)?;
            range(parts, execution, from..u64::MAX, to).await?;
        }
    } else {
        let end = parts.logs.end(last)?;
        let from = end.saturating_sub(u64::try_from(tail).unwrap_or(u64::MAX));
        if !request.follow {
            let page = parts.logs.read(last, from, tail)?;
            return answer(last, page, to).await;
        }
        return follow(parts, last.clone(), from, to).await;
    }
    let from = since(parts, last, request)?;
    if request.follow {
        follow(parts, last.clone(), from, to).await
    } else {
        range(parts, last, from..u64::MAX, to).await
    }
}

/// The number of the first line that is wanted.
fn since(
    parts: &Parts,
    execution: &ExecutionId,
    request: &v1::LogsRequest,
) -> Result<u64, LogsError> {
    match request.since_ms {
        0 => Ok(0),
        since => parts.logs.at(execution, Timestamp(since)),
    }
}

async fn range(
    parts: &Parts,
    execution: &ExecutionId,
    mut wanted: Range<u64>,
    to: &Answers,
) -> Result<(), Ended> {
    while !wanted.is_empty() {
        let left = usize::try_from(wanted.end - wanted.start).unwrap_or(usize::MAX);
        let page = parts.logs.read(execution, wanted.start, PAGE.min(left))?;
        if page.is_empty() && page.next == wanted.start {
            break;
        }
        wanted.start = page.next;
        answer(execution, page, to).await?;
    }
    Ok(())
}

/// Follows an execution until it has ended, then the next of its task, until there can be none.
async fn follow(
    parts: &Parts,
    mut execution: ExecutionId,
    mut from: u64,
    to: &Answers,
) -> Result<(), Ended> {
    loop {
        let mut updates = parts.engine.updates();
        let mut follower = parts.logs.follow(&execution, from)?;
        while !ended(parts, &execution).await {
            let changed = task_changed(&mut updates, &execution.task);
            tokio::pin!(changed);
            loop {
                tokio::select! {
                    page = follower.next() => match page? {
                        Some(page) => {
                            from = page.next;
                            answer(&execution, page, to).await?;
                        }
                        None => return Ok(()),
                    },
                    goes_on = &mut changed => match goes_on {
                        true => break,
                        false => return Ok(()),
                    },
                    () = to.closed() => return Err(Ended::Gone),
                }
            }
        }
        // What came between the last page and the end.
        range(parts, &execution, from..u64::MAX, to).await?;
        match next(parts, &execution).await {
            Some(next) => (execution, from) = (next, 0),
            None => return Ok(()),
        }
    }
}

/// Waits for a change of this task: with many agents there are many of others. False where the
/// program is ending.
async fn task_changed(updates: &mut Receiver<Arc<Update>>, task: &TaskId) -> bool {
    loop {
        match updates.recv().await {
            Ok(update) => {
                if update.tasks.contains(task) {
                    return true;
                }
            }
            Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}

async fn ended(parts: &Parts, execution: &ExecutionId) -> bool {
    let id = execution.clone();
    let ended = parts.engine.read(move |world| {
        world
            .executions
            .get(&id)
            .is_none_or(|record| record.state.is_finished())
    });
    ended.await.unwrap_or(true)
}

/// Waits for the next execution of the task; none where there can be no other.
async fn next(parts: &Parts, execution: &ExecutionId) -> Option<ExecutionId> {
    let mut updates = parts.engine.updates();
    loop {
        let id = execution.clone();
        let (last, may_go_on) = parts
            .engine
            .read(move |world| {
                let last = world.tasks.get(&id.task).map_or(0, |task| task.executions);
                (last, queries::may_go_on(world, &id.task))
            })
            .await
            .ok()?;
        if last > execution.number {
            let number = execution.number.saturating_add(1);
            return Some(ExecutionId {
                task: execution.task.clone(),
                number,
            });
        }
        if !may_go_on || !task_changed(&mut updates, &execution.task).await {
            return None;
        }
    }
}

async fn answer(execution: &ExecutionId, page: Page, to: &Answers) -> Result<(), Ended> {
    if page.is_empty() {
        return Ok(());
    }
    let answer = v1::LogsResponse {
        execution: execution.to_string(),
        dropped: page.lost,
        lines: page.lines.into_iter().map(Into::into).collect(),
        numbers: page.numbers,
    };
    to.send(Ok(answer)).await.map_err(|_| Ended::Gone)
}
