//! What is acknowledged is on disk, once, whatever is killed or fails.

use tokio::task::JoinHandle;

use super::*;

#[tokio::test]
async fn a_delivery_that_comes_again_is_taken_once_also_after_a_kill() {
    let bench = Bench::start().await;
    let delivery = || Input::Delivered {
        digest: Some([7; 32]),
        about: vec![("sample".parse().unwrap(), 1)],
        remark: None,
    };
    assert!(matches!(
        bench.engine.send(delivery()).await.unwrap(),
        Reply::Ok
    ));
    assert!(matches!(
        bench.engine.send(delivery()).await.unwrap(),
        Reply::Duplicate
    ));
    let bench = bench.killed().await;
    assert!(matches!(
        bench.engine.send(delivery()).await.unwrap(),
        Reply::Duplicate
    ));
    bench.later(32 * 86_400_000).await;
    assert!(matches!(
        bench.engine.send(delivery()).await.unwrap(),
        Reply::Ok
    ));
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_on_disk() {
    let (bench, log) = Bench::recorded().await;
    log.clear();
    bench.new_task("One").await;
    log.note("acknowledged");
    let order = log.taken();
    let last_write = order.iter().rposition(|step| step == "write").unwrap();
    let last_sync = order.iter().rposition(|step| step == "sync").unwrap();
    let acknowledged = order
        .iter()
        .position(|step| step == "acknowledged")
        .unwrap();
    assert!(
        last_write < last_sync && last_sync < acknowledged,
        "{order:?}"
    );
}

#[tokio::test]
async fn only_an_effect_that_would_show_twice_waits_for_a_commit_when_it_is_started() {
    let (bench, log) = Bench::recorded().await;
    let task = bench.new_task("One").await;
    let started = async |effect: Effect| {
        log.clear();
        let key = effect.key();
        let reply = bench.engine.send(Input::EffectStarted { key }).await;
        assert!(matches!(reply, Ok(Reply::Make(_))), "{effect:?}: {reply:?}");
        log.taken().iter().any(|step| step == "sync")
    };
    assert!(!started(Effect::Prepare { task: task.clone() }).await);
    let execution = bench.assigned(&task).await;
    bench.succeeds(&execution, oid('b')).await;
    let published = Done::Published {
        head: oid('c'),
        added: 1,
        removed: 0,
        files: 1,
        passed: Vec::new(),
    };
    bench.effect("publish", published).await;
    assert!(started(Effect::OpenPullRequest { task }).await);
}

/// A read holds the engine's thread until it is told to go; inputs queue up behind it.
fn held(
    bench: &Bench,
) -> (
    std::sync::mpsc::Sender<()>,
    JoinHandle<Result<bool, Stopped>>,
) {
    let (go, wait) = std::sync::mpsc::channel();
    let engine = bench.engine.clone();
    let holding = async move { engine.read(move |_| wait.recv().is_ok()).await };
    (go, tokio::spawn(holding))
}

#[tokio::test]
async fn inputs_that_queue_up_share_a_commit() {
    let (bench, log) = Bench::recorded().await;
    log.clear();
    let (go, holding) = held(&bench);
    let mut replies = Vec::new();
    for _ in 0..100 {
        replies.push(
            bench
                .engine
                .post(vec![bench.new_task_input("One")])
                .await
                .unwrap(),
        );
    }
    go.send(()).unwrap();
    assert!(holding.await.unwrap().unwrap());
    for reply in replies {
        let reply = reply.await.unwrap();
        assert!(matches!(reply.as_slice(), [Reply::Acted { .. }]));
    }
    let syncs = log.taken().iter().filter(|step| *step == "sync").count();
    assert!(syncs < 30, "100 inputs took {syncs} syncs");
}

#[tokio::test]
async fn who_reads_between_inputs_makes_no_two_commits_of_one_and_sees_what_came_before() {
    let (bench, log) = Bench::recorded().await;
    log.clear();
    let (go, holding) = held(&bench);
    let mut replies = Vec::new();
    let mut reading = tokio::task::JoinSet::new();
    for sent in 1..=50 {
        let input = vec![bench.new_task_input("One")];
        replies.push(bench.engine.post(input).await.unwrap());
        let engine = bench.engine.clone();
        reading.spawn(async move { (sent, engine.read(|world| world.tasks.len()).await.unwrap()) });
    }
    go.send(()).unwrap();
    assert!(holding.await.unwrap().unwrap());
    for (sent, seen) in reading.join_all().await {
        assert!(seen >= sent, "{seen} tasks after {sent} were sent");
    }
    for reply in replies {
        reply.await.unwrap();
    }
    let syncs = log.taken().iter().filter(|step| *step == "sync").count();
    assert!(syncs < 30, "50 inputs took {syncs} syncs");
}

#[tokio::test]
async fn a_store_that_cannot_be_written_says_so_and_recovers_by_itself() {
    let (bench, log) = Bench::recorded().await;
    let kept = bench.new_task("Kept").await;
    log.fail(true);
    let refused = bench
        .engine
        .send(bench.new_task_input("Lost"))
        .await
        .unwrap();
    assert!(matches!(refused, Reply::Unavailable { .. }), "{refused:?}");
    log.fail(false);
    let after = bench.new_task("After").await;
    let titles = bench.titles().await;
    assert_eq!(titles.len(), 2, "{titles:?}");
    assert_ne!(kept, after);
}
