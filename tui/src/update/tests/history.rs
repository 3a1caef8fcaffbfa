//! The open task, and what happened to it.

use super::*;

const TASK: &str = "s6y9v7mn";

fn event(seq: u64) -> v1::Event {
    v1::Event {
        seq,
        subject_kind: "task".to_owned(),
        subject: TASK.to_owned(),
        ..v1::Event::default()
    }
}

fn events(numbers: std::ops::Range<u64>) -> Vec<v1::Event> {
    numbers.map(event).collect()
}

/// The task is open, and the daemon has sent these events of it.
fn opened(numbers: std::ops::Range<u64>, before: u64) -> Desk {
    let mut desk = Desk::at_task("#42");
    desk.press("enter");
    loaded(&mut desk, numbers, before);
    desk
}

fn loaded(desk: &mut Desk, numbers: std::ops::Range<u64>, before: u64) {
    let detail = v1::TaskDetail {
        events: events(numbers),
        events_before: before,
        ..v1::TaskDetail::default()
    };
    desk.event(Event::Reply(Reply::Task {
        task: TASK.to_owned(),
        answer: Box::new(Ok(detail)),
    }));
}

fn page(desk: &mut Desk, below: u64, numbers: std::ops::Range<u64>, before: u64) {
    let page = v1::TaskEventsResponse {
        events: events(numbers),
        events_before: before,
    };
    desk.event(Event::Reply(Reply::Earlier {
        task: TASK.to_owned(),
        below,
        answer: Ok(page),
    }));
}

/// The numbers of what is known, without what the watch stream told.
fn known(desk: &Desk) -> Vec<u64> {
    let heard = crate::state::Activity::default();
    let history = desk.state.detail.history(&heard);
    history.map(|event| event.seq).collect()
}

#[test]
fn an_open_task_is_loaded_again_when_it_changes_and_never_twice_at_once() {
    let mut desk = Desk::at_task("#42");
    assert_eq!(
        desk.press("enter"),
        [Effect::LoadTask("s6y9v7mn".to_owned())]
    );
    let task = desk
        .state
        .tasks
        .get("s6y9v7mn")
        .expect("known")
        .wire
        .clone();
    let change = || {
        Message::Change(v1::Change {
            tasks: vec![task.clone()],
            ..v1::Change::default()
        })
    };
    assert!(desk.hear(change()).is_empty(), "one is under way");
    let answer = Reply::Task {
        task: "s6y9v7mn".to_owned(),
        answer: Box::new(Ok(v1::TaskDetail::default())),
    };
    assert_eq!(
        desk.event(Event::Reply(answer)),
        [Effect::LoadTask("s6y9v7mn".to_owned())]
    );
    desk.press("d");
    assert_eq!(desk.ui.task.tab, TaskTab::Diff);
}

#[test]
fn earlier_events_are_fetched_page_by_page_until_all_are_here() {
    let mut desk = opened(100..110, 12);
    let asks = |below| {
        let task = TASK.to_owned();
        [Effect::LoadEarlier { task, below }]
    };
    assert_eq!(desk.press("e"), asks(100));
    page(&mut desk, 100, 90..100, 2);
    assert_eq!(desk.press("e"), asks(90));
    page(&mut desk, 90, 88..90, 0);
    assert!(desk.press("e").is_empty());
    assert!(desk.said().contains("everything"), "{}", desk.said());
    assert_eq!(known(&desk), (88..110).collect::<Vec<_>>());
}

#[test]
fn what_was_fetched_stays_when_the_task_changes() {
    let mut desk = opened(100..110, 12);
    page(&mut desk, 100, 90..100, 2);
    loaded(&mut desk, 105..115, 17);
    assert_eq!(known(&desk), (90..115).collect::<Vec<_>>());
    assert_eq!(desk.state.detail.before(), 2);
}

#[test]
fn a_history_never_has_a_hole() {
    let mut desk = opened(100..110, 12);
    loaded(&mut desk, 200..210, 112);
    assert_eq!(known(&desk), (200..210).collect::<Vec<_>>());
    page(&mut desk, 100, 90..100, 2);
    assert_eq!(
        known(&desk),
        (200..210).collect::<Vec<_>>(),
        "it was asked for before"
    );
    assert_eq!(desk.state.detail.before(), 112);
}

#[test]
fn what_is_heard_after_it_was_loaded_is_shown_once() {
    let mut desk = opened(18_000..18_200, 0);
    desk.hear(Message::Change(v1::Change {
        events: events(18_300..18_302),
        ..v1::Change::default()
    }));
    let state = &desk.state;
    let all: Vec<u64> = state
        .detail
        .history(&state.activity)
        .map(|one| one.seq)
        .collect();
    assert_eq!(all.len(), 200 + 3, "18,200 is of the snapshot");
    assert!(all.is_sorted());
}
