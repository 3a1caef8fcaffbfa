use std::fs;

use cloud_code_domain::log::{LogCategory, LogLevel, MAX_LINE};
use cloud_code_domain::time::Timestamp;

use super::*;

mod damage;
mod kept;
mod searched;

struct Place {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs");
        Self { _dir: dir, path }
    }

    /// As after a restart: nothing is left in memory.
    fn logs(&self) -> Logs {
        Logs::open(&self.path).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.path.join("k3f9x2ab/1.log")
    }

    /// The names of all files of the task.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path.join("k3f9x2ab")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

fn execution() -> ExecutionId {
    "k3f9x2ab.1".parse().unwrap()
}

fn line(text: &str) -> LogLine {
    LogLine {
        at: Timestamp(1),
        level: LogLevel::Info,
        category: LogCategory::Output,
        text: text.to_owned(),
    }
}

fn texts(page: &Page) -> Vec<&str> {
    page.lines.iter().map(|line| line.text.as_str()).collect()
}

#[test]
fn lines_are_read_by_number_across_records_and_restarts() {
    let place = Place::new();
    let logs = place.logs();
    logs.append(&execution(), 1, &[line("a"), line("b")])
        .unwrap();
    logs.append(&execution(), 2, &[line("c")]).unwrap();
    logs.sync(&execution()).unwrap();
    for logs in [logs, place.logs()] {
        let page = logs.read(&execution(), 1, 5).unwrap();
        assert_eq!((texts(&page), page.next), (vec!["b", "c"], 3));
        let page = logs.read(&execution(), 0, 2).unwrap();
        assert_eq!((texts(&page), page.next), (vec!["a", "b"], 2));
        assert_eq!(texts(&logs.tail(&execution(), 2).unwrap()), ["b", "c"]);
        let beyond = logs.read(&execution(), 9, 5).unwrap();
        assert!(beyond.is_empty() && beyond.next == 9);
        assert!(
            logs.read(&"k3f9x2ab.2".parse().unwrap(), 0, 5)
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn a_record_that_is_sent_again_is_not_written_again() {
    let place = Place::new();
    let logs = place.logs();
    assert_eq!(
        logs.append(&execution(), 7, &[line("a")]).unwrap(),
        Appended::New
    );
    logs.sync(&execution()).unwrap();
    for logs in [logs, place.logs()] {
        let again = logs.append(&execution(), 7, &[line("a")]).unwrap();
        assert_eq!(again, Appended::Duplicate);
        assert_eq!(logs.end(&execution()).unwrap(), 1);
    }
}

/// The file as a crash can leave it: cut anywhere behind what was synced.
#[test]
fn after_a_crash_at_any_byte_resending_makes_the_log_whole() {
    let place = Place::new();
    let logs = place.logs();
    logs.append(&execution(), 1, &[line("safe")]).unwrap();
    logs.sync(&execution()).unwrap();
    let safe = fs::read(place.file()).unwrap();
    logs.append(&execution(), 2, &[line("b"), line("c")])
        .unwrap();
    logs.append_lost(&execution(), 3, 40).unwrap();
    logs.append(&execution(), 4, &[line("d")]).unwrap();
    let whole = fs::read(place.file()).unwrap();
    for cut in safe.len()..=whole.len() {
        for zeros in [0, 100] {
            let mut crashed = whole[..cut].to_vec();
            crashed.resize(cut + zeros, 0);
            fs::write(place.file(), &crashed).unwrap();
            let logs = place.logs();
            logs.append(&execution(), 1, &[line("safe")]).unwrap();
            logs.append(&execution(), 2, &[line("b"), line("c")])
                .unwrap();
            logs.append_lost(&execution(), 3, 40).unwrap();
            logs.append(&execution(), 4, &[line("d")]).unwrap();
            logs.sync(&execution()).unwrap();
            let page = place.logs().read(&execution(), 0, 100).unwrap();
            assert_eq!(texts(&page), ["safe", "b", "c", "d"], "cut at {cut}");
            assert_eq!((page.lost, page.next), (40, 5));
        }
    }
}

/// What follows on a disk that refuses to sync.
#[test]
fn what_could_not_be_made_safe_is_taken_back_and_can_be_appended_again() {
    let place = Place::new();
    let logs = place.logs();
    logs.append(&execution(), 1, &[line("safe")]).unwrap();
    logs.sync(&execution()).unwrap();
    logs.append(&execution(), 2, &[line("b"), line("c")])
        .unwrap();
    let taken = |open: &mut Open| open.chains.get_mut(&execution()).unwrap().take_back();
    taken(&mut logs.lock()).unwrap();
    assert_eq!(texts(&logs.tail(&execution(), 9).unwrap()), ["safe"]);
    let again = logs.append(&execution(), 2, &[line("b"), line("c")]);
    assert_eq!(again.unwrap(), Appended::New);
    logs.sync(&execution()).unwrap();
    let page = place.logs().read(&execution(), 0, 9).unwrap();
    assert_eq!(texts(&page), ["safe", "b", "c"]);
}

#[test]
fn what_a_failed_append_left_behind_is_overwritten() {
    let place = Place::new();
    let logs = place.logs();
    logs.append(&execution(), 1, &[line("a")]).unwrap();
    logs.sync(&execution()).unwrap();
    let mut bytes = fs::read(place.file()).unwrap();
    bytes.extend_from_slice(&[0xff; 500]);
    fs::write(place.file(), bytes).unwrap();
    logs.append(&execution(), 2, &[line("b")]).unwrap();
    logs.sync(&execution()).unwrap();
    for logs in [logs, place.logs()] {
        assert_eq!(texts(&logs.tail(&execution(), 9).unwrap()), ["a", "b"]);
    }
}

#[test]
fn a_file_that_was_torn_while_it_was_made_is_made_again() {
    let place = Place::new();
    for torn in [
        &b""[..],
        b"CCL",
        b"CCLOG\0\0\x01",
        b"something else entirely",
    ] {
        fs::create_dir_all(place.file().parent().unwrap()).unwrap();
        fs::write(place.file(), torn).unwrap();
        let logs = place.logs();
        assert!(logs.read(&execution(), 0, 1).unwrap().is_empty());
        logs.append(&execution(), 1, &[line("a")]).unwrap();
        logs.sync(&execution()).unwrap();
        assert_eq!(texts(&place.logs().tail(&execution(), 9).unwrap()), ["a"]);
    }
}

#[test]
fn a_gap_takes_one_number_and_says_how_many_lines_it_was() {
    let place = Place::new();
    let logs = place.logs();
    logs.append(&execution(), 1, &[line("a")]).unwrap();
    logs.append_lost(&execution(), 2, 12).unwrap();
    logs.append(&execution(), 3, &[line("b")]).unwrap();
    let page = logs.read(&execution(), 0, 2).unwrap();
    assert_eq!((texts(&page), page.lost, page.next), (vec!["a"], 12, 2));
    let page = logs.read(&execution(), 2, 2).unwrap();
    assert_eq!((texts(&page), page.lost), (vec!["b"], 0));
}

#[test]
fn a_line_is_cut_and_a_full_file_counts_instead_of_growing() {
    let place = Place::new();
    let logs = place.logs();
    logs.append(&execution(), 1, &[line(&"é".repeat(MAX_LINE + 9))])
        .unwrap();
    let page = logs.read(&execution(), 0, 1).unwrap();
    assert_eq!(page.lines[0].text.chars().count(), MAX_LINE);
    // More than a file takes, of what cannot be compressed away.
    let mut records = 2..;
    let mut lost = 0;
    while lost == 0 {
        let record = records.next().unwrap();
        let noise: Vec<LogLine> = (0..100).map(|n| line(&noise(record * 100 + n))).collect();
        logs.append(&execution(), record, &noise).unwrap();
        logs.sync(&execution()).unwrap();
        lost = logs.tail(&execution(), 1).unwrap().lost;
    }
    assert_eq!(lost, 100);
    let length = fs::metadata(place.file()).unwrap().len();
    logs.append_lost(&execution(), records.next().unwrap(), 1)
        .unwrap();
    assert!(length < 2 << 20);
    assert!(place.files().len() > 3, "one file after the other");
    let disk: u64 = place.logs().on_disk().unwrap()[&execution()].bytes;
    assert!(disk < 2 << 20, "{disk}");
}

/// Text that does not compress to nothing.
fn noise(seed: u64) -> String {
    use sha2::{Digest as _, Sha256};
    (0..50)
        .map(|n| hex::encode(Sha256::digest(format!("{seed}.{n}"))))
        .collect()
}

#[tokio::test]
async fn a_follower_sees_what_is_there_then_what_comes_then_the_end() {
    let place = Place::new();
    let logs = place.logs();
    let mut early = logs.follow(&execution(), 0).unwrap();
    logs.append(&execution(), 1, &[line("a")]).unwrap();
    assert_eq!(texts(&early.next().await.unwrap().unwrap()), ["a"]);
    let writer = logs.clone();
    let (page, ()) = tokio::join!(early.next(), async {
        writer.append(&execution(), 2, &[line("b")]).unwrap();
    });
    assert_eq!(texts(&page.unwrap().unwrap()), ["b"]);
    logs.append_lost(&execution(), 3, 5).unwrap();
    assert_eq!(early.next().await.unwrap().unwrap().lost, 5);
    logs.remove(&execution().task).unwrap();
    assert_eq!(early.next().await.unwrap(), None);
    assert!(!place.file().exists());
}

#[tokio::test]
async fn a_follower_that_falls_behind_skips_and_is_told_how_much() {
    let place = Place::new();
    let logs = place.logs();
    let many: Vec<LogLine> = (0..12_000).map(|n| line(&n.to_string())).collect();
    // From the start everything is read, however long it is.
    logs.append(&execution(), 1, &many).unwrap();
    let mut follower = logs.follow(&execution(), 0).unwrap();
    let mut read = 0;
    while read < 12_000 {
        let page = follower.next().await.unwrap().unwrap();
        assert_eq!(page.lost, 0);
        read += page.lines.len();
    }
    logs.append(&execution(), 2, &many).unwrap();
    let page = follower.next().await.unwrap().unwrap();
    assert_eq!(page.lost, 2_000);
    assert_eq!(page.lines[0].text, "2000");
}

#[test]
fn files_beyond_the_limit_are_closed_and_opened_again_when_needed() {
    let place = Place::new();
    let logs = place.logs();
    let execution = |n: usize| -> ExecutionId { format!("k3f9x2ab.{}", n + 1).parse().unwrap() };
    for n in 0..OPEN_FILES + 9 {
        logs.append(&execution(n), 1, &[line("a")]).unwrap();
    }
    for n in 0..OPEN_FILES + 9 {
        logs.sync(&execution(n)).unwrap();
    }
    assert_eq!(logs.lock().chains.len(), OPEN_FILES);
    for n in 0..OPEN_FILES + 9 {
        assert_eq!(
            logs.append(&execution(n), 1, &[]).unwrap(),
            Appended::Duplicate
        );
    }
}
