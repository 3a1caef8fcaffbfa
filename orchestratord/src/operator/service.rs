//! The operator's service.

use std::sync::Arc;

use cloud_code_domain::credential::CredentialType;
use cloud_code_domain::id::{AccountName, ExecutionId};
use cloud_code_domain::operator::Action;
use cloud_code_proto::v1;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::config::{Config, ProjectConfig, RealFiles};
use crate::credentials::Secrets;
use crate::engine::{ActRefusal, Engine, Input, Reply, Stopped, Update};
use crate::fleet::docker::DockerRuntime;
use crate::fleet::doctor::{Subject, doctor};
use crate::logs::Logs;
use crate::mirrors::Mirrors;
use crate::outside::Hands;

use super::metrics::metrics;
use super::peer::operator_of;
use super::{actions, queries, watching};

/// Bytes of a diff that a client is sent.
const DIFF: usize = 400_000;
/// Answers on their way to a client.
const ANSWERS: usize = 256;
/// Events that are read at once.
const EVENTS: usize = 500;

/// What the service needs.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The configuration.
    pub config: Arc<Config>,
    /// The engine.
    pub engine: Engine,
    /// Executions' logs.
    pub logs: Logs,
    /// Where diffs come from.
    pub mirrors: Arc<Mirrors>,
    /// The secrets file.
    pub secrets: Secrets,
    /// The containers' runtime, where there is one.
    pub docker: Option<Arc<DockerRuntime>>,
    /// Each project's tracker and code host.
    pub hands: Arc<Hands>,
    /// The machine's name.
    pub host: String,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct OperatorService(pub Parts);

impl OperatorService {
    /// Whoever says that an account can be used again may have put a new secret into its file.
    async fn read_secret_again(&self, account: &AccountName) -> Result<(), Status> {
        let config = self.0.config.clone();
        let Some(secret) = config.accounts.get(account).map(|one| one.secret.clone()) else {
            return Ok(());
        };
        let read = move || secret.read_again(&config.state_dir, &RealFiles);
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(unfit)) => Err(Status::failed_precondition(format!(
                "the secret of account {account} cannot be used: {unfit}"
            ))),
            Err(_) => Err(Status::internal("its secret could not be read")),
        }
    }
}

fn ending(stopped: Stopped) -> Status {
    Status::unavailable(format!("{stopped}; start orchestratord again"))
}

type Answers<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl v1::operator_server::Operator for OperatorService {
    type WatchStream = Answers<v1::WatchResponse>;
    type LogsStream = Answers<v1::LogsResponse>;
    type EventsStream = Answers<v1::Event>;

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let operator = operator_of(&request)?;
        let client = request.into_inner();
        if client.protocol != cloud_code_proto::PROTOCOL {
            return Err(Status::failed_precondition(format!(
                "cloud-code {} speaks protocol {}, orchestratord {} speaks {}; install the same \
                 version of both",
                client.client_version,
                client.protocol,
                env!("CARGO_PKG_VERSION"),
                cloud_code_proto::PROTOCOL
            )));
        }
        let (to, answers) = mpsc::channel(ANSWERS);
        tokio::spawn(watching::watch(
            self.0.engine.clone(),
            operator,
            self.0.host.clone(),
            to,
        ));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn act(
        &self,
        request: Request<v1::ActRequest>,
    ) -> Result<Response<v1::ActResponse>, Status> {
        let operator = operator_of(&request)?;
        let v1::ActRequest {
            action,
            expected_version,
        } = request.into_inner();
        let action = action.ok_or_else(|| Status::invalid_argument("there is no action in it"))?;
        let action = self
            .0
            .engine
            .read(move |world| actions::action(world, action))
            .await;
        let action = action.map_err(ending)??;
        if let Action::ResumeAccount(account) = &action {
            self.read_secret_again(account).await?;
        }
        let input = Input::Act {
            operator,
            action,
            expected_version,
        };
        match self.0.engine.send(input).await.map_err(ending)? {
            Reply::Acted { message, task } => Ok(Response::new(v1::ActResponse {
                message,
                task: task.map(|task| task.to_string()).unwrap_or_default(),
            })),
            Reply::ActRefused(refusal) => Err(refused(refusal)),
            Reply::Unavailable { why } => Err(Status::unavailable(why)),
            Reply::Ok
            | Reply::Committed { .. }
            | Reply::Gap { .. }
            | Reply::Make(_)
            | Reply::Duplicate
            | Reply::NotWanted
            | Reply::CallAllowed { .. }
            | Reply::CallRefused(_) => Err(Status::internal("the engine answered otherwise")),
        }
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Result<Response<v1::ListTasksResponse>, Status> {
        let request = request.into_inner();
        let listed = self
            .0
            .engine
            .read(move |world| queries::list(world, &request))
            .await;
        listed.map_err(ending)?.map(Response::new)
    }

    async fn get_task(
        &self,
        request: Request<v1::GetTaskRequest>,
    ) -> Result<Response<v1::TaskDetail>, Status> {
        let text = request.into_inner().task;
        let found = self
            .0
            .engine
            .read(move |world| queries::task(world, &text))
            .await;
        let queries::Detail { mut detail, task } = found.map_err(ending)??;
        if let (Some(record), Some(project)) =
            (&task.pull_request, self.0.config.project(&task.project))
        {
            let diff = diff_of(&self.0.mirrors, project, &record.head).await;
            // A diff that cannot be had (its mirror is being made) is shown as none.
            (detail.diff, detail.diff_cut) = diff.unwrap_or_default();
        }
        Ok(Response::new(detail))
    }

    async fn task_events(
        &self,
        request: Request<v1::TaskEventsRequest>,
    ) -> Result<Response<v1::TaskEventsResponse>, Status> {
        let request = request.into_inner();
        let page = self
            .0
            .engine
            .read(move |world| queries::history(world, &request))
            .await;
        page.map_err(ending)?.map(Response::new)
    }

    async fn logs(
        &self,
        request: Request<v1::LogsRequest>,
    ) -> Result<Response<Self::LogsStream>, Status> {
        let request = request.into_inner();
        let executions = self
            .log_of(&request.task, &request.agent, request.execution)
            .await?;
        let (to, answers) = mpsc::channel(ANSWERS);
        tokio::spawn(super::logs::send(self.0.clone(), executions, request, to));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn search_logs(
        &self,
        request: Request<v1::SearchLogsRequest>,
    ) -> Result<Response<v1::SearchLogsResponse>, Status> {
        let request = request.into_inner();
        let executions = self
            .log_of(&request.task, &request.agent, request.execution)
            .await?;
        let found = super::search::search(&self.0.logs, executions, request);
        found.await.map(Response::new)
    }

    async fn events(
        &self,
        request: Request<v1::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        let request = request.into_inner();
        let (to, answers) = mpsc::channel(ANSWERS);
        tokio::spawn(events(self.0.engine.clone(), request, to));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn costs(
        &self,
        request: Request<v1::CostsRequest>,
    ) -> Result<Response<v1::CostsResponse>, Status> {
        let days = request.into_inner().days;
        let costs = self
            .0
            .engine
            .read(move |world| queries::costs(world, days))
            .await;
        costs.map(Response::new).map_err(ending)
    }

    async fn set_secret(
        &self,
        request: Request<v1::SetSecretRequest>,
    ) -> Result<Response<v1::SetSecretResponse>, Status> {
        let operator = operator_of(&request)?;
        let request = request.into_inner();
        let (kind, project) = secret_id(&request.kind, &request.project)?;
        self.0
            .secrets
            .set(kind, &request.scope, project.as_ref(), request.value)?;
        let what = format!("set {} {}", request.kind, request.scope);
        self.secrets_changed(operator, what).await?;
        Ok(Response::new(v1::SetSecretResponse {}))
    }

    async fn list_secrets(
        &self,
        _request: Request<v1::ListSecretsRequest>,
    ) -> Result<Response<v1::ListSecretsResponse>, Status> {
        Ok(Response::new(v1::ListSecretsResponse {
            secrets: self.0.secrets.list(),
        }))
    }

    async fn remove_secret(
        &self,
        request: Request<v1::RemoveSecretRequest>,
    ) -> Result<Response<v1::RemoveSecretResponse>, Status> {
        let operator = operator_of(&request)?;
        let request = request.into_inner();
        let (kind, project) = secret_id(&request.kind, &request.project)?;
        let removed = self
            .0
            .secrets
            .remove(kind, &request.scope, project.as_ref())?;
        let what = format!("removed {} {}", request.kind, request.scope);
        self.secrets_changed(operator, what).await?;
        Ok(Response::new(v1::RemoveSecretResponse { removed }))
    }

    async fn metrics(
        &self,
        _request: Request<v1::MetricsRequest>,
    ) -> Result<Response<v1::MetricsResponse>, Status> {
        let text = self.0.engine.read(metrics).await.map_err(ending)?;
        Ok(Response::new(v1::MetricsResponse { text }))
    }

    async fn doctor(
        &self,
        _request: Request<v1::DoctorRequest>,
    ) -> Result<Response<v1::DoctorResponse>, Status> {
        let checks = doctor(Subject {
            config: &self.0.config,
            docker: self.0.docker.as_deref(),
            mirrors: &self.0.mirrors,
            ports: &self.0.hands.ports,
        });
        let checks = checks.await;
        let checks = checks.into_iter().map(|check| v1::Check {
            name: check.name,
            ok: check.ok,
            found: check.found,
            remedy: check.remedy,
        });
        Ok(Response::new(v1::DoctorResponse {
            checks: checks.collect(),
        }))
    }
}

impl OperatorService {
    /// The executions whose log is asked for.
    async fn log_of(
        &self,
        task: &str,
        agent: &str,
        execution: u32,
    ) -> Result<Vec<ExecutionId>, Status> {
        let (task, agent) = (task.to_owned(), agent.to_owned());
        let executions = self
            .0
            .engine
            .read(move |world| queries::log_of(world, &task, &agent, execution))
            .await;
        executions.map_err(ending)?
    }

    async fn secrets_changed(&self, operator: String, what: String) -> Result<(), Status> {
        let (secrets, version) = self.0.secrets.known();
        self.0
            .engine
            .send(Input::SecretsKnown {
                secrets,
                version,
                change: Some((operator, what)),
            })
            .await
            .map(drop)
            .map_err(ending)
    }
}

/// What a pushed head changes, as unified diff text, and whether it was cut.
async fn diff_of(
    mirrors: &Mirrors,
    project: &ProjectConfig,
    head: &cloud_code_domain::id::Oid,
) -> Option<(String, bool)> {
    let mirror = mirrors.of(&project.name).await.ok()?;
    let default = project.default_branch.parse().ok()?;
    let base = mirror.head(&default).await.ok()??;
    mirror.diff(&base, head, DIFF).await.ok()
}

fn secret_id(
    kind: &str,
    project: &str,
) -> Result<(CredentialType, Option<cloud_code_domain::id::ProjectName>), Status> {
    let invalid =
        |error: cloud_code_domain::id::BadName| Status::invalid_argument(error.to_string());
    let kind = kind.parse().map_err(invalid)?;
    let project = if project.is_empty() {
        None
    } else {
        Some(project.parse().map_err(invalid)?)
    };
    Ok((kind, project))
}

fn refused(refusal: ActRefusal) -> Status {
    match refusal {
        ActRefusal::NotFound(why) => Status::not_found(why),
        ActRefusal::NotPossible(why) => Status::failed_precondition(why),
        ActRefusal::Invalid(why) => Status::invalid_argument(why),
        ActRefusal::Changed { version } => Status::aborted(format!(
            "it has changed since you looked (version {version} now); look again and decide anew"
        )),
    }
}

/// Sends events after a number, then, if wanted, those that come.
async fn events(
    engine: Engine,
    request: v1::EventsRequest,
    to: mpsc::Sender<Result<v1::Event, Status>>,
) {
    let mut since = request.since;
    let mut updates = engine.updates();
    loop {
        let Ok(events) = engine
            .read(move |world| world.store_events(since, EVENTS))
            .await
        else {
            return;
        };
        let all = events.len() < EVENTS;
        for event in events {
            since = event.seq;
            if to.send(Ok(event.into())).await.is_err() {
                return;
            }
        }
        if !all {
            continue;
        }
        if !request.follow {
            return;
        }
        tokio::select! {
            recorded = recorded(&mut updates) => if !recorded {
                return;
            },
            () = to.closed() => return,
        }
    }
}

/// Waits until something was recorded. False where the program is ending.
async fn recorded(updates: &mut broadcast::Receiver<Arc<Update>>) -> bool {
    loop {
        match updates.recv().await {
            Ok(update) if update.events => return true,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}
