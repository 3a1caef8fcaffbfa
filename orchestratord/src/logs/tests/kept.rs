//! Sealing, and what is removed for its age or size.

use std::collections::BTreeSet;
use std::time::Duration;

use cloud_code_domain::log::retention::Keep;

use super::*;

const ALL: Keep = Keep {
    age: Duration::MAX,
    bytes: u64::MAX,
};

/// A pass that removes nothing.
pub(super) fn tidy(logs: &Logs, running: &[ExecutionId]) {
    pass(logs, running, ALL);
}

fn pass(logs: &Logs, running: &[ExecutionId], keep: Keep) {
    let running: BTreeSet<ExecutionId> = running.iter().cloned().collect();
    let found = logs.on_disk().unwrap();
    logs.tidy(&found, &running, keep, crate::app::now())
        .unwrap();
}

/// Some files' worth of lines; how many.
fn much(logs: &Logs) -> u64 {
    for record in 1..=9 {
        let lines: Vec<LogLine> = (0..20).map(|n| line(&noise(record * 100 + n))).collect();
        logs.append(&execution(), record, &lines).unwrap();
        logs.sync(&execution()).unwrap();
    }
    180
}

#[test]
fn full_files_are_sealed_while_it_runs_and_all_when_it_has_ended() {
    let place = Place::new();
    let logs = place.logs();
    let count = much(&logs);
    let whole = logs.read(&execution(), 0, 1_000).unwrap();
    assert_eq!(whole.next, count);
    let before = place.files();
    assert!(before.len() > 2 && before.iter().all(|name| name.ends_with(".log")));
    tidy(&logs, &[execution()]);
    let open = place
        .files()
        .into_iter()
        .filter(|name| name.ends_with(".log"));
    assert_eq!(open.count(), 1);
    tidy(&logs, &[]);
    assert!(place.files().iter().all(|name| name.ends_with(".sealed")));
    for logs in [logs, place.logs()] {
        assert_eq!(logs.read(&execution(), 0, 1_000).unwrap(), whole);
        let page = logs.read(&execution(), 59, 3).unwrap();
        assert_eq!(page.lines, whole.lines[59..62]);
        let known = logs.append(&execution(), 9, &[line("again")]).unwrap();
        assert_eq!(known, Appended::Duplicate);
        assert_eq!(logs.end(&execution()).unwrap(), count);
    }
}

/// Wherever we end while a file is sealed, the lines are there once.
#[test]
fn a_kill_while_a_file_is_sealed_loses_nothing_and_repeats_nothing() {
    let place = Place::new();
    let logs = place.logs();
    let count = much(&logs);
    let whole = logs.read(&execution(), 0, 1_000).unwrap();
    let dir = place.path.join("k3f9x2ab");
    let open: Vec<(String, Vec<u8>)> = place
        .files()
        .into_iter()
        .map(|name| (name.clone(), fs::read(dir.join(&name)).unwrap()))
        .collect();
    tidy(&logs, &[]);
    for (name, bytes) in &open {
        // It was sealed, and what it was made from not removed yet; or it was being written.
        fs::write(dir.join(name), bytes).unwrap();
        fs::write(dir.join("1.0.new"), &bytes[..bytes.len() / 2]).unwrap();
        let logs = place.logs();
        assert_eq!(logs.read(&execution(), 0, 1_000).unwrap(), whole);
        tidy(&logs, &[]);
        assert!(place.files().iter().all(|name| name.ends_with(".sealed")));
    }
    for (name, bytes) in &open {
        // It was not renamed yet.
        for sealed in place.files() {
            fs::remove_file(dir.join(sealed)).unwrap();
        }
        for (name, bytes) in &open {
            fs::write(dir.join(name), bytes).unwrap();
        }
        fs::write(dir.join(name).with_extension("new"), bytes).unwrap();
        let logs = place.logs();
        assert_eq!(logs.read(&execution(), 0, 1_000).unwrap(), whole);
        logs.append(&execution(), 10, &[line("more")]).unwrap();
        logs.sync(&execution()).unwrap();
        tidy(&logs, &[]);
        let page = place.logs().read(&execution(), count, 9).unwrap();
        assert_eq!(texts(&page), ["more"]);
    }
}

#[test]
fn what_was_removed_is_said_where_the_lines_would_be() {
    let place = Place::new();
    let logs = place.logs();
    let count = much(&logs);
    let nothing = Keep { bytes: 0, ..ALL };
    pass(&logs, &[execution()], nothing);
    assert_eq!(logs.read(&execution(), 0, 1_000).unwrap().next, count);
    pass(&logs, &[], nothing);
    assert_eq!(place.files(), ["1.removed"]);
    let said = "180 lines are removed: all logs together were larger than [logs] keep_size";
    for logs in [logs, place.logs()] {
        let page = logs.read(&execution(), 0, 1_000).unwrap();
        assert_eq!((texts(&page), page.next), (vec![said], count));
        let page = logs.read(&execution(), 50, 10).unwrap();
        assert_eq!((texts(&page), page.next), (vec![said], 60));
        let known = logs.append(&execution(), 9, &[line("again")]).unwrap();
        assert_eq!(known, Appended::Duplicate);
    }
    // What is still sent of it has its place behind.
    let logs = place.logs();
    logs.append(&execution(), 10, &[line("late")]).unwrap();
    logs.sync(&execution()).unwrap();
    let page = place.logs().read(&execution(), 100, 100).unwrap();
    assert_eq!((texts(&page), page.next), (vec![said, "late"], count + 1));
    let old = Keep {
        age: Duration::ZERO,
        ..ALL
    };
    let found = logs.on_disk().unwrap();
    let later = crate::app::now().after(Duration::from_secs(9));
    logs.tidy(&found, &BTreeSet::new(), old, later).unwrap();
    let page = logs.read(&execution(), 0, 1_000).unwrap();
    let said = "181 lines are removed: older than [logs] keep_days";
    assert_eq!((texts(&page), page.next), (vec![said], count + 1));
}

#[test]
fn a_kill_while_a_log_is_removed_removes_all_of_it_at_the_next_look() {
    let place = Place::new();
    let logs = place.logs();
    much(&logs);
    let first = fs::read(place.file()).unwrap();
    pass(&logs, &[], Keep { bytes: 0, ..ALL });
    fs::write(place.file(), first).unwrap();
    let logs = place.logs();
    assert_eq!(logs.read(&execution(), 0, 1_000).unwrap().lines.len(), 1);
    assert_eq!(place.files(), ["1.removed"]);
}

#[test]
fn a_disk_that_is_full_while_a_file_is_sealed_costs_no_line() {
    let place = Place::new();
    let logs = place.logs();
    let count = much(&logs);
    // As good as full: the name that the file is written under is taken by a directory.
    let blocked = place.path.join("k3f9x2ab/1.0.new");
    let found = logs.on_disk().unwrap();
    fs::create_dir(&blocked).unwrap();
    let failed = logs.tidy(&found, &BTreeSet::new(), ALL, crate::app::now());
    assert!(failed.is_err());
    assert_eq!(logs.read(&execution(), 0, 1_000).unwrap().next, count);
    fs::remove_dir(&blocked).unwrap();
    tidy(&logs, &[]);
    let page = place.logs().read(&execution(), 0, 1_000).unwrap();
    assert_eq!((page.next, page.lost), (count, 0));
}
