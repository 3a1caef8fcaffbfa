//! Heartbeats keep an agent alive; what of them is news wakes who watches.

use cloud_code_domain::vitals::Vitals;
use tokio::sync::broadcast::error::TryRecvError;

use super::*;

const IDLE: Vitals = Vitals {
    cpu_percent: 0,
    memory: 12 << 20,
    disk_free: 40 << 30,
};

async fn beats(bench: &Bench, vitals: Vitals) {
    let agent = bench.agent.clone();
    let heartbeat = Input::Heartbeat { agent, vitals };
    assert!(matches!(bench.engine.send(heartbeat).await, Ok(Reply::Ok)));
}

#[tokio::test]
async fn a_heartbeat_wakes_who_watches_only_with_news_and_once_in_a_while() {
    let bench = Bench::start().await;
    beats(&bench, IDLE).await;
    let (_, mut changes) = bench.engine.watch(|_| ()).await.unwrap();
    for _ in 0..5 {
        bench.later(3_000).await;
        let cpu_percent = 1;
        beats(
            &bench,
            Vitals {
                cpu_percent,
                ..IDLE
            },
        )
        .await;
    }
    assert!(matches!(changes.try_recv(), Err(TryRecvError::Empty)));
    let cpu_percent = 90;
    beats(
        &bench,
        Vitals {
            cpu_percent,
            ..IDLE
        },
    )
    .await;
    let news = changes.try_recv().expect("news");
    assert_eq!(news.agents[0].cpu_percent, 90);
    bench.later(31_000).await;
    beats(
        &bench,
        Vitals {
            cpu_percent,
            ..IDLE
        },
    )
    .await;
    let alive = changes.try_recv().expect("a sign of life");
    let heard = alive.agents[0].last_heard_ms;
    assert_eq!(heard, Some(bench.now().0));
}

#[tokio::test]
async fn an_agent_that_only_beats_is_heard_of_all_the_same() {
    let bench = Bench::start().await;
    beats(&bench, IDLE).await;
    bench.later(9_000).await;
    beats(&bench, IDLE).await;
    let (agent, now) = (bench.agent.clone(), bench.now());
    let heard = bench
        .engine
        .read(move |world| world.live[&agent].last_heard);
    assert_eq!(heard.await.unwrap(), Some(now));
}
