//! The files of a workstation, none of which is followed where it leads elsewhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};

/// What agentd says is kept up to this size, and once more from before its last start.
const LOG_MOST: u64 = 4 << 20;

/// That something is not there is what was wanted.
pub(super) fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

pub(super) fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Removes a tree, folders that forbid it included: package caches are read-only on purpose. Links are
/// removed, and not followed.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path)?;
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

fn make_writable(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            make_writable(&entry.path())?;
        }
    }
    Ok(())
}

/// A regular file that is no link, whoever made it.
fn open_plain(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let flags = i32::try_from(flags).map_err(io::Error::other)?;
    let file = options.custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

/// Whether somebody holds the lock. It is only tried where a process with agentd's arguments lives,
/// which took it before anything else: so that trying never takes it from one that is starting.
pub(super) fn is_locked(path: &Path) -> bool {
    let Ok(file) = open_plain(path, OpenOptions::new().read(true)) else {
        return false;
    };
    flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
}

pub(super) fn open_log(path: &Path) -> io::Result<File> {
    open_plain(
        path,
        OpenOptions::new().create(true).append(true).mode(0o600),
    )
}

/// Puts a long log aside before a start.
pub(super) fn rotate(log: &Path) -> io::Result<()> {
    match fs::symlink_metadata(log) {
        Ok(metadata) if metadata.len() > LOG_MOST / 4 => {
            fs::rename(log, log.with_extension("log.1"))
        }
        Ok(_) => Ok(()),
        Err(error) => gone(Err(error)),
    }
}

/// Empties a log that has grown too long while it is written to: its writer appends.
pub(super) fn bound(log: &Path) -> io::Result<()> {
    match fs::symlink_metadata(log) {
        Ok(metadata) if metadata.is_file() && metadata.len() > LOG_MOST => {
            open_plain(log, OpenOptions::new().write(true))?.set_len(0)
        }
        Ok(_) => Ok(()),
        Err(error) => gone(Err(error)),
    }
}

/// The last line of a log, short and without anything that a terminal obeys.
pub(super) fn last_line(log: &Path) -> Option<String> {
    const TAIL: u64 = 2_048;
    let mut file = open_plain(log, OpenOptions::new().read(true)).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))
        .ok()?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail).ok()?;
    let text = String::from_utf8_lossy(&tail);
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    let shown = line.chars().filter(|c| !c.is_control()).take(200);
    Some(shown.collect())
}
