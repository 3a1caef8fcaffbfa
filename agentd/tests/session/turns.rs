//! How a turn ends, and what follows.

use cloud_code_domain::execution::FailureCause;
use cloud_code_domain::report::{CriterionStatus, ReportStatus};
use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;
use cloud_code_proto::v1::to_agent::Message as ToAgent;

use crate::station::{REPORT, Station, git_ok, until};

fn steer(execution: String, number: u64, text: &str) -> ToAgent {
    ToAgent::Steer(v1::Steer {
        execution,
        number,
        message: Some(v1::Message {
            kind: "steer".into(),
            author: "alice".into(),
            text: text.into(),
            at_ms: 0,
        }),
    })
}

fn npm_token(station: &Station) -> v1::Credential {
    v1::Credential {
        request: format!("{}:1", station.task),
        task: station.task.clone(),
        label: "c1".into(),
        kind: "npm_token".into(),
        env: "NPM_TOKEN".into(),
        secret: b"npm_s3cr3t".to_vec(),
    }
}

#[tokio::test]
async fn a_change_becomes_a_head_with_our_identity_and_without_our_files() {
    let station = Station::start().await;
    let program = "grep -q 'Add a greeting' \"$1\" && echo hello > greeting.txt && echo done";
    let ended = station.run(1, program).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(ended.last_words, "done");
    station.take_result(1, &ended.head).await;
    let mirror = station.mirror();
    let files = git_ok(&mirror, &["ls-tree", "-r", "--name-only", &ended.head]).await;
    assert_eq!(files, "README.md\ngreeting.txt");
    let author = ["log", "-1", "--format=%an <%ae>", &ended.head];
    let author = git_ok(&mirror, &author).await;
    assert_eq!(author, "Cloud Code <bot@example.com>");
    let heard = station.host.heard();
    let execution = station.execution(1);
    assert!(heard.log(&execution).contains("done"));
    let report = heard.report(&execution);
    assert_eq!(report.status, ReportStatus::Completed);
    assert_eq!(report.criteria.len(), 2);
    let bodies = heard.bodies(&execution);
    assert!(matches!(bodies.last(), Some(Body::Ended(_))));
    assert!(bodies.iter().any(|body| matches!(body, Body::Started(_))));
}

#[tokio::test]
async fn the_programs_own_commits_and_claims_count() {
    let station = Station::start().await;
    let program = format!(
        "{REPORT}
set -e
echo hello > greeting.txt
git add greeting.txt
git commit -qm 'Add greeting'
report 'status: completed, summary: I greeted., \
         acceptance_criteria: [{{criterion: It greets, status: done}}]'
"
    );
    let ended = station.run(1, &program).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    let subject = ["log", "-1", "--format=%s", &ended.head];
    let subject = git_ok(&station.work(), &subject).await;
    assert_eq!(subject, "Add greeting");
    let report = station.host.heard().report(&station.execution(1));
    assert_eq!(report.summary.as_deref(), Some("I greeted."));
    assert_eq!(report.criteria[0].status, CriterionStatus::Done);
    assert_eq!(report.criteria[1].status, CriterionStatus::Pending);
}

#[tokio::test]
async fn no_change_waits_for_a_person_with_the_last_words() {
    let station = Station::start().await;
    let ended = station.run(1, "echo 'Which greeting?'").await;
    assert_eq!(ended.kind(), v1::EndKind::Blocked);
    assert!(!ended.needs_credential);
    assert_eq!(ended.last_words, "Which greeting?");
}

#[tokio::test]
async fn a_reported_block_waits_for_a_person_even_with_a_change() {
    let station = Station::start().await;
    let program = format!("{REPORT}\necho half > half.txt\nreport 'blocked_reason: which colour'");
    let ended = station.run(1, &program).await;
    assert_eq!(ended.kind(), v1::EndKind::Blocked);
    assert_eq!(ended.blocked_reason, "which colour");

    // The answer resumes the worktree; the block of before does not block again.
    let ended = station
        .resume(2, "test -f half.txt && echo whole > half.txt")
        .await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
}

#[tokio::test]
async fn an_exit_status_other_than_zero_is_a_failure_whatever_changed() {
    let station = Station::start().await;
    let ended = station.run(1, "echo x > x; echo broken >&2; exit 3").await;
    let cause = FailureCause::CodingCli { exit: Some(3) };
    assert_eq!(ended.failure_cause(), Ok(cause));
    assert_eq!(ended.last_words, "broken");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let station = Station::start().await;
    let mut assign = station.assignment(1, "");
    assign.coding_cli.as_mut().unwrap().command = vec!["no-such-program".into()];
    station.assign(assign).await;
    let ended = station.host.ended(&station.execution(1)).await;
    let cause = ended.failure_cause();
    assert_eq!(cause, Ok(FailureCause::CodingCliUnavailable));
    assert!(ended.last_words.contains("no-such-program"));
}

#[tokio::test]
async fn a_failed_check_goes_back_with_its_output_and_then_fails() {
    let station = Station::start().await;
    let program = "echo x >> x; if grep -q 'missing ok' \"$1\"; then touch ok; fi";
    let mut assign = station.assignment(1, program);
    assign.check = "test -f ok || { printf 'missing %s\\n' ok; exit 1; }".into();
    assign.check_returns = 1;
    station.assign(assign.clone()).await;
    let ended = station.host.ended(&station.execution(1)).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");

    assign.execution = station.execution(2);
    assign.check_returns = 0;
    station.assign(assign).await;
    let ended = station.host.ended(&station.execution(2)).await;
    assert_eq!(ended.failure_cause(), Ok(FailureCause::CheckFailed));
    assert!(ended.last_words.contains("missing ok"));
}

#[tokio::test]
async fn a_message_to_a_program_that_cannot_hear_gets_a_turn_of_its_own() {
    let station = Station::start().await;
    let program = "\
echo turn >> turns.txt
if grep -q 'in French' \"$1\"; then echo bonjour > greeting.txt; exit 0; fi
echo hello > greeting.txt
touch ../begun
while [ ! -e ../go ]; do sleep 0.02; done
";
    let execution = station.execution(1);
    station.assign(station.assignment(1, program)).await;
    until("the turn", || station.above().join("begun").exists()).await;
    let message = steer(execution.clone(), 0, "Say it in French");
    station.host.send(message).await;
    station
        .host
        .until("the note", |heard| {
            heard.log(&execution).contains("a message waits")
        })
        .await;
    std::fs::write(station.above().join("go"), "").unwrap();
    let ended = station.host.ended(&execution).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(station.read("greeting.txt"), "bonjour\n");
    assert_eq!(station.read("turns.txt"), "turn\nturn\n");
    let heard = station.host.heard();
    let delivered = Body::MessagesDelivered(v1::MessagesDelivered { below: 1 });
    let is_it = |body: &&&Body| **body == &delivered;
    let bodies = heard.bodies(&execution);
    assert_eq!(bodies.iter().filter(is_it).count(), 1);
}

#[tokio::test]
async fn the_conversation_is_delivered_with_the_first_prompt() {
    let station = Station::start().await;
    let mut assign = station.assignment(1, "echo x > x");
    assign.conversation = vec![v1::Message {
        kind: "review".into(),
        author: "bob".into(),
        text: "Please say it louder".into(),
        at_ms: 0,
    }];
    assign.conversation_from = 4;
    station.assign(assign).await;
    station.host.ended(&station.execution(1)).await;
    let heard = station.host.heard();
    let delivered = Body::MessagesDelivered(v1::MessagesDelivered { below: 5 });
    assert!(heard.bodies(&station.execution(1)).contains(&&delivered));
}

#[tokio::test]
async fn a_credential_request_blocks_and_the_secret_is_in_the_next_turn_but_never_in_the_log() {
    let station = Station::start().await;
    let program = format!(
        "{REPORT}
echo work >> work.txt
if [ -n \"$NPM_TOKEN\" ]; then
  echo \"token $NPM_TOKEN\"
  test \"$NPM_TOKEN\" = \"$(cat .cloud-code/credentials/NPM_TOKEN)\" || exit 9
  report \"summary: I used $NPM_TOKEN\"
  exit 0
fi
report 'credential_requests: [{{id: c1, type: npm_token, scope: read, status: approved}}]'
"
    );
    let ended = station.run(1, &program).await;
    assert_eq!(ended.kind(), v1::EndKind::Blocked);
    assert!(ended.needs_credential);
    let report = station.host.heard().report(&station.execution(1));
    assert_eq!(report.credential_requests[0].kind, "npm_token");

    let credential = npm_token(&station);
    let request = credential.request.clone();
    station.host.send(ToAgent::Credential(credential)).await;
    station
        .host
        .until("the holding", |heard| heard.held.contains(&request))
        .await;
    let ended = station.resume(2, &program).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(ended.last_words, "token [NPM_TOKEN]");
    let heard = station.host.heard();
    assert!(!format!("{heard:?}").contains("s3cr3t"));

    let withdraw = v1::WithdrawCredential {
        request,
        task: station.task.clone(),
    };
    let withdraw = ToAgent::WithdrawCredential(withdraw);
    station.host.send(withdraw).await;
    let file = station.credentials().join("NPM_TOKEN");
    until("the withdrawal", || !file.exists()).await;
}

#[tokio::test]
async fn a_credential_that_comes_during_the_turn_is_used_in_a_turn_that_follows() {
    let station = Station::start().await;
    let program = format!(
        "{REPORT}
echo work >> work.txt
if [ -n \"$NPM_TOKEN\" ]; then exit 0; fi
report 'credential_requests: [{{id: c1, type: npm_token, scope: read}}]'
while [ ! -e .cloud-code/credentials/NPM_TOKEN ]; do sleep 0.02; done
"
    );
    let execution = station.execution(1);
    station.assign(station.assignment(1, &program)).await;
    station
        .host
        .until("the request", |heard| {
            !heard.report(&execution).credential_requests.is_empty()
        })
        .await;
    let credential = ToAgent::Credential(npm_token(&station));
    station.host.send(credential).await;
    let ended = station.host.ended(&execution).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(station.read("work.txt"), "work\nwork\n");
}

#[tokio::test]
async fn the_scripted_adapter_needs_a_result_line_and_an_exit_status_that_agree() {
    let station = Station::start().await;
    let scripted = |number, program: &str| {
        let mut assign = station.assignment(number, program);
        let cli = assign.coding_cli.as_mut().unwrap();
        cli.adapter = "scripted".into();
        assign
    };
    let result = r#"echo '{"type":"result","ok":true,"kind":null,"text":"well done"}'"#;
    let session = r#"echo '{"session":"s-1"}' > "$HOME/.scripted.json"
        echo '{"type":"session","id":"s-1"}'; echo x >> x"#;
    let well = scripted(1, &format!("{session}; {result}"));
    station.assign(well).await;
    let ended = station.host.ended(&station.execution(1)).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    assert_eq!(ended.last_words, "well done");

    let disagreeing = scripted(2, &format!("{session}; {result}; exit 4"));
    station.assign(disagreeing).await;
    let ended = station.host.ended(&station.execution(2)).await;
    let cause = FailureCause::CodingCli { exit: Some(4) };
    assert_eq!(ended.failure_cause(), Ok(cause));

    station.assign(scripted(3, session)).await;
    let ended = station.host.ended(&station.execution(3)).await;
    let cause = FailureCause::CodingCli { exit: Some(0) };
    assert_eq!(ended.failure_cause(), Ok(cause));

    // A kept session is resumed by the id that it reported.
    let told = |number| {
        let mut next = scripted(number, &format!("echo \"$@\" > arguments; {result}"));
        next.resume = true;
        next
    };
    station.assign(told(4)).await;
    station.host.ended(&station.execution(4)).await;
    let arguments = station.read("arguments");
    assert!(arguments.ends_with("--resume s-1\n"), "{arguments}");

    // One that its program knows nothing of is not: another one is begun.
    std::fs::remove_file(station.above().join("home/.scripted.json")).unwrap();
    station.assign(told(5)).await;
    station.host.ended(&station.execution(5)).await;
    let arguments = station.read("arguments");
    assert!(arguments.contains("--session "), "{arguments}");
    assert!(!arguments.contains("s-1"), "{arguments}");
}
