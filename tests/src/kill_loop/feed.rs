//! Keeps a few issues under way, and brings each to its end: labelled, ready for review, merged.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;

use super::installation::Installation;
use super::random::Random;
use crate::cluster::asked_until;

const LABEL: &str = "cloud-code";
/// A task that was killed again and again waits a quarter of an hour and some more.
const LONGEST_PAUSE: Duration = Duration::from_secs(20 * 60);

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
        installation: &impl Installation,
        random: &mut Random,
    ) -> Result<()> {
        self.merge_what_is_ready(installation).await?;
        let open = self.filed.iter().filter(|filed| !filed.merged).count();
        for _ in open..self.under_way {
            self.file(installation, random);
        }
        Ok(())
    }

    fn file(&mut self, installation: &impl Installation, random: &mut Random) {
        let number = self.filed.len();
        let body = installation.text(number, random.below(3));
        let title = format!("Write {number}");
        let forge = installation.forge();
        let issue = forge.create_issue_labelled("ada", &title, &body, &[LABEL]);
        self.filed.push(Filed {
            issue,
            number,
            merged: false,
        });
    }

    async fn merge_what_is_ready(&mut self, installation: &impl Installation) -> Result<()> {
        let tasks = installation.operator()?.tasks().await?;
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
                installation.forge().merge("ada", number).await?;
                filed.merged = true;
            }
            if ["failed", "blocked"].contains(&task.state.as_str()) {
                self.retries += 1;
                // Refused where it has moved on meanwhile.
                let _moved_on = installation
                    .operator()?
                    .act(Action::Retry(task.id.clone()))
                    .await;
            }
        }
        Ok(())
    }

    /// Waits until every issue has come to its end, with nothing killed any more.
    pub(super) async fn finish(&mut self, installation: &impl Installation) -> Result<()> {
        let deadline = tokio::time::Instant::now() + LONGEST_PAUSE;
        while self.filed.iter().any(|filed| !filed.merged) {
            self.merge_what_is_ready(installation).await?;
            let open: Vec<&Filed> = self.filed.iter().filter(|filed| !filed.merged).collect();
            ensure!(
                tokio::time::Instant::now() < deadline,
                "these never became ready: {open:?}\n{:#?}",
                unfinished(installation).await?
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        for filed in &self.filed {
            let task = installation.task_of(filed.issue).await?;
            installation.task_in(&task, "completed").await?;
            asked_until("a clean workspace", async || {
                let there = installation.has_workspace(&task).await?;
                Ok((!there).then_some(()))
            })
            .await?;
        }
        Ok(())
    }
}

async fn unfinished(installation: &impl Installation) -> Result<Vec<v1::Task>> {
    let tasks = installation.operator()?.tasks().await?;
    let open = tasks.into_iter().filter(|task| task.state != "completed");
    Ok(open.collect())
}
