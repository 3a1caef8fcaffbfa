//! Effects that only an agent can serve, while it is away.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::*;

/// Says what it is asked to make, and whether the agent was connected then; makes nothing.
#[derive(Debug)]
struct Watched {
    engine: Engine,
    made: mpsc::UnboundedSender<(String, bool)>,
}

impl Outside for Watched {
    fn make(&self, record: EffectRecord, _: Facts) -> BoxFuture<'_, Outcome<Done>> {
        Box::pin(async move {
            let connected = self
                .engine
                .read(|world| world.live.values().any(|live| live.connected));
            let connected = connected.await.unwrap();
            self.made.send((record.effect.key(), connected)).unwrap();
            let (why, until) = ("not in this test".into(), None);
            Outcome::Later { why, until }
        })
    }
}

#[tokio::test]
async fn a_result_is_fetched_as_soon_as_its_agent_is_back_and_not_tried_before() {
    let bench = Bench::start().await;
    let task = bench.new_task("One").await;
    let execution = bench.assigned(&task).await;
    let next_task = bench.new_task("Two").await;
    bench.succeeds(&execution, oid('b')).await;
    bench.gone().await;

    let (made, mut seen) = mpsc::unbounded_channel();
    let engine = bench.engine.clone();
    let outside = Arc::new(Watched {
        engine: engine.clone(),
        made,
    });
    let now = bench.now();
    let stop = CancellationToken::new();
    let outbox = run_outbox(engine, outside, Arc::new(move || now), stop.clone());
    let outbox = tokio::spawn(outbox);

    let mut next = async || {
        let seen = tokio::time::timeout(Duration::from_secs(10), seen.recv());
        seen.await.unwrap().unwrap()
    };
    // What needs no agent is made meanwhile.
    assert_eq!(next().await.0, format!("prepare/{next_task}"));
    bench.hello().await;
    assert_eq!(next().await, (format!("publish/{task}"), true));
    stop.cancel();
    outbox.await.unwrap();
}
