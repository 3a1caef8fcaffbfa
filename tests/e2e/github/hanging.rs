//! GitHub takes a call and never answers it, at one door of each project: only what needs the door waits,
//! the operator sees for what, and nothing is there twice when it answers again.
//!
//! Every call of an untroubled task has to be in the table, so that a new door cannot be forgotten.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Cluster, Setting, asked_until, github_project};
use cloud_code_tests::forge::{Fault, Forge, OWN_LOGIN};
use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::{LABEL, PROGRAMS, script};

/// Every door: a method, and the end of its paths. An issue's number is 1, its pull request's 2.
const DOORS: [(&str, &str); 17] = [
    ("GET", "/issues$"),
    ("GET", "/issues/1$"),
    ("GET", "/issues/1/events$"),
    ("GET", "/permission$"),
    ("POST", "/graphql$"),
    ("GET", "/blocked_by$"),
    ("GET", "/issues/1/comments$"),
    ("GET", "/reviews$"),
    ("POST", "/comments$"),
    ("PATCH", "/issues/comments/"),
    ("GET", "/pulls$"),
    ("POST", "/pulls$"),
    ("GET", "/pulls/2$"),
    ("PUT", "/merge$"),
    ("GET", "/info/refs$"),
    ("POST", "/git-upload-pack$"),
    ("POST", "/git-receive-pack$"),
];
/// A hanging call is given up after half a minute, and made again after a pause; some doors are come to
/// by way of others.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(50);

/// A project, and the GitHub that it alone has.
struct Door {
    project: String,
    forge: Forge,
    merged: bool,
}

impl Door {
    async fn new(name: &str) -> Result<Self> {
        let project = format!("acme/{name}");
        let forge = Forge::start(&project).await?;
        forge.person("ada", "write");
        Ok(Self {
            project,
            forge,
            merged: false,
        })
    }

    fn configuration(&self) -> String {
        let name = format!("name = \"{}\"", self.project);
        github_project(&self.forge, 1, "").replace("name = \"acme/app\"", &name)
    }

    fn file_an_issue(&self) {
        let body = script("Please.", "write a.txt a\ncommit A");
        let forge = &self.forge;
        forge.create_issue_labelled("ada", "Write it", &body, &[LABEL]);
    }

    /// Its task, if it has one; what is ready is merged.
    async fn task(&mut self, cluster: &Cluster) -> Result<Option<v1::Task>> {
        let tasks = cluster.operator()?.tasks().await?;
        let task = tasks.into_iter().find(|task| task.project == self.project);
        if let Some(task) = &task {
            let bad = ["failed", "blocked", "cancelled", "triage"];
            ensure!(!bad.contains(&task.state.as_str()), "it is {task:?}");
            if task.state == "review" && !self.merged {
                let merge = Action::Merge(task.id.clone());
                cluster.operator()?.act(merge).await?;
                self.merged = true;
            }
        }
        Ok(task)
    }

    /// Waits until the task is done, with one of everything.
    async fn ends_well(&mut self, cluster: &Cluster) -> Result<()> {
        let task = self.until("its end", cluster, async |task, _| {
            task.state == "completed"
        });
        let task = task.await?;
        let executions = cluster.operator()?.task(&task.id).await?.executions;
        let states: Vec<&str> = executions.iter().map(|one| one.state.as_str()).collect();
        ensure!(states == ["succeeded"], "{states:?}");
        asked_until("one comment, that it is done", async || {
            let mut own = self.forge.comments(1);
            own.retain(|comment| comment.author == OWN_LOGIN);
            ensure!(own.len() <= 1, "{own:?}");
            Ok(own
                .iter()
                .any(|one| one.body.contains("done"))
                .then_some(()))
        })
        .await?;
        let pulls = self.forge.pull_requests();
        ensure!(pulls.len() == 1 && pulls[0].merged, "{pulls:?}");
        let violations = self.forge.violations();
        ensure!(violations.is_empty(), "{violations:?}");
        Ok(())
    }

    async fn until(
        &mut self,
        what: &str,
        cluster: &Cluster,
        level: impl AsyncFn(&v1::Task, &v1::Project) -> bool,
    ) -> Result<v1::Task> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let task = self.task(cluster).await?.unwrap_or_default();
            let projects = cluster.operator()?.snapshot().await?.projects;
            let project = projects.into_iter().find(|one| one.name == self.project);
            let project = project.context("no project")?;
            if level(&task, &project).await {
                return Ok(task);
            }
            if Instant::now() > deadline {
                let asked = self.forge.requests();
                bail!("{what} never comes: {task:#?} {project:#?} {asked:#?}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The operator sees what is waited for, where it is not found that the call was taken; when the door
    /// opens, all goes on.
    async fn outlives(&mut self, cluster: &Cluster) -> Result<()> {
        let waits = async |task: &v1::Task, project: &v1::Project| {
            let shown = task.waits_until_ms.is_some() || !project.warning.is_empty();
            shown || task.state == "completed"
        };
        self.until("a warning", cluster, waits).await?;
        self.forge.mend();
        self.ends_well(cluster).await?;
        let calm = async |_: &v1::Task, project: &v1::Project| project.warning.is_empty();
        self.until("the warning's end", cluster, calm).await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_of_github_that_hangs_holds_up_what_needs_it_and_nothing_else() -> Result<()> {
    let mut well = Door::new("well").await?;
    let mut hanging = Vec::new();
    for (number, (method, part)) in DOORS.into_iter().enumerate() {
        let door = Door::new(&format!("door-{number}")).await?;
        door.forge.fault(method, part, Fault::Hang, u32::MAX);
        hanging.push(door);
    }
    let projects = hanging.iter().chain([&well]).map(Door::configuration);
    let setting = Setting {
        seats: 1,
        running: 16,
        rest: projects.collect(),
        ..Setting::default()
    };
    let cluster = Cluster::start(PROGRAMS, setting).await?;
    for door in &hanging {
        door.file_an_issue();
    }
    // It is filed when others hang already, and done while they all do.
    asked_until("a hanging call", async || {
        let asked = hanging.iter().all(|door| !door.forge.requests().is_empty());
        Ok(asked.then_some(()))
    })
    .await?;
    well.file_an_issue();
    well.ends_well(&cluster).await?;

    let outlived = hanging.iter_mut().zip(DOORS).map(|(door, named)| {
        let cluster = &cluster;
        async move {
            let outlived = door.outlives(cluster).await;
            outlived.with_context(|| format!("{named:?}"))
        }
    });
    try_join_all(outlived).await?;
    for (door, (method, part)) in hanging.iter().zip(DOORS) {
        let asked = door.forge.requests();
        let came = asked.iter().any(|request| is_at(request, method, part));
        ensure!(came, "nobody comes to {method} {part}");
    }
    for request in well.forge.requests() {
        let known = DOORS
            .iter()
            .any(|(method, part)| is_at(&request, method, part));
        ensure!(known, "{request} is at no door of the table");
    }
    Ok(())
}

/// Whether a request is at a door, of whichever number.
fn is_at(request: &str, method: &str, part: &str) -> bool {
    let unnumbered = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
    let (request, part) = (unnumbered(request), unnumbered(part));
    let inside = match part.strip_suffix('$') {
        Some(end) => request.ends_with(end),
        None => request.contains(&part),
    };
    inside && request.starts_with(method)
}
