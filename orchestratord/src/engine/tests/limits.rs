//! Limits: what counts towards them, what they stop, and what a grant lets go on.

use cloud_code_domain::id::{ExecutionId, TaskId};
use cloud_code_domain::task::waiting_sentence;

use super::bench::Changes;
use super::*;

/// A subscription pays.
const SUBSCRIPTION: Changes = &[("\"api_key\"", "\"claude_token\"")];
const DAY: i64 = 86_400_000;

/// A call that comes to this.
async fn call(bench: &Bench, execution: &ExecutionId, cost: u64, tokens: u64) {
    let call = bench.open_call(execution).await.unwrap();
    let settled = Input::CallSettled {
        execution: execution.clone(),
        call,
        usage: Usage {
            output: tokens,
            cache_read: 50_000_000,
            ..Usage::default()
        },
        came_to: Amount {
            cost: MicroUsd(cost),
            tokens: Tokens(tokens),
        },
        answer: Answer::Whole,
    };
    bench.engine.send(settled).await.unwrap();
}

async fn grant_tokens(bench: &Bench, task: &TaskId, limit: u64) {
    let action = Action::SetTokenLimit {
        task: task.clone(),
        limit: Tokens(limit),
    };
    bench.act(action).await.unwrap();
}

async fn grant_dollars(bench: &Bench, task: &TaskId, limit: u64) {
    let action = Action::SetCostLimit {
        task: task.clone(),
        limit: MicroUsd(limit),
    };
    bench.act(action).await.unwrap();
}

#[tokio::test]
async fn on_a_subscription_tokens_are_limited_and_notional_dollars_are_not() {
    let bench = Bench::with(SUBSCRIPTION).await;
    let task = bench.new_task("Think").await;
    let execution = bench.assigned(&task).await;
    call(&bench, &execution, 90_000_000, 900_000).await;
    assert!(
        bench.open_call(&execution).await.is_ok(),
        "90 notional dollars stop nothing"
    );
    let bench = bench.killed().await;
    // What was under way when we died is charged whole, in tokens too.
    let after = bench.task(&task).await;
    assert_eq!(after.tokens, Tokens(950_000));
    assert_eq!(after.spent().cost, MicroUsd(0));
    call(&bench, &execution, 0, 60_000).await;
    assert_eq!(
        bench.state(&task).await,
        TaskState::Blocked(BlockedReason::CostLimit)
    );
    let blocked = bench.task(&task).await;
    assert_eq!(
        waiting_sentence(&blocked),
        "the cost limit is reached: 1.0M of 1.0M tokens"
    );
    bench.hello().await;
    bench.ends(&execution, EndedHow::Cancelled).await;
    assert!(bench.act(Action::Retry(task.clone())).await.is_err());
    grant_dollars(&bench, &task, 900_000_000).await;
    assert_eq!(
        bench.state(&task).await,
        TaskState::Blocked(BlockedReason::CostLimit),
        "dollars are not what it wants for"
    );
    grant_tokens(&bench, &task, 2_000_000).await;
    bench.assigned(&task).await;
}

#[tokio::test]
async fn with_a_key_dollars_are_limited_and_tokens_are_not() {
    let bench = Bench::start().await;
    let task = bench.new_task("Think").await;
    let execution = bench.assigned(&task).await;
    call(&bench, &execution, 1_000_000, 500_000_000).await;
    assert!(bench.open_call(&execution).await.is_ok());
    assert_eq!(bench.task(&task).await.tokens, Tokens(0));
}

#[tokio::test]
async fn a_days_limit_holds_a_project_back_until_a_grant_or_the_next_day() {
    for (changes, cost, tokens) in [(&[][..], 50_000_000, 0), (SUBSCRIPTION, 0, 25_000_000)] {
        let bench = Bench::with(changes).await;
        let first = bench.new_task("Spend").await;
        let execution = bench.assigned(&first).await;
        grant_dollars(&bench, &first, 900_000_000).await;
        grant_tokens(&bench, &first, 900_000_000).await;
        call(&bench, &execution, cost, tokens).await;
        assert_eq!(
            bench.open_call(&execution).await,
            Err(CallRefusal::DailyLimit)
        );
        bench.ends(&execution, EndedHow::Cancelled).await;
        let second = bench.new_task("Wait").await;
        for task in [&first, &second] {
            let wait = bench.wait(task).await;
            assert!(matches!(wait, Some(Wait::DailyLimit(_))), "{wait:?}");
            assert_eq!(bench.task(task).await.attempts, 0);
        }
        grant_dollars(&bench, &second, 3_000_000).await;
        let granted = bench.assigned(&second).await;
        assert!(bench.open_call(&granted).await.is_ok());
        bench.fails(&granted, FailureCause::TimedOut).await;
        let wait = bench.wait(&first).await;
        assert!(matches!(wait, Some(Wait::DailyLimit(_))), "only that one");
        bench.act(Action::Cancel(second)).await.unwrap();
        bench.later(DAY).await;
        bench.assigned(&first).await;
    }
}

#[tokio::test]
async fn calls_that_fail_one_after_the_other_end_the_turn_and_are_no_fault_of_the_task() {
    let bench = Bench::start().await;
    let task = bench.new_task("Thought").await;
    let other = bench.assigned(&task).await;
    bench.fails(&other, FailureCause::TimedOut).await;
    let task = bench.new_task("Think").await;
    let execution = bench.assigned(&task).await;
    let failed = async |answered| {
        let call = bench.open_call(&execution).await?;
        let settled = Input::CallSettled {
            execution: execution.clone(),
            call,
            usage: Usage::default(),
            came_to: Amount::default(),
            answer: if answered {
                Answer::Whole
            } else {
                Answer::None
            },
        };
        bench.engine.send(settled).await.unwrap();
        Ok::<_, CallRefusal>(())
    };
    // Others that spend from the account are answered: it is not the provider.
    let answered_to_others = async || {
        let settled = Input::CallSettled {
            execution: other.clone(),
            call: 1,
            usage: Usage::default(),
            came_to: Amount::default(),
            answer: Answer::Whole,
        };
        bench.engine.send(settled).await.unwrap();
    };
    // An answer in between is progress.
    for _ in 0..20 {
        failed(false).await.unwrap();
        answered_to_others().await;
    }
    failed(true).await.unwrap();
    for _ in 0..21 {
        failed(false).await.unwrap();
        answered_to_others().await;
    }
    assert_eq!(failed(false).await, Err(CallRefusal::RetryStorm));
    let orders = bench.orders().await;
    assert!(orders.cancel.is_some(), "the agent is told to end it");
    bench.ends(&execution, EndedHow::Cancelled).await;
    let after = bench.task(&task).await;
    assert_eq!((after.attempts, after.interruptions), (0, 1));
    assert_eq!(after.state, TaskState::Pending);
    assert!(after.not_before.is_some(), "and it is not tried at once");
}
