//! Clocks that are set, by a year and both ways.

use cloud_code_domain::account::Parking;

use super::*;

const HOUR: i64 = 3_600_000;
const YEAR: i64 = 365 * 24 * HOUR;

/// What works goes on, what waits for an hour at most waits for no longer.
async fn goes_on(step: i64) {
    let bench = Bench::start().await;
    let busy = bench.new_task("One").await;
    let execution = bench.assigned(&busy).await;
    let failed = bench.new_task("Two").await;
    bench.later(step).await;
    let state = bench.state(&busy).await;
    assert_eq!(state.current_execution(), Some(&execution), "it goes on");
    bench.succeeds(&execution, oid('b')).await;
    let execution = bench.assigned(&failed).await;
    let cause = FailureCause::CodingCli { exit: Some(1) };
    bench.fails(&execution, cause).await;
    assert!(matches!(bench.wait(&failed).await, Some(Wait::BackOff(_))));
    bench.later(-step).await;
    bench.later(HOUR).await;
    bench.assigned(&failed).await;
}

#[tokio::test]
async fn a_clock_set_forward_by_a_year_and_back_holds_nothing_up() {
    goes_on(YEAR).await;
}

#[tokio::test]
async fn a_clock_set_back_by_a_year_and_forward_holds_nothing_up() {
    goes_on(-YEAR).await;
}

#[tokio::test]
async fn a_start_after_the_clock_was_set_back_waits_no_year() {
    let bench = Bench::start().await;
    bench.later(YEAR).await;
    let task = bench.new_task("One").await;
    let execution = bench.assigned(&task).await;
    let cause = FailureCause::CodingCli { exit: Some(1) };
    bench.fails(&execution, cause).await;
    bench.set_while_dead(-YEAR);
    let bench = bench.killed().await;
    bench.later(2 * HOUR).await;
    bench.assigned(&task).await;
}

#[tokio::test]
async fn an_account_is_parked_no_longer_than_it_was_when_the_clock_is_set_back() {
    let bench = Bench::start().await;
    bench.later(YEAR).await;
    let task = bench.new_task("One").await;
    let until = bench.now().after(Duration::from_secs(3_600));
    let input = Input::AccountParked {
        account: "main".parse().unwrap(),
        parking: Parking::UsageLimit { until },
    };
    bench.engine.send(input).await.unwrap();
    assert!(matches!(bench.wait(&task).await, Some(Wait::Account(_))));
    bench.later(-YEAR).await;
    assert!(matches!(bench.wait(&task).await, Some(Wait::Account(_))));
    bench.later(HOUR).await;
    bench.assigned(&task).await;
}
