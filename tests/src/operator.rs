//! An operator as tests and the demo need one: acts, and waits for a level.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_proto::v1::operator_client::OperatorClient;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

/// A connected operator.
#[derive(Debug, Clone)]
pub struct Operator {
    client: OperatorClient<Channel>,
}

impl Operator {
    /// Connects to a socket; waits until somebody answers there.
    ///
    /// # Errors
    /// Where nobody does before the deadline.
    pub async fn connect(socket: &Path, patience: Duration) -> anyhow::Result<Self> {
        let path: PathBuf = socket.to_owned();
        let endpoint = Endpoint::from_static("http://local");
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let path = path.clone();
            let connector = tower::service_fn(move |_| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            let connected = endpoint.connect_with_connector(connector).await;
            let answered = match connected {
                Ok(channel) => {
                    let client = OperatorClient::new(channel).max_decoding_message_size(64 << 20);
                    let operator = Self { client };
                    operator.snapshot().await.map(|_| operator)
                }
                Err(error) => Err(error.into()),
            };
            match answered {
                Ok(operator) => return Ok(operator),
                Err(error) if tokio::time::Instant::now() > deadline => {
                    return Err(error)
                        .with_context(|| format!("nobody answers on {}", socket.display()));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Carries out an action; what follows, and the task.
    ///
    /// # Errors
    /// What the orchestrator refuses with.
    pub async fn act(&self, action: Action) -> anyhow::Result<v1::ActResponse> {
        let request = v1::ActRequest {
            action: Some(v1::Action {
                action: Some(action),
            }),
            expected_version: 0,
        };
        let answer = self.client.clone().act(request).await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| anyhow::anyhow!("{}", status.message()))
    }

    /// Makes a task; its id.
    ///
    /// # Errors
    /// As [`Operator::act`].
    pub async fn new_task(
        &self,
        project: &str,
        title: &str,
        description: &str,
    ) -> anyhow::Result<String> {
        let new = v1::NewTask {
            project: project.into(),
            title: title.into(),
            description: description.into(),
            priority: None,
        };
        Ok(self.act(Action::NewTask(new)).await?.task)
    }

    /// A task in full.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn task(&self, id: &str) -> anyhow::Result<v1::TaskDetail> {
        let answer = self
            .client
            .clone()
            .get_task(v1::GetTaskRequest { task: id.into() })
            .await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| anyhow::anyhow!("{}", status.message()))
    }

    /// A page of a task's history: the newest events before a number, 0 for the end.
    ///
    /// # Errors
    /// Where there is no such task.
    pub async fn history(
        &self,
        task: &str,
        before: u64,
        limit: u32,
    ) -> anyhow::Result<v1::TaskEventsResponse> {
        let request = v1::TaskEventsRequest {
            task: task.into(),
            before,
            limit,
        };
        Ok(self.client.clone().task_events(request).await?.into_inner())
    }

    /// Which lines of a task's logs have a text.
    ///
    /// # Errors
    /// What the orchestrator refuses with.
    pub async fn search(&self, task: &str, text: &str) -> anyhow::Result<v1::SearchLogsResponse> {
        let request = v1::SearchLogsRequest {
            task: task.to_owned(),
            text: text.to_owned(),
            ..v1::SearchLogsRequest::default()
        };
        let found = self.client.clone().search_logs(request).await;
        Ok(found?.into_inner())
    }

    /// The log of a task's executions, and how many lines are missing from it.
    ///
    /// # Errors
    /// Where there is none, or the link breaks.
    pub async fn log(&self, task: &str) -> anyhow::Result<(Vec<String>, u64)> {
        let request = v1::LogsRequest {
            task: task.into(),
            ..v1::LogsRequest::default()
        };
        let mut pages = self.client.clone().logs(request).await?.into_inner();
        let (mut lines, mut lost) = (Vec::new(), 0);
        while let Some(page) = pages.message().await? {
            lines.extend(page.lines.into_iter().map(|line| line.text));
            lost += page.dropped;
        }
        Ok((lines, lost))
    }

    /// Everything as it is now.
    ///
    /// # Errors
    /// Where the link breaks.
    pub async fn snapshot(&self) -> anyhow::Result<v1::Snapshot> {
        let request = v1::WatchRequest {
            protocol: cloud_code_proto::PROTOCOL,
            client_version: env!("CARGO_PKG_VERSION").into(),
        };
        let mut stream = self.client.clone().watch(request).await?.into_inner();
        match stream.message().await?.and_then(|first| first.message) {
            Some(v1::watch_response::Message::Snapshot(snapshot)) => Ok(snapshot),
            Some(v1::watch_response::Message::Change(_)) | None => bail!("no snapshot came first"),
        }
    }

    /// Every change from now on.
    ///
    /// # Errors
    /// Where the link breaks.
    pub async fn changes(&self) -> anyhow::Result<Changes> {
        let request = v1::WatchRequest {
            protocol: cloud_code_proto::PROTOCOL,
            client_version: env!("CARGO_PKG_VERSION").into(),
        };
        let stream = self.client.clone().watch(request).await?.into_inner();
        Ok(Changes(stream))
    }

    /// All tasks, finished ones too.
    ///
    /// # Errors
    /// Where the link breaks.
    pub async fn tasks(&self) -> anyhow::Result<Vec<v1::Task>> {
        let request = v1::ListTasksRequest::default();
        Ok(self
            .client
            .clone()
            .list_tasks(request)
            .await?
            .into_inner()
            .tasks)
    }

    /// Stores a secret.
    ///
    /// # Errors
    /// What the orchestrator refuses with.
    pub async fn set_secret(
        &self,
        kind: &str,
        scope: &str,
        project: &str,
        value: &str,
    ) -> anyhow::Result<()> {
        let request = v1::SetSecretRequest {
            kind: kind.into(),
            scope: scope.into(),
            project: project.into(),
            value: value.as_bytes().to_vec(),
        };
        self.client.clone().set_secret(request).await?;
        Ok(())
    }

    /// Waits until the task is as `level` says; the task then. Looks whenever something changed.
    ///
    /// # Errors
    /// Where it is not before the deadline: with what it is.
    pub async fn wait_for(
        &self,
        id: &str,
        what: &str,
        patience: Duration,
        level: impl Fn(&v1::Task) -> bool,
    ) -> anyhow::Result<v1::Task> {
        let mut last = None;
        let wait = async {
            let mut events = self
                .client
                .clone()
                .events(v1::EventsRequest {
                    since: 0,
                    follow: true,
                })
                .await?
                .into_inner();
            loop {
                if let Some(task) = self.task(id).await?.task {
                    if level(&task) {
                        return anyhow::Ok(task);
                    }
                    last = Some(task);
                }
                // Something may change without an event; a second look costs little.
                let next = tokio::time::timeout(Duration::from_millis(500), events.message());
                if let Ok(ended) = next.await
                    && ended?.is_none()
                {
                    bail!("the events ended");
                }
            }
        };
        let waited = tokio::time::timeout(patience, wait).await;
        waited.unwrap_or_else(|_| match last {
            Some(task) => bail!(
                "task {id} did not become {what} within {} s: it is {} ({}) {} {}",
                patience.as_secs(),
                task.state,
                task.state_detail,
                task.blocked_reason,
                task.last_error
            ),
            None => bail!("task {id} was never seen"),
        })
    }
}

/// What an operator who watches is told.
#[derive(Debug)]
pub struct Changes(tonic::Streaming<v1::WatchResponse>);

impl Changes {
    /// The next change.
    ///
    /// # Errors
    /// Where the link breaks.
    pub async fn next(&mut self) -> anyhow::Result<v1::Change> {
        loop {
            let told = self.0.message().await?.context("the changes ended")?;
            if let Some(v1::watch_response::Message::Change(change)) = told.message {
                return Ok(change);
            }
        }
    }
}
