//! A file that is damaged is refused, with what to do; a copy of it is never called good.

use std::error::Error;
use std::path::Path;

use super::super::{FILE, snapshot, verify};
use super::*;

fn message(error: &dyn Error) -> String {
    let mut all = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        all = format!("{all}: {error}");
        source = error.source();
    }
    all
}

fn filled(dir: &Path, steps: u64) {
    let store = Store::open(dir).unwrap();
    for n in 1..=steps {
        let mut batch = step(n);
        // Whole records are looked at elsewhere; these are not of the domain.
        batch.delete(Table::Tasks, format!("{:03}", n % 40));
        store.commit(&batch).unwrap();
    }
}

#[test]
fn what_is_no_database_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 50);
    let path = dir.path().join(FILE);
    let whole = std::fs::read(&path).unwrap();
    let half = whole[..whole.len() / 2].to_vec();
    let mut garbled = whole.clone();
    garbled[..64].fill(0xa5);
    for damaged in [Vec::new(), half, garbled, b"not a database".to_vec()] {
        std::fs::write(&path, damaged).unwrap();
        let error = Store::open(dir.path()).expect_err("it is damaged");
        let said = message(&error);
        assert!(said.contains("state.redb"), "{said}");
        assert!(said.contains("orchestratord restore"), "{said}");
    }
}

#[test]
fn a_copy_with_a_flipped_byte_is_bad_or_holds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 60);
    let copy = dir.path().join("copy");
    snapshot(dir.path(), &copy).unwrap();
    let good = verify(&copy).unwrap();
    assert_eq!(good.events, 60);
    let whole = std::fs::read(&copy).unwrap();
    let mut found = 0;
    for at in (0..whole.len()).step_by(whole.len() / 150) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x40;
        std::fs::write(&copy, damaged).unwrap();
        match verify(&copy) {
            Ok(contents) => assert_eq!(contents, good, "byte {at}"),
            Err(_) => found += 1,
        }
    }
    assert!(found > 20, "{found} of 150 flipped bytes were found");
}

#[test]
fn a_copy_is_of_one_moment_while_the_daemon_writes() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 10);
    let store = Store::open(dir.path()).unwrap();
    let copy = dir.path().join("copy");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut n = 11;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let mut batch = step(n);
                batch.delete(Table::Tasks, format!("{:03}", n % 40));
                store.commit(&batch).unwrap();
                n += 1;
            }
        });
        for _ in 0..5 {
            let before = store.last_event().unwrap();
            snapshot(dir.path(), &copy).unwrap();
            let contents = verify(&copy).unwrap();
            assert!(contents.events >= before);
            std::fs::remove_file(&copy).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        writer.join().unwrap();
    });
}
