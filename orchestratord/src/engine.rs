//! The engine: the single writer of the orchestrator's state.
//!
//! ```text
//!  inputs ─▶ [apply, apply, …] ─▶ follow up ─▶ ONE commit ─▶ replies, then everybody who watches
//! ```
//!
//! It is a thread of its own: nothing waits while state changes. Inputs that have queued up are
//! applied as one group and committed with one fsync; nothing is acknowledged before that. Where the
//! commit fails, the group never happened: the world is loaded again from the store, and every
//! sender is told.

mod again;
mod apply;
mod desk;
mod effect;
mod input;
mod meters;
mod orders;
mod outbox;
mod schedule;
#[cfg(test)]
mod tests;
mod update;
mod world;

pub use effect::{Effect, EffectRecord, EffectState, Outcome};
pub use input::{
    ActRefusal, Answer, CallRefusal, Done, Ended, EndedHow, Facts, Hello, Input, Inspected,
    RecordBody, Reply, SecretId,
};
pub use orders::{CredentialOrder, Orders};
pub use outbox::{Outside, run as run_outbox};
pub use schedule::Wait;
pub use update::Update;
#[cfg(test)]
pub(crate) use world::Random;
pub use world::{Live, World};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud_code_domain::time::Timestamp;
use cloud_code_proto::v1;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::config::Config;
use crate::failpoint::failpoint;
use crate::store::{Store, StoreError};

use desk::Desk;

/// Inputs that wait for the engine at most; more wait at their senders.
const QUEUE: usize = 4_096;
/// With so many inputs a group takes no more. What many of them change is written once: with a
/// thousand agents that is a quarter of what four groups would write.
const GROUP: usize = 1_024;
/// Updates that a slow watcher may lag behind before it has to begin anew.
const WATCH: usize = 1_024;

type Read = Box<dyn FnOnce(&World) + Send>;

/// What the engine is sent.
enum Mail {
    Inputs(Vec<Input>, oneshot::Sender<Vec<Reply>>),
    Read(Read),
    Stop,
}

/// A handle to the engine.
#[derive(Clone, Debug)]
pub struct Engine {
    mail: mpsc::Sender<Mail>,
    updates: broadcast::Sender<Arc<Update>>,
    changes: broadcast::Sender<Arc<v1::Change>>,
    desk: Desk,
    deadline: watch::Receiver<Option<Timestamp>>,
}

/// The engine has stopped: the program is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine has stopped")]
pub struct Stopped;

/// How the engine gets at its clock and its store.
pub struct Foundations {
    /// The configuration.
    pub config: Arc<Config>,
    /// The open store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// A random seed.
    pub seed: u64,
}

impl std::fmt::Debug for Foundations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Foundations").finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads the world and starts the engine's thread.
    ///
    /// # Errors
    /// [`StoreError`] where the store does not read or the first commit fails.
    pub fn start(foundations: Foundations) -> Result<(Self, Joined), StoreError> {
        let Foundations {
            config,
            store,
            clock,
            seed,
        } = foundations;
        let world = World::load(config, Arc::new(store), seed, clock())?;
        let (mail, inbox) = mpsc::channel(QUEUE);
        let (updates, _) = broadcast::channel(WATCH);
        let (changes, _) = broadcast::channel(WATCH);
        let (deadline_sender, deadline) = watch::channel(None);
        let desk = Desk::default();
        let mut writer = Writer {
            world,
            clock,
            updates: updates.clone(),
            changes: changes.clone(),
            desk: desk.clone(),
            deadline: deadline_sender,
            closed: false,
        };
        writer.world.follow_up();
        writer.commit()?;
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || writer.run(inbox))
            .map_err(|source| StoreError::File {
                what: "cannot start the engine's thread",
                path: PathBuf::new(),
                source,
            })?;
        Ok((
            Self {
                mail,
                updates,
                changes,
                desk,
                deadline,
            },
            Joined(thread),
        ))
    }

    /// Sends an input; the reply comes when everything that it changed is durable.
    ///
    /// # Errors
    /// [`Stopped`] where the program is ending.
    pub async fn send(&self, input: Input) -> Result<Reply, Stopped> {
        let replies = self.post(vec![input]).await?.await.map_err(|_| Stopped)?;
        replies.into_iter().next().ok_or(Stopped)
    }

    /// Sends inputs that are applied in this order and become durable together, without waiting for
    /// their replies, which come at once as well.
    ///
    /// # Errors
    /// [`Stopped`] where the program is ending.
    pub async fn post(&self, inputs: Vec<Input>) -> Result<oneshot::Receiver<Vec<Reply>>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.mail
            .send(Mail::Inputs(inputs, reply))
            .await
            .map_err(|_| Stopped)?;
        Ok(answer)
    }

    /// Reads the world between two commits.
    ///
    /// # Errors
    /// [`Stopped`] where the program is ending.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&World) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let read = Box::new(move |world: &World| {
            // A reader that went away needs no answer.
            let _gone = reply.send(read(world));
        });
        self.mail
            .send(Mail::Read(read))
            .await
            .map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Reads the world, and every change after it, without a gap between.
    ///
    /// # Errors
    /// [`Stopped`] where the program is ending.
    pub async fn watch<T: Send + 'static>(
        &self,
        read: impl FnOnce(&World) -> T + Send + 'static,
    ) -> Result<(T, broadcast::Receiver<Arc<v1::Change>>), Stopped> {
        let changes = self.changes.clone();
        self.read(move |world| {
            let receiver = changes.subscribe();
            (read(world), receiver)
        })
        .await
    }

    /// What an agent has to be told, and every change of it, without a gap between. Another link of
    /// the agent that still hears of them does so no longer.
    ///
    /// # Errors
    /// [`Stopped`] where the program is ending.
    pub async fn orders(
        &self,
        agent: &cloud_code_domain::id::AgentId,
    ) -> Result<(Orders, broadcast::Receiver<Orders>), Stopped> {
        let (desk, agent) = (self.desk.clone(), agent.clone());
        self.read(move |world| {
            let orders = world.orders(&agent);
            let changes = desk.listen(agent, orders.clone());
            (orders, changes)
        })
        .await
    }

    /// Updates from now on.
    #[must_use]
    pub fn updates(&self) -> broadcast::Receiver<Arc<Update>> {
        self.updates.subscribe()
    }

    /// Ends the engine when everything sent before is committed.
    pub async fn stop(&self) {
        // It may have stopped already.
        let _stopped = self.mail.send(Mail::Stop).await;
    }

    /// Sends a tick whenever something becomes due by itself.
    pub async fn keep_time(self, clock: Arc<dyn Fn() -> Timestamp + Send + Sync>) {
        let mut deadline = self.deadline.clone();
        loop {
            let next = *deadline.borrow_and_update();
            // A clock that is set forward is noticed within the minute.
            let wait = next.map_or(Duration::from_secs(60), |at| at.since(clock()));
            tokio::select! {
                () = tokio::time::sleep(wait.min(Duration::from_secs(60))) => {
                    if self.send(Input::Tick).await.is_err() {
                        return;
                    }
                }
                changed = deadline.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// What is finished together: inputs with what is said to them, then those who want to read. Readers
/// see what is committed only; that they wait for the end of the group makes no two commits of one.
#[derive(Default)]
struct Group {
    inputs: usize,
    replies: Replies,
    reads: Vec<Read>,
}

impl Group {
    fn len(&self) -> usize {
        self.inputs.saturating_add(self.reads.len())
    }
}

type Replies = Vec<(oneshot::Sender<Vec<Reply>>, Vec<Reply>)>;

/// The engine's thread.
#[derive(Debug)]
pub struct Joined(std::thread::JoinHandle<()>);

impl Joined {
    /// Waits until the engine has stopped; true where it stopped well.
    pub fn wait(self) -> bool {
        self.0.join().is_ok()
    }
}

struct Writer {
    world: World,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    updates: broadcast::Sender<Arc<Update>>,
    changes: broadcast::Sender<Arc<v1::Change>>,
    desk: Desk,
    deadline: watch::Sender<Option<Timestamp>>,
    /// The store failed and could not be opened again yet.
    closed: bool,
}

impl Writer {
    fn run(mut self, mut inbox: mpsc::Receiver<Mail>) {
        let mut group = Group::default();
        while let Some(first) = inbox.blocking_recv() {
            if self.closed {
                self.reload();
            }
            let mut next = Some(first);
            let mut stop = false;
            while let Some(mail) = next {
                match mail {
                    Mail::Inputs(inputs, reply) => {
                        self.world.clock_shows((self.clock)());
                        group.inputs = group.inputs.saturating_add(inputs.len());
                        let said = inputs.into_iter().map(|input| {
                            let said = self.world.apply(input);
                            failpoint!("group::mid");
                            said
                        });
                        group.replies.push((reply, said.collect()));
                    }
                    Mail::Read(read) => group.reads.push(read),
                    Mail::Stop => stop = true,
                }
                next = (group.len() < GROUP && !stop)
                    .then(|| inbox.try_recv().ok())
                    .flatten();
            }
            self.finish(&mut group);
            if stop {
                return;
            }
        }
    }

    /// Commits what the group changed and answers, then lets those read who wanted to.
    fn finish(&mut self, group: &mut Group) {
        self.finish_inputs(&mut group.replies);
        group.inputs = 0;
        if group.reads.is_empty() {
            return;
        }
        self.world.clock_shows((self.clock)());
        for read in group.reads.drain(..) {
            read(&self.world);
        }
    }

    fn finish_inputs(&mut self, replies: &mut Replies) {
        if replies.is_empty() {
            return;
        }
        let routine = self.world.changes.routine();
        if !routine {
            self.world.follow_up();
        }
        failpoint!("core::before_commit");
        let committed = self.commit();
        failpoint!("core::after_commit_before_ack");
        if let Err(error) = &committed {
            self.recover(error);
        }
        for (reply, said) in replies.drain(..) {
            let said = match &committed {
                Ok(()) => said,
                Err(error) => vec![
                    Reply::Unavailable {
                        why: error.to_string(),
                    };
                    said.len()
                ],
            };
            // A sender that went away needs no answer.
            let _gone = reply.send(said);
        }
        failpoint!("core::after_ack");
        if routine {
            return;
        }
        let next = self.world.next_deadline();
        self.deadline
            .send_if_modified(|deadline| std::mem::replace(deadline, next) != next);
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let batch = self.world.batch();
        if !batch.is_empty() {
            let begun = Instant::now();
            self.world.store.commit(&batch)?;
            self.world.meters.commits.observe(begun.elapsed());
        }
        let counted = std::mem::take(&mut self.world.changes.counted);
        self.world.meters.add(counted);
        if !self.world.changes.are_nothing() {
            self.tell();
        }
        self.world.forget_retired();
        self.world.changes = world::Changes::default();
        Ok(())
    }

    /// Tells what the last commit changed: agents their orders, operators' clients what they show,
    /// and parts of the daemon what they act on.
    fn tell(&mut self) {
        let world = &self.world;
        let agents = world.touched_agents();
        // That an agent goes on with its work is no order.
        if !world.changes.routine() {
            self.desk.tell(&agents, |agent| world.orders(agent));
        }
        if self.changes.receiver_count() > 0 {
            // The last of them may be going away.
            let _nobody = self.changes.send(Arc::new(world.change(&agents)));
        }
        let update = self.world.update(&agents);
        // Nobody may be listening.
        let _nobody = self.updates.send(Arc::new(update));
    }

    /// The group never happened: the world is what the store says.
    fn recover(&mut self, error: &StoreError) {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "the store cannot be written"
        );
        self.world.changes = world::Changes::default();
        self.reload();
    }

    /// Opens the store again, since a handle that failed is poisoned, and loads the world from it.
    /// Where that fails too, the next group tries again.
    fn reload(&mut self) {
        match self.reloaded() {
            Ok(mut world) => {
                world.live = std::mem::take(&mut self.world.live);
                world.secrets = std::mem::take(&mut self.world.secrets);
                world.disk_short = self.world.disk_short;
                world.disk_free = self.world.disk_free;
                world.meters = std::mem::take(&mut self.world.meters);
                world.since = self.world.since;
                self.world = world;
                self.closed = false;
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "it stays closed");
                self.world.warning = "the store cannot be written: nothing new is taken".into();
                self.closed = true;
            }
        }
    }

    fn reloaded(&mut self) -> Result<World, StoreError> {
        self.world.store.reopen()?;
        let (config, store) = (self.world.config.clone(), self.world.store.clone());
        World::load(config, store, self.world.random.next(), (self.clock)())
    }
}
