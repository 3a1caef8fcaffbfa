//! A coding CLI that is kept for the next turn, and hears messages while it works.

use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;
use cloud_code_proto::v1::to_agent::Message as ToAgent;

use crate::station::{REPORT, Station, until};

/// Speaks as much of Claude Code's protocol as a turn needs: `turn LINE` is the program's.
fn claude(turn: &str) -> String {
    format!(
        r#"{REPORT}
echo "$$ $*" >> ../starts
say() {{ printf '%s\n' "$1"; }}
done_() {{ say "{{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"result\":\"$1\"}}"; }}
turn() {{
{turn}
}}
while IFS= read -r line; do
  case "$line" in
    *control_request*)
      touch ../interrupted
      say '{{"type":"result","subtype":"error_during_execution","is_error":true,"terminal_reason":"aborted_tools"}}'
      ;;
    *)
      mkdir -p "$HOME/.claude/projects/tree"
      echo '{{"type":"user"}}' >> "$HOME/.claude/projects/tree/s-1.jsonl"
      say '{{"type":"system","subtype":"init","session_id":"s-1","model":"m"}}'
      turn "$line"
      ;;
  esac
done
touch ../orderly
"#
    )
}

fn assignment(station: &Station, turn: &str) -> v1::Assign {
    let mut assign = station.assignment(1, &claude(turn));
    let cli = assign.coding_cli.as_mut().unwrap();
    cli.adapter = "claude-code".into();
    cli.provider = "anthropic".into();
    cli.authorisation = "api_key".into();
    cli.gateway_token = "token".into();
    assign
}

fn starts(station: &Station) -> Vec<String> {
    let text = std::fs::read_to_string(station.above().join("starts")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_kept_program_gets_the_next_turn_and_ends_in_good_order() {
    let station = Station::start().await;
    let turn = r#"
echo "$$" >> turns
case "$1" in *"missing ok"*) touch ok ;; esac
done_ "I worked"
"#;
    let mut assign = assignment(&station, turn);
    assign.check = "test -f ok || { printf 'missing %s\\n' ok; exit 1; }".into();
    assign.check_returns = 1;
    station.assign(assign).await;
    let ended = station.host.ended(&station.execution(1)).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(ended.last_words, "I worked");
    let turns = station.read("turns");
    let pids: Vec<&str> = turns.lines().collect();
    assert!(pids.len() == 2 && pids[0] == pids[1], "{pids:?}");
    assert!(station.above().join("orderly").exists());
}

#[tokio::test]
async fn a_message_reaches_the_running_turn() {
    let station = Station::start().await;
    let turn = r#"
touch ../begun
IFS= read -r message
case "$message" in *"in French"*) echo bonjour > greeting.txt ;; esac
done_ "I heard"
"#;
    let execution = station.execution(1);
    station.assign(assignment(&station, turn)).await;
    until("the turn", || station.above().join("begun").exists()).await;
    let steer = v1::Steer {
        execution: execution.clone(),
        number: 6,
        message: Some(v1::Message {
            kind: "steer".into(),
            author: "alice".into(),
            text: "Say it in French".into(),
            at_ms: 0,
        }),
    };
    station.host.send(ToAgent::Steer(steer)).await;
    let ended = station.host.ended(&execution).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(station.read("greeting.txt"), "bonjour\n");
    let heard = station.host.heard();
    let delivered = Body::MessagesDelivered(v1::MessagesDelivered { below: 7 });
    assert!(heard.bodies(&execution).contains(&&delivered));
}

#[tokio::test]
async fn a_stop_asks_in_the_programs_own_protocol_first() {
    let station = Station::start().await;
    let turn = "echo half > half.txt; touch ../begun";
    let execution = station.execution(1);
    station.assign(assignment(&station, turn)).await;
    until("the turn", || station.above().join("begun").exists()).await;
    let cancel = v1::Cancel {
        execution: execution.clone(),
        reason: v1::CancelReason::Cancelled.into(),
    };
    station.host.send(ToAgent::Cancel(cancel)).await;
    let ended = station.host.ended(&execution).await;
    assert_eq!(ended.kind(), v1::EndKind::Cancelled);
    assert!(station.above().join("interrupted").exists());
    assert!(station.above().join("orderly").exists());
}

#[tokio::test]
async fn a_secret_that_came_starts_the_program_again_in_the_same_session() {
    let station = Station::start().await;
    let turn = r#"
echo work >> work.txt
if [ -n "$NPM_TOKEN" ]; then done_ "I have it"; return; fi
report 'credential_requests: [{id: c1, type: npm_token, scope: read}]'
while [ ! -e .cloud-code/credentials/NPM_TOKEN ]; do sleep 0.02; done
done_ "I need it"
"#;
    let execution = station.execution(1);
    station.assign(assignment(&station, turn)).await;
    station
        .host
        .until("the request", |heard| {
            !heard.report(&execution).credential_requests.is_empty()
        })
        .await;
    let credential = v1::Credential {
        request: format!("{}:1", station.task),
        task: station.task.clone(),
        label: "c1".into(),
        kind: "npm_token".into(),
        env: "NPM_TOKEN".into(),
        secret: b"npm_s3cr3t".to_vec(),
    };
    station.host.send(ToAgent::Credential(credential)).await;
    let ended = station.host.ended(&execution).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(ended.last_words, "I have it");
    let starts = starts(&station);
    let last = starts.last().unwrap();
    assert!(last.contains("--resume s-1"), "{starts:?}");
}

#[tokio::test]
async fn a_program_that_dies_in_its_turn_is_a_failure() {
    let station = Station::start().await;
    station
        .assign(assignment(&station, "echo x > x; exit 0"))
        .await;
    let ended = station.host.ended(&station.execution(1)).await;
    assert_eq!(ended.kind(), v1::EndKind::Failed, "{ended:?}");
}
