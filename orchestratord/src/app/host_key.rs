//! The host's own key: 32 random bytes that never leave it. Executions' tokens and the markers of
//! our comments are made from it.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// See the module.
pub struct HostKey(Zeroizing<[u8; 32]>);

/// Why there is no host key.
#[derive(Debug, thiserror::Error)]
#[error("the host key {path} cannot be {what}")]
pub struct HostKeyError {
    path: PathBuf,
    what: &'static str,
    source: std::io::Error,
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HostKey")
    }
}

impl HostKey {
    /// The key of a state directory; made where there is none.
    ///
    /// # Errors
    /// [`HostKeyError`] where it cannot be read or made.
    pub fn of(state_dir: &Path) -> Result<Self, HostKeyError> {
        let path = state_dir.join("host.key");
        match std::fs::read(&path) {
            Ok(bytes) => {
                let bytes = Zeroizing::new(bytes);
                let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| HostKeyError {
                    what: "used: it has to be 32 bytes; restore it, or remove it while no task runs",
                    source: std::io::ErrorKind::InvalidData.into(),
                    path,
                })?;
                Ok(Self(Zeroizing::new(key)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                make(&path).map_err(|source| HostKeyError {
                    path,
                    what: "made",
                    source,
                })
            }
            Err(source) => Err(HostKeyError {
                path,
                what: "read",
                source,
            }),
        }
    }

    /// A key of its own for one purpose.
    #[must_use]
    pub fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.bytes());
        digest.update(purpose);
        digest.finalize().into()
    }

    /// The key.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }
}

fn make(path: &Path) -> std::io::Result<HostKey> {
    let mut key = Zeroizing::new([0; 32]);
    getrandom::fill(key.as_mut_slice()).map_err(std::io::Error::other)?;
    let new = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(key.as_slice())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    Ok(HostKey(key))
}
