//! The engine as its senders see it: real store, real thread, a clock of the test's.

mod away;
mod backend;
mod bench;
mod clock;
mod durable;
mod flow;
mod golden;
mod gone;
mod heartbeats;
mod isolated;
mod limits;
mod outages;

use cloud_code_domain::agent::AgentState;
use cloud_code_domain::cost::{MicroUsd, Tokens, Usage};
use cloud_code_domain::credential::CredentialType;
use cloud_code_domain::execution::FailureCause;
use cloud_code_domain::limit::Amount;
use cloud_code_domain::operator::Action;
use cloud_code_domain::report::{CredentialAsk, ReportDelta, ReportStatus};
use cloud_code_domain::task::{BlockedReason, TaskState};

use super::*;
use bench::Bench;

fn oid(digit: char) -> cloud_code_domain::id::Oid {
    digit.to_string().repeat(40).parse().unwrap()
}

#[tokio::test]
async fn an_issue_of_the_operator_becomes_a_pull_request_and_is_merged() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    let execution = bench.assigned(&task).await;
    bench
        .says(
            &execution,
            RecordBody::Started {
                version: "1".into(),
            },
        )
        .await;
    assert_eq!(
        bench.state(&task).await,
        TaskState::InProgress(execution.clone())
    );
    bench.succeeds(&execution, oid('b')).await;
    bench
        .effect(
            "publish",
            Done::Published {
                head: oid('c'),
                added: 3,
                removed: 1,
                files: 1,
                passed: Vec::new(),
            },
        )
        .await;
    bench.effect("open", bench.opened(&task, 7)).await;
    assert_eq!(bench.state(&task).await, TaskState::Review);
    bench.act(Action::Merge(task.clone())).await.unwrap();
    bench.effect("merge", Done::Merged).await;
    let gone = bench.engine.read({
        let task = task.clone();
        move |world| (world.tasks.contains_key(&task), world.whole_task(&task))
    });
    let (live, whole) = gone.await.unwrap();
    let (record, executions) = whole.unwrap();
    assert!(!live, "a finished task leaves memory");
    assert_eq!(record.state, TaskState::Completed);
    assert_eq!(executions.len(), 1);
}

#[tokio::test]
async fn a_stale_execution_never_moves_a_task() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    let first = bench.assigned(&task).await;
    bench.fails(&first, FailureCause::AgentLost).await;
    bench.later(60_000).await;
    let second = bench.assigned(&task).await;
    assert_ne!(first, second);
    bench.succeeds(&first, oid('b')).await;
    assert_eq!(bench.state(&task).await, TaskState::Assigned(second));
}

#[tokio::test]
async fn an_agent_that_stays_away_loses_its_execution_and_its_task() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    let execution = bench.assigned(&task).await;
    let current = Some(execution.clone());
    bench.gone().await;
    bench.later(1_000).await;
    let state = bench.state(&task).await;
    assert_eq!(
        state.current_execution().cloned(),
        current,
        "it may be back"
    );
    bench.hello().await;
    bench.minutes(60).await;
    let state = bench.state(&task).await;
    assert_eq!(state.current_execution().cloned(), current, "it is there");
    bench.gone().await;
    bench.minutes(9).await;
    let state = bench.state(&task).await;
    assert_eq!(state.current_execution().cloned(), current, "not yet");
    bench.minutes(1).await;
    let record = bench.task(&task).await;
    assert_eq!(record.state, TaskState::Pending);
    assert_eq!((record.agent, record.attempts), (None, 0));
    // It is back, and speaks of what is not its own any more.
    bench.hello().await;
    bench.later(3_600_000).await;
    let second = bench.assigned(&task).await;
    assert_ne!(execution, second);
    bench.succeeds(&execution, oid('b')).await;
    assert_eq!(bench.state(&task).await, TaskState::Assigned(second));
}

#[tokio::test]
async fn a_suspended_machine_and_a_clock_that_is_set_lose_no_agent() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    let execution = bench.assigned(&task).await;
    bench.gone().await;
    bench.minutes(5).await;
    // Nobody looked for eight hours: its time begins anew.
    bench.later(8 * 3_600_000).await;
    bench.minutes(9).await;
    let state = bench.state(&task).await;
    assert_eq!(state.current_execution(), Some(&execution), "it is awaited");
    // An hour that was taken back does not hold it for an hour more.
    bench.later(-3_600_000).await;
    bench.minutes(9).await;
    let state = bench.state(&task).await;
    assert_eq!(state.current_execution(), Some(&execution), "it is awaited");
    bench.minutes(1).await;
    assert_eq!(bench.state(&task).await, TaskState::Pending);
}

#[tokio::test]
async fn an_absence_ends_with_the_return_and_the_next_one_begins_anew() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    let execution = bench.assigned(&task).await;
    for _ in 0..3 {
        bench.gone().await;
        bench.minutes(9).await;
        bench.hello().await;
    }
    let state = bench.state(&task).await;
    assert_eq!(state.current_execution(), Some(&execution));
}

#[tokio::test]
async fn a_record_counts_once_and_a_gap_is_refused() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    let execution = bench.assigned(&task).await;
    let delta = ReportDelta {
        progress: vec![cloud_code_domain::report::Progress {
            at: Timestamp(1),
            status: ReportStatus::Planning,
            message: "reading".into(),
        }],
        ..ReportDelta::default()
    };
    let record = |seq| Input::Record {
        agent: bench.agent.clone(),
        seq,
        execution: execution.clone(),
        body: RecordBody::Report(delta.clone()),
    };
    for _ in 0..3 {
        assert!(matches!(
            bench.engine.send(record(1)).await.unwrap(),
            Reply::Committed { seq: 1 }
        ));
    }
    assert!(matches!(
        bench.engine.send(record(3)).await.unwrap(),
        Reply::Gap { committed: 1 }
    ));
    let progress = bench.task(&task).await.report.progress.len();
    assert_eq!(progress, 1, "a delta that is sent again is applied once");
}

#[tokio::test]
async fn attempts_run_out_and_a_retry_starts_them_anew() {
    let bench = Bench::start().await;
    let task = bench.new_task("Add a greeting").await;
    for _ in 0..3 {
        let execution = bench.assigned(&task).await;
        bench
            .fails(&execution, FailureCause::CodingCli { exit: Some(1) })
            .await;
        bench.later(3_600_000).await;
    }
    assert!(matches!(bench.state(&task).await, TaskState::Failed(_)));
    bench.act(Action::Retry(task.clone())).await.unwrap();
    bench.assigned(&task).await;
    assert_eq!(bench.task(&task).await.attempts, 0);
}

#[tokio::test]
async fn a_cost_limit_ends_the_turn_and_a_grant_goes_on() {
    let bench = Bench::start().await;
    let task = bench.new_task("Think").await;
    let execution = bench.assigned(&task).await;
    let call = bench.open_call(&execution).await.unwrap();
    let settled = Input::CallSettled {
        execution: execution.clone(),
        call,
        usage: Usage {
            output: 10,
            ..Usage::default()
        },
        came_to: Amount {
            cost: MicroUsd(2_500_000),
            tokens: Tokens(10),
        },
        answer: Answer::Whole,
    };
    bench.engine.send(settled).await.unwrap();
    assert_eq!(
        bench.state(&task).await,
        TaskState::Blocked(BlockedReason::CostLimit)
    );
    assert_eq!(
        bench.open_call(&execution).await,
        Err(CallRefusal::CostLimit)
    );
    let orders = bench.orders().await;
    assert!(orders.cancel.is_some(), "the agent is told to end it");
    bench.ends(&execution, EndedHow::Cancelled).await;
    assert!(
        bench.act(Action::Retry(task.clone())).await.is_err(),
        "the limit still holds"
    );
    let limit = MicroUsd(5_000_000);
    bench
        .act(Action::SetCostLimit {
            task: task.clone(),
            limit,
        })
        .await
        .unwrap();
    let next = bench.assigned(&task).await;
    assert!(
        bench.execution(&next).await.resume,
        "worktree and session are kept"
    );
}

#[tokio::test]
async fn a_call_that_was_under_way_when_we_died_is_charged_whole() {
    let bench = Bench::start().await;
    let task = bench.new_task("Think").await;
    let execution = bench.assigned(&task).await;
    bench.open_call(&execution).await.unwrap();
    let bench = bench.killed().await;
    assert_eq!(bench.task(&task).await.cost, MicroUsd(100_000));
}

#[tokio::test]
async fn a_credential_waits_for_the_operator_and_the_answer_reaches_the_agent() {
    let bench = Bench::start().await;
    let task = bench.new_task("Publish").await;
    let execution = bench.assigned(&task).await;
    bench
        .says(&execution, RecordBody::Report(asks("npm_token", "publish")))
        .await;
    let blocked = EndedHow::Blocked {
        needs_credential: true,
        reason: String::new(),
    };
    bench.ends(&execution, blocked).await;
    assert_eq!(
        bench.state(&task).await,
        TaskState::Blocked(BlockedReason::NeedsCredential)
    );
    let request = bench.request(&task).await;
    let approve = Action::Approve {
        request: request.id.clone(),
        for_task: false,
    };
    let refused = bench.act(approve.clone()).await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("cloud-code secret set npm_token"),
        "{refused:?}"
    );
    let known = [(CredentialType::NpmToken, "publish".to_owned(), None)].into();
    bench
        .engine
        .send(Input::SecretsKnown {
            secrets: known,
            version: 1,
            change: None,
        })
        .await
        .unwrap();
    let stale = bench
        .act_on(approve.clone(), request.version + 1)
        .await
        .unwrap_err();
    assert!(
        matches!(stale, ActRefusal::Changed { .. }),
        "an outdated answer is refused"
    );
    bench.act(approve).await.unwrap();
    let next = bench.assigned(&task).await;
    assert!(bench.execution(&next).await.resume);
    assert_eq!(bench.orders().await.credentials.len(), 1);
}

#[tokio::test]
async fn policy_grants_reading_without_a_person_and_never_a_token_that_could_push() {
    let bench = Bench::start().await;
    let known = [(CredentialType::DatabaseUrl, "read_only".to_owned(), None)].into();
    bench
        .engine
        .send(Input::SecretsKnown {
            secrets: known,
            version: 1,
            change: None,
        })
        .await
        .unwrap();
    let task = bench.new_task("Query").await;
    let execution = bench.assigned(&task).await;
    let mut both = asks("database_url", "read_only");
    let push = asks("github_token", "repo")
        .credential_requests
        .unwrap_or_default();
    if let Some(requests) = &mut both.credential_requests {
        requests.extend(push);
    }
    bench.says(&execution, RecordBody::Report(both)).await;
    let blocked = EndedHow::Blocked {
        needs_credential: true,
        reason: String::new(),
    };
    bench.ends(&execution, blocked).await;
    bench.assigned(&task).await;
    let states = bench.request_states(&task).await;
    assert_eq!(states, ["approved", "denied"]);
}

#[tokio::test]
async fn after_a_kill_everything_acknowledged_is_there() {
    let bench = Bench::start().await;
    let running = bench.new_task("One").await;
    let execution = bench.assigned(&running).await;
    let waiting = bench.new_task("Two").await;
    let before = bench.events().await;
    let bench = bench.killed().await;
    assert_eq!(
        bench.state(&running).await,
        TaskState::Assigned(execution.clone())
    );
    assert_eq!(bench.state(&waiting).await, TaskState::Pending);
    let after = bench.events().await;
    assert_eq!(
        after[..before.len()],
        before[..],
        "the events are append-only"
    );
    assert!(
        after.iter().zip(1..).all(|(event, seq)| event.seq == seq),
        "and gap-free"
    );
    bench.hello().await;
    let told = bench
        .orders()
        .await
        .assign
        .map(|assign| assign.0.id.clone());
    assert_eq!(
        told,
        Some(execution),
        "the agent is told again what it works on"
    );
}

#[tokio::test]
async fn an_effect_that_was_being_made_when_we_died_is_looked_for_first() {
    let bench = Bench::start().await;
    let task = bench.new_task("One").await;
    let execution = bench.assigned(&task).await;
    bench.succeeds(&execution, oid('b')).await;
    bench
        .effect(
            "publish",
            Done::Published {
                head: oid('c'),
                added: 1,
                removed: 0,
                files: 1,
                passed: Vec::new(),
            },
        )
        .await;
    let key = format!("open/{task}");
    let Reply::Make(made) = bench
        .engine
        .send(Input::EffectStarted { key: key.clone() })
        .await
        .unwrap()
    else {
        panic!("it is due");
    };
    assert_eq!(made.0.state, EffectState::Sending);
    let bench = bench.killed().await;
    let Reply::Make(made) = bench
        .engine
        .send(Input::EffectStarted { key })
        .await
        .unwrap()
    else {
        panic!("it is due");
    };
    assert_eq!(made.0.state, EffectState::Unknown);
}

#[tokio::test]
async fn a_halt_stops_what_runs_and_a_resume_goes_on_without_counting() {
    let bench = Bench::start().await;
    let task = bench.new_task("One").await;
    let execution = bench.assigned(&task).await;
    bench.act(Action::Halt(None)).await.unwrap();
    assert!(bench.orders().await.cancel.is_some());
    bench.ends(&execution, EndedHow::Cancelled).await;
    assert_eq!(bench.state(&task).await, TaskState::Pending);
    bench.act(Action::Resume(None)).await.unwrap();
    bench.assigned(&task).await;
    let task = bench.task(&task).await;
    assert_eq!((task.attempts, task.interruptions), (0, 0));
}

#[tokio::test]
async fn a_workstation_that_cannot_be_started_says_why_once_until_it_says_hello() {
    let bench = Bench::start().await;
    bench.gone().await;
    let task = bench.new_task("One").await;
    for why in ["no image", "no image", "no room"] {
        let input = Input::WorkstationStuck {
            agent: bench.agent.clone(),
            why: why.into(),
        };
        bench.engine.send(input).await.unwrap();
    }
    let events = bench.events().await;
    let told = events.iter().filter(|event| event.kind == "stuck");
    let told: Vec<&str> = told.map(|event| event.detail.as_str()).collect();
    assert_eq!(told, ["no image", "no room"]);
    let (shown, agent) = bench.shown(&task).await;
    assert_eq!(agent, "no room");
    assert!(shown.ends_with("cannot be started: no room"), "{shown}");
    bench.hello().await;
    assert_eq!(bench.shown(&task).await.1, "");
}

#[tokio::test]
async fn a_cancelled_task_frees_its_agent_only_when_the_agent_says_so() {
    let bench = Bench::start().await;
    let task = bench.new_task("One").await;
    let execution = bench.assigned(&task).await;
    bench.act(Action::Cancel(task.clone())).await.unwrap();
    assert_eq!(
        bench.agent_state().await,
        AgentState::Working(execution.clone())
    );
    bench.ends(&execution, EndedHow::Cancelled).await;
    assert_eq!(bench.agent_state().await, AgentState::Idle);
    assert_eq!(
        bench.orders().await.clean,
        [task],
        "and its workspace is cleaned"
    );
}

#[tokio::test]
async fn a_parked_account_ends_its_turns_and_resumes_them_at_the_reset() {
    let bench = Bench::start().await;
    let task = bench.new_task("One").await;
    let execution = bench.assigned(&task).await;
    let until = bench.now().after(Duration::from_secs(3_600));
    let parking = cloud_code_domain::account::Parking::UsageLimit { until };
    let account = "main".parse().unwrap();
    bench
        .engine
        .send(Input::AccountParked { account, parking })
        .await
        .unwrap();
    bench.ends(&execution, EndedHow::Cancelled).await;
    assert_eq!(
        bench
            .wait(&task)
            .await
            .map(|wait| matches!(wait, Wait::Account(_))),
        Some(true)
    );
    bench.later(3_600_000).await;
    let next = bench.assigned(&task).await;
    assert!(bench.execution(&next).await.resume);
    assert_eq!(bench.task(&task).await.attempts, 0);
}

fn asks(kind: &str, scope: &str) -> ReportDelta {
    ReportDelta {
        credential_requests: Some(vec![CredentialAsk {
            label: "cred-1".into(),
            kind: kind.into(),
            scope: scope.into(),
            reason: "it is needed".into(),
        }]),
        ..ReportDelta::default()
    }
}
