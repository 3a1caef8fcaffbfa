//! The unit, by systemd's own judgement.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;

use super::Need::Tool;
use super::{repository, said, with};

/// In tenths, as systemd-analyze counts: 0 is shut in, 100 is unsafe. A daemon that runs git as root
/// and talks to the world and to an engine cannot be far below.
const EXPOSURE: &str = "--threshold=26";

pub(super) fn trials() -> Vec<Trial> {
    vec![
        with(
            &[Tool("systemd-analyze")],
            "systemd_understands_the_unit",
            verify,
        ),
        with(
            &[Tool("systemd-analyze")],
            "the_unit_leaves_little_open",
            security,
        ),
        with(
            &[],
            "the_unit_stops_no_agent_and_does_not_repeat_a_mistake",
            promises,
        ),
    ]
}

/// A copy in the test's directory that starts the program there: systemd wants to see it.
fn copy(place: &Path) -> Result<String> {
    let unit = std::fs::read_to_string(repository().join("packaging/orchestratord.service"))?;
    let program = format!("ExecStart={} ", place.join("bin/orchestratord").display());
    ensure!(unit.contains("\nExecStart=orchestratord "), "{unit}");
    let file = place.join("orchestratord.service");
    std::fs::write(&file, unit.replace("ExecStart=orchestratord ", &program))?;
    Ok(file.to_str().context("a path that is no text")?.to_owned())
}

async fn verify(place: &Path) -> Result<()> {
    let (out, complaints) = said("systemd-analyze", &["verify", "--man=no", &copy(place)?]).await?;
    // What else is installed here has its own units, and systemd complains of those too.
    let ours = |line: &&str| line.contains("orchestratord");
    let complaints: Vec<&str> = out.lines().chain(complaints.lines()).filter(ours).collect();
    ensure!(complaints.is_empty(), "{complaints:#?}");
    Ok(())
}

async fn security(place: &Path) -> Result<()> {
    let unit = copy(place)?;
    let arguments = ["security", "--offline=true", EXPOSURE, "--no-pager", &unit];
    said("systemd-analyze", &arguments).await.map(drop)
}

async fn promises(_place: &Path) -> Result<()> {
    let unit = std::fs::read_to_string(repository().join("packaging/orchestratord.service"))?;
    let value = |key: &str| {
        let lines = unit.lines().filter_map(|line| line.split_once('='));
        let values = lines.filter(|(name, _)| *name == key);
        values.map(|(_, value)| value).collect::<Vec<_>>()
    };
    // Agents of the process runtime are in the unit's group of processes.
    ensure!(value("KillMode") == ["process"], "KillMode");
    let stays_wrong = orchestratord::cli::BAD_CONFIG.to_string();
    ensure!(
        value("RestartPreventExitStatus")
            .iter()
            .any(|codes| codes.split(' ').any(|code| code == stays_wrong)),
        "a configuration that is wrong is tried again and again"
    );
    ensure!(value("Restart") == ["on-failure"], "Restart");
    let configuration = "/etc/cloud-code/orchestratord.toml";
    ensure!(value("ConditionPathExists") == [configuration]);
    // The engine looks for sockets at the paths that the daemon names.
    ensure!(value("StateDirectory") == ["cloud-code"], "StateDirectory");
    Ok(())
}
