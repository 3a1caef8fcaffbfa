//! Lines of a log that are not here: the daemon finds them.

use super::*;
use crate::event::Found;

/// A part of a log as the daemon sends it.
fn part(execution: &str, numbers: std::ops::Range<u64>) -> v1::LogsResponse {
    let line = |number: &u64| v1::LogLine {
        text: format!("line {number}"),
        ..v1::LogLine::default()
    };
    let numbers: Vec<u64> = numbers.collect();
    v1::LogsResponse {
        execution: execution.to_owned(),
        lines: numbers.iter().map(line).collect(),
        numbers,
        dropped: 0,
    }
}

#[test]
fn what_is_not_here_of_a_log_is_found_by_the_daemon_and_shown_with_what_is_around_it() {
    let mut desk = Desk::at_task("#42");
    let effects = desk.press("L");
    let Some(Effect::FollowLog { stream, .. }) = effects.first() else {
        panic!("a log is followed")
    };
    let (stream, response) = (*stream, part("s6y9v7mn.2", 900_000..900_100));
    desk.event(Event::Reply(Reply::Lines { stream, response }));
    desk.press("/");
    desk.write("line 4711");
    let effects = desk.press("enter");
    let Some(Effect::FindInLog(find)) = effects.first().cloned() else {
        panic!("the daemon is asked: {effects:?}")
    };
    assert_eq!(
        (find.attempt, find.from, find.backwards),
        (2, 900_100, false)
    );
    let found = Found {
        execution: "s6y9v7mn.2".to_owned(),
        number: 4_711,
        total: 12,
        part: vec![part("s6y9v7mn.2", 3_711..5_711)],
    };
    let answer = Ok(Some(found));
    desk.event(Event::Reply(Reply::Found { find, answer }));
    let hit = desk.ui.logs.hit.expect("a line is stood at");
    let line = desk.state.logs.line(hit).expect("it is here");
    assert_eq!(line.text.as_str(), "line 4711");
    assert!(!desk.ui.logs.follow && desk.ui.logs.total == Some(12));
    // What the stream still sends is not put behind it.
    let response = part("s6y9v7mn.2", 900_100..900_101);
    desk.event(Event::Reply(Reply::Lines { stream, response }));
    assert_eq!(desk.state.logs.lines().len(), 2_000);
    let effects = desk.press("f");
    assert!(matches!(effects[..], [Effect::FollowLog { .. }]) && desk.ui.logs.follow);
}

#[test]
fn an_answer_to_a_search_that_was_given_up_changes_nothing() {
    let mut desk = Desk::at_task("#42");
    let effects = desk.press("L");
    let Some(Effect::FollowLog { stream, .. }) = effects.first() else {
        panic!("a log is followed")
    };
    let (stream, response) = (*stream, part("s6y9v7mn.2", 100..200));
    desk.event(Event::Reply(Reply::Lines { stream, response }));
    desk.press("/");
    desk.write("line 7");
    let effects = desk.press("enter");
    let Some(Effect::FindInLog(find)) = effects.first().cloned() else {
        panic!("the daemon is asked: {effects:?}")
    };
    desk.press("/");
    desk.write("0");
    desk.press("enter");
    let answer = Ok(Some(Found {
        execution: "s6y9v7mn.2".to_owned(),
        number: 7,
        total: 1,
        part: vec![part("s6y9v7mn.2", 0..20)],
    }));
    desk.event(Event::Reply(Reply::Found { find, answer }));
    assert_eq!(desk.state.logs.lines().len(), 100);
}
