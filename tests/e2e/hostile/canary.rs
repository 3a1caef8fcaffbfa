//! Secrets are where they are needed, and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Cluster, PROVIDER_KEY, github_project, processes_of};
use cloud_code_tests::forge::{Forge, TOKEN};
use tokio::task::JoinHandle;

use super::super::{PROGRAMS, projects, script};

const GRANTED: &str = "npm_canary_grant_0123456789abcdef";

/// All that is looked for: each secret as it is, and as git's authorisation would carry it.
fn needles() -> Vec<String> {
    let mut needles: Vec<String> = [PROVIDER_KEY, TOKEN, GRANTED].map(str::to_owned).into();
    needles.extend([PROVIDER_KEY, TOKEN, GRANTED].map(|secret| STANDARD.encode(secret)));
    needles.push(STANDARD.encode(format!("x-access-token:{TOKEN}")));
    needles
}

fn found_in(bytes: &[u8], needles: &[String]) -> bool {
    needles.iter().any(|needle| {
        bytes
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    })
}

fn files_with(folder: &Path, needles: &[String], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir() {
            files_with(&entry.path(), needles, found);
        } else if kind.is_file()
            && fs::read(entry.path()).is_ok_and(|bytes| found_in(&bytes, needles))
        {
            found.push(entry.path().display().to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_state_in_an_argument_or_at_the_forge() -> Result<()> {
    let forge = Forge::start("acme/app").await?;
    forge.person("ada", "write");
    let cluster = Cluster::start(PROGRAMS, projects(github_project(&forge, 3_600, ""))).await?;
    cluster.listen_to(&forge);
    let operator = cluster.operator()?;
    operator
        .set_secret("npm_token", "publish", "acme/app", GRANTED)
        .await?;

    let watch = Watch::begin(cluster.root());
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
    let lines = watch.end().await?;

    let needles = needles();
    assert!(lines.len() > 3, "nothing was watched");
    for line in &lines {
        assert!(
            !found_in(line.as_bytes(), &needles),
            "in an argument: {line}"
        );
    }
    let mut found = Vec::new();
    files_with(&cluster.state(), &needles, &mut found);
    assert_eq!(found, Vec::<String>::new());
    let said = format!(
        "{}{:?}{:?}{:?}",
        cluster.said(),
        forge.comments(issue),
        forge.pull_requests(),
        operator.task(&task).await?
    );
    assert!(!found_in(said.as_bytes(), &needles), "{said}");
    Ok(())
}

/// Collects every command line of the installation until it is ended or dropped.
struct Watch {
    on: Arc<AtomicBool>,
    lines: Option<JoinHandle<BTreeSet<String>>>,
}

impl Watch {
    fn begin(root: &Path) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        let (root, watching) = (root.to_owned(), Arc::clone(&on));
        let lines = tokio::task::spawn_blocking(move || {
            let mut lines = BTreeSet::new();
            while watching.load(Ordering::Relaxed) {
                let found = processes_of(&root);
                lines.extend(found.into_iter().map(|(_, line)| line));
            }
            lines
        });
        Self {
            on,
            lines: Some(lines),
        }
    }

    async fn end(mut self) -> Result<BTreeSet<String>> {
        self.on.store(false, Ordering::Relaxed);
        let lines = self.lines.take().context("it was ended before")?;
        Ok(lines.await?)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.on.store(false, Ordering::Relaxed);
    }
}
