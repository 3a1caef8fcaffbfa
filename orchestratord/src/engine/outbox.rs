//! Runs the outbox: what is due is started, made, and finished (committed).

mod lanes;

use std::sync::Arc;
use std::time::Duration;

use cloud_code_domain::time::Timestamp;
use futures_util::future::BoxFuture;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use super::Engine;
use super::effect::{EffectRecord, EffectState, Outcome};
use super::input::{Done, Facts, Input, Reply};
use crate::failpoint::failpoint;
use lanes::Lanes;

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
    let mut lanes = Lanes::default();
    let mut running = JoinSet::new();
    while !stop.is_cancelled() {
        let now = clock();
        let taken = engine.read(move |world| {
            let (due, next) = lanes.take(world, now);
            (lanes, due, next)
        });
        let Ok((kept, due, next)) = taken.await else {
            break;
        };
        lanes = kept;
        for key in due {
            running.spawn(make(engine.clone(), outside.clone(), key));
        }
        let wait = next.map_or(LONGEST_SLEEP, |at| at.since(clock()).min(LONGEST_SLEEP));
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
            Some(done) = running.join_next(), if !running.is_empty() => {
                if let Some(key) = ended(done) {
                    lanes.leave(&key);
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
