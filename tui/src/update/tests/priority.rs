//! A change of priority, and how it is taken back.

use super::*;

fn set(task: &str, priority: u32) -> Wire {
    Wire::SetPriority(v1::SetPriority {
        task: task.to_owned(),
        priority,
    })
}

/// #42 is P1; it was given P0, and the daemon has said so and has told of it.
fn changed() -> Desk {
    let mut desk = Desk::at_task("#42");
    let ask = asked(&desk.press("p 0")).remove(0);
    answer(&mut desk, ask, Ok(v1::ActResponse::default()));
    tell(&mut desk, 0);
    desk
}

fn answer(desk: &mut Desk, ask: Ask, answer: Result<v1::ActResponse, String>) {
    let ask = Box::new(ask);
    desk.event(Event::Reply(Reply::Acted { ask, answer }));
}

fn tell(desk: &mut Desk, priority: u32) {
    let task = desk.state.tasks.get("s6y9v7mn").expect("known");
    let task = v1::Task {
        priority,
        ..task.wire.clone()
    };
    desk.hear(Message::Change(v1::Change {
        tasks: vec![task],
        ..v1::Change::default()
    }));
}

#[test]
fn a_priority_is_a_digit_of_five() {
    let mut desk = Desk::at_task("#42");
    assert!(desk.press("p 7").is_empty());
    let asked = asked(&desk.press("p 0"));
    assert_eq!(asked[0].action, set("s6y9v7mn", 0));
}

#[test]
fn for_ten_seconds_it_can_be_taken_back_once() {
    let mut desk = changed();
    desk.now.mono += 8_000;
    let undone = asked(&desk.press("u"));
    assert_eq!(undone[0].action, set("s6y9v7mn", 1));
    answer(&mut desk, undone[0].clone(), Ok(v1::ActResponse::default()));
    assert!(desk.press("u").is_empty(), "what was taken back is done");
    assert!(
        desk.said().contains("nothing to take back"),
        "{}",
        desk.said()
    );
}

#[test]
fn after_ten_seconds_it_cannot_be_taken_back() {
    let mut desk = changed();
    desk.now.mono += 10_000;
    assert!(desk.press("u").is_empty());
    assert!(
        desk.said().contains("nothing to take back"),
        "{}",
        desk.said()
    );
}

#[test]
fn what_somebody_has_changed_again_is_not_taken_back() {
    let mut desk = changed();
    tell(&mut desk, 3);
    assert!(desk.press("u").is_empty());
    assert!(desk.said().contains("changed again"), "{}", desk.said());
}

#[test]
fn what_was_refused_or_changed_nothing_is_not_taken_back() {
    let mut desk = Desk::at_task("#42");
    let ask = asked(&desk.press("p 0")).remove(0);
    answer(
        &mut desk,
        ask,
        Err("the store cannot be written".to_owned()),
    );
    assert!(desk.press("u").is_empty());
    let ask = asked(&desk.press("p 1")).remove(0);
    answer(&mut desk, ask, Ok(v1::ActResponse::default()));
    assert!(desk.press("u").is_empty(), "it was P1 before");
}

#[test]
fn without_a_link_nothing_is_taken_back_and_it_still_can_be_later() {
    let mut desk = changed();
    desk.lose_the_link();
    assert!(desk.press("u").is_empty());
    desk.hear(Message::Change(v1::Change::default()));
    assert_eq!(asked(&desk.press("u")).len(), 1);
}
