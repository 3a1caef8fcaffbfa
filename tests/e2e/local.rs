//! A local project: what an operator decides, and what a project is configured to do.

mod accounts;
mod acp;
mod by_hand;
mod decisions;
mod foreign;
mod handover;
mod limits;
mod logs;
pub(super) mod modes;
mod project;
mod refusals;
mod turns;

use std::path::Path;

use anyhow::{Context, Result, bail};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Cluster, Setting, local_project};
use cloud_code_tests::sample;

use super::{PROGRAMS, script};

/// An installation with one local project, `sample`.
struct Scene(Cluster);

impl Scene {
    /// With these keys in its project.
    async fn set(project: &str) -> Result<Self> {
        Self::with(project, Setting::default(), |_| Ok(())).await
    }

    async fn with(
        project: &str,
        mut setting: Setting,
        prepare: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        setting.rest = format!("{}{}", local_project("sample", project), setting.rest);
        let cluster = Cluster::prepared(PROGRAMS, setting, |root| {
            sample::bare_repository(&root.join("sample.git"), &[("README.md", "# Sample\n")])?;
            prepare(root)
        })
        .await?;
        Ok(Self(cluster))
    }

    /// Files a task with a script.
    async fn task(&self, steps: &str) -> Result<String> {
        let text = script("Please.", steps);
        self.0.operator()?.new_task("sample", "A task", &text).await
    }

    async fn act(&self, action: Action) -> Result<v1::ActResponse> {
        self.0.operator()?.act(action).await
    }

    /// Waits until it is ready for review; all of it then.
    async fn reviewed(&self, task: &str) -> Result<v1::TaskDetail> {
        self.0.task_in(task, "review").await?;
        self.0.operator()?.task(task).await
    }

    /// What git says in the project's repository.
    fn git(&self, arguments: &[&str]) -> Result<String> {
        sample::git(&self.0.root().join("sample.git"), arguments)
    }
}

/// How a task's executions ended.
fn ends(detail: &v1::TaskDetail) -> Vec<&str> {
    let executions = detail.executions.iter();
    executions.map(|one| one.state.as_str()).collect()
}

/// The one request that waits.
async fn request_of(scene: &Scene, task: &str) -> Result<v1::Approval> {
    let waiting = scene.0.operator()?.snapshot().await?.approvals;
    let request = waiting.into_iter().find(|request| request.task == task);
    request.context("nothing is asked")
}

/// The refusal of an answer that must be one.
fn refusal<T>(answer: Result<T>) -> Result<String> {
    match answer {
        Ok(_) => bail!("it was not refused"),
        Err(error) => Ok(format!("{error:#}")),
    }
}
