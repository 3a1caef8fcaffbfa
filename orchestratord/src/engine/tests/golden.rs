//! A store of every schema there ever was: it opens, is brought up to date, and tells what it told.
//!
//! Who changes the schema adds one, written by the program as it is then:
//!
//! ```sh
//! CLOUD_CODE_GOLDEN=1 INSTA_UPDATE=always cargo test -p orchestratord golden
//! ```
//!
//! A file that is there is never written again: it is what an older program left behind.

use std::fmt::Write as _;
use std::path::Path;

use super::*;
use crate::store::{FILE, SCHEMA, without_index};

fn fixture(schema: u64) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/engine/tests/golden");
    folder.join(format!("schema-{schema}.redb.zst"))
}

/// One task in most of the states, one execution that runs, a request, effects that wait.
async fn played() -> Bench {
    let bench = Bench::start().await;
    let done = bench.new_task("Merged").await;
    let execution = bench.assigned(&done).await;
    bench.succeeds(&execution, oid('b')).await;
    let published = Done::Published {
        head: oid('c'),
        added: 3,
        removed: 1,
        files: 2,
        passed: Vec::new(),
    };
    bench.effect("publish", published).await;
    let opened = bench.opened(&done, 7);
    bench.effect("open", opened).await;
    let failing = bench.new_task("Failed once").await;
    let execution = bench.assigned(&failing).await;
    let cause = FailureCause::CodingCli { exit: Some(1) };
    bench.fails(&execution, cause).await;
    let cancelled = bench.new_task("Cancelled").await;
    bench.act(Action::Cancel(cancelled)).await.unwrap();
    let blocked = bench.new_task("Blocked").await;
    let execution = bench.assigned(&blocked).await;
    let how = EndedHow::Blocked {
        needs_credential: false,
        reason: "which one?".into(),
    };
    bench.ends(&execution, how).await;
    let working = bench.new_task("Working").await;
    let execution = bench.assigned(&working).await;
    bench
        .says(&execution, RecordBody::Report(asks("npm_token", "read")))
        .await;
    bench
}

/// What operators are shown of it.
async fn told(bench: &Bench) -> String {
    let lines = bench.engine.read(|world| {
        let mut lines = String::new();
        for task in world.tasks.values() {
            let history = world
                .store
                .events_of_task(task.id.as_str(), u64::MAX, 100)
                .unwrap()
                .events;
            let history: Vec<&str> = history.iter().map(|event| event.kind.as_str()).collect();
            let _written = writeln!(
                lines,
                "{} {:?} {:?} {:?}\n  {}",
                task.id,
                task.title,
                task.state,
                task.pull_request.as_ref().map(|pull| pull.number),
                history.join(" "),
            );
        }
        for (key, record) in &world.effects {
            let _written = writeln!(lines, "{key} {:?}", record.state);
        }
        for request in world.requests.values() {
            let _written = writeln!(lines, "{} {:?}", request.id, request.state);
        }
        for execution in world.executions.values() {
            let _written = writeln!(lines, "{} {:?}", execution.id, execution.state);
        }
        let _written = writeln!(lines, "{} finished", world.finished);
        lines
    });
    lines.await.unwrap()
}

fn keep(schema: u64, store: &[u8]) {
    let path = fixture(schema);
    if !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, zstd::encode_all(store, 19).unwrap()).unwrap();
    }
}

/// Schema 2 added an index, and nothing else: schema 1 is schema 2 without it.
fn as_schema_1(store: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), store).unwrap();
    let opened = Store::open(dir.path()).unwrap();
    without_index(&opened).unwrap();
    drop(opened);
    std::fs::read(dir.path().join(FILE)).unwrap()
}

#[tokio::test]
async fn a_store_of_every_schema_opens_and_tells_what_it_told() {
    if std::env::var_os("CLOUD_CODE_GOLDEN").is_some() {
        let store = played().await.store().await;
        keep(1, &as_schema_1(&store));
        keep(SCHEMA, &store);
    }
    for schema in 1..=SCHEMA {
        let path = fixture(schema);
        let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let store = zstd::decode_all(packed.as_slice()).unwrap();
        let bench = Bench::on(&store).await;
        insta::assert_snapshot!(format!("schema_{schema}"), told(&bench).await);
        // It works on, and what it leaves agrees with itself.
        bench.new_task("Another").await;
        bench.killed().await;
    }
}
