//! A large result through the gate, beside git's own strict index of the same pack.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use cloud_code_domain::id::{Oid, TaskId};
use cloud_code_domain::passed::PassedChanges;
use cloud_code_domain::time::Timestamp;
use cloud_code_tests::sample::{bare_repository, git};
use orchestratord::config::{GateLimits, GitConfig};
use orchestratord::mirrors::Mirrors;
use orchestratord::ports::GitAccess;
use orchestratord::pull_requests::{Gate, GateInput};

use crate::table::Table;

/// Files of the result, and bytes of each: 50 MB that do not compress.
const FILES: usize = 500;
const BYTES: usize = 100 << 10;

pub(crate) async fn pack(table: &mut Table) -> Result<()> {
    let root = tempfile::tempdir()?;
    let source = root.path().join("source.git");
    bare_repository(&source, &[("README.md", "# Sample\n")])?;
    let work = root.path().join("work");
    let (from, to) = (source.to_string_lossy(), work.to_string_lossy());
    git(root.path(), &["clone", "--quiet", &from, &to])?;
    let base: Oid = git(&work, &["rev-parse", "HEAD"])?.parse()?;
    write_files(&work)?;
    git(&work, &["add", "--all"])?;
    git(&work, &["commit", "--quiet", "--message", "Much"])?;
    let head: Oid = git(&work, &["rev-parse", "HEAD"])?.parse()?;
    let packed = root.path().join("result.pack");
    make_pack(&work, &head, &base, &packed)?;
    let megabytes = std::fs::metadata(&packed)?.len() >> 20;
    ensure!(megabytes >= 45, "{megabytes} MB");

    let theirs = index_pack(root.path(), &source, &packed)?;
    let ours = through_the_gate(root.path(), &source, &base, &head, &packed).await?;
    let figure = format!("{ours:.2} s = {:.2} ×", ours / theirs);
    let beside = format!("git index-pack --strict: {theirs:.2} s");
    table.row(
        "a 50 MB pack through the gate",
        "≤ 1.3 × git index-pack --strict",
        figure,
        beside,
    );
    Ok(())
}

fn write_files(work: &Path) -> Result<()> {
    let mut state: u64 = 7;
    for number in 0..FILES {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(BYTES)
        .collect();
        std::fs::write(work.join(format!("blob-{number}.bin")), bytes)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "what is measured is git itself")]
fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(directory).args(arguments);
    command
}

fn make_pack(work: &Path, head: &Oid, base: &Oid, to: &Path) -> Result<()> {
    use std::io::Write;
    let arguments = [
        "pack-objects",
        "--revs",
        "--stdout",
        "--quiet",
        "--delta-base-offset",
    ];
    let mut packing = command(work, &arguments)
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(to)?)
        .spawn()?;
    let mut stdin = packing.stdin.take().context("no standard input")?;
    write!(stdin, "{head}\n^{base}\n")?;
    drop(stdin);
    ensure!(packing.wait()?.success(), "git pack-objects failed");
    Ok(())
}

/// Seconds that git takes to index the pack strictly into a repository that has the base.
fn index_pack(root: &Path, source: &Path, pack: &Path) -> Result<f64> {
    let target = root.join("target.git");
    git(
        root,
        &[
            "clone",
            "--quiet",
            "--bare",
            &source.to_string_lossy(),
            &target.to_string_lossy(),
        ],
    )?;
    let began = Instant::now();
    let ended = command(
        &target,
        &["index-pack", "--strict", "--stdin", "--fix-thin"],
    )
    .stdin(std::fs::File::open(pack)?)
    .stdout(Stdio::null())
    .status()?;
    ensure!(ended.success(), "git index-pack failed");
    Ok(began.elapsed().as_secs_f64())
}

async fn through_the_gate(
    root: &Path,
    source: &Path,
    base: &Oid,
    head: &Oid,
    pack: &Path,
) -> Result<f64> {
    let mirrors = Mirrors::new(root);
    let mirror = mirrors.of(&"sample".parse()?).await?;
    let access = GitAccess {
        url: source.to_string_lossy().into_owned(),
        authorization: None,
    };
    let main = "main".parse()?;
    mirror.fetch(&access, &[&main]).await?;
    let gate = Gate::new(root);
    let identity = GitConfig {
        name: "Cloud Code".to_owned(),
        email: "bot@example.org".to_owned(),
    };
    let task: TaskId = "k3f9x2ab".parse()?;
    let input = GateInput {
        mirror: &mirror,
        limits: &GateLimits::default(),
        protected_paths: &[],
        known_secrets: &[],
        base,
        published: None,
        default_branch: &main,
        head,
        passed: false,
        passed_before: &PassedChanges::default(),
        identity: &identity,
        task: &task,
        title: "Much",
        ended_at: Timestamp(1_700_000_000_000),
    };
    let pack = std::fs::File::open(pack)?;
    let began = Instant::now();
    gate.check(&input, pack).await?;
    Ok(began.elapsed().as_secs_f64())
}
