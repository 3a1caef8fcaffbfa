//! Searching, and finding a time.

use super::*;

fn search(text: &str) -> Search {
    Search {
        text: text.to_owned(),
        from: 0,
        backwards: false,
        limit: 100,
    }
}

fn numbers(hits: &Hits) -> Vec<u64> {
    hits.lines.iter().map(|(number, _)| *number).collect()
}

#[test]
fn a_text_without_capitals_is_found_in_either_case_and_with_capitals_as_it_is() {
    let place = Place::new();
    let logs = place.logs();
    let lines = [
        "an ERROR",
        "no error",
        "Error: Ärger",
        "ÄRGER",
        "fine",
        "err",
        "or",
    ];
    logs.append(&execution(), 1, &lines.map(line)).unwrap();
    logs.append_lost(&execution(), 2, 5).unwrap();
    logs.append(&execution(), 3, &[line("the last error, an error")])
        .unwrap();
    logs.sync(&execution()).unwrap();
    for sealed in [false, true] {
        if sealed {
            kept::tidy(&logs, &[]);
        }
        for (text, expected) in [
            ("error", vec![0, 1, 2, 8]),
            ("Error", vec![2]),
            ("ERROR", vec![0]),
            ("ärger", vec![2, 3]),
            ("Ärger", vec![2]),
            ("an ", vec![0, 8]),
            ("nowhere", vec![]),
            ("", vec![]),
        ] {
            let hits = logs.search(&execution(), &search(text)).unwrap();
            assert_eq!(numbers(&hits), expected, "{text:?}, sealed: {sealed}");
            assert_eq!(hits.total, u64::try_from(expected.len()).unwrap());
            let page = logs.read(&execution(), 0, 100).unwrap();
            for (number, line) in hits.lines {
                let at = page.numbers.binary_search(&number).unwrap();
                assert_eq!(page.lines[at], line);
            }
        }
    }
}

/// What is one line is searched as one: the text of a hit never begins in one and ends in the next.
#[test]
fn no_hit_reaches_from_one_line_into_the_next() {
    let place = Place::new();
    let logs = place.logs();
    logs.append(
        &execution(),
        1,
        &[line("one\ntwo"), line("three"), line("")],
    )
    .unwrap();
    for (text, expected) in [
        ("one\ntwo", vec![0]),
        ("twothree", vec![]),
        ("two\nthree", vec![]),
    ] {
        let hits = logs.search(&execution(), &search(text)).unwrap();
        assert_eq!(numbers(&hits), expected, "{text:?}");
    }
}

#[test]
fn hits_are_bounded_and_go_on_from_a_line_in_both_directions() {
    let place = Place::new();
    let logs = place.logs();
    for record in 1..=30 {
        let lines: Vec<LogLine> = (0..100)
            .map(|n| line(&format!("{n} {}", noise(n))))
            .collect();
        logs.append(&execution(), record, &lines[..record.try_into().unwrap()])
            .unwrap();
        logs.sync(&execution()).unwrap();
    }
    kept::tidy(&logs, &[execution()]);
    let of = |from, backwards, limit| {
        let search = Search {
            from,
            backwards,
            limit,
            ..search("0 ")
        };
        let hits = logs.search(&execution(), &search).unwrap();
        (numbers(&hits), hits.total)
    };
    let all: Vec<u64> = of(0, false, 1_000).0;
    assert_eq!(all[..4], [0, 1, 3, 6]);
    let total = u64::try_from(all.len()).unwrap();
    assert_eq!(of(2, false, 3), (all[2..5].to_vec(), total));
    let mut back = all[..2].to_vec();
    back.reverse();
    assert_eq!(of(3, true, 3), (back, total));
    assert_eq!(of(u64::MAX, true, 1), (vec![*all.last().unwrap()], total));
    assert_eq!(of(u64::MAX, false, 1), (vec![], total));
}

#[test]
fn what_is_damaged_is_passed_over_and_counted() {
    let place = Place::new();
    let logs = place.logs();
    for record in 1..=3 {
        logs.append(&execution(), record, &[line("a"), line("b")])
            .unwrap();
        logs.sync(&execution()).unwrap();
    }
    let mut bytes = fs::read(place.file()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(place.file(), bytes).unwrap();
    let hits = place.logs().search(&execution(), &search("a")).unwrap();
    assert_eq!(
        (numbers(&hits), hits.total, hits.unread),
        (vec![0, 4], 2, 2)
    );
}

#[test]
fn the_first_line_since_a_time_is_found_and_the_end_where_there_is_none() {
    let place = Place::new();
    let logs = place.logs();
    let at = |at| LogLine {
        at: Timestamp(at),
        ..line("x")
    };
    logs.append(&execution(), 1, &[at(10), at(20)]).unwrap();
    logs.append_lost(&execution(), 2, 3).unwrap();
    logs.append(&execution(), 3, &[at(30), at(25), at(40)])
        .unwrap();
    logs.sync(&execution()).unwrap();
    for sealed in [false, true] {
        if sealed {
            kept::tidy(&logs, &[]);
        }
        for (time, expected) in [(0, 0), (10, 0), (11, 1), (21, 3), (31, 5), (41, 6)] {
            let found = logs.at(&execution(), Timestamp(time)).unwrap();
            assert_eq!(found, expected, "since {time}, sealed: {sealed}");
        }
    }
    let nothing = "k3f9x2ab.7".parse().unwrap();
    assert_eq!(logs.at(&nothing, Timestamp(0)).unwrap(), 0);
}
