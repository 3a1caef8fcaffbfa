//! A sample repository, made with git.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// Runs git in a directory, away from the user's own configuration; the text that it wrote.
///
/// # Errors
/// Where git cannot be started or fails; with what it said.
pub fn git(dir: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let written = git_bytes(dir, arguments)?;
    Ok(String::from_utf8_lossy(&written).trim_end().to_owned())
}

/// The same; what it wrote as it is.
///
/// # Errors
/// As [`git`].
#[expect(
    clippy::disallowed_methods,
    reason = "the harness's one place that starts git"
)]
pub fn git_bytes(dir: &Path, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let done = Command::new("git")
        .current_dir(dir)
        .args([
            "-c",
            "init.defaultBranch=main",
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.org",
        ])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .context("git cannot be started; install it")?;
    if !done.status.success() {
        bail!(
            "git {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    Ok(done.stdout)
}

/// Makes a bare repository with these files in one commit on `main`.
///
/// # Errors
/// As [`git`].
pub fn bare_repository(at: &Path, files: &[(&str, &str)]) -> anyhow::Result<()> {
    let work = at.with_extension("work");
    std::fs::create_dir_all(&work)?;
    git(&work, &["init", "--quiet"])?;
    for (path, content) in files {
        let path = work.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, content)?;
    }
    git(&work, &["add", "--all"])?;
    git(
        &work,
        &["commit", "--quiet", "--message", "The first commit"],
    )?;
    let (from, to) = (work.to_string_lossy(), at.to_string_lossy());
    git(&work, &["clone", "--quiet", "--bare", &from, &to])?;
    std::fs::remove_dir_all(&work).context("the sample's work tree cannot be removed")
}
