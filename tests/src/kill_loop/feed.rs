//! Keeps a few issues under way, and brings each to its end: labelled, ready for review, merged.

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;

use super::random::Random;
use crate::cluster::{Cluster, PATIENCE, until};
use crate::forge::Forge;

const LABEL: &str = "cloud-code";

/// An issue that was filed.
#[derive(Debug, Clone)]
pub(super) struct Filed {
    /// Its number at the forge.
    pub(super) issue: u64,
    /// The number in what its pull request adds: `file-N.txt`, which holds it too.
    pub(super) number: usize,
    merged: bool,
}

#[derive(Debug)]
pub(super) struct Feed {
    under_way: usize,
    filed: Vec<Filed>,
    retries: u32,
}

impl Feed {
    pub(super) fn new(under_way: usize) -> Self {
        Self {
            under_way,
            filed: Vec::new(),
            retries: 0,
        }
    }

    pub(super) fn filed(&self) -> &[Filed] {
        &self.filed
    }

    /// How often an operator had to say "again".
    pub(super) fn retries(&self) -> u32 {
        self.retries
    }

    /// Merges what is ready, and files issues until enough are under way.
    pub(super) async fn feed(
        &mut self,
        forge: &Forge,
        cluster: &Cluster,
        random: &mut Random,
    ) -> Result<()> {
        self.merge_what_is_ready(forge, cluster).await?;
        let open = self.filed.iter().filter(|filed| !filed.merged).count();
        for _ in open..self.under_way {
            self.file(forge, random);
        }
        Ok(())
    }

    fn file(&mut self, forge: &Forge, random: &mut Random) {
        let number = self.filed.len();
        let spends = random.below(3);
        let mut steps =
            String::from("report progress Looking\nrequest npm_token read To install\n");
        for _ in 0..spends {
            steps.push_str("spend scripted-model 8000\nrun sleep 0.2\n");
        }
        let body = format!(
            "Please.\n\n```script\n{steps}write file-{number}.txt {number}\nreport progress Writing\n\
             commit Write {number}\n```\n"
        );
        let title = format!("Write {number}");
        let issue = forge.create_issue_labelled("ada", &title, &body, &[LABEL]);
        self.filed.push(Filed {
            issue,
            number,
            merged: false,
        });
    }

    async fn merge_what_is_ready(&mut self, forge: &Forge, cluster: &Cluster) -> Result<()> {
        let tasks = cluster.operator()?.tasks().await?;
        for filed in self.filed.iter_mut().filter(|filed| !filed.merged) {
            let of_issue = tasks
                .iter()
                .find(|task| task.issue_number == Some(filed.issue));
            let Some(task) = of_issue else {
                continue;
            };
            if task.state == "review" {
                let pull = task.pull_request.as_ref();
                let number = pull
                    .and_then(|pull| pull.number)
                    .context("a review without its number")?;
                forge.merge("ada", number).await?;
                filed.merged = true;
            }
            if ["failed", "blocked"].contains(&task.state.as_str()) {
                self.retries += 1;
                // Refused where it has moved on meanwhile.
                let _moved_on = cluster
                    .operator()?
                    .act(Action::Retry(task.id.clone()))
                    .await;
            }
        }
        Ok(())
    }

    /// Waits until every issue has come to its end, with nothing killed any more.
    pub(super) async fn finish(&mut self, forge: &Forge, cluster: &Cluster) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE * 6;
        while self.filed.iter().any(|filed| !filed.merged) {
            self.merge_what_is_ready(forge, cluster).await?;
            let open: Vec<&Filed> = self.filed.iter().filter(|filed| !filed.merged).collect();
            ensure!(
                tokio::time::Instant::now() < deadline,
                "these never became ready: {open:?}\n{:#?}",
                unfinished(cluster).await?
            );
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        for filed in &self.filed {
            let task = cluster.task_of(filed.issue).await?;
            cluster.task_in(&task, "completed").await?;
            until("a clean workspace", || {
                cluster.worktree(&task).is_none().then_some(())
            })
            .await?;
        }
        Ok(())
    }
}

async fn unfinished(cluster: &Cluster) -> Result<Vec<v1::Task>> {
    let tasks = cluster.operator()?.tasks().await?;
    let open = tasks.into_iter().filter(|task| task.state != "completed");
    Ok(open.collect())
}
