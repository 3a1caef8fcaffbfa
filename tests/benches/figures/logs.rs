//! Searching the log of an execution that printed a million lines, beside `grep` in the same lines.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use cloud_code_domain::id::ExecutionId;
use cloud_code_domain::log::{LogCategory, LogLevel, LogLine};
use cloud_code_domain::time::Timestamp;
use cloud_code_tests::cluster::asked_until;
use orchestratord::logs::Logs;

use crate::latency::{NOTHING, local_cluster};
use crate::table::{Samples, Table};

const LINES: u64 = 1_000_000;
const TOGETHER: u64 = 200;
/// What is in one line of ten thousand, and how it is searched for.
const RARE: &str = "Connection Refused by";
const SOUGHT: &str = "connection refused";

pub(crate) async fn million(table: &mut Table) -> Result<()> {
    let mut cluster = local_cluster(1).await?;
    let operator = cluster.operator()?;
    let task = operator.new_task("sample", "Look", NOTHING).await?;
    cluster.task_blocked(&task, "needs_human").await?;
    cluster.kill_orchestratord()?;
    let beside = cluster.root().join("lines.txt");
    let dir = cluster.state().join("executions");
    fill(&dir, &format!("{task}.1").parse()?, &beside)?;
    cluster.restart().await?;
    sealed(&dir.join(&task)).await?;

    let operator = cluster.operator()?;
    let mut samples = Samples::default();
    for _ in 0..20 {
        let began = Instant::now();
        let found = operator.search(&task, SOUGHT).await?;
        samples.add(began.elapsed());
        let (hits, total) = (found.hits.len(), found.total);
        ensure!(hits == 100 && total == 100, "{hits} of {total} hits");
    }
    let grep = grep(&beside)?;
    table.row(
        "search of a million lines, over the operator's socket",
        "≤ 300 ms",
        samples,
        format!("grep -F -i -c in the same lines: {grep:.0} ms"),
    );
    Ok(())
}

/// Appends as agents' records do, and writes the same lines into a file.
fn fill(dir: &Path, execution: &ExecutionId, beside: &Path) -> Result<()> {
    let logs = Logs::open(dir)?;
    let mut beside = std::io::BufWriter::new(std::fs::File::create(beside)?);
    for record in 0..LINES / TOGETHER {
        let mut lines = Vec::new();
        for number in record * TOGETHER..(record + 1) * TOGETHER {
            let text = text(number);
            writeln!(beside, "{text}")?;
            lines.push(LogLine {
                at: Timestamp(1_700_000_000_000).after(std::time::Duration::from_millis(number)),
                level: LogLevel::Info,
                category: LogCategory::Output,
                text,
            });
        }
        logs.append(execution, 1_000 + record, &lines)?;
        if record % 50 == 0 {
            logs.sync(execution)?;
        }
    }
    logs.sync(execution)?;
    Ok(())
}

/// A line of about 100 characters, as tests and builds print them.
fn text(number: u64) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let what = match number % 10_000 {
        7 => RARE,
        _ => "test result: ok. passed in",
    };
    format!(
        "[{number:07}] worker-{} crate_{:04x}::module::case_{:06x} {what} {}.{:03} s, request {mixed:016x}",
        number % 16,
        mixed >> 48,
        mixed >> 40,
        mixed % 10,
        mixed % 1_000,
    )
}

/// Waits until what is full is sealed.
async fn sealed(dir: &Path) -> Result<()> {
    asked_until("sealed logs", async || {
        let names = std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
        let names = names.collect::<Result<Vec<_>, _>>()?;
        let open = |path: &&std::path::PathBuf| path.extension().is_some_and(|kind| kind == "log");
        Ok((names.iter().filter(open).count() <= 1).then_some(()))
    })
    .await
}

/// Milliseconds that grep takes, at its second time.
#[expect(clippy::disallowed_methods, reason = "what is measured is grep itself")]
fn grep(file: &Path) -> Result<f64> {
    let mut took = 0.0;
    for _ in 0..2 {
        let began = Instant::now();
        let output = Command::new("grep")
            .args(["-F", "-i", "-c", SOUGHT])
            .arg(file)
            .stderr(Stdio::null())
            .output()
            .context("grep")?;
        ensure!(
            output.stdout.trim_ascii() == b"100",
            "grep finds another number"
        );
        took = began.elapsed().as_secs_f64() * 1_000.0;
    }
    Ok(took)
}
