//! A daemon that serves the fleet of [`super::synthetic`] and remembers what was asked of it.

use std::collections::VecDeque;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use cloud_code_proto::v1;
use cloud_code_proto::v1::operator_server::{Operator, OperatorServer};
use futures_util::{Stream, StreamExt, stream};
use tokio::net::UnixListener;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{BroadcastStream, UnixListenerStream};
use tonic::{Request, Response, Status};

use super::synthetic;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What the daemon holds.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// The clock.
    pub(crate) now: i64,
    /// What it was asked to do.
    pub(crate) acted: Mutex<Vec<v1::ActRequest>>,
    /// What it answers to the next actions; without one it says that it did it.
    pub(crate) refusals: Mutex<VecDeque<Status>>,
    /// The secrets that were stored.
    pub(crate) secrets: Mutex<Vec<v1::SetSecretRequest>>,
    /// The fleet.
    pub(crate) snapshot: Mutex<v1::Snapshot>,
    changes: Mutex<broadcast::Sender<v1::Change>>,
}

impl Daemon {
    /// A daemon with the synthetic fleet.
    pub(crate) fn new(now: i64) -> Arc<Self> {
        Self::with(synthetic::snapshot(now), now)
    }

    /// A daemon with a fleet of one's own.
    pub(crate) fn with(snapshot: v1::Snapshot, now: i64) -> Arc<Self> {
        Arc::new(Self {
            now,
            acted: Mutex::default(),
            refusals: Mutex::default(),
            secrets: Mutex::default(),
            snapshot: Mutex::new(snapshot),
            changes: Mutex::new(broadcast::Sender::new(256)),
        })
    }

    /// Tells every client of a change.
    pub(crate) fn change(&self, change: v1::Change) {
        // Nobody may be listening.
        let _listeners = self.changes.lock().expect("not poisoned").send(change);
    }

    /// Ends every stream that is open.
    #[cfg_attr(not(test), expect(dead_code, reason = "the example never does"))]
    pub(crate) fn hang_up(&self) {
        *self.changes.lock().expect("not poisoned") = broadcast::Sender::new(256);
    }

    /// Listens on a socket until the handle is aborted.
    pub(crate) fn serve(self: &Arc<Self>, path: &Path) -> JoinHandle<()> {
        let listener = UnixListener::bind(path).expect("a socket");
        let service = OperatorServer::new(Service(Arc::clone(self)));
        tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(UnixListenerStream::new(listener))
                .await
                .expect("a server");
        })
    }

    /// Moves a task on, as far as a screen can tell.
    fn carry_out(&self, action: &v1::action::Action) -> (String, String) {
        use v1::action::Action;
        let (id, state, message) = match action {
            Action::Accept(id) => (id, "pending", "it waits for an agent"),
            Action::Reject(id) | Action::Cancel(id) => (id, "cancelled", "it has ended"),
            Action::Retry(id) => (id, "pending", "it is tried again"),
            Action::Merge(id) => (id, "completed", "its pull request is merged"),
            Action::Pass(id) => (id, "in_progress", "its result is published"),
            Action::NewTask(task) => {
                return (format!("made {}", task.title), "c2j3e4gh".to_owned());
            }
            Action::SetPriority(set) => {
                return (format!("priority {}", set.priority), set.task.clone());
            }
            Action::Steer(steer) => {
                return (
                    "the agent reads it at its next step".to_owned(),
                    steer.task.clone(),
                );
            }
            Action::Reassign(_)
            | Action::Close(_)
            | Action::SetCostLimit(_)
            | Action::SetTokenLimit(_)
            | Action::Approve(_)
            | Action::Deny(_)
            | Action::Halt(_)
            | Action::Resume(_)
            | Action::ResumeAccount(_) => return ("done".to_owned(), String::new()),
        };
        let mut snapshot = self.snapshot.lock().expect("not poisoned");
        let found = snapshot.tasks.iter_mut().find(|task| task.id == *id);
        if let Some(task) = found {
            task.state = state.to_owned();
            task.state_detail.clear();
            task.needs_operator = false;
            task.version += 1;
            self.change(v1::Change {
                seq: 18_205,
                tasks: vec![task.clone()],
                ..v1::Change::default()
            });
        }
        (message.to_owned(), id.clone())
    }
}

struct Service(Arc<Daemon>);

#[tonic::async_trait]
impl Operator for Service {
    type WatchStream = Answers<v1::WatchResponse>;
    type LogsStream = Answers<v1::LogsResponse>;
    type EventsStream = Answers<v1::Event>;

    async fn watch(
        &self,
        _request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let changes =
            BroadcastStream::new(self.0.changes.lock().expect("not poisoned").subscribe());
        let snapshot = self.0.snapshot.lock().expect("not poisoned").clone();
        let message = |message| v1::WatchResponse {
            message: Some(message),
        };
        let first = message(v1::watch_response::Message::Snapshot(snapshot));
        let rest = changes.filter_map(move |change| async move {
            let change = v1::watch_response::Message::Change(change.ok()?);
            Some(Ok(message(change)))
        });
        let all = stream::once(async { Ok(first) }).chain(rest);
        Ok(Response::new(Box::pin(all)))
    }

    async fn act(
        &self,
        request: Request<v1::ActRequest>,
    ) -> Result<Response<v1::ActResponse>, Status> {
        let request = request.into_inner();
        self.0
            .acted
            .lock()
            .expect("not poisoned")
            .push(request.clone());
        if let Some(refusal) = self.0.refusals.lock().expect("not poisoned").pop_front() {
            return Err(refusal);
        }
        let action = request.action.and_then(|action| action.action);
        let action = action.ok_or_else(|| Status::invalid_argument("no action"))?;
        let (message, task) = self.0.carry_out(&action);
        Ok(Response::new(v1::ActResponse { message, task }))
    }

    async fn list_tasks(
        &self,
        request: Request<v1::ListTasksRequest>,
    ) -> Result<Response<v1::ListTasksResponse>, Status> {
        let wanted = request.into_inner().states;
        let mut tasks = self.0.snapshot.lock().expect("not poisoned").tasks.clone();
        tasks.retain(|task| wanted.is_empty() || wanted.contains(&task.state));
        let total = u64::try_from(tasks.len()).unwrap_or(0);
        Ok(Response::new(v1::ListTasksResponse { tasks, total }))
    }

    async fn get_task(
        &self,
        request: Request<v1::GetTaskRequest>,
    ) -> Result<Response<v1::TaskDetail>, Status> {
        let id = request.into_inner().task;
        let detail = synthetic::detail(&id, self.0.now);
        let missing = || Status::not_found(format!("no task {id:?}"));
        detail.map(Response::new).ok_or_else(missing)
    }

    async fn task_events(
        &self,
        request: Request<v1::TaskEventsRequest>,
    ) -> Result<Response<v1::TaskEventsResponse>, Status> {
        let request = request.into_inner();
        // Small pages: whoever wants all has to ask more than once.
        let limit = u64::from(request.limit).min(3);
        let events = synthetic::history(&request.task, request.before, limit, self.0.now);
        let events_before = events.first().map_or(0, |event| event.seq - 18_000);
        Ok(Response::new(v1::TaskEventsResponse {
            events,
            events_before,
        }))
    }

    async fn logs(
        &self,
        request: Request<v1::LogsRequest>,
    ) -> Result<Response<Self::LogsStream>, Status> {
        let first = v1::LogsResponse {
            execution: "s6y9v7mn-2".to_owned(),
            lines: synthetic::log(self.0.now),
            ..v1::LogsResponse::default()
        };
        let first = stream::once(async { Ok(first) });
        if request.into_inner().follow {
            // It goes on until the daemon hangs up.
            let changes = self.0.changes.lock().expect("not poisoned").subscribe();
            let rest = BroadcastStream::new(changes).filter_map(|_| async { None });
            return Ok(Response::new(Box::pin(first.chain(rest))));
        }
        Ok(Response::new(Box::pin(first)))
    }

    async fn search_logs(
        &self,
        request: Request<v1::SearchLogsRequest>,
    ) -> Result<Response<v1::SearchLogsResponse>, Status> {
        let text = request.into_inner().text;
        let lines = (0..).zip(synthetic::log(self.0.now));
        let hits = lines.filter(|(_, line)| line.text.contains(&text));
        let hits = hits.map(|(number, line)| v1::LogHit {
            execution: "s6y9v7mn-2".to_owned(),
            number,
            line: Some(line),
        });
        let hits: Vec<v1::LogHit> = hits.collect();
        Ok(Response::new(v1::SearchLogsResponse {
            total: 2 * hits.len() as u64,
            hits,
            unread: 3,
        }))
    }

    async fn events(
        &self,
        request: Request<v1::EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        let since = request.into_inner().since;
        let mut events = self.0.snapshot.lock().expect("not poisoned").events.clone();
        events.retain(|event| event.seq > since);
        Ok(Response::new(Box::pin(stream::iter(
            events.into_iter().map(Ok),
        ))))
    }

    async fn costs(
        &self,
        _request: Request<v1::CostsRequest>,
    ) -> Result<Response<v1::CostsResponse>, Status> {
        let rows = synthetic::costs();
        Ok(Response::new(v1::CostsResponse { rows }))
    }

    async fn set_secret(
        &self,
        request: Request<v1::SetSecretRequest>,
    ) -> Result<Response<v1::SetSecretResponse>, Status> {
        self.0
            .secrets
            .lock()
            .expect("not poisoned")
            .push(request.into_inner());
        Ok(Response::new(v1::SetSecretResponse {}))
    }

    async fn list_secrets(
        &self,
        _request: Request<v1::ListSecretsRequest>,
    ) -> Result<Response<v1::ListSecretsResponse>, Status> {
        let stored = self.0.secrets.lock().expect("not poisoned");
        let secrets = stored.iter().map(|secret| v1::Secret {
            kind: secret.kind.clone(),
            scope: secret.scope.clone(),
            project: secret.project.clone(),
            updated_at_ms: self.0.now,
        });
        let secrets = secrets.collect();
        Ok(Response::new(v1::ListSecretsResponse { secrets }))
    }

    async fn remove_secret(
        &self,
        _request: Request<v1::RemoveSecretRequest>,
    ) -> Result<Response<v1::RemoveSecretResponse>, Status> {
        Ok(Response::new(v1::RemoveSecretResponse { removed: false }))
    }

    async fn metrics(
        &self,
        _request: Request<v1::MetricsRequest>,
    ) -> Result<Response<v1::MetricsResponse>, Status> {
        let text = "# TYPE cloud_code_tasks gauge\n# EOF\n".to_owned();
        Ok(Response::new(v1::MetricsResponse { text }))
    }

    async fn doctor(
        &self,
        _request: Request<v1::DoctorRequest>,
    ) -> Result<Response<v1::DoctorResponse>, Status> {
        let check = |name: &str, ok: bool, found: &str, remedy: &str| v1::Check {
            name: name.to_owned(),
            ok,
            found: found.to_owned(),
            remedy: remedy.to_owned(),
        };
        let checks = vec![
            check("store", true, "schema 1, 4 MiB", ""),
            check(
                "docker",
                false,
                "no engine answers",
                "systemctl start docker",
            ),
        ];
        Ok(Response::new(v1::DoctorResponse { checks }))
    }
}
