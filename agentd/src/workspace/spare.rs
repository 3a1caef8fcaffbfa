//! Spare worktrees: the files of a large repository are written while the agent has nothing to do, so
//! that the next task need not wait for them.
//!
//! ```text
//!  idle ──▶ spares/<n>/work, at the newest base ──┐
//!  task ──▶ what differs from its base ──▶ branch ──▶ renamed to tasks/<task>/work
//!  task, and there is none ──▶ spares/<n>/work, at its base ──┘
//! ```
//!
//! The rename is last: a worktree in a task's folder is whole, whenever agentd is killed.
//!
//! A spare carries nothing of a task. Files are written under a configuration that is made for it
//! (`spares/<n>/git`), so that a filter or an attribute that a task left in the clone neither runs
//! nor shapes them. No program of a task runs while there is one that another task may get
//! ([`Spares::take`]). And what lies on disk is never believed: a spare is what this agentd made and
//! remembers.

mod difference;
mod keeper;

pub(crate) use keeper::Spares;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cloud_code_domain::id::Oid;
use tokio::process::Command;

use super::git::{self, GitError, Pace};
use super::{Workspace, WorkspaceError, failed, remove_tree};
use difference::Difference;

/// The least of a configuration that git takes for a repository.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n";

/// What a file system gives to files at least.
const BLOCK: u64 = 4096;

/// A worktree that nobody works in: its HEAD is detached, and its files are those of `commit`.
#[derive(Debug)]
pub(crate) struct Spare {
    root: PathBuf,
    /// What git keeps about it in the hot clone.
    record: PathBuf,
    commit: Oid,
}

impl Spare {
    fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// git for its files: the objects of the clone, and nothing else of it.
    fn git(&self, workspace: &Workspace, args: &[&str]) -> Command {
        let mut command = git::command(&self.work(), args);
        command
            .env("GIT_DIR", self.root.join("git"))
            .env(
                "GIT_OBJECT_DIRECTORY",
                workspace.repository().join("objects"),
            )
            .env("GIT_WORK_TREE", self.work())
            .env("GIT_INDEX_FILE", self.record.join("index"))
            .env("GIT_LITERAL_PATHSPECS", "1");
        command
    }
}

impl Workspace {
    fn spares(&self) -> PathBuf {
        self.root().join("spares")
    }

    /// Checks out a commit that the clone holds.
    pub(crate) async fn make_spare(
        &self,
        commit: &Oid,
        pace: Pace,
    ) -> Result<Spare, WorkspaceError> {
        let root = self.spare_folder()?;
        let made = self.fill_spare(root.clone(), commit, pace).await;
        if made.is_err()
            && let Err(error) = remove_tree(&root)
        {
            tracing::debug!(%error, "half a worktree stays until the agent is idle");
        }
        made
    }

    /// A folder that is nobody's yet.
    pub(super) fn spare_folder(&self) -> Result<PathBuf, WorkspaceError> {
        let spares = self.spares();
        if !is_folder(&spares)? {
            fs::create_dir(&spares).map_err(failed("create", &spares))?;
        }
        let mut number = 0_u32;
        loop {
            let root = spares.join(number.to_string());
            match fs::create_dir(&root) {
                Ok(()) => return Ok(root),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(failed("create", &root)(error)),
            }
        }
    }

    async fn fill_spare(
        &self,
        root: PathBuf,
        commit: &Oid,
        pace: Pace,
    ) -> Result<Spare, WorkspaceError> {
        let work = root.join("work");
        let path = work.to_string_lossy();
        // Twice forced: a kill in the middle leaves a record of this folder, and it may be locked.
        let add = [
            "-c",
            "worktree.useRelativePaths=false",
            "worktree",
            "add",
            "--quiet",
            "--force",
            "--force",
            "--no-checkout",
            "--detach",
            &path,
            commit.as_str(),
        ];
        git::finish(git::command(&self.repository(), &add), "worktree").await?;
        let spare = Spare {
            record: record(&work)?,
            commit: commit.clone(),
            root,
        };
        plain_record(&spare.record)?;
        own_configuration(&spare.root.join("git"))?;
        let write = spare.git(self, &["read-tree", "-m", "-u", commit.as_str()]);
        git::bytes_at(pace, write, "read-tree").await?;
        Ok(spare)
    }

    /// A worktree in its place, at `base` and on its branch. Nothing may be there.
    pub(crate) async fn put_in_place(
        &self,
        spare: Option<Spare>,
        branch: &str,
        base: &Oid,
        place: &Path,
    ) -> Result<Origin, WorkspaceError> {
        let branch = format!("refs/heads/{branch}");
        let to_base = ["update-ref", &branch, base.as_str()];
        let repository = self.repository();
        let (switched, moved) =
            tokio::join!(self.switched(spare, base), git::run(&repository, &to_base));
        moved?;
        let (spare, origin) = match switched {
            Some(spare) => (spare, Origin::Spare),
            None => (self.make_spare(base, Pace::Full).await?, Origin::New),
        };
        git::run(&spare.work(), &["symbolic-ref", "HEAD", &branch]).await?;
        self.rename(&spare, place).await?;
        if let Err(error) = remove_tree(&spare.root) {
            tracing::debug!(%error, "what a worktree was made with stays until the agent is idle");
        }
        Ok(origin)
    }

    /// The spare at `base`; none where it cannot be brought there.
    async fn switched(&self, spare: Option<Spare>, base: &Oid) -> Option<Spare> {
        let spare = spare?;
        match self.switch(&spare, base).await {
            Ok(true) => Some(spare),
            Ok(false) => None,
            Err(error) => {
                tracing::warn!(
                    error = crate::session::chain(&error),
                    "a spare is of no use"
                );
                None
            }
        }
    }

    /// Writes what differs; false where files could come out other than in a new worktree.
    async fn switch(&self, spare: &Spare, base: &Oid) -> Result<bool, WorkspaceError> {
        let (from, to) = (spare.commit.as_str(), base.as_str());
        if from == to {
            return Ok(true);
        }
        let diff = ["diff-tree", "-r", "--raw", "--no-renames", "-z", from, to];
        let raw = git::bytes(spare.git(self, &diff), "diff-tree").await?;
        match Difference::read(&raw) {
            Difference::Paths(paths) if paths.is_empty() => {}
            Difference::Paths(paths) => {
                let list = spare.root.join("paths");
                fs::write(&list, paths).map_err(failed("write", &list))?;
                let source = format!("--source={to}");
                let list = format!("--pathspec-from-file={}", list.display());
                let restore = [
                    "restore",
                    "--quiet",
                    "--staged",
                    "--worktree",
                    "--no-overlay",
                    &source,
                    &list,
                    "--pathspec-file-nul",
                ];
                git::finish(spare.git(self, &restore), "restore").await?;
            }
            Difference::Much => {
                let switch = ["read-tree", "-m", "-u", from, to];
                git::finish(spare.git(self, &switch), "read-tree").await?;
            }
            Difference::Form => return Ok(false),
        }
        Ok(true)
    }

    /// Both ends of what git knows about it change at once, as far as a prune of ours can see.
    async fn rename(&self, spare: &Spare, place: &Path) -> Result<(), WorkspaceError> {
        let _records = self.records().await;
        let pointer = spare.record.join("gitdir");
        let new = spare.record.join("gitdir.new");
        let text = format!("{}\n", place.join(".git").display());
        fs::write(&new, text).map_err(failed("write", &new))?;
        fs::rename(&new, &pointer).map_err(failed("write", &pointer))?;
        fs::rename(spare.work(), place).map_err(failed("move a worktree to", place))
    }

    /// Bytes that the files of a commit take on a disk.
    async fn size_of(&self, commit: &Oid) -> Result<u64, WorkspaceError> {
        let list = ["ls-tree", "-r", "-l", "-z", commit.as_str()];
        let list = git::command(&self.repository(), &list);
        Ok(size(&git::bytes_at(Pace::Gentle, list, "ls-tree").await?))
    }

    /// Removes all spares, and what git knows of those that are gone. None may be in use.
    async fn remove_spares(&self) -> Result<(), WorkspaceError> {
        let spares = self.spares();
        if !is_folder(&spares)? {
            return Ok(());
        }
        let found = fs::read_dir(&spares).map_err(failed("read", &spares))?;
        let found: Vec<PathBuf> = found.flatten().map(|entry| entry.path()).collect();
        if found.is_empty() {
            return Ok(());
        }
        for path in found {
            // Many files: not on a thread that others wait for.
            let removed = tokio::task::spawn_blocking(move || {
                if is_folder(&path)? {
                    remove_tree(&path).map_err(failed("remove", &path))?;
                }
                Ok::<_, WorkspaceError>(())
            });
            removed.await.unwrap_or(Ok(()))?;
        }
        self.prune().await.map_err(WorkspaceError::from)
    }

    /// Removes what git knows of worktrees that are gone.
    pub(crate) async fn prune(&self) -> Result<(), GitError> {
        let _records = self.records().await;
        let prune = ["worktree", "prune", "--expire=now"];
        git::run(&self.repository(), &prune).await.map(drop)
    }
}

/// Where a worktree came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Spare,
    New,
    Copy,
}

impl Origin {
    /// For logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Spare => "spare",
            Self::New => "new",
            Self::Copy => "copy",
        }
    }
}

/// Of what `ls-tree -l -z` lists: `mode type id size<TAB>path`, in blocks. A submodule has no size.
fn size(list: &[u8]) -> u64 {
    let sizes = list.split(|&byte| byte == 0).filter_map(|entry| {
        let facts = entry.split(|&byte| byte == b'\t').next()?;
        let size = facts.rsplit(|&byte| byte == b' ').next()?;
        std::str::from_utf8(size).ok()?.parse::<u64>().ok()
    });
    sizes
        .map(|size| size.div_ceil(BLOCK).saturating_mul(BLOCK))
        .fold(0, u64::saturating_add)
}

/// Whether there is a folder; what else lies there was put there by a task, and goes.
fn is_folder(path: &Path) -> Result<bool, WorkspaceError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => fs::remove_file(path)
            .map(|()| false)
            .map_err(failed("remove", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("look at", path)(error)),
    }
}

/// Where git keeps what it knows about a worktree, by the file that it put there just now.
fn record(work: &Path) -> Result<PathBuf, WorkspaceError> {
    let link = work.join(".git");
    let text = fs::read_to_string(&link).map_err(failed("read", &link))?;
    let path = text.trim_end().strip_prefix("gitdir: ").map(PathBuf::from);
    path.filter(|path| path.is_absolute())
        .ok_or_else(|| failed("understand", &link)(io::Error::other("it names no folder of git")))
}

/// A configuration or sparse patterns of the clone are copied into a new record; they are a task's.
fn plain_record(record: &Path) -> Result<(), WorkspaceError> {
    for name in ["config.worktree", "info"] {
        let path = record.join(name);
        if is_folder(&path)? {
            remove_tree(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}

/// What git calls a repository, with nothing in it.
fn own_configuration(dir: &Path) -> Result<(), WorkspaceError> {
    for name in ["objects", "refs"] {
        let path = dir.join(name);
        fs::create_dir_all(&path).map_err(failed("create", &path))?;
    }
    for (name, text) in [("HEAD", "ref: refs/heads/none\n"), ("config", CONFIG)] {
        let path = dir.join(name);
        fs::write(&path, text).map_err(failed("write", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
