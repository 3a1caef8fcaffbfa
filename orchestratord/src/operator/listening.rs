//! The operator's socket. A daemon whose socket was removed runs on and is out of reach, so the path is
//! looked at now and then:
//!
//! ```text
//!   at the path             what follows
//!   our socket              nothing
//!   nothing                 it is made again
//!   a socket, nobody there  an earlier daemon left it: removed, and made again
//!   a socket that answers   somebody else's: it stays, and is said once
//!   anything else           it stays, and is said once
//! ```

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::stream::unfold;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_stream::{Stream, StreamExt};

use super::peer::Allowed;

/// Between two looks at the path.
const LOOK: Duration = Duration::from_secs(1);
/// Until one who has said nothing counts as one who waits for us to speak.
const PATIENCE: Duration = Duration::from_millis(500);

/// Listens on the operator's socket; connections of others are closed at once.
///
/// # Errors
/// Where the socket cannot be made.
pub async fn listen(
    path: &Path,
    allowed: Allowed,
) -> io::Result<impl Stream<Item = io::Result<UnixStream>> + use<>> {
    let listening = Listening::at(path).await?;
    let connections = unfold(listening, |mut listening| async move {
        Some((listening.connection().await, listening))
    });
    Ok(connections.filter(move |stream| {
        stream
            .as_ref()
            .map_or(true, |stream| allowed.admits(stream))
    }))
}

/// A socket that is ours, and where it is.
#[derive(Debug)]
struct Listening {
    path: PathBuf,
    listener: UnixListener,
    /// Device and inode. The listener holds the inode, so no other file gets its number.
    ours: (u64, u64),
    look: Interval,
    /// It was said that something else is there.
    said: bool,
}

impl Listening {
    async fn at(path: &Path) -> io::Result<Self> {
        let (listener, ours) = bind(path).await?;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            path: path.to_owned(),
            listener,
            ours,
            look,
            said: false,
        })
    }

    async fn connection(&mut self) -> io::Result<UnixStream> {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => return accepted.map(|(stream, _)| stream),
                _ = self.look.tick() => self.look_again().await,
            }
        }
    }

    /// Makes the socket again where it is gone.
    async fn look_again(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.ours) {
            return;
        }
        match bind(&self.path).await {
            Ok((listener, ours)) => {
                let socket = self.path.display();
                tracing::warn!(%socket, "the operator's socket was gone and was made again");
                (self.listener, self.ours, self.said) = (listener, ours, false);
            }
            Err(error) => self.out_of_reach(&error),
        }
    }

    /// Says once that somebody else has the path.
    fn out_of_reach(&mut self, error: &io::Error) {
        if !self.said {
            let socket = self.path.display();
            tracing::error!(%socket, %error, "operators cannot reach this daemon");
            self.said = true;
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

async fn bind(path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    make_way(path).await?;
    let listener = UnixListener::bind(path)?;
    // The peer's uid decides; users that may connect need not be of our group.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok((listener, identity(path)?))
}

/// Removes the socket that an earlier daemon left. What is no socket, or is somebody's who answers, is
/// not ours to remove.
async fn make_way(path: &Path) -> io::Result<()> {
    let there = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !there.is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is something else; remove it, or choose another [operator] socket",
        ));
    }
    if !is_held(path).await {
        return std::fs::remove_file(path);
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "another daemon answers there; end it, or choose another [operator] socket",
    ))
}

/// Whether a daemon holds the socket. One that was killed while it started a program may seem to for a
/// moment: that program has the socket until it has begun, and then hangs up.
async fn is_held(path: &Path) -> bool {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        // Only this says that nobody listens; one who has no time for us lives.
        Err(error) => return error.kind() != io::ErrorKind::ConnectionRefused,
    };
    // A daemon waits for its client to begin.
    match tokio::time::timeout(PATIENCE, stream.read_u8()).await {
        Ok(Err(_)) => false,
        Ok(Ok(_)) | Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operator.sock");
        (dir, path)
    }

    fn answers(path: &Path) -> bool {
        std::os::unix::net::UnixStream::connect(path).is_ok()
    }

    #[tokio::test]
    async fn the_socket_that_an_earlier_daemon_left_is_replaced() {
        let (_dir, path) = place();
        drop(Listening::at(&path).await.unwrap());
        assert!(path.exists() && !answers(&path));
        let _listening = Listening::at(&path).await.unwrap();
        assert!(answers(&path));
    }

    #[tokio::test]
    async fn the_socket_of_a_daemon_that_answers_is_not_taken_from_it() {
        let (_dir, path) = place();
        let first = Listening::at(&path).await.unwrap();
        let error = Listening::at(&path).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(identity(&path).unwrap(), first.ours);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_never_removed() {
        let (_dir, path) = place();
        std::fs::write(&path, "precious").unwrap();
        assert!(Listening::at(&path).await.is_err());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(Listening::at(&path).await.is_err());
        assert!(path.is_symlink());
    }

    #[tokio::test]
    async fn a_socket_that_was_removed_is_made_again() {
        let (_dir, path) = place();
        let mut listening = Listening::at(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        listening.look_again().await;
        assert!(answers(&path));
        assert!(listening.listener.accept().await.is_ok());
        let ours = listening.ours;
        listening.look_again().await;
        assert_eq!(listening.ours, ours, "one that is there stays");
    }

    #[tokio::test]
    async fn a_socket_that_another_replaced_is_made_again_once_nobody_answers() {
        let (_dir, path) = place();
        let mut listening = Listening::at(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let theirs = identity(&path).unwrap();
        listening.look_again().await;
        assert_eq!(identity(&path).unwrap(), theirs, "it is not ours to remove");
        drop(other);
        listening.look_again().await;
        assert_eq!(identity(&path).unwrap(), listening.ours);
        assert!(answers(&path));
    }

    #[tokio::test]
    async fn a_file_in_its_place_stays() {
        let (_dir, path) = place();
        let mut listening = Listening::at(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        listening.look_again().await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
