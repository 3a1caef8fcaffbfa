//! A link that breaks loses nothing and repeats nothing.

use cloud_code_domain::report::Report;
use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;

use crate::station::{REPORT, Station};

fn steps(report: &Report) -> Vec<String> {
    report
        .progress
        .iter()
        .map(|entry| entry.message.clone())
        .filter(|message| message.starts_with("step "))
        .collect()
}

#[tokio::test]
async fn breaking_the_link_again_and_again_loses_no_delta_and_applies_none_twice() {
    let station = Station::start().await;
    let execution = station.execution(1);
    let program = format!(
        "{REPORT}
progress=''
for step in 1 2 3 4 5 6 7 8; do
  progress=\"$progress{{message: step $step}},\"
  report \"progress: [$progress]\"
  echo \"line $step\"
  sleep 0.3
done
echo x > x
"
    );
    station.assign(station.assignment(1, &program)).await;
    for breaks in 1..=6 {
        // Without an acknowledgement the next link resumes after what the host has committed.
        station.host.acknowledge(breaks % 2 == 0);
        let before = station.host.heard().records.len();
        station
            .host
            .until("another record", |heard| heard.records.len() > before)
            .await;
        station.host.break_link();
        station
            .host
            .until("another hello", |heard| heard.hellos.len() > breaks)
            .await;
    }
    station.host.acknowledge(true);
    let ended = station.host.ended(&execution).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    let heard = station.host.heard();
    let wanted: Vec<String> = (1..=8).map(|step| format!("step {step}")).collect();
    assert_eq!(steps(&heard.report(&execution)), wanted);
    let log = heard.log(&execution);
    for step in 1..=8 {
        let line = format!("line {step}\n");
        assert_eq!(log.matches(&line).count(), 1, "{log}");
    }
    let numbers: Vec<u64> = heard.records.iter().map(|record| record.seq).collect();
    let contiguous: Vec<u64> = (1..).take(numbers.len()).collect();
    assert_eq!(numbers, contiguous);
    assert_eq!(heard.repeated, 0);
}

#[tokio::test]
async fn the_same_assignment_twice_is_one() {
    let station = Station::start().await;
    let assign = station.assignment(1, "echo x >> x");
    station.assign(assign.clone()).await;
    station.assign(assign.clone()).await;
    station.host.ended(&station.execution(1)).await;
    station.assign(assign).await;
    // The end of the next execution shows that the repeated one was passed over.
    station.run(2, "echo y > y").await;
    let heard = station.host.heard();
    let started = |body: &&&Body| matches!(body, Body::Started(_));
    let bodies = heard.bodies(&station.execution(1));
    assert_eq!(bodies.iter().filter(started).count(), 1);
}

#[tokio::test]
async fn an_idle_agentd_says_hello_and_then_shows_that_it_lives() {
    let mut station = Station::start().await;
    let heard = station
        .host
        .until("a heartbeat", |heard| heard.heartbeats > 0)
        .await;
    assert_eq!(heard.hellos[0].execution, "");
    assert_eq!(heard.hellos[0].last_acked, 0);
    assert!(station.stop_agentd().await.is_ok());
}

#[tokio::test]
async fn a_base_whose_link_broke_is_asked_for_again() {
    let station = Station::start().await;
    station.host.withhold_bases(true);
    station.assign(station.assignment(1, "echo x > x")).await;
    station
        .host
        .until("the need", |heard| heard.needs.len() == 1)
        .await;
    station.host.withhold_bases(false);
    station.host.break_link();
    let ended = station.host.ended(&station.execution(1)).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(station.host.heard().needs.len(), 2);
}

#[tokio::test]
async fn an_agentd_whose_workspace_was_removed_makes_no_other_link() {
    let mut station = Station::start().await;
    station
        .host
        .until("a link", |heard| heard.hellos.len() == 1)
        .await;
    // Somebody began anew at the same place.
    std::fs::remove_dir_all(station.workspace()).unwrap();
    std::fs::create_dir_all(station.workspace().join(".agentd")).unwrap();
    station.host.break_link();
    let ended = station.agentd_ends().await.unwrap_err().to_string();
    assert!(ended.contains("was removed, or is another one"), "{ended}");
    assert_eq!(station.host.heard().hellos.len(), 1);
}
