//! One spare at a time, made only while the agent has nothing to do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud_code_domain::id::Oid;
use cloud_code_domain::workspace::WorkspaceMode;
use tokio::sync::watch;

use super::Spare;
use crate::session::chain;
use crate::workspace::git::Pace;
use crate::workspace::{Workspace, WorkspaceError};

/// How long nothing has to happen first: the next task of a queue comes at once, and shall not find
/// the processor and the disk busy.
const QUIET: Duration = Duration::from_secs(1);

/// Bytes that stay free beside it: a spare must not be what a task lacks.
const RESERVE: u64 = 1 << 30;

/// Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Spares {
    state: Arc<Mutex<State>>,
    idle: watch::Sender<Idle>,
}

#[derive(Debug, Default)]
struct State {
    spare: Option<Spare>,
    /// What the last new task began from: the next one will begin near it.
    base: Option<Oid>,
    /// How it was made: the next one will be made so.
    mode: WorkspaceMode,
    rests: u64,
}

/// The number of the rest, so that no two look like one; none while there is work.
type Idle = Option<u64>;

impl Default for Spares {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            idle: watch::Sender::new(None),
        }
    }
}

impl Spares {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agent has nothing to do.
    pub(crate) fn rest(&self) {
        let mut state = self.state();
        state.rests += 1;
        self.idle.send_replace(Some(state.rests));
    }

    /// Ends the rest and gives the spare, if there is one. Called before any program of a task
    /// starts: what is not used then is removed and never given to anybody.
    pub(crate) fn take(&self) -> Option<Spare> {
        let mut state = self.state();
        self.idle.send_replace(None);
        state.spare.take()
    }

    #[cfg(test)]
    pub(super) fn is_ready(&self) -> bool {
        self.state().spare.is_some()
    }

    /// A new task began from this commit, in this mode.
    pub(crate) fn began_from(&self, base: &Oid, mode: WorkspaceMode) {
        let mut state = self.state();
        state.base = Some(base.clone());
        state.mode = mode;
    }

    /// Makes spares for ever.
    pub(crate) async fn keep(self, workspace: Workspace) {
        let mut idle = self.idle.subscribe();
        loop {
            let Ok(rest) = idle.wait_for(Option::is_some).await.map(|rest| *rest) else {
                return;
            };
            let over = async { drop(idle.wait_for(|now| *now != rest).await) };
            let made = async {
                tokio::time::sleep(QUIET).await;
                self.make(&workspace, rest).await
            };
            tokio::pin!(over);
            tokio::select! {
                // Ended in the middle, its git is killed, and the next rest removes what it made.
                () = &mut over => continue,
                made = made => if let Err(error) = made {
                    tracing::warn!(error = chain(&error), "there is no spare worktree");
                }
            }
            over.await;
        }
    }

    async fn make(&self, workspace: &Workspace, rest: Idle) -> Result<(), WorkspaceError> {
        if self.state().spare.is_some() {
            // The rest before ended without any program of a task.
            return Ok(());
        }
        workspace.remove_spares().await?;
        let (last, mode) = {
            let state = self.state();
            (state.base.clone(), state.mode)
        };
        // A copy has a repository of its own, which no worktree of the clone turns into; and to an
        // isolated workspace nobody else comes.
        if mode != WorkspaceMode::Shared {
            return Ok(());
        }
        let Some(commit) = worth_making(workspace, last).await? else {
            return Ok(());
        };
        let made = workspace.make_spare(&commit, Pace::Gentle).await;
        if made.is_err() {
            // Not until the next rest: where the disk is full, it counts.
            workspace.remove_spares().await?;
        }
        let mut state = self.state();
        if *self.idle.borrow() == rest {
            state.spare = Some(made?);
            tracing::info!(%commit, "there is a spare worktree");
        }
        Ok(())
    }
}

/// The commit of a spare, where there is one and room for its files.
async fn worth_making(
    workspace: &Workspace,
    last: Option<Oid>,
) -> Result<Option<Oid>, WorkspaceError> {
    let Some(commit) = newest(workspace, last).await? else {
        return Ok(None);
    };
    let takes = workspace.size_of(&commit).await?;
    if takes.saturating_add(RESERVE) > free(workspace) {
        tracing::info!(takes, "the disk is too full for a spare worktree");
        return Ok(None);
    }
    Ok(Some(commit))
}

/// The last base, or else the newest that the clone keeps.
async fn newest(workspace: &Workspace, last: Option<Oid>) -> Result<Option<Oid>, WorkspaceError> {
    if !workspace.repository().join("HEAD").is_file() {
        return Ok(None);
    }
    if let Some(last) = last
        && workspace.holds(&last).await?
    {
        return Ok(Some(last));
    }
    let kept = workspace.bases().await?;
    Ok(kept.first().and_then(|base| base.parse().ok()))
}

/// Bytes that may still be written.
fn free(workspace: &Workspace) -> u64 {
    rustix::fs::statvfs(workspace.root()).map_or(0, |fs| fs.f_bavail.saturating_mul(fs.f_frsize))
}
