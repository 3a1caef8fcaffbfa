//! A GitHub project, from the label to the merge.

mod app;
mod hanging;
mod intake;
mod outages;
mod people;

use anyhow::{Context, Result};
use cloud_code_tests::cluster::{Cluster, github_project, until};
use cloud_code_tests::forge::{Comment, Forge, OWN_LOGIN, PullRequest};

use super::{PROGRAMS, projects, script};

const LABEL: &str = "cloud-code";

/// A forge, and an installation that works on its repository.
struct Scene {
    forge: Forge,
    cluster: Cluster,
}

impl Scene {
    /// Webhooks arrive; polls are far apart.
    async fn set() -> Result<Self> {
        let scene = Self::polling(3_600).await?;
        scene.cluster.listen_to(&scene.forge);
        Ok(scene)
    }

    /// Webhooks are lost.
    async fn polling(seconds: u32) -> Result<Self> {
        Self::at(Self::forge().await?, seconds).await
    }

    async fn forge() -> Result<Forge> {
        let forge = Forge::start("acme/app").await?;
        forge.person("ada", "write");
        Ok(forge)
    }

    /// At a forge where things happened before.
    async fn at(forge: Forge, seconds: u32) -> Result<Self> {
        let setting = projects(github_project(&forge, seconds, ""));
        let cluster = Cluster::start(PROGRAMS, setting).await?;
        Ok(Self { forge, cluster })
    }

    fn issue(&self, title: &str, steps: &str) -> u64 {
        let body = script("Please.", steps);
        self.forge
            .create_issue_labelled("ada", title, &body, &[LABEL])
    }

    /// Opens and labels an issue, and waits until it is ready for review: issue, task, pull request.
    async fn reviewed(&self, title: &str, steps: &str) -> Result<(u64, String, PullRequest)> {
        let issue = self.issue(title, steps);
        let task = self.cluster.task_of(issue).await?;
        self.cluster.task_in(&task, "review").await?;
        let pull = self.pull_of(&task).await?;
        Ok((issue, task, pull))
    }

    async fn pull_of(&self, task: &str) -> Result<PullRequest> {
        let shown = self.cluster.operator()?.task(task).await?;
        let shown = shown.task.and_then(|task| task.pull_request);
        let number = shown.and_then(|pull| pull.number).context("no number")?;
        let pulls = self.forge.pull_requests();
        let pull = pulls.into_iter().find(|pull| pull.number == number);
        pull.context("the forge has no such pull request")
    }

    /// Our comments on an issue.
    fn own_comments(&self, issue: u64) -> Vec<Comment> {
        let mut comments = self.forge.comments(issue);
        comments.retain(|comment| comment.author == OWN_LOGIN);
        comments
    }

    /// Waits until the one comment of ours says this.
    async fn comment_says(&self, issue: u64, words: &str) -> Result<Comment> {
        until(words, || {
            let comments = self.own_comments(issue);
            comments
                .into_iter()
                .find(|comment| comment.body.contains(words))
        })
        .await
    }

    /// Waits until the task's worktree is gone.
    async fn cleaned(&self, task: &str) -> Result<()> {
        until("the worktree is gone", || {
            self.cluster.worktree(task).is_none().then_some(())
        })
        .await
    }

    /// Nothing that was asked is unknown to GitHub.
    fn end(&self) {
        assert_eq!(self.forge.violations(), Vec::<String>::new());
    }
}
