//! The hot clone: a bare repository that packs over the session fill.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use cloud_code_domain::id::Oid;

use super::git::{self, GitError};
use super::{Workspace, WorkspaceError, failed, home};

/// Bases that are named to the host, so that it sends only what lacks.
const HAVE: usize = 32;

/// Where the commits that the host sent are kept from being collected.
pub(super) const BASES: &str = "refs/cloud-code/bases";

/// Paths that never enter a commit.
const EXCLUDE: &str = "# written by agentd\n/.cloud-code\n/.cloud-code/\n";

impl Workspace {
    /// Makes the hot clone where it is not there.
    pub(crate) async fn make_clone(&self) -> Result<(), WorkspaceError> {
        let repository = self.repository();
        if !repository.join("HEAD").is_file() {
            fs::create_dir_all(&repository).map_err(failed("create", &repository))?;
            git::run(&repository, &["init", "--quiet", "--bare"]).await?;
        }
        exclude(&repository, &[])
    }

    /// Whether the hot clone holds the commit.
    pub(crate) async fn holds(&self, commit: &Oid) -> Result<bool, GitError> {
        let name = format!("{commit}^{{commit}}");
        git::succeeds(&self.repository(), &["cat-file", "-e", &name]).await
    }

    /// Commits that the host sent earlier, newest first.
    pub(crate) async fn bases(&self) -> Result<Vec<String>, GitError> {
        let count = format!("--count={HAVE}");
        let list = [
            "for-each-ref",
            "--sort=-creatordate",
            "--format=%(objectname)",
            &count,
            BASES,
        ];
        let names = git::run(&self.repository(), &list).await?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Takes in a pack that the host sent for `commit`.
    pub(crate) async fn take_pack(
        &self,
        pack: fs::File,
        commit: &Oid,
    ) -> Result<(), WorkspaceError> {
        let repository = self.repository();
        let _packs = self.packs().await;
        if pack.metadata().is_ok_and(|meta| meta.len() > 0) {
            let args = ["index-pack", "--stdin", "--fix-thin", "--strict"];
            let mut command = git::command(&repository, &args);
            command.stdin(Stdio::from(pack));
            git::finish(command, "index-pack").await?;
        }
        if !self.holds(commit).await? {
            return Err(WorkspaceError::NoBase {
                commit: commit.to_string(),
                reason: "the pack does not hold it".to_owned(),
            });
        }
        self.keep_base(commit).await?;
        Ok(())
    }

    /// Keeps the commit, so that it is there for the next task.
    pub(crate) async fn keep_base(&self, commit: &Oid) -> Result<(), GitError> {
        let name = format!("{BASES}/{commit}");
        let update = ["update-ref", &name, commit.as_str()];
        git::run(&self.repository(), &update).await.map(drop)
    }
}

/// Sets what is kept out of commits in every worktree of a repository: ours, and what a CLI drops. A
/// link that a task left in its place is not followed.
pub(crate) fn exclude(repository: &Path, droppings: &[String]) -> Result<(), WorkspaceError> {
    let mut text = EXCLUDE.to_owned();
    for glob in droppings {
        text.push_str(glob);
        text.push('\n');
    }
    let path = repository.join("info/exclude");
    home::write(repository, &path, text.as_bytes())
}
