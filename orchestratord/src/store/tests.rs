//! The store over disks that lose power, fill up and rot.

mod damage;
mod disk;
mod full;
mod power_loss;

use cloud_code_domain::event::{Event, EventActor, Subject};
use cloud_code_domain::time::Timestamp;

use super::{Batch, Store, StoreError, Table};

/// What commit `n` of a history writes: records that grow and shrink, one that goes, and an event.
fn step(n: u64) -> Batch {
    let mut batch = Batch::default();
    batch.put(Table::Meta, "step", &n);
    batch.put(Table::Tasks, format!("{:03}", n % 40), &text(n));
    batch.delete(Table::Tasks, format!("{:03}", (n * 7) % 40));
    batch.put(Table::Effects, format!("{:03}", n % 5), &n);
    batch.event(Event {
        seq: n,
        at: Timestamp(0),
        actor: EventActor::Engine,
        subject: Subject::Fleet,
        kind: format!("step {n}"),
        detail: String::new(),
        state: None,
    });
    batch
}

fn text(n: u64) -> String {
    let length = usize::try_from(n.wrapping_mul(2_654_435_761) % 3_000).unwrap();
    format!("{n}:").repeat(length / 4 + 1)
}

/// Everything the store holds, which a history of `n` steps makes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    step: u64,
    tasks: Vec<String>,
    effects: Vec<u64>,
    events: Vec<String>,
}

fn state(store: &Store) -> State {
    let events = store.events(0, usize::MAX).unwrap();
    State {
        step: store.get(Table::Meta, "step").unwrap().unwrap_or(0),
        tasks: store.scan(Table::Tasks, "").unwrap(),
        effects: store.scan(Table::Effects, "").unwrap(),
        events: events.into_iter().map(|event| event.kind).collect(),
    }
}

/// The states after 0, 1, 2, … steps, by a store on a disk that never fails.
fn history(steps: u64) -> Vec<State> {
    let disk = disk::Disk::default();
    let store = Store::over(move || disk.clone()).unwrap();
    let mut states = vec![state(&store)];
    for n in 1..=steps {
        store.commit(&step(n)).unwrap();
        states.push(state(&store));
    }
    states
}

#[test]
fn a_store_that_is_in_use_is_not_taken_for_a_damaged_one() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Store::open(dir.path()).unwrap();
    let second = Store::open(dir.path());
    assert!(
        matches!(second, Err(StoreError::InUse { .. })),
        "{second:?}"
    );
}
