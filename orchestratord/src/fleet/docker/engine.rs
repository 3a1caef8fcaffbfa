//! Calls of the engine's API: each with its own deadline, each failure told as what it means for
//! whoever may repeat it.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::ports::Trouble;

/// A connection to an engine, made when it is first needed.
#[derive(Debug)]
pub struct Engine {
    /// `unix://…`; none: `$DOCKER_HOST`, else the usual socket.
    host: Option<String>,
    read_deadline: Duration,
    write_deadline: Duration,
    docker: OnceCell<Docker>,
}

/// What an engine consists of, as it says; `unknown` where it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// The engine.
    pub engine: String,
    /// Its API.
    pub api: String,
    /// What it keeps containers with.
    pub containerd: String,
    /// What it starts them with.
    pub runc: String,
}

impl Default for Engine {
    fn default() -> Self {
        Self::at(None)
    }
}

impl Engine {
    /// An engine behind a socket; none: the one of this machine.
    #[must_use]
    pub fn at(host: Option<String>) -> Self {
        Self {
            host,
            read_deadline: Duration::from_secs(10),
            write_deadline: Duration::from_secs(60),
            docker: OnceCell::new(),
        }
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn with_deadlines(mut self, read: Duration, write: Duration) -> Self {
        self.read_deadline = read;
        self.write_deadline = write;
        self
    }

    /// The connection, with the newest version of the API that both sides speak.
    ///
    /// # Errors
    /// `Later` where the engine does not answer.
    pub async fn docker(&self) -> Result<&Docker, Trouble> {
        self.docker.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Docker, Trouble> {
        let docker = match &self.host {
            Some(host) => Docker::connect_with_host(host),
            None => Docker::connect_with_defaults(),
        };
        let docker = docker.map_err(|error| trouble("be reached", &error, false))?;
        self.read("tell its version", docker.negotiate_version())
            .await
    }

    /// The versions of the engine and of what it starts containers with.
    ///
    /// # Errors
    /// [`Trouble`]
    pub async fn versions(&self) -> Result<Versions, Trouble> {
        let docker = self.docker().await?;
        let found = self.read("tell its version", docker.version()).await?;
        let known = |word: Option<String>| word.unwrap_or_else(|| "unknown".to_owned());
        let components = found.components.unwrap_or_default();
        let of = |name: &str| {
            let found = components.iter().find(|component| component.name == name);
            known(found.map(|component| component.version.clone()))
        };
        Ok(Versions {
            containerd: of("containerd"),
            runc: of("runc"),
            engine: known(found.version),
            api: known(found.api_version),
        })
    }

    /// The id of an image, if it is here.
    pub(super) async fn image_id(&self, image: &str) -> Result<Option<String>, Trouble> {
        let docker = self.docker().await?;
        let found = self
            .look("inspect an image", docker.inspect_image(image))
            .await?;
        Ok(found.and_then(|image| image.id))
    }

    /// A call that changes nothing.
    pub(super) async fn read<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Trouble> {
        match timeout(self.read_deadline, call).await {
            Ok(answer) => answer.map_err(|error| trouble(what, &error, false)),
            Err(_) => Err(Trouble::Later {
                what: hung(what, self.read_deadline),
                until: None,
            }),
        }
    }

    /// A read of something that may not be there.
    pub(super) async fn look<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, Trouble> {
        let call = async {
            match call.await {
                Err(error) if status(&error) == Some(404) => Ok(None),
                answer => answer.map(Some),
            }
        };
        self.read(what, call).await
    }

    /// A call that changes something.
    pub(super) async fn write<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Trouble> {
        match timeout(self.write_deadline, call).await {
            Ok(answer) => answer.map_err(|error| trouble(what, &error, true)),
            Err(_) => Err(Trouble::Unknown {
                what: hung(what, self.write_deadline),
            }),
        }
    }

    /// A change for which one status is no mistake: then none.
    pub(super) async fn write_unless<T>(
        &self,
        expected: u16,
        what: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, Trouble> {
        let call = async {
            match call.await {
                Err(error) if status(&error) == Some(expected) => Ok(None),
                answer => answer.map(Some),
            }
        };
        self.write(what, call).await
    }
}

fn hung(what: &str, deadline: Duration) -> String {
    format!(
        "the Docker engine was asked to {what} and said nothing for {} s",
        deadline.as_secs_f32()
    )
}

fn status(error: &Error) -> Option<u16> {
    if let Error::DockerResponseServerError { status_code, .. } = error {
        Some(*status_code)
    } else {
        None
    }
}

fn trouble(what: &str, error: &Error, writes: bool) -> Trouble {
    let text = if let Error::DockerResponseServerError { message, .. } = error {
        message.trim().to_owned()
    } else {
        chain(error)
    };
    let what = format!("the Docker engine was asked to {what}: {text}");
    match status(error) {
        Some(400..=499) => Trouble::Refused { what },
        None if is_unreached(error) => Trouble::Later { what, until: None },
        Some(_) | None if writes => Trouble::Unknown { what },
        Some(_) | None => Trouble::Later { what, until: None },
    }
}

/// The error and what caused it, each said once.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Whether no byte of the request can have arrived: the socket is not there, or refuses.
fn is_unreached(error: &Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            return matches!(
                io.kind(),
                std::io::ErrorKind::NotFound
                    | std::io::ErrorKind::ConnectionRefused
                    | std::io::ErrorKind::PermissionDenied
            );
        }
        cause = current.source();
    }
    matches!(error, Error::SocketNotFoundError(_))
}
