//! A folder whose content is hostile: opened once without following links, then used by descriptor.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

/// An open folder.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// There is none. Not a mistake.
    #[error("there is no such file")]
    Missing,
    #[error("it is a link")]
    Link,
    #[error("it is not a regular file")]
    NotRegular,
    #[error("it has another name elsewhere (a hard link)")]
    HardLink,
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    #[error("it cannot be read")]
    Io(#[source] io::Error),
}

impl Dir {
    /// Opens the folder `path`; what is there and is no folder goes.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(crate) fn make(path: &Path) -> io::Result<Self> {
        if !std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            std::fs::create_dir(path)?;
        }
        Self::open(path)
    }

    /// Opens the folder `path`, which must not be a link.
    ///
    /// # Errors
    /// Where it is missing, or no folder.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let fd = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { fd })
    }

    /// Reads at most `bound` bytes of a plain file that has this name and no other.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub(crate) fn read(&self, name: &str, bound: usize) -> Result<Vec<u8>, ReadError> {
        // NONBLOCK: a FIFO opens at once and is recognised; nothing here ever waits.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd =
            rustix::fs::openat(self.fd.as_fd(), name, flags, Mode::empty()).map_err(|error| {
                match error {
                    rustix::io::Errno::NOENT => ReadError::Missing,
                    rustix::io::Errno::LOOP => ReadError::Link,
                    // A socket, or a device without a driver.
                    rustix::io::Errno::NXIO => ReadError::NotRegular,
                    error => ReadError::Io(error.into()),
                }
            })?;
        let stat = rustix::fs::fstat(&fd).map_err(|error| ReadError::Io(error.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(ReadError::NotRegular);
        }
        if stat.st_nlink > 1 {
            return Err(ReadError::HardLink);
        }
        let mut bytes = Vec::new();
        File::from(fd)
            .take(bound as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(ReadError::Io)?;
        if bytes.len() > bound {
            return Err(ReadError::TooLarge(bound));
        }
        Ok(bytes)
    }

    /// Puts a whole file in place of whatever has this name.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let temporary = format!(".{name}.{}", uuid::Uuid::new_v4().simple());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let fd = rustix::fs::openat(self.fd.as_fd(), &temporary, flags, mode)?;
        let mut file = File::from(fd);
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        let placed = written.and_then(|()| self.rename(&temporary, name));
        if placed.is_err() {
            self.remove(&temporary);
        }
        placed
    }

    /// A folder in the place of the file would stop the rename.
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let rename = || rustix::fs::renameat(self.fd.as_fd(), from, self.fd.as_fd(), to);
        match rename() {
            Err(rustix::io::Errno::ISDIR) => {
                let aside = format!(".{to}.{}", uuid::Uuid::new_v4().simple());
                rustix::fs::renameat(self.fd.as_fd(), to, self.fd.as_fd(), aside)?;
                Ok(rename()?)
            }
            other => Ok(other?),
        }
    }

    /// Makes `name` a link to `target`.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub(crate) fn link(&self, name: &str, target: &Path) -> io::Result<()> {
        let temporary = format!(".{name}.{}", uuid::Uuid::new_v4().simple());
        rustix::fs::symlinkat(target, self.fd.as_fd(), &temporary)?;
        let placed = self.rename(&temporary, name);
        if placed.is_err() {
            self.remove(&temporary);
        }
        placed
    }

    fn remove(&self, name: &str) {
        if let Err(error) = rustix::fs::unlinkat(self.fd.as_fd(), name, AtFlags::empty()) {
            tracing::debug!(%error, name, "a temporary file was gone already");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode as NixMode;

    fn error(dir: &Path) -> String {
        let dir = Dir::open(dir).unwrap();
        dir.read("f", 100).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_plain_small_file_is_refused_without_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        assert!(matches!(
            Dir::open(dir.path()).unwrap().read("f", 100),
            Err(ReadError::Missing)
        ));

        nix::unistd::mkfifo(&path, NixMode::S_IRWXU).unwrap();
        assert_eq!(error(dir.path()), "it is not a regular file");
        std::fs::remove_file(&path).unwrap();

        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(error(dir.path()), "it is a link");
        std::fs::remove_file(&path).unwrap();

        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(error(dir.path()), "it is not a regular file");
        drop(socket);
        std::fs::remove_file(&path).unwrap();

        std::fs::create_dir(&path).unwrap();
        assert_eq!(error(dir.path()), "it is not a regular file");
        std::fs::remove_dir(&path).unwrap();

        std::fs::write(&path, "x").unwrap();
        std::fs::hard_link(&path, dir.path().join("g")).unwrap();
        assert_eq!(
            error(dir.path()),
            "it has another name elsewhere (a hard link)"
        );
        std::fs::remove_file(dir.path().join("g")).unwrap();

        let sparse = File::create(&path).unwrap();
        sparse.set_len(1 << 30).unwrap();
        assert_eq!(error(dir.path()), "it is larger than 100 bytes");
    }

    #[test]
    fn a_file_replaces_whatever_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let open = Dir::open(dir.path()).unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(outside.path(), &path).unwrap();
        open.write("f", b"one").unwrap();
        assert_eq!(std::fs::read(outside.path()).unwrap(), b"");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir_all(path.join("deep")).unwrap();
        open.write("f", b"two").unwrap();
        assert_eq!(open.read("f", 100).unwrap(), b"two");
    }

    #[test]
    fn a_link_in_place_of_the_folder_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let path = dir.path().join(".cloud-code");
        std::os::unix::fs::symlink(outside.path(), &path).unwrap();
        assert!(Dir::open(&path).is_err());
        Dir::make(&path).unwrap().write("f", b"x").unwrap();
        assert!(!outside.path().join("f").exists());
    }
}
