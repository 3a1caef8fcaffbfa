use super::*;

#[test]
fn a_script_is_the_first_fenced_block_of_that_name() {
    let text =
        "Do it.\n```sh\nsay no\n```\n```script\n# a comment\nsay yes\n\n  hang\n```\nsay no\n";
    let steps = vec!["say yes".to_owned(), "hang".to_owned()];
    assert_eq!(step::script(text), Some(steps));
    assert_eq!(step::script("no block"), None);
}

#[test]
fn every_step_is_understood_and_nothing_else() {
    for (line, step) in [
        ("say a b", Step::Say("a b")),
        (
            "write a/b.txt some text",
            Step::Write("a/b.txt", "some text"),
        ),
        ("append x y", Step::Append("x", "y")),
        ("run make  test", Step::Run("make  test")),
        ("commit Add it", Step::Commit("Add it")),
        ("spend m 10", Step::Spend("m", 10)),
        ("report {a: b}", Step::Report("{a: b}")),
        ("criteria done 2", Step::Criteria(Some(2))),
        ("criteria done all", Step::Criteria(None)),
        (
            "request npm_token @acme:registry to install",
            Step::Request {
                kind: "npm_token",
                scope: "@acme:registry",
                reason: "to install",
            },
        ),
        ("block who am I", Step::Block("who am I")),
        (
            "fail 3 once",
            Step::Fail {
                code: 3,
                once: true,
            },
        ),
        (
            "fail 3",
            Step::Fail {
                code: 3,
                once: false,
            },
        ),
        ("wait-for go", Step::WaitFor("go")),
        ("end-turn", Step::EndTurn),
        ("hang", Step::Hang),
    ] {
        assert_eq!(Step::parse(line), Some(step), "{line}");
    }
    for line in [
        "",
        "dance",
        "fail 0",
        "fail x",
        "spend m many",
        "criteria maybe",
    ] {
        assert_eq!(Step::parse(line), None, "{line}");
    }
}

#[test]
fn a_title_becomes_a_file_name() {
    assert_eq!(
        slug("Add a `--json` flag, please!"),
        "add-a-json-flag-please"
    );
    assert_eq!(slug("../../etc"), "etc");
    assert_eq!(slug("…"), "task");
}

#[test]
fn a_claim_grows_and_a_block_does_not_outlive_its_turn() {
    let tasking = Tasking {
        id: "k3f9x2ab".into(),
        criteria: vec!["a".into(), "b".into()],
        ..Tasking::default()
    };
    let mut claim = Claim::new(&tasking, &State::default());
    claim.criteria_done(&tasking, Some(2));
    claim.criteria_done(&tasking, Some(2));
    claim.set("{summary: short, changes_summary: [x]}").unwrap();
    claim.set("change y").unwrap();
    claim.block("stuck");
    assert!(claim.set("{a: [").is_err());
    let text = format!("{claim:?}");
    assert_eq!(text.matches("done").count(), 1);
    assert!(text.contains("short") && text.contains("stuck"));
}
