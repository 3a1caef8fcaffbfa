use super::*;
use crate::task::TaskState;
use crate::task::fixture::{bare, hostile, pull_request, worked_on};

const MARKER: &str = "<!-- cloud-code:0123456789abcdef -->";

fn published() -> Task {
    Task {
        pull_request: Some(pull_request()),
        ..worked_on(TaskState::Review)
    }
}

#[test]
fn the_text_of_a_pull_request() {
    let task = published();
    assert_eq!(title(&task), "[Cloud Code] Implement the user login form");
    insta::assert_snapshot!("body", body(&task, Some(42), MARKER));
}

#[test]
fn a_task_without_an_issue_closes_nothing_and_says_what_was_wanted() {
    let text = body(&bare(TaskState::Review), None, MARKER);
    assert!(!text.contains("Closes"));
    insta::assert_snapshot!("body_without_issue", text);
}

#[test]
fn hostile_text_is_inert() {
    let mut task = hostile(TaskState::Review);
    task.pull_request = Some(pull_request());
    let text = body(&task, Some(42), MARKER);
    assert_eq!(text.matches("<!--").count(), 1, "only our own marker");
    insta::assert_snapshot!("hostile_body", text);
    insta::assert_snapshot!("hostile_body_without_issue", body(&task, None, MARKER));
}

#[test]
fn nothing_in_a_title_acts() {
    for (text, shown) in [
        ("Fix #12 for @team", "[Cloud Code] Fix # 12 for @ team"),
        (
            "fixes acme/app#2, GH-3",
            "[Cloud Code] fixes acme/app# 2, GH- 3",
        ),
        (
            "see https://github.com/a/b/issues/1",
            "[Cloud Code] see https: //github.com/a/b/issues/1",
        ),
        ("[skip ci] ***NO_CI***", "[Cloud Code] (skip ci) NO_CI"),
        ("<b>`x`</b>", "[Cloud Code] (b)'x'(/b)"),
        ("a\n/merge", "[Cloud Code] a /merge"),
        (
            "C# and F# code, 50 @ 3",
            "[Cloud Code] C# and F# code, 50 @ 3",
        ),
    ] {
        let mut task = bare(TaskState::Review);
        task.title = text.to_owned();
        assert_eq!(title(&task), shown);
    }
    let mut long = bare(TaskState::Review);
    long.title = "#1 @x ".repeat(1_000);
    let length = title(&long).chars().count();
    assert!((100..=120).contains(&length), "{length}");
}
