//! `kill -9` of agentd itself: a real process, and the one that comes after it.

use std::process::Stdio;

use cloud_code_domain::execution::FailureCause;
use cloud_code_proto::v1::record::Body;
use tokio::process::{Child, Command};

use crate::station::{Station, lives, until};

fn agentd(station: &Station) -> Child {
    let config = station.config();
    Command::new(env!("CARGO_BIN_EXE_agentd"))
        .arg("--socket")
        .arg(&config.socket)
        .arg("--workspace")
        .arg(&config.workspace)
        .arg("--credentials")
        .arg(config.credentials.unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn after_a_kill_the_next_agentd_ends_what_was_left_and_says_lost_exactly_once() {
    let station = Station::without_agentd().await;
    let mut first = agentd(&station);
    let program = "\
setsid sh -c 'echo $$ > ../stray; exec sleep 1000' &
while [ ! -s ../stray ]; do sleep 0.02; done
echo half > half.txt
touch ../begun
exec sleep 1000
";
    let execution = station.execution(1);
    station.assign(station.assignment(1, program)).await;
    until("the turn", || station.above().join("begun").exists()).await;
    first.kill().await.unwrap();
    let stray = std::fs::read_to_string(station.above().join("stray")).unwrap();
    assert!(lives(&stray));

    let mut second = agentd(&station);
    let ended = station.host.ended(&execution).await;
    assert_eq!(ended.failure_cause(), Ok(FailureCause::AgentLost));
    assert!(!lives(&stray));
    second.kill().await.unwrap();

    // A third one has nothing to say about it any more; it goes on where the first one was.
    let hellos = station.host.heard().hellos.len();
    let _third = agentd(&station);
    let heard = station
        .host
        .until("a hello", |heard| heard.hellos.len() > hellos)
        .await;
    let hello = heard.hellos.last().unwrap();
    assert_eq!(hello.worktrees, std::slice::from_ref(&station.task));
    station
        .resume(2, "test -f half.txt && echo whole > half.txt")
        .await;
    let heard = station.host.heard();
    let ends = |body: &&&Body| matches!(body, Body::Ended(_));
    let bodies = heard.bodies(&execution);
    assert_eq!(bodies.iter().filter(ends).count(), 1);
    assert_eq!(heard.repeated, 0);
}

#[tokio::test]
async fn a_second_agentd_of_the_same_workspace_says_so_and_exits() {
    let mut station = Station::start().await;
    station
        .host
        .until("a hello", |heard| !heard.hellos.is_empty())
        .await;
    let output = agentd(&station).wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("another agentd serves the workspace"),
        "{text}"
    );
    assert!(station.stop_agentd().await.is_ok());
}

#[tokio::test]
async fn misuse_is_told_apart_from_failure() {
    let output = Command::new(env!("CARGO_BIN_EXE_agentd"))
        .arg("--no-such-option")
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn a_stray_with_an_empty_environment_is_found_by_its_descent() {
    let station = Station::without_agentd().await;
    let _agentd = agentd(&station);
    let program = "\
env -i setsid /bin/sh -c 'echo $$ > ../stray; exec /bin/sleep 1000' &
while [ ! -s ../stray ]; do sleep 0.02; done
echo x > x
";
    station.run(1, program).await;
    let stray = std::fs::read_to_string(station.above().join("stray")).unwrap();
    assert!(!lives(&stray));
}
