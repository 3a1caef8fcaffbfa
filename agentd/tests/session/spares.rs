//! Worktrees that are made while there is nothing to do.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Stdio;

use cloud_code_domain::execution::FailureCause;
use cloud_code_domain::id::TaskId;
use cloud_code_proto::v1;
use tokio::process::Command;

use crate::station::{Station, git_ok, until};

/// The file of the sample, in every spare that there is.
fn spare_files(station: &Station) -> Vec<PathBuf> {
    let Ok(spares) = std::fs::read_dir(station.workspace().join("spares")) else {
        return Vec::new();
    };
    let files = spares.map(|spare| spare.unwrap().path().join("work/README.md"));
    files.filter(|file| file.is_file()).collect()
}

/// Waits until one is made: its index is written last.
async fn a_spare(station: &Station) -> PathBuf {
    let made = || {
        let record = |file: &PathBuf| {
            let link = std::fs::read_to_string(file.with_file_name(".git")).ok()?;
            Some(PathBuf::from(link.trim().strip_prefix("gitdir: ")?))
        };
        let is_made = |file: &PathBuf| record(file).is_some_and(|at| at.join("index").is_file());
        spare_files(station).into_iter().find(is_made)
    };
    until("a spare", || made().is_some()).await;
    made().unwrap()
}

fn another_task(station: &mut Station, bits: u64) {
    station.task = TaskId::from_random(bits).to_string();
}

#[tokio::test]
async fn the_next_task_gets_what_was_made_while_there_was_nothing_to_do() {
    let mut station = Station::start().await;
    station.run(1, "echo x > x").await;
    let base = station.commit_of_a_person("theirs.txt").await;
    // git's last write and agentd's knowledge of it are not one: a task may come in between.
    for bits in 1.. {
        assert!(bits < 20, "no task got a spare");
        let spare = a_spare(&station).await;
        let node = std::fs::metadata(&spare).unwrap().ino();
        another_task(&mut station, bits);
        // Also where its base is another commit.
        let mut assign = station.assignment(1, "echo y > y");
        assign.base.clone_from(&base);
        station.assign(assign).await;
        let ended = station.host.ended(&station.execution(1)).await;
        assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
        assert_eq!(station.read("theirs.txt"), "theirs\n");
        let parent = git_ok(&station.work(), &["rev-parse", "HEAD^"]).await;
        assert_eq!(parent, base);
        let file = station.work().join("README.md");
        if std::fs::metadata(file).unwrap().ino() == node {
            break;
        }
    }
}

#[tokio::test]
async fn nothing_that_a_program_does_to_a_spare_reaches_another_task() {
    let mut station = Station::start().await;
    station.run(1, "echo x > x").await;
    a_spare(&station).await;
    let hostile = "
echo z > z
for spare in ../../../spares/*/work; do
  touch ../found
  (cd $spare && git update-index --assume-unchanged README.md && echo evil > README.md \
    && echo evil > evil.txt && echo ignored.txt > .gitignore && touch ignored.txt)
done
";
    station.resume(2, hostile).await;
    assert!(station.above().join("found").exists());
    // At once, and once more when the next spare is there.
    for bits in [1, 2] {
        another_task(&mut station, bits);
        let seen =
            "ls -A > ../seen; cat README.md >> ../seen; git ls-files -v >> ../seen; echo y > y";
        station.run(1, seen).await;
        let seen = std::fs::read_to_string(station.above().join("seen")).unwrap();
        assert_eq!(
            seen,
            ".cloud-code\n.git\nREADME.md\n# Sample\nH README.md\n"
        );
        a_spare(&station).await;
    }
}

fn agentd(station: &Station, before: &str) -> tokio::process::Child {
    let config = station.config();
    let words = format!("{before}exec \"$@\"");
    Command::new("/bin/sh")
        .args(["-c", &words, "sh", env!("CARGO_BIN_EXE_agentd"), "--socket"])
        .arg(&config.socket)
        .arg("--workspace")
        .arg(&config.workspace)
        .arg("--credentials")
        .arg(config.credentials.unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn half_a_spare_that_a_kill_left_is_thrown_away_and_never_used() {
    let mut station = Station::without_agentd().await;
    let mut first = agentd(&station, "");
    station.run(1, "echo x > x").await;
    a_spare(&station).await;
    first.kill().await.unwrap();
    // As if killed in the middle: one half written, one whole, and git knows both.
    let left = spare_files(&station);
    std::fs::write(&left[0], "half").unwrap();
    let other = station.workspace().join("spares/7/work");
    let add = [
        "worktree",
        "add",
        "-q",
        "--detach",
        &other.to_string_lossy(),
        &station.base,
    ];
    git_ok(&station.workspace().join("repo.git"), &add).await;
    std::fs::write(other.join("left.txt"), "left").unwrap();

    let _second = agentd(&station, "");
    until("their end", || !other.exists()).await;
    a_spare(&station).await;
    another_task(&mut station, 1);
    let ended = station
        .run(
            1,
            "test ! -e left.txt && grep -q Sample README.md && echo y > y",
        )
        .await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    let known = ["worktree", "list", "--porcelain"];
    let known = git_ok(&station.workspace().join("repo.git"), &known).await;
    assert!(!known.contains("spares/7"), "{known}");
}

#[tokio::test]
async fn a_disk_that_is_too_full_for_a_spare_harms_no_task() {
    let mut station = Station::without_agentd().await;
    let big = station
        .commit_of_a_person_with("big.bin", &"x".repeat(3 << 20))
        .await;
    // No file may be larger than one MiB: what cannot be written breaks off as on a full disk.
    let _agentd = agentd(&station, "ulimit -f 2048; trap '' XFSZ; ");
    let mut assign = station.assignment(1, "echo x > x");
    assign.base = big;
    station.assign(assign).await;
    let ended = station.host.ended(&station.execution(1)).await;
    let cause = ended.failure_cause();
    assert_eq!(cause, Ok(FailureCause::WorkspaceUnavailable), "{ended:?}");
    another_task(&mut station, 1);
    let ended = station.run(1, "echo y > y").await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
}
