//! Who is at the other end of the operator's socket.

use std::sync::Arc;

use nix::unistd::{Uid, User, geteuid};
use tokio::net::UnixStream;
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

    pub(super) fn admits(&self, stream: &UnixStream) -> bool {
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
