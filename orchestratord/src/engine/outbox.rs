//! Runs the outbox: what is due is started (committed), made, and finished (committed).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use cloud_code_domain::time::Timestamp;
use futures_util::future::BoxFuture;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use super::effect::{EffectRecord, EffectState, Outcome};
use super::input::{Done, Facts, Input, Reply};
use super::{Engine, Stopped};
use crate::failpoint::failpoint;

/// Effects that are made at once at most.
const AT_ONCE: usize = 32;

/// A clock that was set is noticed within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Makes effects.
pub trait Outside: Send + Sync + 'static {
    /// Makes an effect, or, where the record's outcome is unknown, looks for what it may have done.
    fn make(&self, record: EffectRecord, facts: Facts) -> BoxFuture<'_, Outcome<Done>>;
}

/// Runs until the engine stops or `stop` says so; then waits for what is under way.
pub async fn run(
    engine: Engine,
    outside: Arc<dyn Outside>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    stop: tokio_util::sync::CancellationToken,
) {
    let mut updates = engine.updates();
    let mut busy = HashSet::new();
    let mut running = JoinSet::new();
    while !stop.is_cancelled() {
        let Ok((due, next)) = due(&engine, clock()).await else {
            break;
        };
        for key in due {
            if busy.len() < AT_ONCE && busy.insert(key.clone()) {
                running.spawn(make(engine.clone(), outside.clone(), key));
            }
        }
        let wait = next.map_or(LONGEST_SLEEP, |at| at.since(clock()).min(LONGEST_SLEEP));
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
            Some(done) = running.join_next(), if !running.is_empty() => {
                if let Some(key) = ended(done) {
                    busy.remove(&key);
                }
            }
            () = effects_changed(&mut updates) => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// The key of an effect that was made. One that broke stays as it is in the store, and busy: the next
/// start looks for it.
fn ended(done: Result<String, tokio::task::JoinError>) -> Option<String> {
    done.inspect_err(|error| tracing::error!(%error, "an effect broke"))
        .ok()
}

async fn effects_changed(updates: &mut tokio::sync::broadcast::Receiver<Arc<super::Update>>) {
    loop {
        match updates.recv().await {
            Ok(update) if update.effects => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Keys of effects that are due, and when the next one is.
async fn due(engine: &Engine, now: Timestamp) -> Result<(Vec<String>, Option<Timestamp>), Stopped> {
    engine
        .read(move |world| {
            let due = |record: &&EffectRecord| record.not_before <= now;
            let keys = world.effects.iter().filter(|(_, record)| due(record));
            let keys = keys.map(|(key, _)| key.clone()).collect();
            let later = world.effects.values().map(|record| record.not_before);
            (keys, later.filter(|at| *at > now).min())
        })
        .await
}

async fn make(engine: Engine, outside: Arc<dyn Outside>, key: String) -> String {
    let started = engine.send(Input::EffectStarted { key: key.clone() }).await;
    if let Ok(Reply::Make(made)) = started {
        failpoint!("outbox::after_mark_sending");
        let (record, facts) = *made;
        if record.state == EffectState::Unknown {
            failpoint!("outbox::observe");
        }
        let outcome = outside.make(record, facts).await;
        failpoint!("outbox::after_reply_before_done");
        // Where this is not committed, the store still says that it was being made.
        let _finished = engine
            .send(Input::EffectFinished {
                key: key.clone(),
                outcome,
            })
            .await;
        failpoint!("outbox::after_done");
    }
    key
}
