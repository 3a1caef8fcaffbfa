//! The workspace: the agent's own volume. Nobody else reads it; everything in it may be hostile.
//!
//! ```text
//!  <workspace>/repo.git          hot clone, bare; filled by packs over the session
//!             /tasks/<task>/work       worktree; its .cloud-code/ is the files' contract
//!                          /home       HOME of the coding CLI
//!                          /tmp        TMPDIR
//!                          /prompt.md  the prompt of the turn
//!                          /task.json  what agentd remembers of the task
//!             /spares/<n>/             where worktrees are made, and wait for a task
//!             /.agentd/                lock, spool, state; agentd's own
//! ```
//!
//! A worktree is one of the hot clone, or has a copy of it for a repository of its own
//! ([`copy`]).

pub(crate) mod clone;
mod copy;
pub(crate) mod git;
pub(crate) mod home;
pub(crate) mod memory;
pub(crate) mod pack;
pub(crate) mod spare;
pub(crate) mod worktree;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloud_code_domain::id::TaskId;

/// Where everything is.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: Arc<Path>,
    /// Device and inode of agentd's own folder.
    identity: (u64, u64),
    records: Arc<tokio::sync::Mutex<()>>,
    packs: Arc<tokio::sync::Mutex<()>>,
}

/// Why a workspace cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    #[error("cannot {what} {path}")]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(transparent)]
    Git(#[from] git::GitError),
    #[error("the base {commit} did not come: {reason}")]
    NoBase { commit: String, reason: String },
    #[error("the file {0:?} of the home folder has no harmless path")]
    BadHomePath(String),
    #[error("an isolated workspace holds task {0} already")]
    NotFresh(String),
    #[error("the setup command failed: {0}")]
    Setup(String),
}

/// Names what was tried, for `map_err`.
pub(crate) fn failed<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> WorkspaceError + 'a {
    move |source| WorkspaceError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

impl Workspace {
    /// Makes the folders of agentd; everything else follows with the first task.
    pub(crate) fn open(root: &Path) -> Result<Self, WorkspaceError> {
        for dir in ["tasks", ".agentd", ".agentd/incoming"] {
            let path = root.join(dir);
            fs::create_dir_all(&path).map_err(failed("create", &path))?;
        }
        let root = fs::canonicalize(root).map_err(failed("find", root))?;
        let own = root.join(".agentd");
        let identity = identity(&own).map_err(failed("look at", &own))?;
        Ok(Self {
            root: root.into(),
            identity,
            records: Arc::default(),
            packs: Arc::default(),
        })
    }

    /// Whether the folder is the one that was opened. Where somebody removed it, another agentd may
    /// have its place by now.
    pub(crate) fn is_in_place(&self) -> bool {
        identity(&self.own()).is_ok_and(|identity| identity == self.identity)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// agentd's own folder.
    pub(crate) fn own(&self) -> PathBuf {
        self.root.join(".agentd")
    }

    /// The hot clone.
    pub(crate) fn repository(&self) -> PathBuf {
        self.root.join("repo.git")
    }

    /// To be held while git forgets worktrees that are gone, or one of them moves: in the middle of
    /// it, it looks gone.
    async fn records(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.records.lock().await
    }

    /// To be held while a pack comes into the hot clone, or its packs are copied: in the middle of
    /// it, an index has no pack.
    async fn packs(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.packs.lock().await
    }

    pub(crate) fn task(&self, task: &TaskId) -> TaskDirs {
        TaskDirs {
            root: self.root.join("tasks").join(task.as_str()),
        }
    }

    /// The tasks that have a worktree.
    pub(crate) fn worktrees(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.root.join("tasks")) else {
            return Vec::new();
        };
        entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().join("work").is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.parse::<TaskId>().is_ok())
            .collect()
    }
}

/// The folders of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskDirs {
    root: PathBuf,
}

impl TaskDirs {
    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(crate) fn prompt(&self) -> PathBuf {
        self.root.join("prompt.md")
    }

    pub(crate) fn memory(&self) -> PathBuf {
        self.root.join("task.json")
    }

    /// The folder of the files' contract.
    pub(crate) fn contract(&self) -> PathBuf {
        self.work().join(".cloud-code")
    }

    /// Makes the folders around the worktree.
    pub(crate) fn make(&self) -> Result<(), WorkspaceError> {
        for path in [self.home(), self.tmp()] {
            fs::create_dir_all(&path).map_err(failed("create", &path))?;
        }
        Ok(())
    }

    /// Removes everything of the task, read-only folders included.
    pub(crate) fn remove(&self) -> Result<(), WorkspaceError> {
        remove_tree(&self.root).map_err(failed("remove", &self.root))
    }
}

/// Removes a tree that a program may have made hard to remove; follows no links. Nothing there is
/// fine.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path);
            fs::remove_dir_all(path)
        }
        Err(error) => Err(error),
    }
}

/// Package caches are read-only on purpose.
fn make_writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if fs::set_permissions(path, fs::Permissions::from_mode(0o700)).is_err() {
        return;
    }
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path());
        }
    }
}
