mod gemini;

use cloud_code_domain::account::{Authorisation, Provider};
use serde_json::{Value, json};

use super::{Acp, Program};
use crate::cli::replay::{Replay, arguments, spec, variable};
use crate::cli::{Adapter, CliEvent, ErrorKind, Exit, PlanError, RunSpec, SessionRef};

const OPENCODE: &str = include_str!("fixtures/opencode.jsonl");
const QWEN: &str = include_str!("fixtures/qwen.jsonl");
const COPILOT: &str = include_str!("fixtures/copilot.jsonl");

/// What a program answers that can take sessions up, and one that cannot.
const KEEPS: &str = r#"{"id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true,"sessionCapabilities":{"resume":{}}}}}"#;
const LOADS: &str =
    r#"{"id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true}}}"#;
const FORGETS: &str = r#"{"id":1,"result":{"protocolVersion":1}}"#;
const OPENED: &str = r#"{"id":2,"result":{"sessionId":"s"}}"#;

fn with_model(provider: Provider) -> RunSpec {
    RunSpec {
        model: Some("the-model".into()),
        ..spec(provider)
    }
}

fn replay_of(program: Program, spec: &RunSpec, lines: &[&str]) -> Replay {
    let mut replay = Replay::start(&Acp(program), spec);
    for line in lines {
        replay.stdout(line);
    }
    replay
}

/// A turn that has begun, in session `s`.
fn begun() -> Replay {
    let spec = with_model(Provider::Openai);
    let mut replay = replay_of(Program::Any, &spec, &[KEEPS, OPENED]);
    replay.written();
    replay
}

fn update(update: Value) -> String {
    let mut params = json!({ "sessionId": "s" });
    params["update"] = update;
    json!({ "method": "session/update", "params": params }).to_string()
}

fn chunk(text: &str) -> String {
    update(json!({
        "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": text },
    }))
}

fn stopped(reason: &str) -> String {
    json!({ "id": 3, "result": { "stopReason": reason } }).to_string()
}

fn methods(written: &[Value]) -> Vec<&str> {
    let methods = written.iter().filter_map(|line| line["method"].as_str());
    methods.collect()
}

fn kinds(replay: &Replay) -> Vec<(bool, Option<ErrorKind>)> {
    replay.ends().iter().map(|end| (end.0, end.1)).collect()
}

fn messages(replay: &Replay) -> Vec<&str> {
    let events = replay.out.events.iter();
    let said = events.filter_map(|event| {
        let CliEvent::Message { text } = event else {
            return None;
        };
        Some(text.as_str())
    });
    said.collect()
}

#[test]
fn each_program_is_told_of_the_gateway_and_the_token_is_no_argument() {
    for (program, provider, url) in [
        (Program::Qwen, Provider::Openai, "OPENAI_BASE_URL"),
        (
            Program::Copilot,
            Provider::Openai,
            "COPILOT_PROVIDER_BASE_URL",
        ),
        (Program::Any, Provider::Openai, "OPENAI_BASE_URL"),
    ] {
        let mut spec = with_model(provider);
        spec.command = vec!["program".into()];
        spec.env = [(url.into(), "http://elsewhere".into())].into();
        let plan = Acp(program).plan(&spec).expect("a plan");
        let base = "http://127.0.0.1:4000/model/openai/v1";
        assert_eq!(variable(&plan, url), Some(base), "{program:?}");
        assert!(plan.env.iter().any(|(_, value)| value == "the-token"));
        let arguments = arguments(&plan).join(" ");
        assert!(!arguments.contains("the-token"), "{program:?}: {arguments}");
    }
}

#[test]
fn opencode_speaks_to_either_provider_and_to_no_other() {
    for (provider, name) in [
        (Provider::Anthropic, "anthropic"),
        (Provider::Openai, "openai"),
    ] {
        let plan = Acp(Program::Opencode).plan(&with_model(provider));
        let plan = plan.expect("a plan");
        assert_eq!(arguments(&plan), ["opencode", "acp"]);
        let config = variable(&plan, "OPENCODE_CONFIG_CONTENT").expect("a configuration");
        assert!(!config.contains("the-token"), "{config}");
        let config: Value = serde_json::from_str(config).expect("JSON");
        assert_eq!(config["model"], format!("{name}/the-model"));
        assert_eq!(config["enabled_providers"], json!([name]));
        let url = format!("http://127.0.0.1:4000/model/{name}/v1");
        assert_eq!(config["provider"][name]["options"]["baseURL"], url);
    }
}

#[test]
fn an_account_that_does_not_fit_and_a_missing_model_are_plain_errors() {
    let mut token = with_model(Provider::Anthropic);
    if let Some(gateway) = &mut token.gateway {
        gateway.authorisation = Authorisation::ClaudeToken;
    }
    for (program, spec) in [
        (Program::Qwen, with_model(Provider::Anthropic)),
        (Program::Copilot, with_model(Provider::Anthropic)),
        (Program::Copilot, with_model(Provider::Google)),
        (Program::Opencode, with_model(Provider::Google)),
        (Program::Gemini, with_model(Provider::Openai)),
        (Program::Gemini, spec(Provider::Google)),
        (Program::Opencode, token),
        (Program::Opencode, spec(Provider::Openai)),
    ] {
        let refused = Acp(program).plan(&spec);
        let unsuitable = matches!(refused, Err(PlanError::Unsuitable(_)));
        assert!(unsuitable, "{program:?}: {refused:?}");
    }
    let refused = Acp(Program::Any).plan(&with_model(Provider::Openai));
    assert_eq!(refused, Err(PlanError::NoCommand("acp")));
}

#[test]
fn it_shakes_hands_opens_a_session_and_sends_the_prompt() {
    let spec = with_model(Provider::Openai);
    let mut replay = replay_of(Program::Any, &spec, &[KEEPS, OPENED]);
    let written = replay.written();
    let wanted = ["initialize", "session/new", "session/prompt"];
    assert_eq!(methods(&written), wanted);
    let files = &written[0]["params"]["clientCapabilities"]["fs"];
    assert_eq!(
        files,
        &json!({ "readTextFile": false, "writeTextFile": false })
    );
    assert_eq!(written[1]["params"]["cwd"], "/workspace/task");
    assert_eq!(written[2]["params"]["sessionId"], "s");
    assert_eq!(written[2]["params"]["prompt"][0]["text"], spec.prompt);
    assert!(matches!(&replay.out.events[..], [CliEvent::Session { id, .. }] if id == "s"));
}

#[test]
fn another_version_of_the_protocol_is_not_spoken_at() {
    for answer in [
        r#"{"id":1,"result":{"protocolVersion":2}}"#,
        r#"{"id":1,"result":null}"#,
    ] {
        let spec = with_model(Provider::Openai);
        let mut replay = replay_of(Program::Any, &spec, &[answer]);
        assert_eq!(methods(&replay.written()), ["initialize"]);
        assert_eq!(kinds(&replay), [(false, Some(ErrorKind::Usage))]);
    }
}

#[test]
fn a_session_is_taken_up_in_the_best_way_that_the_program_knows() {
    for (can, method, announced) in [
        (KEEPS, "session/resume", true),
        (LOADS, "session/load", true),
        (FORGETS, "session/new", false),
    ] {
        let mut spec = with_model(Provider::Openai);
        spec.session = SessionRef::Resume { id: "old".into() };
        let mut replay = replay_of(Program::Any, &spec, &[can, OPENED]);
        let written = replay.written();
        let wanted = ["initialize", method, "session/prompt"];
        assert_eq!(methods(&written), wanted);
        let session = if announced { "old" } else { "s" };
        assert_eq!(written[2]["params"]["sessionId"], session);
        let events = &replay.out.events;
        let told = events
            .iter()
            .any(|event| matches!(event, CliEvent::Session { .. }));
        assert_eq!(
            told, announced,
            "what cannot be taken up is not remembered: {method}"
        );
    }
}

#[test]
fn a_conversation_that_is_told_again_is_no_part_of_the_turn() {
    let mut spec = with_model(Provider::Openai);
    spec.session = SessionRef::Resume { id: "s".into() };
    let replay = replay_of(
        Program::Any,
        &spec,
        &[
            LOADS,
            &chunk("I said this before."),
            r#"{"id":2,"result":null}"#,
            &chunk("Now this."),
            &stopped("end_turn"),
        ],
    );
    assert_eq!(messages(&replay), ["Now this."]);
}

#[test]
fn an_edit_is_told_step_by_step_and_ends_once() {
    for (program, lines) in [
        (Program::Opencode, OPENCODE),
        (Program::Qwen, QWEN),
        (Program::Copilot, COPILOT),
    ] {
        let mut replay = replay_of(program, &with_model(Provider::Openai), &[lines]);
        assert_eq!(
            messages(&replay),
            [
                "I'll create the greeting module.",
                "Now I check it.",
                "Done: hello.py defines hello(), and it runs.",
            ]
        );
        let events = replay.out.events.iter();
        let inputs: Vec<&str> = events
            .filter_map(|event| {
                let CliEvent::ToolCall { input, .. } = event else {
                    return None;
                };
                Some(input.as_str())
            })
            .collect();
        assert_eq!(inputs.len(), 2, "{program:?}");
        assert_eq!(inputs[1], "python3 -c 'import hello; print(hello.hello())'");
        let path = "/workspace/task/hello.py".to_owned();
        let changed = replay.out.events.contains(&CliEvent::FileChange { path });
        // Copilot writes files with its shell here.
        assert_eq!(changed, program != Program::Copilot, "{program:?}");
        replay.exit(Exit::Code(0));
        assert_eq!(kinds(&replay), [(true, None)], "{program:?}");
    }
}

#[test]
fn the_next_turn_goes_to_the_same_session() {
    let mut replay = begun();
    replay.stdout(&stopped("end_turn"));
    replay.parser.next_turn("Again.", &mut replay.out);
    let written = replay.written();
    assert_eq!(methods(&written), ["session/prompt"]);
    assert_eq!(written[0]["params"]["sessionId"], "s");
    assert!(!replay.parser.steer("Louder.", &mut replay.out));
}

#[test]
fn every_stop_reason_has_its_verdict() {
    for (reason, wanted) in [
        ("end_turn", (true, None)),
        ("max_tokens", (false, Some(ErrorKind::MaxTokens))),
        ("max_turn_requests", (false, Some(ErrorKind::MaxTurns))),
        ("refusal", (false, Some(ErrorKind::Unknown))),
        ("cancelled", (false, Some(ErrorKind::Unknown))),
        ("of tomorrow", (false, Some(ErrorKind::Unknown))),
    ] {
        let mut replay = begun();
        replay.stdout(&chunk("Hm."));
        replay.stdout(&stopped(reason));
        assert_eq!(kinds(&replay), [wanted], "{reason}");
    }
    let mut replay = begun();
    replay.stdout(r#"{"id":3,"result":{}}"#);
    assert_eq!(kinds(&replay), [(false, Some(ErrorKind::Protocol))]);
}

#[test]
fn a_refused_prompt_says_why() {
    for (error, kind) in [
        (
            json!({ "code": -32603, "message": "Internal error",
                    "data": { "details": "401 invalid x-api-key" } }),
            ErrorKind::Auth,
        ),
        (
            json!({ "code": -32603, "message": "Internal error: invalid x-api-key",
                    "data": { "service": "session" } }),
            ErrorKind::Auth,
        ),
        (
            json!({ "code": -32603, "message": "Internal error",
                    "data": { "details": "400 prompt is too long: 250000 tokens" } }),
            ErrorKind::ContextLength,
        ),
        (
            json!({ "code": -32603, "message": "Internal error",
                    "data": { "details": "400 messages.0: malformed" } }),
            ErrorKind::BadRequest,
        ),
        (
            json!({ "code": -32603, "message": "Your credit balance is too low" }),
            ErrorKind::Quota,
        ),
        (
            json!({ "code": -32000, "message": "Log in" }),
            ErrorKind::Auth,
        ),
        (json!({}), ErrorKind::Unknown),
    ] {
        let mut replay = begun();
        replay.stdout(&json!({ "id": 3, "error": error }).to_string());
        assert_eq!(kinds(&replay), [(false, Some(kind))], "{error}");
    }
}

#[test]
fn a_session_that_is_refused_is_no_fault_of_the_account() {
    let mut spec = with_model(Provider::Openai);
    spec.session = SessionRef::Resume { id: "old".into() };
    let refusal = r#"{"id":2,"error":{"code":-32000,"message":"Authentication required"}}"#;
    let replay = replay_of(Program::Any, &spec, &[KEEPS, refusal]);
    let wanted = (
        false,
        Some(ErrorKind::Usage),
        "Authentication required".into(),
    );
    let ends: Vec<(bool, Option<ErrorKind>, String)> = replay
        .ends()
        .iter()
        .map(|end| (end.0, end.1, end.2.to_owned()))
        .collect();
    assert_eq!(ends, [wanted]);
}

#[test]
fn copilot_does_not_pass_a_failed_call_off_as_the_end_of_its_work() {
    let error = "Error: Authentication failed with provider at http://127.0.0.1 (HTTP 401).";
    for (program, wanted) in [
        (Program::Copilot, (false, Some(ErrorKind::Auth))),
        (Program::Any, (true, None)),
    ] {
        let spec = with_model(Provider::Openai);
        let lines = [KEEPS, OPENED, &chunk(error), &stopped("end_turn")];
        assert_eq!(kinds(&replay_of(program, &spec, &lines)), [wanted]);
    }
}

#[test]
fn a_turn_is_cancelled_in_the_protocol_and_the_process_goes_on() {
    let mut replay = begun();
    assert!(replay.parser.interrupt(&mut replay.out));
    let written = replay.written();
    assert_eq!(methods(&written), ["session/cancel"]);
    assert!(written[0]["id"].is_null(), "it is no request");
    replay.stdout(&stopped("cancelled"));
    assert_eq!(kinds(&replay), [(false, Some(ErrorKind::Interrupted))]);
    replay.parser.next_turn("Something else.", &mut replay.out);
    assert_eq!(methods(&replay.written()), ["session/prompt"]);
    replay.stdout(r#"{"id":4,"result":{"stopReason":"end_turn"}}"#);
    assert_eq!(kinds(&replay).last(), Some(&(true, None)));
}

#[test]
fn an_error_that_answers_a_cancel_is_an_interruption() {
    let mut replay = begun();
    replay.parser.interrupt(&mut replay.out);
    replay.stdout(r#"{"id":3,"error":{"code":-32603,"message":"The operation was aborted"}}"#);
    assert_eq!(kinds(&replay), [(false, Some(ErrorKind::Interrupted))]);
}

#[test]
fn a_turn_that_is_stopped_before_its_prompt_was_sent_sends_none() {
    let spec = with_model(Provider::Openai);
    let mut replay = replay_of(Program::Any, &spec, &[KEEPS]);
    assert!(replay.parser.interrupt(&mut replay.out));
    assert_eq!(kinds(&replay), [(false, Some(ErrorKind::Interrupted))]);
    replay.stdout(OPENED);
    assert_eq!(methods(&replay.written()), ["initialize", "session/new"]);
    replay.parser.next_turn("Something else.", &mut replay.out);
    assert_eq!(methods(&replay.written()), ["session/prompt"]);
}

fn asks(options: &Value, session: &str) -> String {
    let tool = json!({ "toolCallId": "t", "title": "Shell", "rawInput": { "command": "ls" } });
    let params = json!({ "sessionId": session, "toolCall": tool, "options": options });
    json!({ "id": "ask-1", "method": "session/request_permission", "params": params }).to_string()
}

#[test]
fn what_it_asks_permission_for_is_allowed_once() {
    let options = json!([
        { "optionId": "no", "name": "No", "kind": "reject_once" },
        { "optionId": "ever", "name": "Always", "kind": "allow_always" },
        { "optionId": "once", "name": "Yes", "kind": "allow_once" },
    ]);
    let mut replay = begun();
    replay.stdout(&asks(&options, "s"));
    let written = replay.written();
    let outcome = json!({ "outcome": "selected", "optionId": "once" });
    assert_eq!(written[0]["id"], "ask-1");
    assert_eq!(written[0]["result"]["outcome"], outcome);
    let call = CliEvent::ToolCall {
        name: "Shell".into(),
        input: "ls".into(),
    };
    assert!(replay.out.events.contains(&call), "it is in the log");
}

#[test]
fn nothing_is_allowed_where_nothing_can_be_or_the_turn_is_stopped_or_it_is_another_session() {
    let allow = json!([{ "optionId": "once", "name": "Yes", "kind": "allow_once" }]);
    let deny = json!([{ "optionId": "no", "name": "No", "kind": "reject_once" }]);
    let long = "x".repeat(1_000);
    let long = json!([{ "optionId": long, "name": "Yes", "kind": "allow_once" }]);
    for (options, session, stopped) in [
        (&deny, "s", false),
        (&long, "s", false),
        (&allow, "s", true),
        (&allow, "other", false),
    ] {
        let mut replay = begun();
        if stopped {
            replay.parser.interrupt(&mut replay.out);
            replay.written();
        }
        replay.stdout(&asks(options, session));
        let outcome = &replay.written()[0]["result"]["outcome"];
        assert_eq!(outcome, &json!({ "outcome": "cancelled" }));
        let tool = "Shell".to_owned();
        let denied = replay.out.events.contains(&CliEvent::Denied { tool });
        assert_eq!(denied, session == "s" && !stopped);
    }
}

#[test]
fn files_and_terminals_are_not_offered_and_no_request_is_left_unanswered() {
    let mut replay = begun();
    for method in [
        "fs/read_text_file",
        "fs/write_text_file",
        "terminal/create",
        "of/tomorrow",
        "session/request_permission",
    ] {
        let request = json!({ "id": 7, "method": method, "params": { "path": "/etc/passwd" } });
        replay.stdout(&request.to_string());
        let written = replay.written();
        assert_eq!(written[0]["id"], 7);
        assert!(written[0]["error"]["code"].is_i64(), "{method}");
    }
    assert!(replay.ends().is_empty());
}

#[test]
fn a_plan_is_told_once_for_each_change() {
    let plan = |status: &str| {
        let entry = json!({ "content": "Look", "priority": "high", "status": status });
        update(json!({ "sessionUpdate": "plan", "entries": [entry] }))
    };
    let mut replay = begun();
    for status in ["pending", "pending", "completed"] {
        replay.stdout(&plan(status));
    }
    let lines: Vec<&CliEvent> = replay.out.events[1..].iter().collect();
    let line = |text: &str| CliEvent::Line { text: text.into() };
    let (first, second) = (line("plan: [pending] Look"), line("plan: [completed] Look"));
    assert_eq!(lines, [&first, &second]);
}

#[test]
fn a_process_that_ends_in_a_turn_never_succeeds() {
    for (exit, kind) in [
        (Exit::Code(0), ErrorKind::Protocol),
        (Exit::Code(1), ErrorKind::Unknown),
        (Exit::Signal(9), ErrorKind::Killed),
    ] {
        let mut replay = begun();
        replay.stdout(&chunk("I beg"));
        replay.exit(exit);
        assert_eq!(replay.ends(), [(false, Some(kind), "I beg")]);
    }
    let mut replay = Replay::start(&Acp(Program::Any), &with_model(Provider::Openai));
    replay.stdout("Unknown option: --acp");
    replay.exit(Exit::Code(1));
    let usage = Some(ErrorKind::Usage);
    assert_eq!(replay.ends(), [(false, usage, "Unknown option: --acp")]);
}

#[test]
fn hostile_lines_end_nothing_and_are_given_no_answer() {
    let mut replay = begun();
    replay
        .stdout("not JSON\n{}\n[]\n[{\"id\":3,\"result\":{\"stopReason\":\"end_turn\"}}]\n7\nnull");
    replay.stdout(r#"{"id":99,"result":{"stopReason":"end_turn"}}"#);
    replay.stdout(r#"{"id":"3","result":{"stopReason":"end_turn"}}"#);
    replay.stdout(r#"{"id":-3,"error":{"code":1,"message":"x"}}"#);
    replay.stdout(r#"{"id":{"a":[]},"method":"fs/read_text_file"}"#);
    replay.stdout(&json!({ "id": "x".repeat(100_000), "method": "a" }).to_string());
    replay.stdout(r#"{"method":"session/update","params":7}"#);
    replay.stdout(&update(json!({ "sessionUpdate": "tool_call" })));
    replay.stdout(&update(json!({ "sessionUpdate": "of_tomorrow", "x": 1 })));
    replay.stdout(&chunk("of another session").replace("\"s\"", "\"t\""));
    assert!(replay.ends().is_empty());
    assert!(replay.written().is_empty());
    assert!(messages(&replay).is_empty());
}

#[test]
fn a_flood_of_tool_calls_and_a_message_without_end_are_bounded() {
    let mut replay = begun();
    for number in 0..200 {
        let input = json!({ "command": "x".repeat(20_000) });
        replay.stdout(&update(json!({
            "sessionUpdate": "tool_call", "toolCallId": format!("t{number}"), "title": "T",
            "rawInput": input, "locations": [{ "path": "p".repeat(5_000) }],
        })));
    }
    replay.stdout(&update(json!({
        "sessionUpdate": "tool_call", "toolCallId": "x".repeat(1_000), "title": "T",
    })));
    for event in &replay.out.events {
        if let CliEvent::ToolCall { input, .. } = event {
            assert!(input.len() <= 16 << 10);
        }
    }
    for _ in 0..100 {
        replay.stdout(&chunk(&"word ".repeat(2_000)));
    }
    let said = messages(&replay);
    assert!(said.len() >= 10, "it is said in parts");
    assert!(said.iter().all(|text| text.len() <= 64 << 10));
}
