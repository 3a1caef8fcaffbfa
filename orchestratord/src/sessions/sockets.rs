//! Where agents' sockets are. A directory of its own for each, so that it can be mounted: a mounted
//! directory finds the socket again that a restarted orchestrator made, a mounted socket does not.

use std::path::{Path, PathBuf};

use cloud_code_domain::id::AgentId;
use sha2::{Digest, Sha256};

/// The name of the socket in its directory.
const SOCKET: &str = "agentd.sock";

/// The directory of an agent's socket. Its name is short, since a socket's path is bounded (107
/// bytes), and follows from the agent's id alone.
#[must_use]
pub fn socket_dir(state_dir: &Path, agent: &AgentId) -> PathBuf {
    let digest = Sha256::digest(agent.as_str().as_bytes());
    state_dir
        .join("agents")
        .join("s")
        .join(hex::encode(&digest[..4]))
}

/// An agent's socket.
#[must_use]
pub fn socket_path(state_dir: &Path, agent: &AgentId) -> PathBuf {
    socket_dir(state_dir, agent).join(SOCKET)
}
