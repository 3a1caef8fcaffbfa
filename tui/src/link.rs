//! The link to orchestratord: over the host's Unix socket, or through ssh to another host.
//!
//! ```text
//!  Connection ──▶ connect ──▶ OperatorClient ──▶ unary calls (effects.rs)
//!       │                          │
//!       └── again, for ever ◀── watch ──▶ LinkEvent ──▶ the loop
//! ```
//!
//! It emits events and draws nothing. Over ssh the bytes of gRPC go through the standard input and
//! output of `ssh HOST cloud-code connect --stdio`: your own configuration, keys and jump hosts,
//! and no open port.

mod backoff;
mod child;
mod heard;
mod watch;

pub(crate) use backoff::delay;
pub(crate) use watch::{LinkEvent, watch};

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud_code_proto::v1::operator_client::OperatorClient;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

/// A client of the operator's service.
pub(crate) type Client = OperatorClient<Channel>;

/// Bytes of a message that are accepted: a snapshot of a large fleet is one message.
const MAX_ANSWER: usize = 16 * cloud_code_proto::MAX_MESSAGE;

/// How long a socket may take to answer; ssh may have to ask for a password first.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(5);
const SSH_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the daemon is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// On this machine.
    Socket(PathBuf),
    /// Behind a program that speaks gRPC on its standard input and output.
    Program {
        /// The program and its arguments.
        command: Vec<OsString>,
        /// What to call it on the screen.
        name: String,
    },
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No socket is there, or nobody listens on it.
    #[error("no daemon answers on {}", path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The socket may not be opened.
    #[error("the socket {} may not be opened by you", path.display())]
    NotAllowed {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The daemon hangs up: it does not know us for an operator.
    #[error("the daemon on {} hangs up on uid {uid}", path.display())]
    NotAnOperator {
        /// The socket.
        path: PathBuf,
        /// Who we are to it.
        uid: u32,
    },
    /// The program that carries the link could not be started or ended.
    #[error("{name} gave no link: {why}")]
    Program {
        /// What it is called.
        name: String,
        /// The last thing that it wrote to its standard error, or how it ended.
        why: String,
    },
    /// The host is none that ssh could be given.
    #[error("{0:?} is no host: write user@server")]
    BadHost(String),
    /// There is something, but it does not speak the protocol.
    #[error("what answers at {at} is no operator service: {why}")]
    Protocol {
        /// Where.
        at: String,
        /// Why.
        why: String,
    },
}

impl LinkError {
    /// What helps, with the command where there is one.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::NoDaemon { .. } => {
                "start it: `orchestratord --config FILE`, or give its socket with --socket PATH"
                    .to_owned()
            }
            Self::NotAllowed { path, .. } => format!(
                "look who may enter its folder: `ls -ld {}`; or name another with --socket PATH",
                path.parent().unwrap_or(path).display()
            ),
            Self::NotAnOperator { uid, .. } => format!(
                "add {uid} to `[operator] users` in the daemon's configuration and start it \
                 again, or be one of them: `sudo -u USER cloud-code`"
            ),
            Self::Program { name, .. } => format!(
                "try `{name} cloud-code doctor`: it has to be in the PATH there, and the control \
                 room needs a key or an agent, since ssh cannot ask for a password under it"
            ),
            Self::BadHost(_) => "cloud-code --host user@server".to_owned(),
            Self::Protocol { .. } => {
                "check the path given with --socket: `cloud-code doctor`".to_owned()
            }
        }
    }
}

impl Connection {
    /// Through ssh. `may_ask`: ssh may ask for a password on the terminal; it may not while that
    /// shows the control room.
    ///
    /// # Errors
    /// [`LinkError::BadHost`] for what ssh would take for an option.
    pub fn host(host: &str, may_ask: bool) -> Result<Self, LinkError> {
        let bad = host.is_empty()
            || host.starts_with('-')
            || host.contains(|c: char| c.is_whitespace() || c.is_control());
        if bad {
            return Err(LinkError::BadHost(host.chars().take(80).collect()));
        }
        let quiet: &[&str] = if may_ask {
            &[]
        } else {
            &["-o", "BatchMode=yes"]
        };
        let far_end = ["--", host, "cloud-code", "connect", "--stdio"];
        let command = ["ssh", "-T"].iter().chain(quiet).chain(&far_end);
        Ok(Self::Program {
            command: command.map(OsString::from).collect(),
            name: format!("ssh {host}"),
        })
    }

    /// The socket that is used where none is named: `$CLOUD_CODE_SOCKET`, then the first that
    /// exists of the usual places, then the first of them.
    #[must_use]
    pub fn usual(get: impl Fn(&str) -> Option<OsString>, exists: impl Fn(&Path) -> bool) -> Self {
        if let Some(path) = get("CLOUD_CODE_SOCKET").filter(|path| !path.is_empty()) {
            return Self::Socket(path.into());
        }
        let system = PathBuf::from("/run/cloud-code/operator.sock");
        let own = get("XDG_RUNTIME_DIR")
            .filter(|path| !path.is_empty())
            .map(|dir| PathBuf::from(dir).join("cloud-code/operator.sock"));
        match own {
            Some(own) if !exists(&system) && exists(&own) => Self::Socket(own),
            Some(_) | None => Self::Socket(system),
        }
    }

    /// What to call it on the screen.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Socket(path) => path.display().to_string(),
            Self::Program { name, .. } => name.clone(),
        }
    }

    /// Opens the link.
    ///
    /// # Errors
    /// Says why there is none.
    pub async fn connect(&self) -> Result<Client, LinkError> {
        match self {
            Self::Socket(path) => connect_socket(path).await,
            Self::Program { command, name } => connect_program(command, name).await,
        }
    }
}

/// How often a far end behind ssh is asked whether it is there: a network may lose it without a word.
const ASK_FAR: Duration = Duration::from_secs(15);
/// How often a daemon on this machine is asked. One that ends is noticed at once; this finds one that is
/// frozen, and else wakes a client that has nothing to show.
const ASK_NEAR: Duration = Duration::from_secs(120);
/// How long it may take to answer that.
const ANSWER: Duration = Duration::from_secs(15);

fn endpoint(timeout: Duration, ask: Duration) -> Endpoint {
    Endpoint::from_static("http://operator.local")
        .connect_timeout(timeout)
        .http2_keep_alive_interval(ask)
        .keep_alive_timeout(ANSWER)
        .keep_alive_while_idle(true)
}

fn client(channel: Channel) -> Client {
    OperatorClient::new(channel).max_decoding_message_size(MAX_ANSWER)
}

async fn connect_socket(path: &Path) -> Result<Client, LinkError> {
    // A try of its own first: tonic's error would not say whether the file was there.
    let stream = UnixStream::connect(path).await.map_err(|source| {
        let path = path.to_owned();
        if source.kind() == std::io::ErrorKind::PermissionDenied {
            LinkError::NotAllowed { path, source }
        } else {
            LinkError::NoDaemon { path, source }
        }
    })?;
    let (stream, far_end) = heard::listen(stream);
    let failed = |why: String| LinkError::Protocol {
        at: path.display().to_string(),
        why,
    };
    let opened = over(stream, SOCKET_TIMEOUT, ASK_NEAR).await;
    match far_end.first(SOCKET_TIMEOUT).await {
        heard::First::Spoke => opened.map_err(|error| failed(deepest(&error))),
        heard::First::HungUp => Err(LinkError::NotAnOperator {
            path: path.to_owned(),
            uid: rustix::process::getuid().as_raw(),
        }),
        heard::First::Silent => Err(failed(format!(
            "nothing was heard in {} s",
            SOCKET_TIMEOUT.as_secs()
        ))),
    }
}

async fn connect_program(command: &[OsString], name: &str) -> Result<Client, LinkError> {
    let failed = |why: String| LinkError::Program {
        name: name.to_owned(),
        why,
    };
    let (pipe, far) = child::start(command).map_err(|error| failed(error.to_string()))?;
    let opened = over(pipe, SSH_TIMEOUT, ASK_FAR).await;
    far.speaks(SSH_TIMEOUT).await.map_err(failed)?;
    opened.map_err(|error| failed(deepest(&error)))
}

/// gRPC over a stream that is open already. It is handed out once: a broken link is a new link.
async fn over<S>(
    stream: S,
    timeout: Duration,
    ask: Duration,
) -> Result<Client, tonic::transport::Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let mut once = Some(stream);
    let connector = tower::service_fn(move |_| {
        let stream = once.take();
        async move {
            stream
                .map(TokioIo::new)
                .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected))
        }
    });
    let channel = endpoint(timeout, ask)
        .connect_with_connector(connector)
        .await?;
    Ok(client(channel))
}

/// The innermost reason: the outer ones only say that there was one.
pub(crate) fn deepest(error: &dyn std::error::Error) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_looked_for_in_order() {
        let env = |name: &str| match name {
            "XDG_RUNTIME_DIR" => Some(OsString::from("/run/user/7")),
            _ => None,
        };
        let own = PathBuf::from("/run/user/7/cloud-code/operator.sock");
        let system = PathBuf::from("/run/cloud-code/operator.sock");
        assert_eq!(
            Connection::usual(env, |_| true),
            Connection::Socket(system.clone())
        );
        assert_eq!(
            Connection::usual(env, |path| path == own),
            Connection::Socket(own.clone())
        );
        assert_eq!(
            Connection::usual(env, |_| false),
            Connection::Socket(system)
        );
        let named = |_: &str| Some(OsString::from("/tmp/o.sock"));
        assert_eq!(
            Connection::usual(named, |_| true),
            Connection::Socket("/tmp/o.sock".into())
        );
    }

    #[test]
    fn a_host_is_never_an_option_of_ssh() {
        for bad in ["-oProxyCommand=x", "", "a b", "a\nb"] {
            assert!(
                matches!(Connection::host(bad, true), Err(LinkError::BadHost(_))),
                "{bad:?}"
            );
        }
        let Ok(Connection::Program { command, .. }) = Connection::host("jo@vps-1", false) else {
            panic!("a host")
        };
        assert_eq!(command[3..6], ["BatchMode=yes", "--", "jo@vps-1"]);
    }
}
