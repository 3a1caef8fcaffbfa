//! What an installation has besides its programs: completion scripts, a manual, a unit for systemd,
//! and a Debian package of all of it.
//!
//! What a machine lacks (zsh, man, systemd-analyze, dpkg) is reported as skipped, with the reason.

mod completions;
mod manual;
mod package;
mod unit;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cloud_code_tests::programs;
use cloud_code_tests::trials::{Demand, Found, trial};
use libtest_mimic::{Arguments, Trial};
use tokio::process::Command;

/// All programs in one.
const PROGRAMS: &str = env!("CARGO_BIN_EXE_demo");
/// Those that an operator calls.
const OURS: [&str; 2] = ["cloud-code", "orchestratord"];
/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let trials = [
        completions::trials(),
        manual::trials(),
        unit::trials(),
        package::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What a test wants of the machine.
enum Need {
    /// A program under `PATH`.
    Tool(&'static str),
    /// To be root: files of a package belong to root.
    Root,
}

impl Need {
    /// What is missing, where it is.
    fn missing(&self) -> Option<String> {
        match self {
            Self::Tool(tool) => {
                (!is_installed(tool)).then(|| format!("this machine has no {tool}"))
            }
            Self::Root => (!nix::unistd::geteuid().is_root()).then(|| "we are not root".to_owned()),
        }
    }
}

/// A test with a directory of its own that has our programs in `bin`, where there is what it needs.
fn with(
    needs: &'static [Need],
    name: &str,
    test: impl AsyncFnOnce(&Path) -> Result<()> + Send + 'static,
) -> Trial {
    let look = async move || match needs.iter().find_map(Need::missing) {
        None => Found::There(()),
        Some(missing) => Found::Missing(missing),
    };
    trial(name, Demand::Optional, look, async move |()| {
        let place = tempfile::tempdir()?;
        programs::install(Path::new(PROGRAMS), &place.path().join("bin"))?;
        test(place.path()).await
    })
}

fn is_installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(tool).is_file())
}

/// The root of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What a program says where it ends well: standard output and standard error.
async fn said(program: impl AsRef<Path>, arguments: &[&str]) -> Result<(String, String)> {
    let mut command = Command::new(program.as_ref());
    command.args(arguments);
    ends_well(command).await
}

async fn ends_well(mut command: Command) -> Result<(String, String)> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .with_context(|| format!("{command:?} does not end"))?
        .with_context(|| format!("{command:?}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "{command:?}: {out}{err}");
    Ok((out, err))
}

/// The subcommands of a program as its help lists them, each as the words after its name; without
/// `help`.
async fn subcommands(program: &Path) -> Result<BTreeSet<Vec<String>>> {
    let mut known = BTreeSet::new();
    let mut open = vec![Vec::new()];
    while let Some(words) = open.pop() {
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        arguments.push("-h");
        let (help, _) = said(program, &arguments).await?;
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        for line in listed.take_while(|line| line.starts_with("  ")) {
            // What is further to the right goes on with a sentence.
            let name = line.strip_prefix("  ").unwrap_or_default();
            let name = name.split(' ').next().unwrap_or_default();
            if !name.is_empty() && name != "help" {
                let mut inner: Vec<String> = words.clone();
                inner.push(name.to_owned());
                open.push(inner);
            }
        }
        known.insert(words);
    }
    known.remove(&Vec::new());
    ensure!(known.len() > 4, "its help lists only {known:?}");
    Ok(known)
}
