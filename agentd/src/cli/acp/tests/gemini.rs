use super::*;

const GEMINI: &str = include_str!("../fixtures/gemini.jsonl");

#[test]
fn gemini_is_told_of_the_gateway_by_its_environment_and_kept_quiet_by_its_settings() {
    let mut spec = with_model(Provider::Google);
    spec.env = [("GOOGLE_GEMINI_BASE_URL".into(), "http://elsewhere".into())].into();
    let plan = Acp(Program::Gemini).plan(&spec).expect("a plan");
    let wanted = [
        "gemini",
        "--acp",
        "--yolo",
        "--skip-trust",
        "--model",
        "the-model",
    ];
    assert_eq!(arguments(&plan), wanted);
    let base = "http://127.0.0.1:4000/model/google";
    assert_eq!(variable(&plan, "GOOGLE_GEMINI_BASE_URL"), Some(base));
    assert_eq!(variable(&plan, "GEMINI_API_KEY"), Some("the-token"));
    let (path, settings) = plan.files.first().expect("a file");
    assert_eq!(path.to_str(), Some(".gemini/settings.json"));
    let settings: Value = serde_json::from_slice(settings).expect("JSON");
    assert_eq!(settings["privacy"]["usageStatisticsEnabled"], false);
    assert_eq!(settings["general"]["enableAutoUpdate"], false);
    assert!(!settings.to_string().contains("the-token"));
}

#[test]
fn a_conversation_that_is_told_after_the_session_is_open_is_no_part_of_the_turn_either() {
    let mut spec = with_model(Provider::Google);
    spec.session = SessionRef::Resume { id: "s".into() };
    let answer = |id: u64| json!({ "id": id, "result": {} }).to_string();
    let mut replay = replay_of(
        Program::Gemini,
        &spec,
        &[LOADS, &answer(2), &chunk("I said this before.")],
    );
    let written = replay.written();
    assert_eq!(
        methods(&written),
        ["initialize", "session/load", "session/set_mode"]
    );
    replay.stdout(&answer(3));
    replay.stdout(&chunk("And this."));
    assert_eq!(methods(&replay.written()), ["session/set_mode"]);
    replay.stdout(&answer(4));
    assert_eq!(methods(&replay.written()), ["session/set_mode"]);
    // A refusal is an answer, too.
    replay.stdout(r#"{"id":5,"error":{"code":-32601,"message":"?"}}"#);
    assert_eq!(methods(&replay.written()), ["session/prompt"]);
    replay.stdout(&chunk("Now this."));
    replay.stdout(r#"{"id":6,"result":{"stopReason":"end_turn"}}"#);
    assert_eq!(messages(&replay), ["Now this."]);
    assert_eq!(kinds(&replay), [(true, None)]);
}

#[test]
fn who_never_stops_to_tell_what_was_is_given_its_prompt_all_the_same() {
    let mut spec = with_model(Provider::Google);
    spec.session = SessionRef::Resume { id: "s".into() };
    let mut replay = replay_of(Program::Gemini, &spec, &[LOADS]);
    for id in 2..2_000 {
        replay.stdout(&json!({ "id": id, "result": {} }).to_string());
        replay.stdout(&chunk("Once upon a time"));
    }
    let written = replay.written();
    let prompts = methods(&written);
    let prompts = prompts.iter().filter(|method| **method == "session/prompt");
    assert_eq!(prompts.count(), 1);
}

#[test]
fn gemini_tells_its_commands_and_files_without_their_input() {
    let mut replay = replay_of(Program::Gemini, &with_model(Provider::Google), &[GEMINI]);
    let said = messages(&replay);
    assert_eq!(
        said,
        [
            "I write the greeting.",
            "I look at it.",
            "Done: greeting.txt greets."
        ]
    );
    let events = replay.out.events.iter();
    let calls = events.filter_map(|event| {
        let CliEvent::ToolCall { name, .. } = event else {
            return None;
        };
        Some(name.as_str())
    });
    let calls: Vec<&str> = calls.collect();
    assert_eq!(calls, ["Writing to greeting.txt", "cat greeting.txt"]);
    let path = "/workspace/task/greeting.txt".to_owned();
    assert!(replay.out.events.contains(&CliEvent::FileChange { path }));
    replay.exit(Exit::Code(0));
    assert_eq!(kinds(&replay), [(true, None)]);
}
