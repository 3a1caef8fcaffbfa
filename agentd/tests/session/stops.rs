//! Stopping: a ladder that leaves nothing alive.

use cloud_code_domain::execution::FailureCause;
use cloud_code_proto::v1;
use cloud_code_proto::v1::to_agent::Message as ToAgent;

use crate::station::{Station, git_ok, lives, until};

/// Leaves a child in a session of its own that ignores every polite signal.
const STUBBORN: &str = "
echo half > half.txt
setsid sh -c 'trap \"\" INT TERM HUP; echo $$ > ../stray; while :; do sleep 1; done' &
while [ ! -s ../stray ]; do sleep 0.02; done
touch ../begun
";

/// Says that it began, and then nothing.
const HANGING: &str = "touch ../begun; exec sleep 1000";

fn cancel(execution: String, reason: v1::CancelReason) -> ToAgent {
    ToAgent::Cancel(v1::Cancel {
        execution,
        reason: reason.into(),
    })
}

async fn begun(station: &Station) {
    until("the turn", || station.above().join("begun").exists()).await;
}

#[tokio::test]
async fn a_cancelled_turn_leaves_no_descendant_and_keeps_its_work() {
    let station = Station::start().await;
    let program = format!("trap '' INT\n{STUBBORN}\nwhile :; do sleep 1; done");
    station.assign(station.assignment(1, &program)).await;
    begun(&station).await;
    let stray = std::fs::read_to_string(station.above().join("stray")).unwrap();
    assert!(lives(&stray));
    let message = cancel(station.execution(1), v1::CancelReason::Cancelled);
    station.host.send(message).await;
    let ended = station.host.ended(&station.execution(1)).await;
    assert_eq!(ended.kind(), v1::EndKind::Cancelled);
    assert!(!lives(&stray));
    let left = git_ok(&station.work(), &["status", "--porcelain"]).await;
    assert_eq!(left, "");
}

#[tokio::test]
async fn who_holds_the_output_open_does_not_hold_the_end_up() {
    let station = Station::start().await;
    let program = format!("{STUBBORN}\necho all done");
    let ended = station.run(1, &program).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(ended.last_words, "all done");
    let stray = std::fs::read_to_string(station.above().join("stray")).unwrap();
    assert!(!lives(&stray));
}

#[tokio::test]
async fn a_parked_account_is_a_failure_with_that_cause() {
    let station = Station::start().await;
    station.assign(station.assignment(1, HANGING)).await;
    begun(&station).await;
    let message = cancel(station.execution(1), v1::CancelReason::AccountParked);
    station.host.send(message).await;
    let ended = station.host.ended(&station.execution(1)).await;
    assert_eq!(ended.failure_cause(), Ok(FailureCause::AccountParked));
}

#[tokio::test]
async fn a_cancel_during_setup_or_for_an_unknown_execution_is_answered() {
    let station = Station::start().await;
    let mut assign = station.assignment(1, "echo x > x");
    assign.setup = "touch ../begun; sleep 1000".into();
    station.assign(assign).await;
    begun(&station).await;
    for number in [1, 7] {
        let message = cancel(station.execution(number), v1::CancelReason::Cancelled);
        station.host.send(message).await;
        let ended = station.host.ended(&station.execution(number)).await;
        assert_eq!(ended.kind(), v1::EndKind::Cancelled);
    }
}

#[tokio::test]
async fn silence_and_the_wall_clock_end_a_turn_with_their_cause() {
    let station = Station::start().await;
    let limits = |wall_clock_seconds, silence_seconds| {
        Some(v1::Limits {
            wall_clock_seconds,
            silence_seconds,
            retries: 5,
        })
    };
    let mut silent = station.assignment(1, "exec sleep 1000");
    silent.limits = limits(1_000, 1);
    station.assign(silent).await;
    let ended = station.host.ended(&station.execution(1)).await;
    assert_eq!(ended.failure_cause(), Ok(FailureCause::Stalled));

    let mut endless = station.assignment(2, "while :; do echo busy; sleep 0.1; done");
    endless.limits = limits(1, 1_000);
    station.assign(endless).await;
    let ended = station.host.ended(&station.execution(2)).await;
    assert_eq!(ended.failure_cause(), Ok(FailureCause::TimedOut));
}

#[tokio::test]
async fn another_execution_takes_the_place_of_one_that_is_no_longer_current() {
    let station = Station::start().await;
    station.assign(station.assignment(1, HANGING)).await;
    begun(&station).await;
    let ended = station.run(2, "echo x > x").await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    let first = station.host.ended(&station.execution(1)).await;
    assert_eq!(first.kind(), v1::EndKind::Cancelled);
}

#[tokio::test]
async fn an_agentd_that_is_asked_to_end_ends_its_turn_and_says_so() {
    let mut station = Station::start().await;
    station.assign(station.assignment(1, HANGING)).await;
    begun(&station).await;
    assert!(station.stop_agentd().await.is_ok());
    station.start_agentd();
    let ended = station.host.ended(&station.execution(1)).await;
    assert_eq!(ended.failure_cause(), Ok(FailureCause::AgentLost));
}
