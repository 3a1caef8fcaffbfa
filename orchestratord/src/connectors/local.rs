//! Local: issues and pull requests of a project whose repository is a path. No account, no network.
//!
//! ```text
//!  operator ──create_issue──▶ <state>/local/<project>/<n>.json ◀──open, merge, close── outbox
//!                                                                        │
//!                             the repository itself ◀── push with a lease┘
//! ```
//!
//! The repository is the truth about heads: a pull request whose commits are in the default branch is
//! merged, whoever did it, and one whose branch is gone is closed. Git runs on that side too when we
//! fetch and push, so nothing that the repository's configuration names is run there.

mod pulls;
mod records;
#[cfg(test)]
mod tests;
mod tracker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloud_code_domain::id::ProjectName;
use tokio::sync::Mutex;

use crate::config::GitConfig;
use crate::mirrors::branch::BranchName;
use crate::mirrors::{Mirror, directory_name};
use crate::ports::GitAccess;

pub use records::RecordError;
use records::Records;
pub use tracker::NewIssue;

/// Where a local project's issues and pull requests are.
#[derive(Debug)]
pub struct Local {
    project: ProjectName,
    repository: PathBuf,
    default_branch: BranchName,
    identity: GitConfig,
    mirror: Arc<Mirror>,
    /// Held over a whole operation: records are read, decided upon and written by one at a time.
    records: Mutex<Records>,
}

impl Local {
    /// Opens the records of a project under a state directory.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn open(
        state_dir: &Path,
        project: &ProjectName,
        repository: &Path,
        default_branch: &BranchName,
        identity: &GitConfig,
        mirror: Arc<Mirror>,
    ) -> Result<Self, RecordError> {
        let directory = state_dir.join("local").join(directory_name(project));
        Ok(Self {
            project: project.clone(),
            repository: repository.to_owned(),
            default_branch: default_branch.clone(),
            identity: identity.clone(),
            mirror,
            records: Mutex::new(Records::open(directory)?),
        })
    }

    fn access(&self) -> GitAccess {
        GitAccess {
            url: self.repository.to_string_lossy().into_owned(),
            authorization: None,
        }
    }
}
