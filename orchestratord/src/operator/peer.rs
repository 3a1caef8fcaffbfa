//! Who is at the other end of the operator's socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::{Uid, User, geteuid};
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::{Stream, StreamExt, wrappers::UnixListenerStream};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Request, Status};

/// The uids that may connect.
#[derive(Debug, Clone)]
pub struct Allowed(Arc<Vec<Uid>>);

impl Allowed {
    /// Those of the configured login names; none configured: our own and root.
    ///
    /// # Errors
    /// The names that this machine does not know.
    pub fn of(users: &[String]) -> Result<Self, Vec<String>> {
        if users.is_empty() {
            return Ok(Self(Arc::new(vec![geteuid(), Uid::from_raw(0)])));
        }
        let (mut uids, mut unknown) = (vec![geteuid()], Vec::new());
        for name in users {
            match User::from_name(name) {
                Ok(Some(user)) => uids.push(user.uid),
                Ok(None) | Err(_) => unknown.push(name.clone()),
            }
        }
        if unknown.is_empty() {
            Ok(Self(Arc::new(uids)))
        } else {
            Err(unknown)
        }
    }

    fn contains(&self, uid: u32) -> bool {
        self.0.contains(&Uid::from_raw(uid))
    }

    fn admits(&self, stream: &UnixStream) -> bool {
        match stream.peer_cred() {
            Ok(peer) if self.contains(peer.uid()) => true,
            Ok(peer) => {
                tracing::warn!(uid = peer.uid(), "an operator's connection was refused");
                false
            }
            Err(_) => false,
        }
    }
}

/// Listens on the operator's socket; connections of others are closed at once.
///
/// # Errors
/// Where the socket cannot be made.
pub fn listen(
    path: &Path,
    allowed: Allowed,
) -> io::Result<impl Stream<Item = io::Result<UnixStream>> + use<>> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    make_way(path)?;
    let listener = UnixListener::bind(path)?;
    // The peer's uid decides; users that may connect need not be of our group.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(UnixListenerStream::new(listener).filter(move |stream| {
        stream
            .as_ref()
            .map_or(true, |stream| allowed.admits(stream))
    }))
}

/// Removes the socket that an earlier daemon left. What is no socket, or is somebody's who answers, is
/// not ours to remove.
fn make_way(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
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
    if is_held(path) {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another daemon answers there; end it, or choose another [operator] socket",
        ));
    }
    std::fs::remove_file(path)
}

/// Whether a daemon holds the socket. One that was killed while it started a program may seem to for a
/// moment: that program has the socket until it has begun, and then hangs up.
fn is_held(path: &Path) -> bool {
    use std::io::Read;
    let Ok(mut stream) = std::os::unix::net::UnixStream::connect(path) else {
        return false;
    };
    let hung_up = |error: io::Error| error.kind() == io::ErrorKind::ConnectionReset;
    let patient = stream.set_read_timeout(Some(Duration::from_millis(500)));
    // A daemon waits for its client to begin.
    patient.is_err()
        || match stream.read(&mut [0]) {
            Ok(read) => read > 0,
            Err(error) => !hung_up(error),
        }
}

/// The login name of the one who asks.
pub(super) fn operator_of<T>(request: &Request<T>) -> Result<String, Status> {
    let uid = request
        .extensions()
        .get::<UdsConnectInfo>()
        .and_then(|info| info.peer_cred)
        .map(|peer| peer.uid())
        .ok_or_else(|| Status::unauthenticated("the connection has no peer"))?;
    let name = User::from_uid(Uid::from_raw(uid))
        .ok()
        .flatten()
        .map(|user| user.name);
    Ok(name.unwrap_or_else(|| format!("uid {uid}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(path: &Path) -> io::Result<impl Stream<Item = io::Result<UnixStream>> + use<>> {
        listen(path, Allowed::of(&[]).unwrap())
    }

    #[tokio::test]
    async fn the_socket_that_an_earlier_daemon_left_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operator.sock");
        drop(ours(&path).unwrap());
        assert!(path.exists());
        let _listening = ours(&path).unwrap();
        assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn the_socket_of_a_daemon_that_answers_is_not_taken_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operator.sock");
        let _first = ours(&path).unwrap();
        let error = ours(&path).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_never_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operator.sock");
        std::fs::write(&path, "precious").unwrap();
        assert!(ours(&path).is_err());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        assert!(ours(&path).is_err());
        assert!(path.is_symlink());
    }
}
