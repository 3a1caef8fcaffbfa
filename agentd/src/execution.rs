//! An execution: from an assignment to its last record.
//!
//! ```text
//!  prepare ──▶ turn ──▶ messages waiting? ──▶ credential came? ──▶ open request or blocked_reason?
//!  (worktree,   ▲              │                    │                       │ yes: BLOCKED
//!   home,       └──────────────┴────────────────────┘        no change? ────┤ yes: BLOCKED
//!   setup)      └──────────────── output ◀── failed ◀── check ◀─────────────┘
//!                                                         └──▶ SUCCEEDED with the head
//! ```
//!
//! Success needs three witnesses that agree: the CLI's terminal event, its exit status (or a live
//! session at rest), and git.

pub(crate) mod job;
pub(crate) mod logs;
pub(crate) mod prepare;
pub(crate) mod process;
pub(crate) mod processes;
pub(crate) mod prompt;
pub(crate) mod scene;
pub(crate) mod shell;
pub(crate) mod state;
pub(crate) mod sweep;
pub(crate) mod turn;
pub(crate) mod verdict;
pub(crate) mod watchdog;

use cloud_code_domain::execution::FailureCause;
use cloud_code_domain::log::LogLevel;
use cloud_code_domain::report::ReportStatus;
use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;
use tokio::sync::mpsc;

use crate::app::Parts;
use crate::failpoint::failpoint;
use crate::session::chain;
use crate::session::spool::SpoolError;
use crate::workspace::WorkspaceError;
use crate::workspace::git::GitError;
use job::Job;
use prepare::Prepared;
use scene::{Control, Scene};
use turn::Live;
use verdict::{Stop, TurnEnd, stop_ended};

/// What ends an execution from inside.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecutionError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error("the coding CLI cannot be started: {0}")]
    Start(String),
}

/// Carries out an assignment. Its end is in the spool when this returns without an error.
///
/// # Errors
/// Only where the spool fails: nothing could be said any more.
pub(crate) async fn execute(
    parts: &Parts,
    job: Job,
    control: mpsc::Receiver<Control>,
) -> Result<(), SpoolError> {
    let execution = job.execution.to_string();
    state::begin(&parts.workspace, &execution);
    let mut scene = Scene::new(parts.clone(), job, control);
    let ended = match carry_out(&mut scene).await {
        Ok(ended) => ended,
        Err(ExecutionError::Spool(error)) => return Err(error),
        Err(error) => {
            let cause = cause(&scene, &error).await;
            v1::Ended::failed(&cause, chain(&error))
        }
    };
    sweep::end_all(&execution, None).await;
    finish(&mut scene, ended).await?;
    failpoint!("agentd::end_after");
    state::end(&parts.workspace);
    Ok(())
}

/// A worktree that was good when the first turn began, and is none now, was damaged by its agent.
async fn cause(scene: &Scene, error: &ExecutionError) -> FailureCause {
    match error {
        ExecutionError::Start(_) => FailureCause::CodingCliUnavailable,
        ExecutionError::Git(_) | ExecutionError::Workspace(WorkspaceError::Git(_))
            if scene.begun && !is_whole(scene).await =>
        {
            FailureCause::WorktreeDamaged
        }
        ExecutionError::Spool(_) | ExecutionError::Workspace(_) | ExecutionError::Git(_) => {
            FailureCause::WorkspaceUnavailable
        }
    }
}

async fn is_whole(scene: &Scene) -> bool {
    let base = &scene.job.base;
    scene.worktree.is_usable().await && scene.worktree.holds(base).await.unwrap_or(false)
}

async fn carry_out(scene: &mut Scene) -> Result<v1::Ended, ExecutionError> {
    match prepare::prepare(scene).await? {
        Prepared::Ready => {}
        Prepared::Stopped(stop) => return Ok(stop_ended(stop, "")),
    }
    scene.begun = true;
    let mut live = None;
    let ended = turns(scene, &mut live).await;
    if let Some(live) = live {
        live.shut_down(&scene.execution).await;
    }
    ended
}

/// Turn after turn until one ends the execution.
async fn turns(scene: &mut Scene, live: &mut Option<Live>) -> Result<v1::Ended, ExecutionError> {
    let mut prompt = scene.first_prompt().await;
    let mut delivers = scene.job.conversation_end();
    let mut returns = scene.job.check_returns;
    loop {
        let end = turn::run(scene, live, &prompt, delivers).await?;
        failpoint!("agentd::turn_ended");
        scene.keep_leftovers().await?;
        failpoint!("agentd::result_kept");
        match next(scene, &end, &mut returns).await? {
            Next::Turn { text, below } => {
                prompt = text;
                delivers = delivers.max(below);
            }
            Next::End(ended) => return Ok(ended),
        }
    }
}

/// What follows a turn.
enum Next {
    /// Another one, which also hands over the messages below this number.
    Turn {
        text: String,
        below: u64,
    },
    End(v1::Ended),
}

/// The order in which a turn ends.
async fn next(scene: &mut Scene, end: &TurnEnd, returns: &mut u32) -> Result<Next, ExecutionError> {
    if let Some(ended) = end.ended() {
        return Ok(Next::End(ended));
    }
    if let Some(stop) = scene.pending_stop() {
        return Ok(Next::End(stop_ended(stop, &end.text)));
    }
    if let Some((text, below)) = scene.take_messages() {
        return Ok(Next::Turn { text, below });
    }
    if let Some(text) = scene.take_granted() {
        return Ok(Next::Turn { text, below: 0 });
    }
    if scene.keeper.has_open_request() || scene.keeper.blocked_reason().is_some() {
        return Ok(Next::End(blocked(scene, end)));
    }
    if !scene.worktree.differs_from(scene.job.from()).await? {
        return Ok(Next::End(blocked(scene, end)));
    }
    let failed = match check(scene).await? {
        Check::Passed => return Ok(Next::End(succeeded(scene, end).await?)),
        Check::Stopped(stop) => return Ok(Next::End(stop_ended(stop, &end.text))),
        Check::Failed(output) => output,
    };
    if *returns == 0 {
        let ended = v1::Ended::failed(&FailureCause::CheckFailed, failed);
        return Ok(Next::End(ended));
    }
    *returns -= 1;
    let text = prompt::check_failed(&scene.job.check, &failed);
    Ok(Next::Turn { text, below: 0 })
}

async fn succeeded(scene: &mut Scene, end: &TurnEnd) -> Result<v1::Ended, ExecutionError> {
    Ok(v1::Ended {
        kind: v1::EndKind::Succeeded.into(),
        head: scene.worktree.head().await?,
        last_words: end.words(),
        ..v1::Ended::default()
    })
}

fn blocked(scene: &Scene, end: &TurnEnd) -> v1::Ended {
    v1::Ended {
        kind: v1::EndKind::Blocked.into(),
        needs_credential: scene.keeper.has_open_request(),
        blocked_reason: scene.keeper.blocked_reason().unwrap_or_default().to_owned(),
        last_words: end.words(),
        ..v1::Ended::default()
    }
}

enum Check {
    Passed,
    Failed(String),
    Stopped(Stop),
}

async fn check(scene: &mut Scene) -> Result<Check, ExecutionError> {
    if scene.job.check.is_empty() {
        return Ok(Check::Passed);
    }
    let command = scene.job.check.clone();
    scene
        .logs
        .system(LogLevel::Info, &format!("check: {command}"));
    let passed = match shell::run(scene, &command).await? {
        shell::End::Ok => Check::Passed,
        shell::End::Failed(output) => Check::Failed(output),
        shell::End::Stopped(stop) => Check::Stopped(stop),
    };
    // A check may leave files behind; what it formats is part of the result.
    scene.keep_leftovers().await?;
    Ok(passed)
}

/// The last words of an execution: its report, its log, its end.
async fn finish(scene: &mut Scene, mut ended: v1::Ended) -> Result<(), SpoolError> {
    ended.last_words = scene.presentable(&ended.last_words);
    ended.blocked_reason = scene.presentable(&ended.blocked_reason);
    let (status, message) = match ended.kind() {
        v1::EndKind::Succeeded => (ReportStatus::Completed, "The work is done"),
        v1::EndKind::Blocked => (ReportStatus::Blocked, "It waits for a person"),
        v1::EndKind::Cancelled => (ReportStatus::Waiting, "It was stopped"),
        v1::EndKind::Failed | v1::EndKind::Unspecified => (ReportStatus::Failed, "It failed"),
    };
    scene.set_status(status, message);
    if status == ReportStatus::Failed {
        scene.keeper.error(&ended.last_words);
    }
    if ended.head.is_empty() && scene.worktree.is_usable().await {
        // Should the task go to another agent, this is what it goes on from.
        ended.head = scene.worktree.head().await.unwrap_or_default();
    }
    scene.write_report();
    scene.send_report().await?;
    scene.logs.flush().await?;
    failpoint!("agentd::end_before");
    tracing::info!(
        execution_id = scene.execution,
        kind = ended.kind().as_str_name(),
        "an execution ended"
    );
    scene
        .parts
        .spool
        .append(&scene.execution, Body::Ended(ended))
        .await
        .map(drop)
}
