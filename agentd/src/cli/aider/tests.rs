use cloud_code_domain::account::{Authorisation, Provider};

use super::{Aider, DRIVER_PATH};
use crate::cli::replay::{Replay, SESSION, arguments, spec, variable};
use crate::cli::{Adapter, CliEvent, ErrorKind, Exit, PlanError, SessionRef, StdinPlan};

const EDIT: &str = include_str!("fixtures/edit.jsonl");

fn replay(lines: &str) -> Replay {
    let mut replay = Replay::start(&Aider, &spec(Provider::Openai));
    replay.stdout(lines);
    replay
}

#[test]
fn it_is_driven_by_a_program_below_home_with_the_prompt_in_a_file() {
    let plan = Aider.plan(&spec(Provider::Openai)).expect("a plan");
    assert_eq!(plan.stdin, StdinPlan::Null);
    assert_eq!(plan.files[0].0.to_str(), Some(DRIVER_PATH));
    assert_eq!(plan.droppings, [".aider*"]);
    let arguments = arguments(&plan);
    let driver = format!("/workspace/home/{DRIVER_PATH}");
    assert_eq!(
        arguments[..4],
        ["python3", &driver, "/workspace/prompt.md", "aider"]
    );
    assert!(
        !arguments
            .iter()
            .any(|argument| argument.contains("the-token"))
    );
}

#[test]
fn each_provider_has_its_variables_and_model_names() {
    for (provider, base, url, key, model) in [
        (
            Provider::Openai,
            "OPENAI_API_BASE",
            "http://127.0.0.1:4000/model/openai/v1",
            "OPENAI_API_KEY",
            "openai/some",
        ),
        (
            Provider::Anthropic,
            "ANTHROPIC_API_BASE",
            "http://127.0.0.1:4000/model/anthropic",
            "ANTHROPIC_API_KEY",
            "anthropic/some",
        ),
    ] {
        for name in ["some", model] {
            let mut spec = spec(provider);
            spec.model = Some(name.into());
            let plan = Aider.plan(&spec).expect("a plan");
            assert_eq!(variable(&plan, base), Some(url));
            assert_eq!(variable(&plan, key), Some("the-token"));
            let models = arguments(&plan).iter().filter(|one| **one == model).count();
            assert_eq!(models, 2, "the model and the one for commit messages");
        }
    }
}

#[test]
fn a_resumed_session_restores_the_chat() {
    let mut spec = spec(Provider::Openai);
    assert!(!arguments(&Aider.plan(&spec).expect("a plan")).contains(&"--restore-chat-history"));
    spec.session = SessionRef::Resume { id: SESSION.into() };
    assert!(arguments(&Aider.plan(&spec).expect("a plan")).contains(&"--restore-chat-history"));
}

#[test]
fn a_subscription_is_a_plain_error() {
    let mut spec = spec(Provider::Anthropic);
    spec.gateway.as_mut().expect("a gateway").authorisation = Authorisation::ClaudeToken;
    assert!(matches!(Aider.plan(&spec), Err(PlanError::Unsuitable(_))));
}

#[test]
fn an_edit_is_told_and_ends_once() {
    let mut replay = replay(EDIT);
    assert!(replay.ends().is_empty(), "the process is still there");
    replay.exit(Exit::Code(0));
    let id = SESSION.to_owned();
    let model = Some("openai/gpt-4o".to_owned());
    assert_eq!(replay.out.events[0], CliEvent::Session { id, model });
    let path = "greeting.txt".to_owned();
    assert!(replay.out.events.contains(&CliEvent::FileChange { path }));
    let ends = replay.ends();
    assert_eq!((ends.len(), ends[0].0), (1, true));
    assert!(ends[0].2.starts_with("Done: greeting.txt greets."));
}

#[test]
fn failures_have_their_kinds() {
    for (lines, exit, kind) in [
        (include_str!("fixtures/refused.jsonl"), 1, ErrorKind::Auth),
        (include_str!("fixtures/far.jsonl"), 1, ErrorKind::RateLimit),
        (
            include_str!("fixtures/interrupted.jsonl"),
            130,
            ErrorKind::Interrupted,
        ),
    ] {
        let mut replay = replay(lines);
        replay.exit(Exit::Code(exit));
        let ends: Vec<_> = replay.ends().iter().map(|end| (end.0, end.1)).collect();
        assert_eq!(ends, [(false, Some(kind))]);
    }
}

#[test]
fn success_needs_the_result_and_the_exit_status() {
    for (lines, exit) in [
        (EDIT, Exit::Code(1)),
        (EDIT, Exit::Signal(9)),
        ("", Exit::Code(0)),
        ("Traceback", Exit::Code(1)),
    ] {
        let mut replay = replay(lines);
        replay.exit(exit);
        let ends = replay.ends();
        assert!(
            ends.len() == 1 && !ends[0].0 && ends[0].1.is_some(),
            "{lines} {exit:?}"
        );
    }
}

#[test]
fn what_it_says_before_it_starts_explains_why_it_did_not() {
    let mut replay = replay("");
    let words = "aider_driver: there is no program 'aider'";
    replay.parser.stderr_line(words, &mut replay.out);
    replay.exit(Exit::Code(1));
    assert_eq!(replay.ends(), [(false, Some(ErrorKind::Usage), words)]);
}

#[test]
fn a_connection_that_fails_is_told_from_an_error_of_the_server() {
    for (status, kind) in [("null", ErrorKind::Network), ("403", ErrorKind::Auth)] {
        let mut replay = replay(&format!(
            r#"{{"type":"result","ok":false,"error":{{"name":"APIConnectionError","status":{status}}}}}"#
        ));
        replay.exit(Exit::Code(1));
        assert_eq!(replay.ends(), [(false, Some(kind), "")]);
    }
}

#[test]
fn a_conversation_is_kept_once_it_has_a_prompt() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join(super::CHAT_HISTORY);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    let kept = || Aider.keeps_session(home.path(), "any");
    assert_eq!(kept(), Some(false), "nothing is there");
    std::fs::write(&file, "\n# aider chat started at noon\n\n> Model: m\n").expect("a file");
    assert_eq!(kept(), Some(false), "nobody has said anything");
    std::fs::write(&file, "# aider chat started at noon\n\n#### Work!  \n").expect("a file");
    assert_eq!(kept(), Some(true));
}
