use std::time::Duration;

use cloud_code_domain::account::{Authorisation, Provider};
use serde_json::json;

use super::ClaudeCode;
use crate::cli::replay::{Replay, SESSION, arguments, spec, variable};
use crate::cli::{Adapter, CliEvent, ErrorKind, Exit, PlanError, SessionRef, StdinPlan};

const EDIT: &str = include_str!("fixtures/edit.jsonl");
const LATE_STEERING: &str = include_str!("fixtures/late_steering.jsonl");

fn replay(lines: &str) -> Replay {
    let mut replay = Replay::start(&ClaudeCode, &spec(Provider::Anthropic));
    replay.stdout(lines);
    replay
}

#[test]
fn it_is_started_with_our_session_and_the_gateway() {
    let plan = ClaudeCode.plan(&spec(Provider::Anthropic)).expect("a plan");
    assert_eq!(plan.stdin, StdinPlan::Session);
    let arguments = arguments(&plan);
    assert_eq!(arguments[..2], ["claude", "-p"]);
    assert_eq!(arguments[arguments.len() - 2..], ["--session-id", SESSION]);
    let base = variable(&plan, "ANTHROPIC_BASE_URL");
    assert_eq!(base, Some("http://127.0.0.1:4000/model/anthropic"));
    assert_eq!(variable(&plan, "ANTHROPIC_API_KEY"), Some("the-token"));
}

#[test]
fn a_resumed_session_a_model_and_a_command_are_passed_on() {
    let mut spec = spec(Provider::Anthropic);
    spec.session = SessionRef::Resume { id: "s".into() };
    spec.model = Some("opus".into());
    spec.command = vec!["/opt/claude".into(), "--debug".into()];
    let plan = ClaudeCode.plan(&spec).expect("a plan");
    let arguments = arguments(&plan);
    assert_eq!(arguments[..3], ["/opt/claude", "--debug", "-p"]);
    assert_eq!(
        arguments[arguments.len() - 4..],
        ["--model", "opus", "--resume", "s"]
    );
}

#[test]
fn configuration_changes_the_quiet_settings_and_never_the_gateway() {
    let mut spec = spec(Provider::Anthropic);
    for (name, value) in [
        ("CLAUDE_CODE_MAX_RETRIES", "9"),
        ("ANTHROPIC_BASE_URL", "http://evil"),
    ] {
        spec.env.insert(name.into(), value.into());
    }
    let plan = ClaudeCode.plan(&spec).expect("a plan");
    assert_eq!(variable(&plan, "CLAUDE_CODE_MAX_RETRIES"), Some("9"));
    let base = variable(&plan, "ANTHROPIC_BASE_URL").expect("a base");
    assert!(base.starts_with("http://127.0.0.1"));
}

#[test]
fn a_subscription_gets_the_token_where_it_looks_for_one() {
    let mut spec = spec(Provider::Anthropic);
    spec.gateway.as_mut().expect("a gateway").authorisation = Authorisation::ClaudeToken;
    let plan = ClaudeCode.plan(&spec).expect("a plan");
    assert_eq!(
        variable(&plan, "CLAUDE_CODE_OAUTH_TOKEN"),
        Some("the-token")
    );
    assert_eq!(variable(&plan, "ANTHROPIC_API_KEY"), None);
}

#[test]
fn an_account_that_does_not_fit_is_a_plain_error() {
    let refused = ClaudeCode.plan(&spec(Provider::Openai));
    assert!(matches!(refused, Err(PlanError::Unsuitable(_))));
    let mut spec = spec(Provider::Anthropic);
    spec.gateway = None;
    assert_eq!(
        ClaudeCode.plan(&spec),
        Err(PlanError::NoAccount("claude-code"))
    );
}

#[test]
fn an_edit_is_told_step_by_step_and_ends_once() {
    let mut replay = replay(EDIT);
    let prompt = &replay.written()[0];
    assert_eq!(prompt["message"]["content"][0]["text"], "Make a greeting.");
    let path = "greeting.txt";
    assert!(
        replay
            .out
            .events
            .contains(&CliEvent::FileChange { path: path.into() })
    );
    let mut calls = replay.out.events.clone();
    calls.retain(|event| matches!(event, CliEvent::ToolCall { .. }));
    let write = json!({ "file_path": path, "content": "hello from the scripted model\n" });
    let look = json!({ "command": "cat greeting.txt" });
    let told = [("Write", write), ("Bash", look)].map(|(name, input)| CliEvent::ToolCall {
        name: name.into(),
        input: input.to_string(),
    });
    assert_eq!(calls, told);
    assert_eq!(replay.ends(), [(true, None, "Done: greeting.txt greets.")]);
    replay.exit(Exit::Code(0));
    assert_eq!(replay.ends().len(), 1);
}

#[test]
fn a_steering_message_that_comes_too_late_keeps_the_turn_open() {
    let mut replay = Replay::start(&ClaudeCode, &spec(Provider::Anthropic));
    let lines: Vec<&str> = LATE_STEERING.lines().collect();
    let (begun, rest) = lines.split_at(3);
    replay.stdout(&begun.join("\n"));
    assert!(replay.parser.steer("Louder.", &mut replay.out));
    replay.stdout(&rest.join("\n"));
    assert_eq!(replay.ends(), [(true, None, "The late message is heard.")]);
}

#[test]
fn a_refused_key_ends_the_turn_at_its_first_retry() {
    let mut replay = replay(include_str!("fixtures/refused.jsonl"));
    let written = replay.written();
    assert_eq!(written.len(), 2, "the prompt and one interrupt");
    assert_eq!(written[1]["request"]["subtype"], "interrupt");
    let retry = CliEvent::Retry {
        status: Some(401),
        kind: ErrorKind::Auth,
        delay: Some(Duration::from_millis(551)),
    };
    assert!(replay.out.events.contains(&retry));
    let words = "authentication_failed (401)";
    assert_eq!(replay.ends(), [(false, Some(ErrorKind::Auth), words)]);
}

#[test]
fn failures_have_their_kinds() {
    for (lines, kind) in [
        (include_str!("fixtures/far.jsonl"), ErrorKind::RateLimit),
        (
            include_str!("fixtures/context.jsonl"),
            ErrorKind::ContextLength,
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
fn refused_tools_are_told_although_the_turn_succeeds() {
    let replay = replay(
        r#"{"type":"result","is_error":false,"result":"x","permission_denials":[{"tool_name":"Write"}]}"#,
    );
    let tool = "Write".to_owned();
    assert_eq!(replay.out.events[0], CliEvent::Denied { tool });
}

#[test]
fn status_0_without_a_result_is_no_success() {
    let mut replay = replay(EDIT.lines().next().expect("a line"));
    replay.exit(Exit::Code(0));
    assert_eq!(replay.ends(), [(false, Some(ErrorKind::Protocol), "")]);
}

#[test]
fn what_it_says_before_a_session_explains_why_it_did_not_start() {
    let mut replay = replay("error: unknown option '--frob'");
    replay.exit(Exit::Code(1));
    let words = "error: unknown option '--frob'";
    assert_eq!(replay.ends(), [(false, Some(ErrorKind::Usage), words)]);
}

#[test]
fn a_question_is_answered_so_that_nothing_waits() {
    let mut replay = replay("");
    replay.written();
    replay.stdout(
        r#"{"type":"control_request","request_id":"7","request":{"subtype":"can_use_tool"}}"#,
    );
    assert_eq!(replay.written()[0]["response"]["request_id"], "7");
}

#[test]
fn hostile_lines_are_lines() {
    let lines = [
        "not JSON",
        r#"{"type":"result"}"#,
        r#"{"type":"assistant","message":5}"#,
        r#"{"type":"of tomorrow"}"#,
        "[[[[",
    ];
    let replay = replay(&lines.join("\n"));
    let told = lines.map(|line| CliEvent::Line { text: line.into() });
    assert_eq!(replay.out.events, told);
}

#[test]
fn a_result_after_the_end_ends_nothing_twice() {
    let mut replay = replay(EDIT);
    replay.stdout(&json!({ "type": "result", "is_error": true }).to_string());
    assert_eq!(replay.ends().len(), 1);
}

#[test]
fn a_session_is_kept_once_its_first_prompt_is_written_down() {
    let home = tempfile::tempdir().expect("a directory");
    let folder = home.path().join(".claude/projects/-workspace-task");
    std::fs::create_dir_all(&folder).expect("folders");
    let kept = || ClaudeCode.keeps_session(home.path(), SESSION);
    assert_eq!(kept(), Some(false), "nothing is there");
    let file = folder.join(format!("{SESSION}.jsonl"));
    let queued = "{\"type\":\"queue-operation\",\"operation\":\"enqueue\"}\n";
    std::fs::write(&file, queued).expect("a file");
    assert_eq!(kept(), Some(false), "it would be no conversation");
    let prompted = format!("{queued}{{\"type\":\"user\",\"message\":{{}}}}\n{{\"typ");
    std::fs::write(&file, prompted).expect("a file");
    assert_eq!(kept(), Some(true), "also where its last line is cut");
    let other = ClaudeCode.keeps_session(home.path(), "another");
    assert_eq!(other, Some(false));
}
