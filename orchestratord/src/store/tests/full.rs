//! The disk is full at any write: the commit fails whole, and works when there is room again.

use std::io;

use super::disk::Disk;
use super::*;

const STEPS: u64 = 12;

#[test]
fn a_commit_that_finds_no_room_never_happened_and_works_when_there_is_some() {
    let states = history(STEPS);
    let operations = {
        let disk = Disk::default();
        let store = over(&disk);
        let before = disk.asked();
        grow(&store, 0, STEPS).unwrap();
        disk.asked() - before
    };
    assert!(operations > 60, "{operations}");
    for room in 0..operations {
        let disk = Disk::default();
        let store = over(&disk);
        disk.fails_after(room, io::ErrorKind::StorageFull);
        let done = grow(&store, 0, STEPS).expect_err("the disk is full");
        disk.works_again();
        store.reopen().unwrap();
        let found = state(&store);
        let step = usize::try_from(found.step).unwrap();
        assert!(found.step == done || found.step == done + 1);
        assert_eq!(found, states[step], "room for {room}");
        grow(&store, found.step, STEPS).unwrap();
        assert_eq!(state(&store), states[states.len() - 1], "room for {room}");
    }
}

fn over(disk: &Disk) -> Store {
    let disk = disk.clone();
    Store::over(move || disk.clone()).unwrap()
}

/// Commits the steps after `from`.
///
/// # Errors
/// The last step that was acknowledged.
fn grow(store: &Store, from: u64, to: u64) -> Result<(), u64> {
    (from + 1..=to).try_for_each(|n| store.commit(&step(n)).map_err(|_| n - 1))
}
