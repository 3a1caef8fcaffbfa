//! A backup of what cannot be made again: the store as of one moment, the encrypted secrets, the key
//! of the host, and the records of local projects. The daemon may run meanwhile.
//!
//! ```text
//!  state_dir ──▶ DIR.partial ──▶ verified ──▶ DIR          (orchestratord backup DIR)
//!  DIR ──▶ verified ──▶ state_dir, the store last          (orchestratord restore DIR)
//! ```
//!
//! Not in it: mirrors, which are fetched again, the logs of executions, and what agents have in their
//! workspaces; a task that was worked on begins its execution anew.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::store::{Contents, FILE, StoreError, snapshot, verify};

/// What is copied besides the store: files, and directories with all that is in them.
///
/// After the store, in this order: each may be newer than the store, as after a kill, never older.
const BESIDES: [&str; 3] = ["host.key", "secrets", "local"];

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store is not there, or not good.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is something where the copy would go.
    #[error("{path} is there already; {remedy}")]
    Taken {
        /// What is there.
        path: PathBuf,
        /// What to do.
        remedy: &'static str,
    },
    /// A file operation failed.
    #[error("cannot {what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { what, path, source }
}

/// Makes a verified backup in a new directory.
///
/// # Errors
/// [`BackupError`]; `to` is not there then.
pub fn backup(state_dir: &Path, to: &Path) -> Result<Contents, BackupError> {
    if to.exists() {
        let path = to.to_owned();
        let remedy = "name a directory that is not";
        return Err(BackupError::Taken { path, remedy });
    }
    let partial = to.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(failed("remove the half-made", &partial))?;
    }
    directory(&partial)?;
    let store = partial.join(FILE);
    snapshot(state_dir, &store)?;
    for name in BESIDES {
        copy(&state_dir.join(name), &partial.join(name))?;
    }
    let contents = verify(&store)?;
    sync(&partial)?;
    fs::rename(&partial, to).map_err(failed("give its name to", to))?;
    sync(to.parent().unwrap_or(Path::new("/")))?;
    Ok(contents)
}

/// Puts a backup where no state is yet. The store comes last: without it, there is no state.
///
/// # Errors
/// [`BackupError`]; what was there before is untouched.
pub fn restore(from: &Path, state_dir: &Path) -> Result<Contents, BackupError> {
    for name in BESIDES.into_iter().chain([FILE]) {
        let path = state_dir.join(name);
        if path.exists() {
            let remedy = "stop orchestratord, and move what is in state_dir away";
            return Err(BackupError::Taken { path, remedy });
        }
    }
    directory(state_dir)?;
    // Reading a database may write to it: the backup itself stays as it is.
    let new = state_dir.join("state.redb.new");
    if new.exists() {
        fs::remove_file(&new).map_err(failed("remove the half-made", &new))?;
    }
    copy(&from.join(FILE), &new)?;
    let contents = verify(&new)?;
    for name in BESIDES {
        copy(&from.join(name), &state_dir.join(name))?;
    }
    let store = state_dir.join(FILE);
    fs::rename(&new, &store).map_err(failed("give its name to", &store))?;
    sync(state_dir)?;
    Ok(contents)
}

/// Copies a file or a directory, durably; what is not there is not copied.
fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    let Ok(kind) = fs::symlink_metadata(from) else {
        return Ok(());
    };
    if kind.is_dir() {
        directory(to)?;
        for entry in fs::read_dir(from).map_err(failed("read", from))? {
            let entry = entry.map_err(failed("read", from))?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return sync(to);
    }
    match fs::File::open(from) {
        Ok(file) => copy_file(file, from, to),
        // Replaced by its successor since it was listed: that one is listed too, or in the next backup.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("read", from)(error)),
    }
}

fn copy_file(mut file: fs::File, from: &Path, to: &Path) -> Result<(), BackupError> {
    let mut new = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(failed("make", to))?;
    io::copy(&mut file, &mut new).map_err(failed("copy", from))?;
    new.sync_all().map_err(failed("sync", to))
}

fn directory(path: &Path) -> Result<(), BackupError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("make the directory", path))
}

fn sync(path: &Path) -> Result<(), BackupError> {
    fs::File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("sync", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn state(dir: &Path) -> PathBuf {
        let state = dir.join("state");
        fs::create_dir(&state).unwrap();
        drop(Store::open(&state).unwrap());
        fs::write(state.join("host.key"), [7; 32]).unwrap();
        fs::write(state.join("secrets"), "sealed").unwrap();
        fs::create_dir_all(state.join("local/sample")).unwrap();
        fs::write(state.join("local/sample/1.json"), "{}").unwrap();
        state
    }

    #[test]
    fn what_was_backed_up_is_restored_into_an_empty_state_dir_and_into_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let state = state(dir.path());
        let saved = dir.path().join("saved");
        let contents = backup(&state, &saved).unwrap();
        let taken = restore(&saved, &state).expect_err("it is in use");
        assert!(taken.to_string().contains("is there already"), "{taken}");
        let fresh = dir.path().join("fresh");
        assert_eq!(restore(&saved, &fresh).unwrap(), contents);
        for name in ["host.key", "secrets", "local/sample/1.json"] {
            let read = |dir: &Path| fs::read(dir.join(name)).unwrap();
            assert_eq!(read(&fresh), read(&state), "{name}");
        }
        drop(Store::open(&fresh).unwrap());
    }

    #[test]
    fn a_backup_replaces_nothing_and_a_half_made_one_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let state = state(dir.path());
        fs::create_dir(dir.path().join("saved.partial")).unwrap();
        fs::write(dir.path().join("saved.partial/secrets"), "old").unwrap();
        let saved = dir.path().join("saved");
        backup(&state, &saved).unwrap();
        assert_eq!(fs::read_to_string(saved.join("secrets")).unwrap(), "sealed");
        let taken = backup(&state, &saved).expect_err("it is there");
        assert!(taken.to_string().contains("is there already"), "{taken}");
    }

    #[test]
    fn a_damaged_backup_is_not_restored() {
        let dir = tempfile::tempdir().unwrap();
        let state = state(dir.path());
        let saved = dir.path().join("saved");
        backup(&state, &saved).unwrap();
        fs::write(saved.join(FILE), "nothing of a database").unwrap();
        let fresh = dir.path().join("fresh");
        restore(&saved, &fresh).expect_err("it is damaged");
        assert!(!fresh.join(FILE).exists());
        assert!(!fresh.join("host.key").exists());
    }
}
