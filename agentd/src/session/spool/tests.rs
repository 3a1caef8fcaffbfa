use super::*;

const EXECUTION: &str = "k3f9x2ab.1";

fn logs(lines: usize, size: usize) -> Body {
    let line = v1::LogLine {
        text: "x".repeat(size),
        ..v1::LogLine::default()
    };
    Body::Logs(v1::Logs {
        lines: vec![line; lines],
    })
}

fn step(text: &str) -> Body {
    Body::Report(v1::ReportDelta {
        current_step: Some(text.to_owned()),
        ..v1::ReportDelta::default()
    })
}

async fn all(spool: &Spool) -> Vec<v1::Record> {
    let mut records = Vec::new();
    let mut seq = spool.acked();
    while seq < spool.last() {
        let more = spool.after(seq, 10_000).await.unwrap();
        seq = more.last().unwrap().seq;
        records.extend(more);
    }
    records
}

fn newest_segment(dir: &Path) -> PathBuf {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    paths.sort();
    paths.pop().unwrap()
}

#[tokio::test]
async fn numbers_are_contiguous_and_survive_a_new_start() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), CAPACITY).unwrap();
    for number in 1..=5 {
        assert_eq!(spool.append(EXECUTION, step("a")).await.unwrap(), number);
    }
    spool.acknowledge(3).await.unwrap();
    let id = spool.id();
    drop(spool);

    let spool = Spool::open(dir.path(), CAPACITY).unwrap();
    assert_eq!(spool.id(), id);
    assert_eq!(spool.acked(), 3);
    let numbers: Vec<u64> = all(&spool).await.iter().map(|record| record.seq).collect();
    assert_eq!(numbers, [4, 5]);
    spool.acknowledge(5).await.unwrap();
    drop(spool);

    let spool = Spool::open(dir.path(), CAPACITY).unwrap();
    assert_eq!(spool.bytes(), 0);
    assert_eq!(spool.append(EXECUTION, step("b")).await.unwrap(), 6);
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_and_its_number_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), CAPACITY).unwrap();
    spool.append(EXECUTION, step("one")).await.unwrap();
    spool.append(EXECUTION, step("two")).await.unwrap();
    let id = spool.id();
    drop(spool);
    let path = newest_segment(dir.path());
    let length = fs::metadata(&path).unwrap().len();
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length - 3)
        .unwrap();

    let spool = Spool::open(dir.path(), CAPACITY).unwrap();
    assert_eq!(spool.id(), id);
    assert_eq!(spool.last(), 1);
    assert_eq!(spool.append(EXECUTION, step("three")).await.unwrap(), 2);
    assert_eq!(all(&spool).await[1].body, Some(step("three")));
}

#[tokio::test]
async fn damage_in_the_middle_begins_a_new_spool() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), CAPACITY).unwrap();
    let id = spool.id();
    for _ in 0..3 {
        spool.append(EXECUTION, logs(1, 1_100_000)).await.unwrap();
    }
    drop(spool);
    let first = dir.path().join(format!("{:020}.seg", 1));
    let mut bytes = fs::read(&first).unwrap();
    bytes[500] ^= 1;
    fs::write(&first, bytes).unwrap();

    let spool = Spool::open(dir.path(), CAPACITY).unwrap();
    assert_ne!(spool.id(), id);
    assert_eq!((spool.last(), spool.acked()), (0, 0));
}

#[tokio::test]
async fn a_full_spool_drops_the_oldest_logs_counts_them_and_keeps_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), 20_000).unwrap();
    for number in 0..100 {
        spool.append(EXECUTION, logs(3, 200)).await.unwrap();
        if number % 10 == 0 {
            let text = format!("step {number}");
            spool.append(EXECUTION, step(&text)).await.unwrap();
        }
    }
    assert!(spool.bytes() <= 20_000);
    let records = all(&spool).await;
    let numbers: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert_eq!(numbers, (1..=110).collect::<Vec<u64>>());
    let (mut kept, mut dropped, mut steps) = (0, 0, 0);
    for record in &records {
        match &record.body {
            Some(Body::Logs(logs)) => kept += logs.lines.len(),
            Some(Body::LogsDropped(logs)) => dropped += usize::try_from(logs.lines).unwrap(),
            Some(Body::Report(_)) => steps += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(steps, 10);
    assert_eq!(kept + dropped, 300);
    assert!(matches!(records[0].body, Some(Body::LogsDropped(_))));
}

#[tokio::test]
async fn a_delta_waits_for_room_and_is_never_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), 2_000).unwrap();
    let long = "y".repeat(700);
    spool.append(EXECUTION, step(&long)).await.unwrap();
    spool.append(EXECUTION, step(&long)).await.unwrap();
    let waiting = spool.clone();
    let text = long.clone();
    let third = tokio::spawn(async move { waiting.append(EXECUTION, step(&text)).await });
    // A log does not wait: it becomes a count.
    spool.append(EXECUTION, logs(2, 900)).await.unwrap();
    assert!(!third.is_finished());
    spool.acknowledge(3).await.unwrap();
    assert_eq!(third.await.unwrap().unwrap(), 4);
    assert_eq!(all(&spool).await[0].body, Some(step(&long)));
}

#[tokio::test]
async fn the_end_of_an_execution_is_remembered_after_it_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), CAPACITY).unwrap();
    assert!(!spool.has_ended(EXECUTION));
    let ended = Body::Ended(v1::Ended::default());
    let seq = spool.append(EXECUTION, ended).await.unwrap();
    assert!(spool.has_ended(EXECUTION));
    spool.acknowledge(seq).await.unwrap();
    drop(spool);
    let spool = Spool::open(dir.path(), CAPACITY).unwrap();
    assert!(spool.has_ended(EXECUTION));
    assert!(!spool.has_ended("k3f9x2ab.2"));
}
