//! Which execution runs, on disk: what a killed agentd leaves to the next one.

use std::fs;
use std::io;
use std::path::PathBuf;

use cloud_code_domain::execution::FailureCause;
use cloud_code_domain::id::ExecutionId;
use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;

use super::sweep;
use crate::session::spool::{Spool, SpoolError};
use crate::workspace::Workspace;
use crate::workspace::worktree::Worktree;

fn path(workspace: &Workspace) -> PathBuf {
    workspace.own().join("execution")
}

/// Notes that the execution begins.
pub(crate) fn begin(workspace: &Workspace, execution: &str) {
    if let Err(error) = fs::write(path(workspace), execution) {
        tracing::warn!(%error, execution_id = execution, "an execution could not be noted");
    }
}

/// Notes that its end is in the spool.
pub(crate) fn end(workspace: &Workspace) {
    match fs::remove_file(path(workspace)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the end of an execution could not be noted");
        }
        Ok(()) | Err(_) => {}
    }
}

/// Where the branch of an execution stands; empty where it has no worktree.
async fn head(workspace: &Workspace, execution: &str) -> String {
    let Ok(execution) = execution.parse::<ExecutionId>() else {
        return String::new();
    };
    let (_, worktree) = Worktree::remembered(workspace, &execution.task);
    if worktree.is_usable().await {
        worktree.head().await.unwrap_or_default()
    } else {
        String::new()
    }
}

/// Ends what an agentd that was killed left running, and says so exactly once: an end that is
/// already in the spool is not said again.
pub(crate) async fn recover(workspace: &Workspace, spool: &Spool) -> Result<(), SpoolError> {
    let Ok(execution) = fs::read_to_string(path(workspace)) else {
        return Ok(());
    };
    if execution.is_empty() {
        // The kill came while it was noted: nothing had been started.
        end(workspace);
        return Ok(());
    }
    let killed = sweep::end_all(&execution, None).await;
    if !spool.has_ended(&execution) {
        tracing::warn!(
            execution_id = execution,
            killed,
            "an execution lost its agentd"
        );
        let mut ended = v1::Ended::failed(
            &FailureCause::AgentLost,
            "agentd was killed while it ran".to_owned(),
        );
        ended.head = head(workspace, &execution).await;
        spool.append(&execution, Body::Ended(ended)).await?;
    }
    end(workspace);
    Ok(())
}
