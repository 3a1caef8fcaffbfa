//! Secrets are where they are needed, and nowhere else.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::canary::{Canary, Lines};
use cloud_code_tests::cluster::{Cluster, PROVIDER_KEY, WEBHOOK_SECRET, github_project};
use cloud_code_tests::forge::{Forge, TOKEN};
use nix::sys::signal::{Signal, kill};

use super::super::{PROGRAMS, projects, script};

const GRANTED: &str = "npm_canary_grant_0123456789abcdef";

/// Everything that this installation could give away.
pub(super) fn canary() -> Result<Canary> {
    Canary::of(&[PROVIDER_KEY, TOKEN, WEBHOOK_SECRET, GRANTED])
}

/// What the installation keeps: its state, its mirrors, what it said, what the forge was told.
pub(super) async fn sweep(canary: &Canary, cluster: &Cluster, forge: &Forge) -> Result<()> {
    let found = canary.files_below(&cluster.state());
    ensure!(found.is_empty(), "in {found:?}");
    for repository in bare_repositories(&cluster.state()) {
        let name = repository.display();
        ensure!(
            !canary.is_in_an_object_of(&repository)?,
            "in an object of {name}"
        );
    }
    let pushed = forge.git(&["rev-parse", "--absolute-git-dir"]).await?;
    let pushed = canary.is_in_an_object_of(Path::new(&pushed))?;
    ensure!(!pushed, "in an object at the forge");
    let mut told = format!("{:?}{:?}", forge.pull_requests(), forge.branches());
    for issue in 1..=64 {
        told.push_str(&format!("{:?}", forge.comments(issue)));
    }
    ensure!(!canary.is_in(told.as_bytes()), "at the forge: {told}");
    let said = cluster.said();
    ensure!(!canary.is_in(said.as_bytes()), "it said: {said}");
    Ok(())
}

fn bare_repositories(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .flat_map(|entry| {
            let path = entry.path();
            if path.join("HEAD").is_file() && path.join("objects").is_dir() {
                vec![path]
            } else {
                bare_repositories(&path)
            }
        })
        .collect()
}

/// What every subcommand shows an operator.
#[expect(
    clippy::disallowed_methods,
    reason = "a test runs the client as its user does"
)]
fn shown(cluster: &Cluster, task: &str) -> Result<Vec<u8>> {
    let mut shown = Vec::new();
    for line in [
        &["tasks"][..],
        &["task", "show", task],
        &["logs", task],
        &["events"],
        &["approvals"],
        &["accounts"],
        &["agents"],
        &["costs"],
        &["secret", "ls"],
        &["doctor"],
        &["metrics"],
    ] {
        for more in [&[][..], &["--json"]] {
            let said = Command::new(cluster.root().join("bin/cloud-code"))
                .arg("--socket")
                .arg(cluster.root().join("operator.sock"))
                .args(line)
                .args(more)
                .output()
                .context("the client cannot be started")?;
            ensure!(!said.stdout.is_empty(), "{line:?} shows nothing");
            shown.extend([said.stdout, said.stderr].concat());
        }
    }
    Ok(shown)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_state_in_an_argument_on_a_screen_or_at_the_forge() -> Result<()> {
    let forge = Forge::start("acme/app").await?;
    forge.person("ada", "write");
    let mut cluster = Cluster::start(PROGRAMS, projects(github_project(&forge, 3_600, ""))).await?;
    cluster.listen_to(&forge);
    let operator = cluster.operator()?;
    operator
        .set_secret("npm_token", "publish", "acme/app", GRANTED)
        .await?;

    let watch = Lines::watch(cluster.root());
    let steps = "spend scripted-model 100\nrequest npm_token publish To publish\n\
        say the token is above\nrun echo \"token: $NPM_TOKEN\"\nrun printenv\nwrite a.txt 1\ncommit A";
    let body = script("Please.", steps);
    let issue = forge.create_issue_labelled("ada", "Publish", &body, &["cloud-code"]);
    let task = cluster.task_of(issue).await?;
    cluster.task_blocked(&task, "needs_credential").await?;
    let waiting = operator.snapshot().await?.approvals;
    let request = waiting
        .into_iter()
        .find(|one| one.task == task)
        .context("nothing is asked")?;
    let approve = v1::Approve {
        request: request.id,
        for_task: false,
    };
    operator.act(Action::Approve(approve)).await?;
    cluster.task_in(&task, "review").await?;
    let canary = canary()?;
    let shown = shown(&cluster, &task)?;
    ensure!(!canary.is_in(&shown), "{}", String::from_utf8_lossy(&shown));
    let saved = cluster.root().join("saved");
    cluster.orchestratord(&["backup", &saved.to_string_lossy()])?;
    let lines = watch.end().await?;
    assert!(lines.len() > 3, "nothing was watched");
    for line in &lines {
        assert!(!canary.is_in(line.as_bytes()), "in an argument: {line}");
    }
    sweep(&canary, &cluster, &forge).await?;

    // It ends as a crash does: what it left is searched too, a core file among it.
    let running = cluster.processes();
    let daemon = running
        .iter()
        .find(|(_, line)| line.contains("bin/orchestratord"));
    kill(daemon.context("it runs")?.0, Signal::SIGABRT)?;
    cluster.orchestratord_dies().await?;
    let mut left = canary.files_below(cluster.root());
    // The operator's own files hold what they are for.
    left.retain(|file| {
        !file.ends_with(".key") && !file.ends_with(".token") && !file.ends_with(".secret")
    });
    assert_eq!(left, Vec::<String>::new());
    cluster.restart().await?;
    cluster.task_in(&task, "review").await?;
    sweep(&canary, &cluster, &forge).await
}
