//! Secrets that were granted to a task: in memory-backed storage, for as long as the task lives.
//!
//! ```text
//!  <credentials>/<task>/NPM_TOKEN     0600, the secret
//!                      /.requests     JSON: request → variable, so that one can be withdrawn
//!  <worktree>/.cloud-code/credentials ─▶ <credentials>/<task>
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cloud_code_domain::id::{RequestId, TaskId};
use zeroize::Zeroizing;

/// The type of a tmpfs, from `statfs`.
const TMPFS: i64 = 0x0102_1994;
/// The type of a ramfs.
const RAMFS: i64 = 0x8584_58f6;

/// Bytes of a secret at most.
const LARGEST: usize = 64 << 10;

/// Variables that decide what runs; no secret is put there.
const RESERVED: [&str; 6] = ["PATH", "HOME", "LANG", "TERM", "TMPDIR", "SHELL"];

/// Why a secret is not held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("{0:?} is no name for a variable with a secret")]
    BadVariable(String),
    #[error("the secret is larger than {LARGEST} bytes")]
    TooLarge,
    #[error("cannot {what} {path}")]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

fn failed<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> CredentialError + 'a {
    move |source| CredentialError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

/// Where secrets are held.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    root: PathBuf,
}

/// A secret for the environment of the next turn.
pub(crate) struct Secret {
    pub(crate) variable: String,
    pub(crate) value: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("variable", &self.variable)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Uses `root`, or the first usable memory-backed folder.
    pub(crate) fn open(root: Option<PathBuf>) -> Result<Self, CredentialError> {
        let root = root
            .or_else(|| defaults().into_iter().find(|path| private(path).is_ok()))
            .unwrap_or_else(|| std::env::temp_dir().join("cloud-code-credentials"));
        private(&root).map_err(failed("create", &root))?;
        if !is_memory(&root) {
            tracing::warn!(
                path = %root.display(),
                "credentials are not held in memory-backed storage: give --credentials a tmpfs"
            );
        }
        Ok(Self { root })
    }

    /// The folder of a task.
    pub(crate) fn dir(&self, task: &TaskId) -> PathBuf {
        self.root.join(task.as_str())
    }

    /// Makes the folder of a task, so that a link to it leads somewhere.
    pub(crate) fn prepare(&self, task: &TaskId) -> Result<PathBuf, CredentialError> {
        let dir = self.dir(task);
        private(&dir).map_err(failed("create", &dir))?;
        Ok(dir)
    }

    /// Holds a secret for the next turn of its task.
    pub(crate) fn hold(
        &self,
        request: &RequestId,
        variable: &str,
        secret: &[u8],
    ) -> Result<(), CredentialError> {
        if !is_variable(variable) {
            return Err(CredentialError::BadVariable(
                variable.chars().take(80).collect(),
            ));
        }
        if secret.len() > LARGEST {
            return Err(CredentialError::TooLarge);
        }
        let dir = self.prepare(&request.task)?;
        let path = dir.join(variable);
        write(&path, secret).map_err(failed("write", &path))?;
        let mut requests = self.requests(&request.task);
        requests.insert(request.to_string(), variable.to_owned());
        self.save(&request.task, &requests)
    }

    /// Takes one back.
    pub(crate) fn withdraw(&self, request: &RequestId) -> Result<(), CredentialError> {
        let mut requests = self.requests(&request.task);
        let Some(variable) = requests.remove(&request.to_string()) else {
            return Ok(());
        };
        if !requests.values().any(|other| *other == variable) {
            wipe(&self.dir(&request.task).join(variable))?;
        }
        self.save(&request.task, &requests)
    }

    /// Takes back everything of a task.
    pub(crate) fn clear(&self, task: &TaskId) -> Result<(), CredentialError> {
        let dir = self.dir(task);
        for variable in self.requests(task).into_values() {
            wipe(&dir.join(variable))?;
        }
        crate::workspace::remove_tree(&dir).map_err(failed("remove", &dir))
    }

    /// The secrets of a task.
    pub(crate) fn secrets(&self, task: &TaskId) -> Vec<Secret> {
        let dir = self.dir(task);
        let variables: std::collections::BTreeSet<String> =
            self.requests(task).into_values().collect();
        variables
            .into_iter()
            .filter(|variable| is_variable(variable))
            .filter_map(|variable| {
                let value = Zeroizing::new(fs::read(dir.join(&variable)).ok()?);
                Some(Secret { variable, value })
            })
            .collect()
    }

    /// Differs where the secrets of a task differ; tells nothing about them.
    pub(crate) fn fingerprint(&self, task: &TaskId) -> u64 {
        use std::hash::{Hash, Hasher};
        let mut hasher = std::hash::DefaultHasher::new();
        for secret in self.secrets(task) {
            (&secret.variable, secret.value.as_slice()).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn requests(&self, task: &TaskId) -> BTreeMap<String, String> {
        fs::read(self.dir(task).join(".requests"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    fn save(
        &self,
        task: &TaskId,
        requests: &BTreeMap<String, String>,
    ) -> Result<(), CredentialError> {
        let path = self.dir(task).join(".requests");
        let bytes = serde_json::to_vec(requests).unwrap_or_default();
        write(&path, &bytes).map_err(failed("write", &path))
    }
}

fn defaults() -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::from("/run/cloud-code/credentials")];
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR") {
        paths.push(PathBuf::from(runtime).join("cloud-code-credentials"));
    }
    let user = rustix::process::getuid().as_raw();
    paths.push(PathBuf::from(format!(
        "/dev/shm/cloud-code-credentials-{user}"
    )));
    paths
}

fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn is_memory(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|fs| {
        #[expect(
            clippy::useless_conversion,
            reason = "the type of the field differs between architectures"
        )]
        let kind = i64::from(fs.f_type);
        kind == TMPFS || kind == RAMFS
    })
}

fn is_variable(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&name.len())
        && name.bytes().all(plain)
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && !RESERVED.contains(&name)
        && !["LD_", "GIT_", "CLOUD_CODE_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(bytes)?;
    fs::rename(&temporary, path)
}

/// Overwrites before it removes: memory-backed storage may be swapped.
fn wipe(path: &Path) -> Result<(), CredentialError> {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if meta.is_file() {
        let length = usize::try_from(meta.len()).unwrap_or(LARGEST).min(LARGEST);
        let overwrite = || {
            let mut file = OpenOptions::new().write(true).open(path)?;
            file.write_all(&vec![0; length])
        };
        overwrite().map_err(failed("overwrite", path))?;
    }
    fs::remove_file(path).map_err(failed("remove", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn request(number: u32) -> RequestId {
        format!("k3f9x2ab:{number}").parse().unwrap()
    }

    #[test]
    fn a_secret_is_held_until_it_is_withdrawn_and_readable_by_us_alone() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::open(Some(dir.path().to_owned())).unwrap();
        credentials
            .hold(&request(1), "NPM_TOKEN", b"npm_secret")
            .unwrap();
        let task: TaskId = "k3f9x2ab".parse().unwrap();
        let path = credentials.dir(&task).join("NPM_TOKEN");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let secrets = credentials.secrets(&task);
        assert_eq!(secrets[0].value.as_slice(), b"npm_secret");
        assert!(!format!("{secrets:?}").contains("npm_secret"));

        credentials.withdraw(&request(2)).unwrap();
        assert_eq!(credentials.secrets(&task).len(), 1);
        credentials.withdraw(&request(1)).unwrap();
        assert!(credentials.secrets(&task).is_empty());
        assert!(!path.exists());
    }

    #[test]
    fn clearing_a_task_leaves_nothing_and_is_fine_twice() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::open(Some(dir.path().to_owned())).unwrap();
        credentials.hold(&request(1), "API_KEY", b"x").unwrap();
        let task: TaskId = "k3f9x2ab".parse().unwrap();
        credentials.clear(&task).unwrap();
        credentials.clear(&task).unwrap();
        assert!(!credentials.dir(&task).exists());
    }

    #[test]
    fn a_variable_that_decides_what_runs_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::open(Some(dir.path().to_owned())).unwrap();
        for bad in [
            "",
            "PATH",
            "LD_PRELOAD",
            "../x",
            "a",
            "A B",
            "GIT_SSH_COMMAND",
        ] {
            assert!(credentials.hold(&request(1), bad, b"x").is_err(), "{bad:?}");
        }
    }
}
