//! Power goes at any moment, again and again on the same disk: what was acknowledged is there, and
//! of what was not, all or nothing.

use std::io;

use crate::engine::Random;

use super::disk::Disk;
use super::*;

/// Histories that are lived through, where `CLOUD_CODE_HISTORIES` does not say how many.
const HISTORIES: u64 = 100;
/// Losses of power in one history.
const LOSSES: u64 = 4;
const STEPS: u64 = 120;

#[test]
fn after_any_loss_of_power_the_store_is_what_was_acknowledged() {
    let states = history(STEPS);
    let mut kept_unacknowledged = 0;
    let histories = std::env::var("CLOUD_CODE_HISTORIES");
    let histories = histories.map_or(HISTORIES, |number| number.parse().unwrap());
    for seed in 0..histories {
        let mut random = Random::new(seed);
        let mut disk = Disk::default();
        let mut acknowledged = 0;
        opened(&disk);
        for _ in 0..LOSSES {
            disk.fails_after(random.next() % 250, io::ErrorKind::Other);
            acknowledged = work(&disk, acknowledged);
            disk = disk.after_power_loss(&mut || random.next());
            let found = state(&opened(&disk));
            let step = usize::try_from(found.step).unwrap();
            assert!(
                found.step == acknowledged || found.step == acknowledged + 1,
                "seed {seed}: {acknowledged} steps were acknowledged, {step} are there"
            );
            assert_eq!(found, states[step], "seed {seed}");
            kept_unacknowledged += u64::from(found.step > acknowledged);
            acknowledged = found.step;
        }
    }
    assert!(kept_unacknowledged > 0, "no loss of power hit a commit");
}

fn opened(disk: &Disk) -> Store {
    let disk = disk.clone();
    Store::over(move || disk.clone()).unwrap()
}

/// Commits until the power goes; the last step that was acknowledged.
fn work(disk: &Disk, from: u64) -> u64 {
    let disk = disk.clone();
    let Ok(store) = Store::over(move || disk.clone()) else {
        return from;
    };
    let mut acknowledged = from;
    while acknowledged + 1 < STEPS && store.commit(&step(acknowledged + 1)).is_ok() {
        acknowledged += 1;
    }
    acknowledged
}
