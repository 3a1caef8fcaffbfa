//! The history of a task, over a real database.

use cloud_code_domain::event::{EventActor, Subject};
use cloud_code_domain::time::Timestamp;

use super::super::{Batch, SCHEMA, Table};
use super::*;

fn event(seq: u64, subject: Subject) -> Event {
    Event {
        seq,
        at: Timestamp(0),
        actor: EventActor::Engine,
        subject,
        kind: "assigned".into(),
        detail: String::new(),
        state: None,
    }
}

/// 1,000 events: every tenth is the task's, of those every fifth is of its credential request.
fn history() -> Batch {
    let mut batch = Batch::default();
    for seq in 1..=1_000 {
        let subject = match seq {
            seq if seq % 50 == 0 => Subject::Credential("task:1".into()),
            seq if seq % 10 == 0 => Subject::Task("task".into()),
            // A name that begins like the task's is another task.
            seq if seq % 3 == 0 => Subject::Task("task2".into()),
            _ => Subject::Fleet,
        };
        batch.event(event(seq, subject));
    }
    batch
}

fn numbers(page: &TaskEvents) -> Vec<u64> {
    page.events.iter().map(|event| event.seq).collect()
}

#[test]
fn the_history_of_a_task_is_read_in_pages_to_its_first_event() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.commit(&history()).unwrap();
    let mut all = Vec::new();
    let mut before = u64::MAX;
    loop {
        let page = store.events_of_task("task", before, 30).unwrap();
        let mut seen = numbers(&page);
        assert!(seen.is_sorted() && seen.len() <= 30, "{seen:?}");
        let earlier = usize::try_from(page.before).unwrap();
        assert_eq!(
            earlier + seen.len() + all.len(),
            100,
            "none is lost, none comes twice"
        );
        before = seen[0];
        seen.append(&mut all);
        all = seen;
        if page.before == 0 {
            break;
        }
    }
    let expected: Vec<u64> = (1..=100).map(|number| number * 10).collect();
    assert_eq!(all, expected);
}

#[test]
fn a_task_without_a_history_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.commit(&history()).unwrap();
    for nobody in ["", "tas", "task:1", "task3"] {
        let page = store.events_of_task(nobody, u64::MAX, 30).unwrap();
        assert_eq!(page, TaskEvents::default(), "{nobody:?}");
    }
}

#[test]
fn a_copy_of_the_store_has_the_history_too() {
    let dir = tempfile::tempdir().unwrap();
    let there = tempfile::tempdir().unwrap();
    {
        let store = Store::open(dir.path()).unwrap();
        store.commit(&history()).unwrap();
    }
    super::super::snapshot(dir.path(), &there.path().join("state.redb")).unwrap();
    let copy = Store::open(there.path()).unwrap();
    let page = copy.events_of_task("task", u64::MAX, 3).unwrap();
    assert_eq!((numbers(&page), page.before), (vec![980, 990, 1_000], 97));
}

#[test]
fn a_store_of_the_first_schema_gets_its_index_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = Store::open(dir.path()).unwrap();
        let mut batch = history();
        batch.put(Table::Meta, "schema", &1u64);
        store.commit(&batch).unwrap();
        let without = |db: &redb::Database| {
            let write = db.begin_write().unwrap();
            assert!(write.delete_table(OF_TASKS).unwrap());
            write.commit().map_err(storage("written"))
        };
        store.db(without).unwrap();
    }
    let store = Store::open(dir.path()).unwrap();
    let page = store.events_of_task("task", u64::MAX, 3).unwrap();
    assert_eq!((numbers(&page), page.before), (vec![980, 990, 1_000], 97));
    assert_eq!(store.get(Table::Meta, "schema").unwrap(), Some(SCHEMA));
}
