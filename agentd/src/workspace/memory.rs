//! What agentd remembers of a task between executions. Lost or damaged, the task starts fresh.

use std::fs;
use std::path::Path;

use cloud_code_domain::workspace::WorkspaceMode;
use serde::{Deserialize, Serialize};

use super::{WorkspaceError, failed};

/// See the fields.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    /// The last execution.
    pub(crate) execution: String,
    /// The branch, so that a published head can move it.
    pub(crate) branch: String,
    /// The adapter that the session belongs to.
    pub(crate) adapter: String,
    /// The coding CLI that the session belongs to, as the host names it.
    pub(crate) coding_cli: String,
    /// The coding CLI's session, as it or we named it. One that we named is here before it is there.
    pub(crate) session: Option<String>,
    /// How the worktree was made.
    pub(crate) mode: WorkspaceMode,
    /// Whether `setup` succeeded in this worktree.
    pub(crate) set_up: bool,
    /// Progress messages that are in the spool.
    pub(crate) told: Vec<String>,
}

impl Memory {
    pub(crate) fn load(path: &Path) -> Self {
        fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), WorkspaceError> {
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        let temporary = path.with_extension("new");
        fs::write(&temporary, bytes).map_err(failed("write", &temporary))?;
        fs::rename(&temporary, path).map_err(failed("write", path))
    }
}
