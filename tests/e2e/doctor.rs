//! `cloud-code doctor`, as an operator types it.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cloud_code_tests::cluster::{Cluster, PATIENCE, Setting, github_project, local_project};
use cloud_code_tests::forge::{Fault, Forge};
use cloud_code_tests::sample;
use serde_json::Value;
use tokio::process::Command;

use super::{PROGRAMS, projects, script};

/// What it says and ends with.
async fn doctor(cluster: &Cluster, more: &[&str]) -> Result<(String, Option<i32>)> {
    let mut command = Command::new(cluster.root().join("bin/cloud-code"));
    command
        .arg("--socket")
        .arg(cluster.root().join("operator.sock"))
        .arg("doctor")
        .args(more)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let said = tokio::time::timeout(PATIENCE, command.output()).await;
    let said = said.context("the doctor does not end")??;
    Ok((String::from_utf8(said.stdout)?, said.status.code()))
}

/// Its checks; it ends as they say.
async fn checks(cluster: &Cluster) -> Result<Vec<Value>> {
    let (said, code) = doctor(cluster, &["--json"]).await?;
    let checks: Vec<Value> = serde_json::from_str(&said).with_context(|| said.clone())?;
    let failed = checks.iter().any(|check| check["ok"] == false);
    ensure!(code == Some(i32::from(failed)), "{code:?}: {said}");
    for check in &checks {
        let level = match (&check["ok"], &check["remedy"]) {
            (Value::Bool(false), _) => "fail",
            (_, Value::Null) => "ok",
            (_, _) => "warn",
        };
        ensure!(check["level"] == level, "{check}");
    }
    Ok(checks)
}

async fn check(cluster: &Cluster, name: &str) -> Result<Value> {
    let checks = checks(cluster).await?;
    let found = checks.iter().find(|check| check["name"] == name);
    let found = found.with_context(|| format!("no {name}: {checks:#?}"))?;
    Ok(found.clone())
}

fn found(check: &Value) -> &str {
    check["found"].as_str().unwrap_or_default()
}

/// A repository with a submodule and a file in LFS.
fn points_elsewhere(root: &Path) -> Result<()> {
    let bare = root.join("sample.git");
    let modules = "[submodule \"a\"]\n\tpath = vendor/a\n\turl = https://example.org/a.git\n";
    let files = [
        ("README.md", "# Sample\n"),
        (".gitmodules", modules),
        (
            ".gitattributes",
            "*.png filter=lfs diff=lfs merge=lfs -text\n",
        ),
    ];
    sample::bare_repository(&bare, &files)?;
    let git = |arguments: &[&str]| sample::git(&bare, arguments);
    let main = git(&["rev-parse", "main"])?.trim().to_owned();
    let link = format!("160000,{main},vendor/a");
    git(&["read-tree", "main"])?;
    git(&["update-index", "--add", "--cacheinfo", &link])?;
    let tree = git(&["write-tree"])?.trim().to_owned();
    let commit = git(&["commit-tree", &tree, "-p", &main, "-m", "Point elsewhere"])?;
    git(&["update-ref", "refs/heads/main", commit.trim()])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_agents_will_not_have_of_a_repository() -> Result<()> {
    let setting = Setting {
        rest: local_project("sample", ""),
        ..Setting::default()
    };
    let cluster = Cluster::prepared(PROGRAMS, setting, points_elsewhere).await?;
    let before = check(&cluster, "repository of sample").await?;
    ensure!(found(&before).contains("not fetched yet"), "{before}");
    ensure!(before["level"] == "ok", "{before}");

    let text = script("Please.", "write one.txt 1\ncommit Write it");
    let operator = cluster.operator()?;
    let task = operator.new_task("sample", "Write it", &text).await?;
    cluster.task_in(&task, "review").await?;
    let after = check(&cluster, "repository of sample").await?;
    ensure!(after["level"] == "warn", "{after}");
    for words in ["submodules (vendor/a)", "LFS (*.png)"] {
        ensure!(found(&after).contains(words), "{after}");
    }

    let (said, _) = doctor(&cluster, &[]).await?;
    ensure!(said.contains("warn repository of sample"), "{said}");
    ensure!(said.contains("better: "), "{said}");
    let long = said.lines().find(|line| line.chars().count() > 80);
    ensure!(long.is_none(), "{long:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_a_token_that_cannot_push_before_a_task_finds_out() -> Result<()> {
    let forge = Forge::start("acme/app").await?;
    let setting = projects(github_project(&forge, 3_600, ""));
    let cluster = Cluster::start(PROGRAMS, setting).await?;
    for name in ["tracker of acme/app", "push to acme/app"] {
        let good = check(&cluster, name).await?;
        ensure!(good["level"] == "ok", "{good}");
    }
    let branches = forge.branches();
    ensure!(branches.len() == 1, "it made something: {branches:?}");

    // What GitHub answers to a token that may only read.
    forge.fault("GET", "info/refs", Fault::FailBefore(403), 20);
    let push = check(&cluster, "push to acme/app").await?;
    ensure!(push["level"] == "fail", "{push}");
    ensure!(found(&push).contains("403"), "{push}");
    forge.fault("GET", "/issues", Fault::FailBefore(404), 20);
    let tracker = check(&cluster, "tracker of acme/app").await?;
    ensure!(tracker["level"] == "fail", "{tracker}");
    ensure!(forge.violations().is_empty(), "{:?}", forge.violations());
    Ok(())
}

/// A repository without a commit.
fn nothing(root: &Path) -> Result<()> {
    let bare = root.join("sample.git");
    std::fs::create_dir_all(&bare)?;
    sample::git(&bare, &["init", "--quiet", "--bare"])?;
    Ok(())
}

fn one_file(root: &Path) -> Result<()> {
    sample::bare_repository(&root.join("sample.git"), &[("README.md", "# Sample\n")])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_that_there_is_no_branch_to_start_from() -> Result<()> {
    type Prepare = fn(&Path) -> Result<()>;
    let cases: [(&str, Prepare, &str, &str); 3] = [
        ("", one_file, "ok", "main is there"),
        (
            "default_branch = \"trunk\"\n",
            one_file,
            "fail",
            "no branch trunk",
        ),
        ("", nothing, "fail", "is empty"),
    ];
    for (more, prepare, level, words) in cases {
        let setting = Setting {
            rest: local_project("sample", more),
            ..Setting::default()
        };
        let cluster = Cluster::prepared(PROGRAMS, setting, prepare).await?;
        let branch = check(&cluster, "default branch of sample").await?;
        ensure!(branch["level"] == level, "{branch}");
        ensure!(found(&branch).contains(words), "{branch}");
    }
    Ok(())
}
