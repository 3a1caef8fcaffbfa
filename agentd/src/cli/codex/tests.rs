use cloud_code_domain::account::Provider;
use serde_json::Value;

use super::Codex;
use crate::cli::replay::{Replay, arguments, spec, variable};
use crate::cli::{Adapter, CliEvent, ErrorKind, Exit, PlanError, SessionRef};

const EDIT: &str = include_str!("fixtures/edit.jsonl");

fn replay(lines: &str) -> Replay {
    let mut replay = Replay::start(&Codex, &spec(Provider::Openai));
    replay.stdout(lines);
    replay
}

fn methods(written: &[Value]) -> Vec<&str> {
    written
        .iter()
        .filter_map(|line| line["method"].as_str())
        .collect()
}

/// A turn that has begun: the first lines of a run.
fn begun() -> Replay {
    let lines: Vec<&str> = EDIT.lines().take(4).collect();
    replay(&lines.join("\n"))
}

/// The line that ends the turn of [`begun`].
fn completed() -> &'static str {
    EDIT.lines().last().expect("a last line")
}

#[test]
fn it_is_started_with_a_provider_of_ours_and_the_token_is_no_argument() {
    let plan = Codex.plan(&spec(Provider::Openai)).expect("a plan");
    let arguments = arguments(&plan);
    assert_eq!(arguments[..2], ["codex", "app-server"]);
    let provider = arguments
        .iter()
        .find(|argument| argument.starts_with("model_providers"));
    let provider = provider.expect("a provider");
    assert!(provider.contains("base_url=\"http://127.0.0.1:4000/model/openai/v1\""));
    assert!(provider.contains("env_key=\"CLOUD_CODE_MODEL_TOKEN\""));
    assert!(
        !arguments
            .iter()
            .any(|argument| argument.contains("the-token"))
    );
    assert_eq!(variable(&plan, "CLOUD_CODE_MODEL_TOKEN"), Some("the-token"));
}

#[test]
fn an_account_that_does_not_fit_is_a_plain_error() {
    let refused = Codex.plan(&spec(Provider::Anthropic));
    assert!(matches!(refused, Err(PlanError::Unsuitable(_))));
}

#[test]
fn it_shakes_hands_opens_a_thread_and_begins_the_turn() {
    let mut replay = begun();
    let written = replay.written();
    let wanted = ["initialize", "initialized", "thread/start", "turn/start"];
    assert_eq!(methods(&written), wanted);
    assert_eq!(written[2]["params"]["cwd"], "/workspace/task");
    assert_eq!(written[3]["params"]["input"][0]["text"], "Make a greeting.");
    assert!(matches!(&replay.out.events[..], [CliEvent::Session { .. }]));
}

#[test]
fn a_session_is_resumed_by_its_thread() {
    let mut spec = spec(Provider::Openai);
    spec.session = SessionRef::Resume { id: "t".into() };
    let mut replay = Replay::start(&Codex, &spec);
    replay.stdout(r#"{"id":1,"result":{}}"#);
    let written = replay.written();
    assert_eq!(written[2]["method"], "thread/resume");
    assert_eq!(written[2]["params"]["threadId"], "t");
}

#[test]
fn an_edit_is_told_step_by_step_and_ends_once() {
    let mut replay = replay(EDIT);
    let path = "/workspace/task/greeting.txt".to_owned();
    assert!(replay.out.events.contains(&CliEvent::FileChange { path }));
    let text = "hello from the scripted model\n".to_owned();
    assert!(
        replay
            .out
            .events
            .contains(&CliEvent::ToolResult { ok: true, text })
    );
    assert_eq!(replay.ends(), [(true, None, "Done: greeting.txt greets.")]);
    replay.exit(Exit::Code(0));
    assert_eq!(replay.ends().len(), 1);
}

#[test]
fn the_next_turn_goes_to_the_same_thread() {
    let mut replay = replay(EDIT);
    replay.written();
    replay.parser.next_turn("Again.", &mut replay.out);
    let written = replay.written();
    assert_eq!(methods(&written), ["turn/start"]);
    assert!(written[0]["params"]["threadId"].is_string());
}

#[test]
fn a_rate_limit_ends_the_turn_because_its_wait_is_not_told() {
    let mut replay = replay(include_str!("fixtures/far.jsonl"));
    assert_eq!(methods(&replay.written()).last(), Some(&"turn/interrupt"));
    let words = "exceeded retry limit, last status: 429 Too Many Requests";
    assert_eq!(replay.ends(), [(false, Some(ErrorKind::RateLimit), words)]);
}

#[test]
fn failures_have_their_kinds() {
    for (lines, kind) in [
        (include_str!("fixtures/refused.jsonl"), ErrorKind::Auth),
        (
            include_str!("fixtures/bad_request.jsonl"),
            ErrorKind::BadRequest,
        ),
        (include_str!("fixtures/unknown.jsonl"), ErrorKind::Usage),
        (
            include_str!("fixtures/interrupted.jsonl"),
            ErrorKind::Interrupted,
        ),
    ] {
        let replay = replay(lines);
        let ends: Vec<_> = replay.ends().iter().map(|end| (end.0, end.1)).collect();
        assert_eq!(ends, [(false, Some(kind))]);
    }
}

#[test]
fn an_interrupt_waits_until_the_turn_can_be_named() {
    let lines: Vec<&str> = EDIT.lines().collect();
    let mut replay = replay(&lines[..2].join("\n"));
    replay.written();
    assert!(replay.parser.interrupt(&mut replay.out));
    assert!(replay.written().is_empty());
    replay.stdout(&lines[2..4].join("\n"));
    assert_eq!(methods(&replay.written()), ["turn/interrupt"]);
}

#[test]
fn a_turn_is_not_over_before_its_steering_is_answered() {
    let mut replay = begun();
    assert!(replay.parser.steer("Louder.", &mut replay.out));
    let id = replay.written().last().expect("a request")["id"].clone();
    replay.stdout(completed());
    assert!(replay.ends().is_empty());
    replay.stdout(&format!(r#"{{"id":{id},"result":{{"turnId":"t"}}}}"#));
    assert_eq!(replay.ends().len(), 1);
}

#[test]
fn refused_steering_becomes_one_more_turn() {
    let mut replay = begun();
    assert!(replay.parser.steer("Louder.", &mut replay.out));
    let id = replay.written().last().expect("a request")["id"].clone();
    replay.stdout(completed());
    replay.stdout(&format!(
        r#"{{"id":{id},"error":{{"code":1,"message":"no active turn"}}}}"#
    ));
    assert!(replay.ends().is_empty());
    let written = replay.written();
    assert_eq!(methods(&written), ["turn/start"]);
    assert_eq!(written[0]["params"]["input"][0]["text"], "Louder.");
    replay.stdout(completed());
    assert_eq!(replay.ends().len(), 1);
}

#[test]
fn nothing_is_steered_between_turns() {
    let mut replay = replay(EDIT);
    assert!(!replay.parser.steer("Louder.", &mut replay.out));
    assert!(!replay.parser.interrupt(&mut replay.out));
}

#[test]
fn a_question_is_answered_so_that_nothing_waits() {
    let mut replay = begun();
    replay.written();
    replay.stdout(r#"{"id":0,"method":"item/commandExecution/requestApproval","params":{}}"#);
    assert_eq!(replay.written()[0]["error"]["code"], -32_601);
}

#[test]
fn a_process_that_ends_in_a_turn_never_succeeds() {
    for (exit, kind) in [
        (Exit::Code(0), ErrorKind::Protocol),
        (Exit::Signal(9), ErrorKind::Killed),
    ] {
        let mut replay = begun();
        replay.exit(exit);
        assert_eq!(replay.ends(), [(false, Some(kind), "")]);
    }
}

#[test]
fn hostile_lines_end_nothing() {
    let mut replay = begun();
    replay
        .stdout("not JSON\n{}\n[]\n{\"id\":99,\"result\":{}}\n{\"method\":\"error\",\"params\":7}");
    replay.stdout(r#"{"method":"item/completed","params":{"item":{"type":"of tomorrow"}}}"#);
    assert!(replay.ends().is_empty());
}
