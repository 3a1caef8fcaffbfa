//! What the configuration may ask of the machine, behind a trait: so that the parser is a function
//! of its text and of this, and every answer can be made up in a test.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What kind of thing a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A socket, a pipe, a device.
    Other,
}

/// What is known of a file without reading it. Links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileFacts {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
}

/// Where we run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surroundings {
    /// Our effective user.
    pub uid: u32,
    /// `$HOME`
    pub home: Option<PathBuf>,
    /// `$XDG_STATE_HOME`
    pub xdg_state_home: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`
    pub xdg_runtime_dir: Option<PathBuf>,
    /// The folder that our own program is in.
    pub program_dir: PathBuf,
}

/// The machine as the configuration sees it. Nothing here changes anything.
pub trait Files {
    /// What is at the path; none where there is nothing.
    fn facts(&self, path: &Path) -> Option<FileFacts>;

    /// The first `limit` bytes of a regular file.
    ///
    /// # Errors
    /// Whatever the system says.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>>;

    /// The path with links resolved as far as it exists.
    fn resolve(&self, path: &Path) -> PathBuf;

    /// Whether somebody has this login name.
    fn knows_user(&self, name: &str) -> bool;

    /// Where we run.
    fn surroundings(&self) -> Surroundings;
}

/// The real machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealFiles;

impl Files for RealFiles {
    fn facts(&self, path: &Path) -> Option<FileFacts> {
        let metadata = std::fs::metadata(path).ok()?;
        let kind = if metadata.is_file() {
            FileKind::File
        } else if metadata.is_dir() {
            FileKind::Directory
        } else {
            FileKind::Other
        };
        Some(FileFacts {
            kind,
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
        })
    }

    fn read(&self, path: &Path, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        // Without waiting: a FIFO would be open only once somebody writes to it.
        let file = File::options()
            .read(true)
            .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
            .open(path)?;
        if !file.metadata()?.is_file() {
            let what = "it is no regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        for base in path.ancestors() {
            if let Ok(real) = std::fs::canonicalize(base) {
                return match path.strip_prefix(base) {
                    Ok(rest) if rest.as_os_str().is_empty() => real,
                    Ok(rest) => real.join(rest),
                    Err(_) => path.to_owned(),
                };
            }
        }
        path.to_owned()
    }

    fn knows_user(&self, name: &str) -> bool {
        nix::unistd::User::from_name(name).is_ok_and(|user| user.is_some())
    }

    fn surroundings(&self) -> Surroundings {
        let folder = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let program = std::env::current_exe().unwrap_or_default();
        Surroundings {
            uid: nix::unistd::geteuid().as_raw(),
            home: folder("HOME"),
            xdg_state_home: folder("XDG_STATE_HOME"),
            xdg_runtime_dir: folder("XDG_RUNTIME_DIR"),
            program_dir: program.parent().map(Path::to_owned).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        for path in [fifo.as_path(), dir.path(), Path::new("/dev/zero")] {
            let error = RealFiles.read(path, 10).unwrap_err();
            assert_eq!(error.to_string(), "it is no regular file", "{path:?}");
        }
    }
}
