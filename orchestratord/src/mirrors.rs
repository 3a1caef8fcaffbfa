//! Mirrors: the host's bare copies of repositories, which no agent ever sees.
//!
//! ```text
//!  code host ──fetch──▶ mirror ──pack_for──▶ session ──▶ agent       one commit's history, no ref
//!      ▲                  │ ▲
//!      └──────push────────┘ └── pull_requests/ puts in what passed the gate
//! ```
//!
//! A mirror is ours alone (0700, no work tree, mounted nowhere), and its configuration is written
//! anew at every start. It holds nothing that could not be fetched again: deleting it costs time.
//! Automatic clean-up is off, so an object that passed the gate stays until then.

pub mod branch;
mod diff;
pub mod git;
mod log;
mod merge;
mod not_fetched;
pub(crate) mod objects;
mod pack;
pub mod push;
pub mod remote;
mod shared;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use diff::DiffStat;
pub use merge::Merged;
pub use not_fetched::NotFetched;
pub use pack::BasePack;

use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloud_code_domain::id::{Oid, ProjectName};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::ports::Trouble;
use branch::BranchName;
use git::{Call, Git, GitError};

/// The deadline of a call that asks something small.
pub(crate) const QUICK: Duration = Duration::from_secs(60);
/// The deadline of a call that moves objects over a network.
pub(crate) const LONG: Duration = Duration::from_secs(900);

/// Why a mirror cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// Git cannot.
    #[error("the mirror of the repository gave no answer")]
    Git(#[from] GitError),
    /// Its directory cannot be set up.
    #[error("the mirror {path} cannot be set up")]
    Setup {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not have the commit.
    #[error("the mirror does not have the commit {0}")]
    Lacks(Oid),
}

/// A mirror is local: whatever goes wrong with it had no effect outside.
impl From<MirrorError> for Trouble {
    fn from(error: MirrorError) -> Self {
        let mut what = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            what = format!("{what}: {cause}");
            source = cause.source();
        }
        Self::Later { what, until: None }
    }
}

/// All mirrors, by project.
#[derive(Debug)]
pub struct Mirrors {
    root: PathBuf,
    git: Git,
    open: Mutex<HashMap<ProjectName, Arc<Mirror>>>,
}

impl Mirrors {
    /// The mirrors under a state directory. Nothing is opened yet.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self {
            root: state_dir.join("mirrors"),
            git: Git::new(),
            open: Mutex::new(HashMap::new()),
        }
    }

    /// The version of the git that is found, or why there is none.
    ///
    /// # Errors
    /// In words, for the operator.
    pub async fn git_version(&self) -> Result<String, String> {
        let call = Call::new(Path::new("/"), ["version"]);
        let said = self
            .git
            .must(call)
            .await
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// The mirror of a project, made where there is none. The first call of a process writes its
    /// configuration anew and clears what a killed git left behind.
    ///
    /// # Errors
    /// Where its directory cannot be made or git is not there.
    pub async fn of(&self, project: &ProjectName) -> Result<Arc<Mirror>, MirrorError> {
        let mut open = self.open.lock().await;
        if let Some(mirror) = open.get(project) {
            return Ok(Arc::clone(mirror));
        }
        let path = self.root.join(directory_name(project));
        let mirror = Arc::new(Mirror::open(self.git.clone(), path).await?);
        open.insert(project.clone(), Arc::clone(&mirror));
        Ok(mirror)
    }
}

/// `acme/app` and `acme-app` have the same slug, so a digest of the name goes with it.
pub(crate) fn directory_name(project: &ProjectName) -> String {
    let digest = Sha256::digest(project.as_str().as_bytes());
    format!("{}-{}", project.slug(), hex::encode(&digest[..4]))
}

/// The bare copy of one project's repository.
#[derive(Debug)]
pub struct Mirror {
    path: PathBuf,
    git: Git,
    /// Held while refs change, so that two fetches never meet at git's lock files; with the last one.
    refs: Mutex<Option<shared::Last>>,
    /// Who asked for a fetch.
    asked: shared::Asked,
}

/// Everything a mirror's configuration says. The rest is pinned for each call.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\tlogallrefupdates = false\n";

impl Mirror {
    async fn open(git: Git, path: PathBuf) -> Result<Self, MirrorError> {
        bare_repository(&git, &path).await?;
        let setup = |source| MirrorError::Setup {
            path: path.clone(),
            source,
        };
        remove_leftovers(&path).map_err(setup)?;
        Ok(Self {
            path,
            git,
            refs: Mutex::new(None),
            asked: shared::Asked::default(),
        })
    }

    /// Its directory; for the gate only.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The git it runs; for the gate only.
    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    /// Where a branch was when it was fetched last.
    ///
    /// # Errors
    /// Where git cannot answer.
    pub async fn head(&self, branch: &BranchName) -> Result<Option<Oid>, MirrorError> {
        let full = branch.full_ref();
        let args = ["for-each-ref", "--format=%(refname)%09%(objectname)", &full];
        let listing = self.git.must(Call::new(&self.path, args)).await?;
        Ok(String::from_utf8_lossy(&listing)
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .find(|(name, _)| *name == full)
            .and_then(|(_, oid)| oid.parse().ok()))
    }

    /// Whether it has this commit (from whatever branch).
    ///
    /// # Errors
    /// Where git cannot answer.
    pub async fn contains(&self, commit: &Oid) -> Result<bool, MirrorError> {
        let object = format!("{commit}^{{commit}}");
        let call = Call::new(&self.path, ["cat-file", "-e", &object]);
        Ok(self.git.run(call).await?.code == 0)
    }

    /// Whether `ancestor` is reachable from `commit`; a commit is its own ancestor. False where
    /// either is unknown.
    ///
    /// # Errors
    /// Where git cannot answer.
    pub async fn is_ancestor(&self, ancestor: &Oid, commit: &Oid) -> Result<bool, MirrorError> {
        let args = [
            "merge-base",
            "--is-ancestor",
            ancestor.as_str(),
            commit.as_str(),
        ];
        Ok(self.git.run(Call::new(&self.path, args)).await?.code == 0)
    }

    /// The newest common ancestor, if there is one.
    ///
    /// # Errors
    /// Where git cannot answer.
    pub async fn merge_base(&self, a: &Oid, b: &Oid) -> Result<Option<Oid>, MirrorError> {
        let call = Call::new(&self.path, ["merge-base", a.as_str(), b.as_str()]);
        let output = self.git.run(call).await?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.trim().parse().ok().filter(|_| output.code == 0))
    }

    async fn head_of(&self, branch: &BranchName) -> Result<Option<Oid>, Trouble> {
        self.head(branch).await.map_err(Trouble::from)
    }

    async fn forget(&self, branch: &BranchName) -> Result<(), Trouble> {
        if self.head_of(branch).await?.is_some() {
            let args = ["update-ref", "--no-deref", "-d", &branch.full_ref()];
            let call = Call::new(&self.path, args);
            self.git.must(call).await.map_err(MirrorError::from)?;
        }
        Ok(())
    }
}

/// Makes a bare repository of ours where there is none, and writes its configuration either way.
pub(crate) async fn bare_repository(git: &Git, path: &Path) -> Result<(), MirrorError> {
    let setup = |source| MirrorError::Setup {
        path: path.to_owned(),
        source,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(setup)?;
    if !path.join("HEAD").is_file() || !path.join("objects").is_dir() {
        let args = [
            "init",
            "--bare",
            "--quiet",
            "--template=",
            "--initial-branch=none",
        ];
        git.must(Call::new(path, args)).await?;
    }
    std::fs::write(path.join("config"), CONFIG).map_err(setup)
}

/// Lock files and half-written packs of a git that was killed with us.
fn remove_leftovers(path: &Path) -> std::io::Result<()> {
    let mut waiting = vec![
        path.to_owned(),
        path.join("refs"),
        path.join("objects/pack"),
    ];
    while let Some(directory) = waiting.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if directory.starts_with(path.join("refs")) {
                    waiting.push(entry.path());
                }
            } else if name.ends_with(".lock") || name.starts_with("tmp_") {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}
