//! What is outside is away for a day: no task fails of it, no attempt is counted, it is asked a few times in
//! the hour, and afterwards everything goes on by itself.

use cloud_code_domain::id::ExecutionId;

use super::*;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// What an hour of an outage may cost in calls.
const MOST_AN_HOUR: usize = 6;

/// The effects that are due, made as the outbox would; none is answered. How many.
async fn unanswered(bench: &Bench) -> usize {
    let now = bench.now();
    let due = bench.engine.read(move |world| {
        let due = world.effects.iter();
        let due = due.filter(|(_, record)| record.not_before <= now);
        due.map(|(key, _)| key.clone()).collect::<Vec<String>>()
    });
    let due = due.await.unwrap();
    for key in &due {
        let started = Input::EffectStarted { key: key.clone() };
        bench.engine.send(started).await.unwrap();
        let why = "no answer within 30 s".to_owned();
        let finished = Input::EffectFinished {
            key: key.clone(),
            outcome: Outcome::Later { why, until: None },
        };
        bench.engine.send(finished).await.unwrap();
    }
    due.len()
}

async fn tracker(bench: &Bench, trouble: Option<&str>) {
    let asked = Input::TrackerAsked {
        project: "sample".parse().unwrap(),
        trouble: trouble.map(str::to_owned),
    };
    bench.engine.send(asked).await.unwrap();
}

#[tokio::test]
async fn a_tracker_that_is_away_for_a_day_is_asked_a_few_times_in_the_hour_and_then_all_goes_on() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    let execution = bench.assigned(&task).await;
    bench.succeeds(&execution, oid('b')).await;
    let published = Done::Published {
        head: oid('c'),
        added: 3,
        removed: 1,
        files: 1,
        passed: Vec::new(),
    };
    bench.effect("publish", published).await;

    let (begun, mut hours) = (bench.now(), Vec::new());
    while bench.now().since(begun) < Duration::from_millis(DAY.unsigned_abs()) {
        let mut calls = 0;
        for _ in 0..60 {
            tracker(&bench, Some("GitHub gives no answer")).await;
            calls += unanswered(&bench).await;
            bench.later(60_000).await;
        }
        hours.push(calls);
    }
    let later = hours.iter().skip(1).all(|calls| *calls <= MOST_AN_HOUR);
    assert!(later && hours[0] <= 15, "{hours:?}");
    let state = bench.state(&task).await;
    assert!(matches!(state, TaskState::Publishing(_)), "{state:?}");

    tracker(&bench, None).await;
    bench.effect("open", bench.opened(&task, 7)).await;
    let record = bench.task(&task).await;
    assert_eq!(record.state, TaskState::Review);
    assert_eq!((record.attempts, record.interruptions), (0, 0));
}

/// A turn whose calls are never answered, until it is told to end; how many it made.
async fn calls_in_vain(bench: &Bench, execution: &ExecutionId) -> usize {
    let mut calls = 0;
    while let Ok(call) = bench.open_call(execution).await {
        calls += 1;
        bench
            .engine
            .send(settled(execution, call, Answer::None))
            .await
            .unwrap();
    }
    bench.ends(execution, EndedHow::Cancelled).await;
    calls
}

fn settled(execution: &ExecutionId, call: u64, answer: Answer) -> Input {
    Input::CallSettled {
        execution: execution.clone(),
        call,
        usage: Usage::default(),
        came_to: Amount::default(),
        answer,
    }
}

#[tokio::test]
async fn a_provider_that_is_away_for_a_day_costs_no_attempt_and_then_the_task_goes_on() {
    let bench = Bench::start().await;
    let task = bench.new_task("Think").await;
    let mut hours = Vec::new();
    for _hour in 0..24 {
        let mut calls = 0;
        for _ in 0..60 {
            let waits = matches!(bench.wait(&task).await, Some(Wait::Account(_)));
            if !waits {
                let execution = bench.assigned(&task).await;
                calls += calls_in_vain(&bench, &execution).await;
            }
            bench.later(60_000).await;
        }
        hours.push(calls);
    }
    let later = hours.iter().skip(1).all(|calls| *calls <= MOST_AN_HOUR);
    assert!(later && hours[0] <= 15, "{hours:?}");
    let record = bench.task(&task).await;
    assert_eq!(record.state, TaskState::Pending);
    assert_eq!((record.attempts, record.interruptions), (0, 0));
    let (told, _) = bench.shown(&task).await;
    assert!(told.contains("gives no answer"), "{told}");

    bench.later(HOUR).await;
    let execution = bench.assigned(&task).await;
    let call = bench.open_call(&execution).await.unwrap();
    bench
        .engine
        .send(settled(&execution, call, Answer::Whole))
        .await
        .unwrap();
    bench.succeeds(&execution, oid('b')).await;
    let state = bench.state(&task).await;
    assert!(matches!(state, TaskState::Publishing(_)), "{state:?}");
    // What fails now is the task's own again.
    for _ in 0..3 {
        bench
            .engine
            .send(settled(&execution, call, Answer::None))
            .await
            .unwrap();
    }
    let parked = bench
        .engine
        .read(|world| world.parking(&"main".parse().unwrap()).cloned());
    assert_eq!(parked.await.unwrap(), None);
}

#[tokio::test]
async fn calls_that_are_refused_for_what_is_in_them_park_no_account() {
    let bench = Bench::start().await;
    let task = bench.new_task("Think").await;
    let execution = bench.assigned(&task).await;
    for _ in 0..20 {
        let call = bench.open_call(&execution).await.unwrap();
        let refused = settled(&execution, call, Answer::Refused);
        bench.engine.send(refused).await.unwrap();
    }
    bench.open_call(&execution).await.unwrap();
}
