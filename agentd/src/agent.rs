//! The agent: takes the host's messages in order and keeps one execution running.
//!
//! ```text
//!  link ──▶ agent ──▶ execution (one at a time)
//!                └──▶ chores, in order: results out, published heads, tasks to clean
//! ```
//!
//! Nothing here waits for long: what takes time is a task of its own. An execution begins after the
//! chores that were asked for before it, so a published head has moved the branch by then.

mod chores;

use std::collections::BTreeSet;

use cloud_code_domain::execution::FailureCause;
use cloud_code_domain::id::{RequestId, TaskId};
use cloud_code_proto::v1;
use cloud_code_proto::v1::from_agent::Message as Outgoing;
use cloud_code_proto::v1::record::Body;
use cloud_code_proto::v1::to_agent::Message as Incoming;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroize;

use crate::app::Parts;
use crate::execution::job::Job;
use crate::execution::scene::Control;
use crate::execution::verdict::{Stop, stop_ended};
use crate::execution::{self};
use crate::session::spool::SpoolError;
use crate::session::{FromHost, chain};
use chores::Chore;

/// Controls and chores that wait at most.
const WAITING: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Agent {
    parts: Parts,
    inbox: mpsc::Receiver<FromHost>,
    current: Option<Current>,
    /// An assignment that waits for the end of the one before.
    next: Option<v1::Assign>,
    /// Tasks to clean once their execution has ended.
    to_clean: BTreeSet<TaskId>,
    running: JoinSet<Result<(), SpoolError>>,
    chores: mpsc::Sender<Chore>,
}

#[derive(Debug)]
struct Current {
    execution: String,
    task: TaskId,
    control: mpsc::Sender<Control>,
}

impl Agent {
    /// The agent, and the worker of its chores.
    pub(crate) fn new(
        parts: Parts,
        inbox: mpsc::Receiver<FromHost>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (chores, waiting) = mpsc::channel(WAITING);
        let worker = chores::work(parts.clone(), waiting);
        let agent = Self {
            parts,
            inbox,
            current: None,
            next: None,
            to_clean: BTreeSet::new(),
            running: JoinSet::new(),
            chores,
        };
        (agent, worker)
    }

    /// Works until the link ends, the spool fails, or `stop`: then the running execution is ended.
    pub(crate) async fn work(mut self, stop: CancellationToken) -> Result<(), SpoolError> {
        self.parts.spares.rest();
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.shut_down().await,
                Some(ended) = self.running.join_next() => self.ended(ended).await?,
                message = self.inbox.recv() => match message {
                    Some(FromHost::Up) => self.parts.requests.ask_again(&self.parts.answers).await,
                    Some(FromHost::Message(message)) => self.take(*message).await?,
                    None => return self.shut_down().await,
                },
            }
        }
    }

    async fn shut_down(mut self) -> Result<(), SpoolError> {
        self.next = None;
        self.stop_current(Stop::Shutdown).await;
        while let Some(ended) = self.running.join_next().await {
            self.ended(ended).await?;
        }
        Ok(())
    }

    async fn take(&mut self, message: Incoming) -> Result<(), SpoolError> {
        match message {
            Incoming::Assign(assign) => self.assign(assign).await,
            Incoming::Cancel(cancel) => self.cancel(&cancel).await,
            Incoming::Steer(steer) => {
                self.steer(steer).await;
                Ok(())
            }
            Incoming::Base(chunk) => {
                self.parts.requests.feed(&chunk);
                Ok(())
            }
            Incoming::BaseFailed(failed) => {
                self.parts.requests.fail(failed);
                Ok(())
            }
            Incoming::RequestResult(request) => {
                self.chore(Chore::Result(request)).await;
                Ok(())
            }
            Incoming::Published(published) => {
                self.chore(Chore::Published(published)).await;
                Ok(())
            }
            Incoming::CleanTask(clean) => {
                self.clean(&clean.task).await;
                Ok(())
            }
            Incoming::Credential(credential) => {
                self.hold(credential).await;
                Ok(())
            }
            Incoming::WithdrawCredential(withdraw) => {
                self.withdraw(&withdraw);
                Ok(())
            }
            Incoming::Welcome(_) | Incoming::Ack(_) => {
                tracing::warn!("a message came out of its order and was skipped");
                Ok(())
            }
        }
    }

    async fn assign(&mut self, assign: v1::Assign) -> Result<(), SpoolError> {
        let known = |current: &Current| current.execution == assign.execution;
        if self.current.as_ref().is_some_and(known) || self.parts.spool.has_ended(&assign.execution)
        {
            return Ok(());
        }
        if self.current.is_some() {
            tracing::info!(
                execution_id = assign.execution,
                "another execution takes over"
            );
            self.next = Some(assign);
            self.stop_current(Stop::Superseded).await;
            return Ok(());
        }
        self.start(assign).await
    }

    async fn start(&mut self, assign: v1::Assign) -> Result<(), SpoolError> {
        let execution = assign.execution.clone();
        let job = match Job::try_from(assign) {
            Ok(job) => job,
            Err(error) => {
                tracing::error!(execution_id = execution, "{error}");
                let cause = FailureCause::WorkspaceUnavailable;
                let ended = v1::Ended::failed(&cause, error.to_string());
                return self.say_ended(&execution, ended).await;
            }
        };
        tracing::info!(execution_id = execution, "an execution begins");
        let (control, controls) = mpsc::channel(WAITING);
        self.parts.busy.set(&execution);
        self.current = Some(Current {
            execution,
            task: job.execution.task.clone(),
            control,
        });
        let (done, chores_done) = oneshot::channel();
        self.chore(Chore::Tell(done)).await;
        let parts = self.parts.clone();
        self.running.spawn(async move {
            // What the host asked for before comes first. A worker that is gone asks for nothing.
            drop(chores_done.await);
            execution::execute(&parts, job, controls).await
        });
        Ok(())
    }

    async fn ended(
        &mut self,
        ended: Result<Result<(), SpoolError>, tokio::task::JoinError>,
    ) -> Result<(), SpoolError> {
        let current = self.current.take();
        self.parts.busy.set("");
        match ended {
            Ok(outcome) => outcome?,
            Err(error) => {
                tracing::error!(%error, "an execution broke");
                if let Some(current) = &current {
                    let text = "agentd failed while it ran".to_owned();
                    let ended = v1::Ended::failed(&FailureCause::AgentLost, text);
                    self.say_ended(&current.execution, ended).await?;
                }
            }
        }
        if let Some(current) = current
            && self.to_clean.remove(&current.task)
        {
            self.chore(Chore::Clean(current.task)).await;
        }
        match self.next.take() {
            Some(assign) => self.start(assign).await,
            None => {
                self.parts.spares.rest();
                Ok(())
            }
        }
    }

    async fn say_ended(&self, execution: &str, ended: v1::Ended) -> Result<(), SpoolError> {
        let body = Body::Ended(ended);
        self.parts.spool.append(execution, body).await.map(drop)
    }

    async fn cancel(&mut self, cancel: &v1::Cancel) -> Result<(), SpoolError> {
        let stop = Stop::Cancel(cancel.reason());
        if let Some(next) = self.next.take_if(|next| next.execution == cancel.execution) {
            return self.say_ended(&next.execution, stop_ended(stop, "")).await;
        }
        match &self.current {
            Some(current) if current.execution == cancel.execution => {
                self.stop_current(stop).await;
                Ok(())
            }
            // Its end is on its way.
            Some(_) | None if self.parts.spool.has_ended(&cancel.execution) => Ok(()),
            // The assignment never came, or this agentd lost its memory: the host has to know.
            Some(_) | None => {
                self.say_ended(&cancel.execution, stop_ended(stop, ""))
                    .await
            }
        }
    }

    async fn steer(&self, steer: v1::Steer) {
        let Some(message) = steer.message else {
            return;
        };
        let control = Control::Steer {
            number: steer.number,
            message,
        };
        self.tell(&steer.execution, control).await;
    }

    async fn stop_current(&self, stop: Stop) {
        if let Some(current) = &self.current {
            self.tell(&current.execution, Control::Stop(stop)).await;
        }
    }

    /// Tells the current execution, if it is this one. One that just ended hears nothing more: the
    /// host keeps what was not delivered.
    async fn tell(&self, execution: &str, control: Control) {
        let current = self.current.as_ref();
        if let Some(current) = current.filter(|current| current.execution == execution)
            && current.control.send(control).await.is_err()
        {
            tracing::debug!(
                execution_id = execution,
                "an execution ended before it heard"
            );
        }
    }

    async fn clean(&mut self, task: &str) {
        let Ok(task) = task.parse::<TaskId>() else {
            tracing::warn!(task, "a task without a valid id cannot be cleaned");
            return;
        };
        match &self.current {
            Some(current) if current.task == task => {
                self.to_clean.insert(task);
                self.stop_current(Stop::Cancel(v1::CancelReason::Cancelled))
                    .await;
            }
            Some(_) | None => self.chore(Chore::Clean(task)).await,
        }
    }

    async fn hold(&self, mut credential: v1::Credential) {
        let held = credential
            .request
            .parse::<RequestId>()
            .map_err(|error| error.to_string())
            .and_then(|request| {
                self.parts
                    .credentials
                    .hold(&request, &credential.env, &credential.secret)
                    .map(|()| request)
                    .map_err(|error| chain(&error))
            });
        credential.secret.zeroize();
        let request = match held {
            Ok(request) => request,
            Err(error) => {
                tracing::error!(request = credential.request, error, "a secret is not held");
                return;
            }
        };
        if let Some(current) = &self.current
            && current.task == request.task
        {
            let control = Control::Granted {
                label: credential.label,
                kind: credential.kind,
                variable: credential.env,
            };
            self.tell(&current.execution, control).await;
        }
        let request = credential.request;
        let held = Outgoing::CredentialHeld(v1::CredentialHeld { request });
        self.parts.answers.send(held).await;
    }

    fn withdraw(&self, withdraw: &v1::WithdrawCredential) {
        let withdrawn = withdraw
            .request
            .parse::<RequestId>()
            .map_err(|error| error.to_string())
            .and_then(|request| {
                self.parts
                    .credentials
                    .withdraw(&request)
                    .map_err(|error| chain(&error))
            });
        if let Err(error) = withdrawn {
            tracing::error!(
                request = withdraw.request,
                error,
                "a secret is not withdrawn"
            );
        }
    }

    async fn chore(&self, chore: Chore) {
        if self.chores.send(chore).await.is_err() {
            tracing::error!("the worker of chores is gone");
        }
    }
}
