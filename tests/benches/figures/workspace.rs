//! How long a task waits for its files in a large repository: with a spare worktree and without,
//! beside `git worktree add` and `git clone`.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cloud_code_tests::cluster::Cluster;
use cloud_code_tests::sample::git;

use crate::latency::{NOTHING, cluster_of};
use crate::table::{Samples, Table};

/// Files of the repository.
const FILES: usize = 50_000;
/// Files that a commit between two tasks changes.
const CHANGED: usize = 20;
/// Tasks without a spare, and with one.
const COLD: usize = 3;
const WARM: usize = 7;

pub(crate) async fn large_repository(table: &mut Table) -> Result<()> {
    let cluster = cluster_of(1, "", |root| large(&root.join("sample.git"))).await?;
    let source = cluster.root().join("sample.git");
    let theirs = cluster.root().join("theirs");
    fs::create_dir(&theirs)?;
    git(
        &theirs,
        &["clone", "--quiet", "--bare", &url(&source), "hot.git"],
    )?;
    let (mut add, mut clone) = (Samples::default(), Samples::default());

    // All at once: each begins when the one before has ended, and leaves no time to prepare for it.
    let operator = cluster.operator()?;
    let mut tasks = Vec::new();
    for _ in 0..COLD {
        tasks.push(operator.new_task("sample", "Look", NOTHING).await?);
    }
    for task in &tasks {
        cluster.task_blocked(task, "needs_human").await?;
    }
    for number in 0..COLD {
        add.add(worktree_add(&theirs.join("hot.git"), number)?);
    }
    for number in 0..WARM {
        let spares = || logged(&cluster, "there is a spare worktree").len();
        commit(&source, number + 1)?;
        cluster
            .until("a spare", || (spares() > number).then_some(()))
            .await?;
        let task = operator.new_task("sample", "Look", NOTHING).await?;
        cluster.task_blocked(&task, "needs_human").await?;
        if number % 3 == 0 {
            add.add(worktree_add(&theirs.join("hot.git"), COLD + number)?);
            clone.add(full_clone(
                &source,
                &theirs.join(format!("clone-{number}")),
            )?);
        }
    }
    let (cold, warm) = (worktrees(&cluster, "new")?, worktrees(&cluster, "spare")?);
    ensure!(
        warm.len() == WARM,
        "{} of {WARM} tasks got a spare",
        warm.len()
    );
    rows(table, &cold, &warm, &add, &clone);
    Ok(())
}

fn rows(table: &mut Table, cold: &Samples, warm: &Samples, add: &Samples, clone: &Samples) {
    let middle = |samples: &Samples| samples.percentile(50).as_secs_f64();
    let part = |beside: &Samples| middle(beside) / middle(warm).max(1e-6);
    let beside = format!(
        "1/{:.0} of git worktree add: {add}; 1/{:.0} of git clone: {clone}",
        part(add),
        part(clone)
    );
    table.row(
        "workspace in a repository of 50,000 files, warm",
        "≤ 1/40 of git worktree add, ≤ 1/100 of git clone",
        warm,
        beside,
    );
    let times = middle(cold) / middle(add).max(1e-6);
    table.row(
        "the same, cold",
        "≤ 1.2 × git worktree add",
        cold,
        format!("{times:.2} × git worktree add"),
    );
}

fn url(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// What agentd logged of this kind.
fn logged(cluster: &Cluster, what: &str) -> Vec<String> {
    let agents = fs::read_dir(cluster.state().join("agents"));
    let logs = agents.into_iter().flatten().flatten();
    let texts = logs.filter_map(|agent| fs::read_to_string(agent.path().join("agentd.log")).ok());
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let lines = texts.flat_map(lines);
    lines.filter(|line| line.contains(what)).collect()
}

/// How long worktrees of this origin took, by agentd's own clock.
fn worktrees(cluster: &Cluster, origin: &str) -> Result<Samples> {
    let mut samples = Samples::default();
    let origin = format!("from=\"{origin}\"");
    for line in logged(cluster, "there is a worktree") {
        if line.contains(&origin) {
            let (_, took) = line.rsplit_once("microseconds=").context("no duration")?;
            samples.add(Duration::from_micros(took.trim().parse()?));
        }
    }
    Ok(samples)
}

fn worktree_add(hot: &Path, number: usize) -> Result<Duration> {
    let branch = format!("task-{number}");
    let path = format!("../work-{number}");
    let began = Instant::now();
    git(
        hot,
        &["worktree", "add", "--quiet", "-B", &branch, &path, "HEAD"],
    )?;
    let took = began.elapsed();
    fs::remove_dir_all(hot.join(path))?;
    Ok(took)
}

fn full_clone(source: &Path, to: &Path) -> Result<Duration> {
    let began = Instant::now();
    git(
        source,
        &["clone", "--quiet", &url(source), &to.to_string_lossy()],
    )?;
    let took = began.elapsed();
    fs::remove_dir_all(to)?;
    Ok(took)
}

/// A repository whose one commit has many files of ordinary size.
fn large(at: &Path) -> Result<()> {
    let parent = at.parent().context("no folder")?;
    git(
        parent,
        &["init", "--quiet", "--bare", &at.to_string_lossy()],
    )?;
    let paths = (0..FILES).map(path);
    import(at, None, paths.map(|path| (path, 0)))?;
    Ok(())
}

fn path(number: usize) -> PathBuf {
    let (part, module) = (number / 1_000, number / 50 % 20);
    format!("part-{part:02}/src/module-{module:02}/file-{number:05}.rs").into()
}

/// One more commit on `main`: some files change, spread over the tree.
fn commit(at: &Path, version: usize) -> Result<()> {
    let changed = (0..CHANGED).map(|one| path((one * 2_477 + version * 31) % FILES));
    import(
        at,
        Some("refs/heads/main^0"),
        changed.map(|path| (path, version)),
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "the repository is made with git itself"
)]
fn import(
    at: &Path,
    from: Option<&str>,
    files: impl Iterator<Item = (PathBuf, usize)>,
) -> Result<()> {
    let mut importing = Command::new("git")
        .current_dir(at)
        .args(["fast-import", "--quiet"])
        .stdin(Stdio::piped())
        .spawn()?;
    let stdin = importing.stdin.take().context("no standard input")?;
    let mut stdin = std::io::BufWriter::new(stdin);
    let who = "Ada <ada@example.org> 1700000000 +0000";
    write!(
        stdin,
        "commit refs/heads/main\ncommitter {who}\ndata 1\nx\n"
    )?;
    if let Some(from) = from {
        writeln!(stdin, "from {from}")?;
    }
    for (path, version) in files {
        let text = source_text(&path, version)?;
        writeln!(
            stdin,
            "M 100644 inline {}\ndata {}",
            path.display(),
            text.len()
        )?;
        stdin.write_all(text.as_bytes())?;
    }
    drop(stdin);
    ensure!(importing.wait()?.success(), "git fast-import failed");
    Ok(())
}

/// About two thousand bytes that compress as source code does.
fn source_text(path: &Path, version: usize) -> Result<String> {
    let mut state = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(u64::try_from(version)?, |state, byte| {
            state.wrapping_mul(31).wrapping_add(u64::from(*byte))
        });
    let mut text = String::new();
    for line in 0..40 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        writeln!(
            text,
            "pub fn function_{line}() -> u64 {{ {} }}",
            state >> 40
        )?;
    }
    Ok(text)
}
