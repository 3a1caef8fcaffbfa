//! The key of the secrets file: 32 bytes as 64 hexadecimal digits in a file of mode 0600.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// The bytes of a key; wiped when it is dropped.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// Why a file is no key.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// It cannot be read or written.
    #[error("the key file {path} cannot be used")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A new one was wanted, and there is a file.
    #[error(
        "the key file {path} is there already and is not replaced, since nothing else opens what it \
         closed; use it, or name another file"
    )]
    There {
        /// The file.
        path: PathBuf,
    },
    /// Others may read it.
    #[error(
        "the key file {path} has mode {mode:04o}, so that others can read it; chmod 600 {path}"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its content is no key.
    #[error(
        "the key file {path} does not hold 64 hexadecimal digits; `orchestratord secrets-key FILE` makes one that does"
    )]
    Content {
        /// The file.
        path: PathBuf,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BadKey {
    let path = path.to_owned();
    move |source| BadKey::Io { path, source }
}

/// Reads a key.
pub(super) fn read_key(path: &Path) -> Result<Key, BadKey> {
    let file = File::open(path).map_err(io_error(path))?;
    let mode = file.metadata().map_err(io_error(path))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(BadKey::Open {
            path: path.to_owned(),
            mode,
        });
    }
    // Room for a little more, so that the buffer never moves and leaves digits behind.
    let mut text = Zeroizing::new(String::with_capacity(256));
    file.take(128)
        .read_to_string(&mut text)
        .map_err(io_error(path))?;
    let mut key = Key::default();
    hex::decode_to_slice(text.trim(), key.as_mut_slice()).map_err(|_| BadKey::Content {
        path: path.to_owned(),
    })?;
    Ok(key)
}

/// Whether a file is a key.
///
/// # Errors
/// [`BadKey`]
pub fn check_key(path: &Path) -> Result<(), BadKey> {
    read_key(path).map(|_| ())
}

/// Makes a new key file. An existing file is never overwritten: what it opens would be lost.
///
/// # Errors
/// [`BadKey::There`], [`BadKey::Io`]
pub fn generate_key(path: &Path) -> Result<(), BadKey> {
    let mut key = Key::default();
    getrandom::fill(key.as_mut_slice())
        .map_err(|error| io_error(path)(io::Error::other(error.to_string())))?;
    let text = Zeroizing::new(format!(
        "{}\n",
        *Zeroizing::new(hex::encode(key.as_slice()))
    ));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                let path = path.to_owned();
                return BadKey::There { path };
            }
            io_error(path)(error)
        })?;
    file.write_all(text.as_bytes()).map_err(io_error(path))?;
    file.sync_all().map_err(io_error(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        generate_key(&path).unwrap();
        let key = read_key(&path).unwrap();
        assert_ne!(*key, [0; 32]);
        let again = generate_key(&path).unwrap_err();
        assert!(matches!(again, BadKey::There { .. }), "{again:?}");
        assert!(again.to_string().contains("is not replaced"), "{again}");
        assert_eq!(read_key(&path).unwrap(), key, "still the same");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            read_key(&path),
            Err(BadKey::Open { mode: 0o640, .. })
        ));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for text in ["", "00", &"g".repeat(64), &"0".repeat(66), &"0".repeat(500)] {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(
                matches!(read_key(&path), Err(BadKey::Content { .. })),
                "{text}"
            );
        }
    }
}
