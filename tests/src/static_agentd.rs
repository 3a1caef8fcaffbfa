//! The static agentd that is mounted into workstations.
//!
//! It is built as the README says: for this machine's own target, with the C library linked in. That
//! is another build of everything below agentd, so it has a target directory of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use orchestratord::fleet::elf;
use tokio::process::Command;

/// Names a static agentd that was built before.
pub const VARIABLE: &str = "CLOUD_CODE_STATIC_AGENTD";

/// The agentd of `$CLOUD_CODE_STATIC_AGENTD`, or one that is built now, below the directory that
/// our own program was built in.
///
/// # Errors
/// Where it cannot be built, or is not static.
pub async fn static_agentd() -> Result<PathBuf> {
    let agentd = match std::env::var_os(VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => build(&target_directory()?).await?,
    };
    let checked = elf::check_static(&agentd);
    checked.with_context(|| format!("{} is no static agentd", agentd.display()))?;
    Ok(agentd)
}

/// `TARGET/debug/deps/TEST`, `TARGET/debug/PROGRAM` → `TARGET`.
fn target_directory() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    // Where cargo keeps what it knows of a profile's builds.
    let profile = |directory: &&Path| directory.join(".fingerprint").is_dir();
    let target = program.ancestors().find(profile).and_then(Path::parent);
    Ok(target
        .context("the program is in no target directory")?
        .to_owned())
}

async fn build(target_directory: &Path) -> Result<PathBuf> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let directory = target_directory.join("static-agentd");
    let flags = format!("target.{target}.rustflags=[\"-C\",\"target-feature=+crt-static\"]");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--locked", "--package", "agentd"])
        .args(["--target", &target, "--config", &flags, "--target-dir"])
        .arg(&directory)
        .current_dir(crate::docker_checks::repository_root())
        // Either would take the place of the flags above.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .kill_on_drop(true);
    let output = cargo.output().await.context("cargo cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "agentd does not build: {said}");
    Ok(directory.join(target).join("debug/agentd"))
}
