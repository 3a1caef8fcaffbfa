//! The README's steps for a real repository, typed as they stand, each line in the order of the page,
//! at the places that it names: the programs are built and installed, the image is made, keys and
//! configuration are written, the daemon is started and looked at, and an issue becomes a pull request.
//!
//! ```text
//!  README ── line by line ──▶ sh ──▶ /usr/local, /etc/cloud-code, /var/lib/cloud-code
//!         ── its toml ──────▶ /etc/cloud-code/orchestratord.toml, with the addresses of our servers
//! ```
//!
//! It takes the places of an installation, so it runs only where `CLOUD_CODE_README_STEPS=1` says that
//! the machine is for that, never over one that is there, and takes away what it made.

#![expect(
    clippy::print_stderr,
    reason = "a test without a harness of its own says what it does"
)]

mod machine;
mod typing;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cloud_code_tests::forge::{Forge, TOKEN};
use cloud_code_tests::model::{ModelServer, Script};
use cloud_code_tests::readme;
use cloud_code_tests::trials::{Demand, Found, trial};
use libtest_mimic::Arguments;
use orchestratord::fleet::disk::free_bytes;

use machine::Machine;
use typing::{Daemon, typed};

const CONFIGURATION: &str = "/etc/cloud-code/orchestratord.toml";
const KEY: &str = "sk-the-key-of-the-provider-stays-on-the-host";
/// The slowest thing after the builds: a coding CLI in a container.
const PATIENCE: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let demand = Demand::of_variable("CLOUD_CODE_README_STEPS");
    let look = async move || match demand {
        Demand::Required => Found::There(()),
        Demand::Optional => Found::Missing(
            "it installs into /usr/local and /etc: CLOUD_CODE_README_STEPS=1 on a machine for that"
                .to_owned(),
        ),
    };
    let name = "the_steps_of_the_readme_lead_from_a_checkout_to_a_pull_request";
    let steps = trial(name, demand, look, async |()| follow().await);
    libtest_mimic::run(&Arguments::from_args(), vec![steps]).exit_code()
}

async fn follow() -> Result<()> {
    let machine = Machine::prepare().await?;
    let forge = Forge::start("acme/app").await?;
    forge.person("ada", "write");
    // What `npm test` of the configuration runs.
    let package = r#"{"name": "app", "version": "1.0.0", "scripts": {"test": "true"}}"#;
    let model = ModelServer::start(Script::edit().requiring_key(KEY)).await?;
    forge
        .push_by_person("ada", "main", "package.json", package, "Test it")
        .await?;
    // Step 8 comes first: the first poll finds it, the next one is a minute away.
    let issue = forge.create_issue_labelled(
        "ada",
        "Greet the user",
        "There is to be a greeting.txt.",
        &["cloud-code"],
    );
    let followed = async {
        let mut daemon = None;
        for step in readme::steps() {
            eprintln!("README.md:{}: {}", step.line, step.command);
            let at = || format!("README.md:{}: {}", step.line, step.command);
            if step
                .command
                .ends_with(&format!("check --config {CONFIGURATION}"))
            {
                configure(&forge, &model).context("the README's configuration")?;
            }
            if step
                .command
                .ends_with(&format!("orchestratord --config {CONFIGURATION}"))
            {
                daemon = Some(Daemon::start(&step).await.with_context(at)?);
            } else {
                typed(&step, input(&step.command)).await.with_context(at)?;
            }
        }
        let mut daemon = daemon.context("no step starts the daemon")?;
        let worked = works(&forge, issue).await;
        let ended = daemon.end().await;
        worked.with_context(|| daemon.said())?;
        ended
    };
    let followed = followed.await;
    let restored = machine.restore().await;
    followed?;
    restored
}

/// What is pasted where a step waits for it.
fn input(command: &str) -> &'static str {
    if command.contains("github.token") {
        TOKEN
    } else if command.contains("anthropic.key") {
        KEY
    } else {
        ""
    }
}

/// Step 6: all of it is the README's, but for three addresses.
fn configure(forge: &Forge, model: &ModelServer) -> Result<()> {
    let [mut text] = <[String; 1]>::try_from(readme::fences("toml"))
        .map_err(|fences| anyhow::anyhow!("it has {} of them", fences.len()))?;
    let git = format!("repository = \"{}\"", forge.git_url());
    let api = format!("[projects.github]\napi_url = \"{}\"", forge.api_url());
    let model = format!("kind = \"anthropic\"\nbase_url = \"{}\"", model.url());
    for (theirs, ours) in [
        ("repository = \"https://github.com/acme/app.git\"", git),
        ("[projects.github]", api),
        ("kind = \"anthropic\"", model),
    ] {
        ensure!(text.contains(theirs), "there is no {theirs}");
        text = text.replace(theirs, &ours);
    }
    // By default no work is taken below this, and the doctor says so: true, and no finding here.
    if free_bytes(Path::new("/var/lib"))? < 6_000_000_000 {
        eprintln!("this machine has little room: min_free_disk is lowered");
        text = text.replace("\n[agents]\n", "\n[agents]\nmin_free_disk = \"100MB\"\n");
    }
    std::fs::write(Path::new(CONFIGURATION), text).context(CONFIGURATION)
}

/// Step 8, without the terminal: the issue with the label becomes a pull request.
async fn works(forge: &Forge, issue: u64) -> Result<()> {
    let opened = async {
        while forge.pull_requests().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let opened = tokio::time::timeout(PATIENCE, opened).await;
    let tasks = typing::run("cloud-code tasks", "").await?;
    opened.with_context(|| format!("no pull request; cloud-code tasks:\n{tasks}"))?;
    ensure!(tasks.contains("Greet the user"), "{tasks}");
    ensure!(forge.comments(issue).len() == 1, "more than one comment");
    let violations = forge.violations();
    ensure!(violations.is_empty(), "{violations:#?}");
    Ok(())
}
