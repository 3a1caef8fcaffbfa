//! The hostile inputs of the catalogue, each at its own door of a daemon that works: while another
//! agent works on undisturbed, and once more as what was kept when the daemon comes up after a kill.
//!
//! ```text
//!  H01–H05 webhook port     H06 issue text        H07–H14 reporting.yaml   H16 operator's socket
//!  H17, H18 configuration   H20–H23 agent socket  H24–H27 pack             H28 log, H29 request,
//!                                                                          H30 comment
//! ```
//!
//! That each is refused, and why, is shown beside its parser; here it is shown that nothing else
//! happens. H15 has no door. H19 is [`super::repository`]. H25 and H27 need packs that git would not
//! make: they come from a stand-in for agentd ([`packs`]).

mod configuration;
mod deliveries;
mod frames;
mod packs;
mod reports;
mod texts;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Cluster, asked_until, github_project};
use cloud_code_tests::forge::Forge;
use orchestratord::sessions::socket_path;

use super::super::{PROGRAMS, projects, script};
use super::canary;

const LABEL: &[&str] = &["cloud-code"];

/// An installation, and where the hostile agent finds what it leaves.
struct Scene {
    forge: Forge,
    cluster: Cluster,
    folder: PathBuf,
}

impl Scene {
    async fn set() -> Result<Self> {
        let forge = Forge::start("acme/app").await?;
        forge.person("ada", "write");
        forge.person("mallory", "read");
        let setting = projects(github_project(&forge, 3_600, ""));
        let cluster = Cluster::start(PROGRAMS, setting).await?;
        Self::of(forge, cluster)
    }

    fn of(forge: Forge, cluster: Cluster) -> Result<Self> {
        cluster.listen_to(&forge);
        let folder = cluster.root().join("inputs");
        fs::create_dir(&folder)?;
        Ok(Self {
            forge,
            cluster,
            folder,
        })
    }

    /// Files an issue of somebody who may; its task.
    async fn task(&self, title: &str, words: &str, steps: &str) -> Result<(u64, String)> {
        let body = script(words, steps);
        let issue = self.forge.create_issue_labelled("ada", title, &body, LABEL);
        Ok((issue, self.cluster.task_of(issue).await?))
    }

    /// Waits until the task is shown to an operator as it should be.
    async fn shown(
        &self,
        task: &str,
        what: &str,
        is: impl Fn(&v1::TaskDetail) -> bool,
    ) -> Result<v1::TaskDetail> {
        asked_until(what, async || {
            let detail = self.cluster.operator()?.task(task).await?;
            Ok(is(&detail).then_some(detail))
        })
        .await
    }

    /// A neighbour that works for as long as the test does.
    async fn neighbour(&self) -> Result<String> {
        let steps = format!(
            "report progress Looking\nwait-for {}\nreport progress Writing\nwrite b.txt 1\ncommit B",
            self.folder.join("go").display()
        );
        let (_, task) = self.task("An honest issue", "Please.", &steps).await?;
        self.cluster.task_in(&task, "in_progress").await?;
        Ok(task)
    }

    async fn send_reports(&self, task: &str) -> Result<()> {
        for (name, word) in reports::INPUTS {
            reports::leave_input(&self.folder, name, task)?;
            let refused = |detail: &v1::TaskDetail| !detail.report_invalid.is_empty();
            let detail = self.shown(task, name, refused).await?;
            let why = detail.report_invalid;
            ensure!(why.contains(word), "{name} was refused for {why:?}");
            let good = reports::good(task, name);
            reports::leave(&self.folder, &format!("{name}-good"), good.as_bytes())?;
            let taken = |detail: &v1::TaskDetail| {
                let step = detail.task.as_ref().map(|task| task.current_step.as_str());
                detail.report_invalid.is_empty() && step == Some(&format!("after {name}"))
            };
            self.shown(task, &format!("the report after {name}"), taken)
                .await?;
        }
        Ok(())
    }

    /// The answers of an operator to all that a task asks for.
    async fn deny_all(&self, task: &str) -> Result<()> {
        let operator = self.cluster.operator()?;
        for request in operator.snapshot().await?.approvals {
            if request.task == task && !request.refused {
                let (request, note) = (request.id, String::new());
                operator
                    .act(Action::Deny(v1::Deny { request, note }))
                    .await?;
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_input_of_the_catalogue_stops_anything_live_or_after_a_kill() -> Result<()> {
    let mut scene = Scene::set().await?;
    let neighbour = scene.neighbour().await?;

    let stranger = texts::of_a_stranger(&scene.forge);
    let (issue, hostile) = scene
        .task(texts::TITLE, &texts::body(), &texts::steps(&scene.folder))
        .await?;
    let working = scene.cluster.task_in(&hostile, "in_progress").await?;
    scene.send_reports(&hostile).await?;

    let genuine = scene.forge.deliveries();
    let genuine = genuine
        .iter()
        .rfind(|one| one.event == "issues")
        .context("none was sent")?;
    deliveries::send_all(&scene.cluster, &genuine.body).await?;
    let socket = socket_path(&scene.cluster.state(), &working.agent.parse()?);
    frames::send_all(&socket).await?;
    texts::submit_all(&scene.cluster).await?;

    texts::ask(&scene.folder, &hostile)?;
    scene
        .cluster
        .task_blocked(&hostile, "needs_credential")
        .await?;
    texts::check_requests(&scene.cluster, &hostile).await?;
    scene.deny_all(&hostile).await?;
    texts::claim(&scene.folder, &hostile)?;
    scene.cluster.task_in(&hostile, "review").await?;
    texts::check_tracker(&scene.forge, issue).await?;
    texts::check_log(&scene.cluster, &hostile).await?;

    let mut refused = Vec::new();
    for (name, steps, word) in texts::PACKS {
        let (_, task) = scene.task(name, "Please.", steps).await?;
        scene
            .cluster
            .task_blocked(&task, "publish_rejected")
            .await?;
        let findings = scene
            .cluster
            .operator()?
            .task(&task)
            .await?
            .findings
            .join("\n");
        ensure!(findings.contains(word), "{name}: {findings}");
        refused.push(task);
    }
    let stranger = scene.cluster.task_of(stranger).await?;
    scene.cluster.task_in(&stranger, "triage").await?;

    let standing = 3 + refused.len();
    outlives_kills(&mut scene.cluster, &scene.folder, standing, &neighbour).await?;
    canary::sweep(&canary::canary()?, &scene.cluster, &scene.forge).await
}

/// Where every task stands.
async fn standing(cluster: &Cluster) -> Result<Vec<(String, String, String)>> {
    let settled = |task: &v1::Task| task.state != "pending" && task.state != "assigned";
    let tasks = asked_until("tasks that stand still", async || {
        let tasks = cluster.operator()?.tasks().await?;
        Ok(tasks.iter().all(settled).then_some(tasks))
    })
    .await?;
    let standing = tasks
        .into_iter()
        .map(|task| (task.id, task.state, task.blocked_reason));
    let mut standing: Vec<_> = standing.collect();
    standing.sort();
    Ok(standing)
}

/// So many tasks stand as they stood after each kill; nothing of it disturbed the neighbour, which goes
/// on and ends well.
async fn outlives_kills(
    cluster: &mut Cluster,
    folder: &Path,
    tasks: usize,
    neighbour: &str,
) -> Result<()> {
    let before = standing(cluster).await?;
    ensure!(before.len() == tasks, "{before:?}");
    for _ in 0..2 {
        cluster.kill_orchestratord()?;
        cluster.restart().await?;
        let after = standing(cluster).await?;
        assert_eq!(after, before, "the kill changed something");
    }
    fs::write(folder.join("go"), "")?;
    cluster.task_in(neighbour, "review").await?;
    let detail = cluster.operator()?.task(neighbour).await?;
    assert_eq!(detail.executions.len(), 1, "the neighbour was disturbed");
    let said = cluster.said();
    ensure!(!said.contains("panicked"), "{said}");
    Ok(())
}
