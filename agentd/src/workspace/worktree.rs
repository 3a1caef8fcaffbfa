//! The worktree of a task: made from a base, kept for a resumed execution, read for its result.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cloud_code_domain::id::{Oid, TaskId};
use cloud_code_domain::workspace::WorkspaceMode;

use super::clone::BASES;
use super::git::{self, GitError};
use super::memory::Memory;
use super::spare::{Origin, Spare};
use super::{Workspace, WorkspaceError, failed, remove_tree};

/// How long a lock may be held after a turn, and how often that is looked at.
const LETS_GO: Duration = Duration::from_secs(5);
const LOOKS: Duration = Duration::from_millis(100);

/// A worktree and the branch it works on.
#[derive(Debug, Clone)]
pub(crate) struct Worktree {
    pub(crate) path: PathBuf,
    pub(crate) branch: String,
    /// Whose its repository is.
    pub(crate) mode: WorkspaceMode,
}

/// Who commits what a coding CLI left.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) email: String,
}

/// What became of the commits of an earlier execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kept {
    /// They are in the branch.
    All,
    /// They conflict with the new base and are only to be found under this name.
    Aside(String),
}

impl Workspace {
    /// A fresh worktree at `base`, of the spare where it can be; what was there goes.
    pub(crate) async fn fresh_worktree(
        &self,
        worktree: &Worktree,
        base: &Oid,
        spare: Option<Spare>,
    ) -> Result<Origin, WorkspaceError> {
        self.remove_worktree(&worktree.path).await?;
        if worktree.mode.is_copied() {
            return self.copy_in_place(worktree, base).await;
        }
        self.put_in_place(spare, &worktree.branch, base, &worktree.path)
            .await
    }

    /// Removes a worktree and git's record of it.
    pub(crate) async fn remove_worktree(&self, path: &Path) -> Result<(), WorkspaceError> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        remove_tree(path).map_err(failed("remove", path))?;
        if self.repository().join("HEAD").is_file() {
            self.prune().await?;
        }
        Ok(())
    }

    /// Removes the branch of a task that ended.
    pub(crate) async fn remove_branch(&self, branch: &str) -> Result<(), GitError> {
        let name = format!("refs/heads/{branch}");
        git::run(&self.repository(), &["update-ref", "-d", &name])
            .await
            .map(drop)
    }
}

impl Worktree {
    /// The one of a task, and what is remembered of it.
    pub(crate) fn remembered(workspace: &Workspace, task: &TaskId) -> (Memory, Self) {
        let dirs = workspace.task(task);
        let memory = Memory::load(&dirs.memory());
        let worktree = Self {
            path: dirs.work(),
            branch: memory.branch.clone(),
            mode: memory.mode,
        };
        (memory, worktree)
    }

    /// Its repository: the hot clone, or its own.
    pub(crate) fn repository(&self, workspace: &Workspace) -> PathBuf {
        if self.mode.is_copied() {
            self.path.join(".git")
        } else {
            workspace.repository()
        }
    }

    /// Takes in a commit that the hot clone holds and keeps, where its own repository lacks it.
    pub(crate) async fn take_from(
        &self,
        workspace: &Workspace,
        commit: &Oid,
    ) -> Result<(), GitError> {
        if !self.mode.is_copied() || self.holds(commit).await? {
            return Ok(());
        }
        let clone = workspace.repository();
        let reference = format!("+{BASES}/{commit}:{BASES}/{commit}");
        let fetch = [
            "-c",
            "protocol.file.allow=always",
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            &clone.to_string_lossy(),
            &reference,
        ];
        git::finish(git::command(&self.path, &fetch), "fetch").await?;
        // The configuration is the task's: it may have been another repository that was asked.
        let name = format!("{commit}^{{tree}}");
        let whole = ["cat-file", "-e", &name];
        git::run(&self.path, &whole).await.map(drop)
    }

    /// Whether its repository holds the commit.
    pub(crate) async fn holds(&self, commit: &Oid) -> Result<bool, GitError> {
        let name = format!("{commit}^{{tree}}");
        git::succeeds(&self.path, &["cat-file", "-e", &name]).await
    }

    /// Whether it can be worked in: it is a worktree, of a commit, and its index can be read.
    pub(crate) async fn is_usable(&self) -> bool {
        let head = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"];
        // Not what is above it, and no link to another one.
        let repository = fs::symlink_metadata(self.path.join(".git"));
        repository.is_ok_and(|found| found.is_dir() == self.mode.is_copied() && !found.is_symlink())
            && git::succeeds(&self.path, &head).await.unwrap_or(false)
            && git::succeeds(&self.path, &["ls-files", "--unmerged"])
                .await
                .unwrap_or(false)
    }

    pub(crate) async fn head(&self) -> Result<String, GitError> {
        git::run(&self.path, &["rev-parse", "--verify", "HEAD^{commit}"]).await
    }

    /// Puts the branch where HEAD is, whatever the coding CLI checked out.
    pub(crate) async fn attach(&self) -> Result<(), GitError> {
        let name = format!("refs/heads/{}", self.branch);
        let attached = git::run(&self.path, &["symbolic-ref", "--quiet", "HEAD"])
            .await
            .is_ok_and(|head| head == name);
        if !attached {
            let head = self.head().await?;
            git::run(&self.path, &["update-ref", &name, &head]).await?;
            git::run(&self.path, &["symbolic-ref", "HEAD", &name]).await?;
        }
        Ok(())
    }

    /// Removes the locks that a git left which was killed in the middle: nothing works here now, and
    /// every later git would refuse to.
    pub(crate) async fn unlock(&self) -> Result<(), WorkspaceError> {
        for path in self.locks().await? {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &path)(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// As `unlock`, after a turn: the coding CLI may still be there, and a git that it started in the
    /// background has a moment to let go by itself.
    pub(crate) async fn unlock_after_turn(&self) -> Result<(), WorkspaceError> {
        let locks = self.locks().await?;
        let patience = Instant::now() + LETS_GO;
        while locks.iter().any(|path| path.exists()) && Instant::now() < patience {
            tokio::time::sleep(LOOKS).await;
        }
        self.unlock().await
    }

    async fn locks(&self) -> Result<Vec<PathBuf>, GitError> {
        let branch = format!("refs/heads/{}.lock", self.branch);
        let mut names = vec!["index.lock", "HEAD.lock", &branch];
        if self.mode.is_copied() {
            // Nobody else can hold these.
            names.extend(["packed-refs.lock", "config.lock"]);
        }
        let mut locks = Vec::new();
        for name in names {
            let path = git::run(&self.path, &["rev-parse", "--git-path", name]).await?;
            locks.push(self.path.join(path));
        }
        Ok(locks)
    }

    /// Brings the base of a resumed execution into the branch. Uncommitted work stays.
    pub(crate) async fn follow(
        &self,
        base: &Oid,
        identity: &Identity,
        execution: &str,
    ) -> Result<Kept, GitError> {
        self.leave_rebase().await?;
        self.attach().await?;
        let base = base.as_str();
        if self.is_ancestor(base, "HEAD").await? {
            return Ok(Kept::All);
        }
        if self.is_ancestor("HEAD", base).await?
            && git::succeeds(&self.path, &["reset", "--quiet", "--keep", base]).await?
        {
            return Ok(Kept::All);
        }
        self.commit_all("Work in progress", identity).await?;
        let mut rebase = git::command(&self.path, &["rebase", "--quiet", base]);
        identity.put_into(&mut rebase);
        if git::finish(rebase, "rebase").await.is_ok() {
            return Ok(Kept::All);
        }
        self.leave_rebase().await?;
        let aside = format!("refs/cloud-code/kept/{execution}");
        git::run(&self.path, &["update-ref", &aside, "HEAD"]).await?;
        git::run(&self.path, &["reset", "--quiet", "--hard", base]).await?;
        Ok(Kept::Aside(aside))
    }

    /// Gives up a rebase that stopped in the middle, because of a conflict or because it was killed: HEAD
    /// is somewhere on the way then, and the commits that come after it are on the branch alone. That
    /// there is none is fine as well.
    async fn leave_rebase(&self) -> Result<(), GitError> {
        if !git::succeeds(&self.path, &["rebase", "--abort"]).await? {
            // Where it was killed before it had moved anything there is nothing to go back to.
            git::succeeds(&self.path, &["rebase", "--quit"]).await?;
        }
        Ok(())
    }

    async fn is_ancestor(&self, ancestor: &str, of: &str) -> Result<bool, GitError> {
        git::succeeds(&self.path, &["merge-base", "--is-ancestor", ancestor, of]).await
    }

    /// Commits everything that is not committed, ours aside; says whether there was something.
    pub(crate) async fn commit_all(
        &self,
        message: &str,
        identity: &Identity,
    ) -> Result<bool, GitError> {
        git::run(&self.path, &["add", "--all"]).await?;
        // The agent may have taken our folder out of the exclusions.
        git::run(&self.path, &["reset", "--quiet", "--", ".cloud-code"]).await?;
        if git::succeeds(&self.path, &["diff", "--cached", "--quiet"]).await? {
            return Ok(false);
        }
        let mut commit = git::command(
            &self.path,
            &["commit", "--quiet", "--no-verify", "--message", message],
        );
        identity.put_into(&mut commit);
        git::finish(commit, "commit").await?;
        Ok(true)
    }

    /// The newest commits since `from`, a line each.
    pub(crate) async fn log(&self, from: &Oid) -> Result<Vec<String>, GitError> {
        let range = format!("{from}..HEAD");
        let args = [
            "log",
            "--no-color",
            "--format=%h %s",
            "--max-count=20",
            &range,
        ];
        let lines = git::run(&self.path, &args).await?;
        Ok(lines.lines().map(str::to_owned).collect())
    }

    /// Whether the committed tree differs from that of `base`.
    pub(crate) async fn differs_from(&self, base: &Oid) -> Result<bool, GitError> {
        let tree = format!("{base}^{{tree}}");
        let ours = git::run(&self.path, &["rev-parse", "HEAD^{tree}"]).await?;
        let theirs = git::run(&self.path, &["rev-parse", &tree]).await?;
        Ok(ours != theirs)
    }

    /// Moves the branch to the head that was pushed, which has the same tree. Work on top of the
    /// result is not expected then; where there is some, the branch stays and says so.
    pub(crate) async fn move_to(&self, head: &Oid) -> Result<bool, GitError> {
        self.attach().await?;
        if self.differs_from(head).await? {
            return Ok(false);
        }
        git::run(&self.path, &["reset", "--quiet", "--soft", head.as_str()]).await?;
        Ok(true)
    }
}

impl Identity {
    fn put_into(&self, command: &mut tokio::process::Command) {
        for (name, value) in self.environment() {
            command.env(name, value);
        }
    }

    /// The variables that git reads it from.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 4] {
        [
            ("GIT_AUTHOR_NAME", &self.name),
            ("GIT_AUTHOR_EMAIL", &self.email),
            ("GIT_COMMITTER_NAME", &self.name),
            ("GIT_COMMITTER_EMAIL", &self.email),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worktree_whose_making_was_killed_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(dir.path()).unwrap();
        workspace.make_clone().await.unwrap();
        let repository = workspace.repository();
        let tree = ["hash-object", "-t", "tree", "-w", "/dev/null"];
        let tree = git::run(&repository, &tree).await.unwrap();
        let mut commit = git::command(&repository, &["commit-tree", "-m", "Begin", &tree]);
        let identity = Identity {
            name: "a".to_owned(),
            email: "a@b".to_owned(),
        };
        identity.put_into(&mut commit);
        let base = git::finish(commit, "commit-tree").await.unwrap();
        let base: Oid = base.trim().parse().unwrap();
        let task = "k3f9x2ab".parse().unwrap();
        let worktree = Worktree {
            path: workspace.task(&task).work(),
            branch: "cloud-code/1".to_owned(),
            mode: WorkspaceMode::Shared,
        };
        fs::create_dir_all(worktree.path.parent().unwrap()).unwrap();
        workspace
            .fresh_worktree(&worktree, &base, None)
            .await
            .unwrap();
        let record = repository.join("worktrees/work");
        for made in [true, false] {
            fs::write(record.join("locked"), "initializing").unwrap();
            if !made {
                remove_tree(&worktree.path).unwrap();
            }
            workspace
                .fresh_worktree(&worktree, &base, None)
                .await
                .unwrap();
            assert!(worktree.is_usable().await);
        }
    }
}
