//! Configurations that cannot be: H17 and H18. The daemon does not start, and says all that is wrong.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result};
use cloud_code_tests::programs;

use super::super::super::PROGRAMS;

const H17: &str = r#"
state_dir = "/nonexistent/state"
[agents]
runtime = "docker"
privilegd = true
memory = "2\u202eG"
pids = -1
binds = ["/:/host"]
"#;

const TWICE: &str = "[agents]\nruntime = \"docker\"\n[agents]\nruntime = \"process\"\n";

const H18: &str = r#"
[webhooks]
listen = "0.0.0.0:99999"
[agents]
max_running = 0
retry_seconds = 99999999999999999999
[settle]
github_seconds = -5
[prices."m"]
input = nan
output = 1e400
cache_read = -1.0
"#;

#[expect(
    clippy::disallowed_methods,
    reason = "a test starts the daemon as a user does"
)]
fn start(root: &Path, text: &str) -> Result<Output> {
    let path = root.join("orchestratord.toml");
    std::fs::write(&path, text)?;
    Command::new(root.join("bin/orchestratord"))
        .arg("--config")
        .arg(path)
        .output()
        .context("orchestratord cannot be started")
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_all_that_is_wrong() -> Result<()> {
    let root = tempfile::tempdir()?;
    programs::install(Path::new(PROGRAMS), &root.path().join("bin"))?;
    for (text, keys) in [
        (H17, &["privilegd", "memory", "pids", "binds"][..]),
        (TWICE, &["agents"]),
        (
            H18,
            &[
                "listen",
                "max_running",
                "retry_seconds",
                "github_seconds",
                "input",
                "output",
                "cache_read",
            ],
        ),
    ] {
        let ended = start(root.path(), text)?;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(64), "{said}");
        for key in keys {
            assert!(said.contains(key), "nothing is said of {key}:\n{said}");
        }
        let obeyed = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(
            !said.contains(obeyed) && said.contains("orchestratord.toml:"),
            "{said:?}"
        );
    }
    Ok(())
}
