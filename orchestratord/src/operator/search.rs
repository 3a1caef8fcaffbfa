//! Searching logs for an operator: hits are sent, not the logs that they are in.

use cloud_code_domain::id::ExecutionId;
use cloud_code_proto::v1;
use tokio::sync::Semaphore;
use tonic::Status;

use crate::logs::{Hits, Logs, LogsError, Search};

/// Hits of an answer.
const MOST: usize = 1_000;
/// Characters that are searched for.
const MAX_TEXT: usize = 1_000;

/// One search at a time: each takes all cores.
static TURN: Semaphore = Semaphore::const_new(1);

pub(super) async fn search(
    logs: &Logs,
    executions: Vec<ExecutionId>,
    request: v1::SearchLogsRequest,
) -> Result<v1::SearchLogsResponse, Status> {
    if request.text.is_empty() || request.text.chars().count() > MAX_TEXT {
        return Err(Status::invalid_argument(format!(
            "name a text of 1 to {MAX_TEXT} characters"
        )));
    }
    let permit = TURN.acquire().await;
    let logs = logs.clone();
    let found = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        all(&logs, executions, request)
    });
    match found.await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(error)) => Err(Status::internal(error.to_string())),
        Err(_) => Err(Status::internal("the search broke")),
    }
}

fn all(
    logs: &Logs,
    mut executions: Vec<ExecutionId>,
    request: v1::SearchLogsRequest,
) -> Result<v1::SearchLogsResponse, LogsError> {
    if request.backwards {
        executions.reverse();
    }
    let from = match (request.execution, request.backwards) {
        (0, true) => u64::MAX,
        (0, false) => 0,
        (_, _) => request.from,
    };
    let most = match usize::try_from(request.limit) {
        Ok(limit @ 1..MOST) => limit,
        Ok(_) | Err(_) => MOST,
    };
    let mut response = v1::SearchLogsResponse::default();
    let mut search = Search {
        text: request.text,
        from,
        backwards: request.backwards,
        limit: most,
    };
    for execution in executions {
        search.limit = most.saturating_sub(response.hits.len());
        let Hits {
            lines,
            total,
            unread,
        } = logs.search(&execution, &search)?;
        response.total = response.total.saturating_add(total);
        response.unread = response.unread.saturating_add(unread);
        let hits = lines.into_iter().map(|(number, line)| v1::LogHit {
            execution: execution.to_string(),
            number,
            line: Some(line.into()),
        });
        response.hits.extend(hits);
    }
    Ok(response)
}
