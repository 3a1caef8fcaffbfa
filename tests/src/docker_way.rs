//! The way to the Docker engine, which a test can block: others use the same engine, and are not
//! disturbed.
//!
//! ```text
//!  orchestratord ──▶ docker.sock of ours ── open ──▶ the engine's own socket
//!                                        └─ hanging: taken, and never answered · gone: cut
//! ```

use std::path::Path;

use anyhow::{Context, Result};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They reach the engine.
    Open,
    /// They are taken, and nothing is ever said.
    Hanging,
    /// They end at once: the engine is being started again.
    Gone,
}

/// A blockable way; its end is the end of all its connections.
#[derive(Debug)]
pub struct DockerWay {
    way: watch::Sender<Way>,
    _running: JoinSet<()>,
}

impl DockerWay {
    /// Listens on a socket.
    ///
    /// # Errors
    /// Where it cannot.
    pub fn listen(socket: &Path) -> Result<Self> {
        let listener = UnixListener::bind(socket).context("a way to the engine")?;
        let (way, seen) = watch::channel(Way::Open);
        let mut running = JoinSet::new();
        running.spawn(serve(listener, seen));
        Ok(Self {
            way,
            _running: running,
        })
    }

    /// From now on connections, also those that are open, are treated so.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn serve(listener: UnixListener, way: watch::Receiver<Way>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                if let Ok((stream, _from)) = accepted {
                    connections.spawn(carry(stream, way.clone()));
                }
            }
        }
    }
}

/// Carries bytes both ways until the way is blocked.
async fn carry(mut from: UnixStream, mut way: watch::Receiver<Way>) {
    let now = *way.borrow_and_update();
    let carried = async {
        if now == Way::Open {
            let mut to = UnixStream::connect(engine_socket()).await?;
            tokio::io::copy_bidirectional(&mut from, &mut to).await?;
        }
        std::io::Result::Ok(())
    };
    if now == Way::Hanging {
        // Held open, until the engine is started again.
        let _gone = way.wait_for(|way| *way != Way::Hanging).await;
        return;
    }
    let blocked = tokio::select! {
        _ended = carried => false,
        blocked = way.wait_for(|way| *way != Way::Open) => blocked.is_ok(),
    };
    if blocked {
        let _gone = way.wait_for(|way| *way != Way::Hanging).await;
    }
}

fn engine_socket() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let socket = host.strip_prefix("unix://");
    socket.unwrap_or("/var/run/docker.sock").to_owned()
}
