//! Disks that give back something else, and files of an older program.

use super::*;

/// A log of records of one line each, every one of them synced.
fn records(place: &Place, count: u64) {
    let logs = place.logs();
    for record in 1..=count {
        logs.append(&execution(), record, &[line(&format!("line {record}"))])
            .unwrap();
        logs.sync(&execution()).unwrap();
    }
}

#[test]
fn a_block_that_was_damaged_is_missing_and_the_rest_is_read() {
    let place = Place::new();
    records(&place, 5);
    let whole = fs::read(place.file()).unwrap();
    // Not in the last record: nothing says yet that it is on disk.
    let last = whole.len() - whole.len() / 4;
    for at in (8..last).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(place.file(), bytes).unwrap();
        let logs = place.logs();
        let page = logs.read(&execution(), 0, 100).unwrap();
        assert_eq!((page.lost, page.next), (1, 5), "byte {at}");
        assert_eq!(page.numbers, [0, 1, 2, 3, 4], "byte {at}");
        let said = "1 line is missing, numbers ";
        let missing = |line: &&LogLine| line.text.starts_with(said);
        assert_eq!(page.lines.iter().filter(missing).count(), 1, "byte {at}");
        // Acknowledged is acknowledged.
        let again = logs.append(&execution(), 5, &[line("again")]).unwrap();
        assert_eq!(again, Appended::Duplicate);
    }
}

#[test]
fn a_sealed_file_loses_the_lines_of_a_damaged_block_and_no_others() {
    let place = Place::new();
    let logs = place.logs();
    let lines: Vec<LogLine> = (0..40).map(|n| line(&noise(n))).collect();
    logs.append(&execution(), 1, &lines).unwrap();
    logs.sync(&execution()).unwrap();
    kept::tidy(&logs, &[]);
    let sealed = place.path.join("k3f9x2ab/1.0.sealed");
    let whole = fs::read(&sealed).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 50) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        fs::write(&sealed, bytes).unwrap();
        let page = place.logs().read(&execution(), 0, 100).unwrap();
        assert_eq!(page.next, 40, "byte {at}");
        assert!(page.lost < 20, "byte {at} cost {} lines", page.lost);
        let shown = u64::try_from(page.lines.len()).unwrap();
        assert_eq!(shown + page.lost - u64::from(page.lost > 0), 40);
    }
}

#[test]
fn a_sealed_file_without_any_index_is_put_aside_and_what_came_after_it_is_read() {
    let place = Place::new();
    let logs = place.logs();
    logs.append(&execution(), 1, &[line("a"), line("b")])
        .unwrap();
    logs.sync(&execution()).unwrap();
    kept::tidy(&logs, &[]);
    logs.append(&execution(), 2, &[line("c")]).unwrap();
    logs.sync(&execution()).unwrap();
    assert_eq!(place.files(), ["1.0.sealed", "1.2.log"]);
    fs::write(place.path.join("k3f9x2ab/1.0.sealed"), "nothing of ours").unwrap();
    for logs in [place.logs(), place.logs()] {
        let page = logs.read(&execution(), 0, 9).unwrap();
        assert_eq!(
            (page.lines.last().unwrap().text.as_str(), page.next),
            ("c", 3)
        );
        let again = logs.append(&execution(), 2, &[line("c")]).unwrap();
        assert_eq!(again, Appended::Duplicate);
    }
    assert_eq!(place.files(), ["1.0.damaged", "1.2.log"]);
}

/// The first form, as programs before sealed files wrote it.
fn first_form(record: u64, first: u64, lines: &[LogLine]) -> Vec<u8> {
    let plain = serde_json::to_vec(lines).unwrap();
    let payload = zstd::bulk::compress(&plain, 1).unwrap();
    let short = |length: usize| u32::try_from(length).unwrap().to_le_bytes();
    let mut block = [
        short(payload.len()),
        short(plain.len()),
        short(0),
        short(lines.len()),
    ]
    .concat();
    block.extend_from_slice(&record.to_le_bytes());
    block.extend_from_slice(&first.to_le_bytes());
    block.extend_from_slice(&block::sum(&[&block, &payload]));
    block.extend_from_slice(&payload);
    block
}

#[test]
fn a_log_of_the_first_form_is_read_and_goes_on_and_is_sealed() {
    let place = Place::new();
    let mut bytes = block::FIRST_MAGIC.to_vec();
    bytes.extend(first_form(4, 0, &[line("a"), line("b")]));
    bytes.extend(first_form(5, 2, &[line("c")]));
    let whole = bytes.len();
    bytes.extend(&first_form(6, 3, &[line("torn")])[..50]);
    fs::create_dir_all(place.file().parent().unwrap()).unwrap();
    fs::write(place.file(), bytes).unwrap();
    let logs = place.logs();
    assert_eq!(texts(&logs.read(&execution(), 1, 9).unwrap()), ["b", "c"]);
    assert_eq!(
        fs::metadata(place.file()).unwrap().len(),
        u64::try_from(whole).unwrap()
    );
    let known = logs.append(&execution(), 5, &[line("c")]).unwrap();
    assert_eq!(known, Appended::Duplicate);
    logs.append(&execution(), 6, &[line("d")]).unwrap();
    logs.sync(&execution()).unwrap();
    assert_eq!(place.files(), ["1.3.log", "1.log"]);
    kept::tidy(&logs, &[]);
    assert_eq!(place.files(), ["1.0.sealed", "1.3.sealed"]);
    for logs in [logs, place.logs()] {
        let page = logs.read(&execution(), 0, 9).unwrap();
        assert_eq!(texts(&page), ["a", "b", "c", "d"]);
    }
}
