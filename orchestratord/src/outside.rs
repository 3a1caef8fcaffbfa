//! OUT: makes effects through the ports. Each call looks first for what it may already have done.

use std::collections::HashMap;
use std::sync::Arc;

use cloud_code_domain::id::ProjectName;
use cloud_code_domain::issue::{IssueSnapshot, PullRequestSnapshot, PullRequestState, Remark};
use cloud_code_domain::task::Task;
use futures_util::future::BoxFuture;

use crate::config::{Config, ProjectConfig};
use crate::connectors::github::MarkerKey;
use crate::engine::{Done, Effect, EffectRecord, EffectState, Facts, Inspected, Outcome, Outside};
use crate::ports::{CodeHost, IssueTracker, Trouble};
use crate::pull_requests::publish::Publisher;
use crate::{comments, notify};

/// A project's two ports.
#[derive(Debug, Clone)]
pub struct Ports {
    /// Where its issues are.
    pub tracker: Arc<dyn IssueTracker>,
    /// Where its branches and pull requests are.
    pub host: Arc<dyn CodeHost>,
}

/// What effects are made with.
#[derive(Debug)]
pub struct Hands {
    /// The configuration.
    pub config: Arc<Config>,
    /// The ports of each project.
    pub ports: HashMap<ProjectName, Ports>,
    /// Fetches, checks and pushes.
    pub publisher: Publisher,
    /// Makes the marker of a task's comment, which no agent can forge.
    pub marker: Arc<MarkerKey>,
}

impl<T> From<Trouble> for Outcome<T> {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Later { what, until } => Self::Later { why: what, until },
            Trouble::Unknown { what } => Self::Unknown { why: what },
            Trouble::Refused { what } => Self::Refused { why: what },
        }
    }
}

impl Outside for Hands {
    fn make(&self, record: EffectRecord, facts: Facts) -> BoxFuture<'_, Outcome<Done>> {
        Box::pin(async move {
            match self.made(record, facts).await {
                Ok(outcome) => outcome,
                Err(trouble) => trouble.into(),
            }
        })
    }
}

fn gone() -> Trouble {
    Trouble::Refused {
        what: "its task or project is gone".into(),
    }
}

impl Hands {
    async fn made(&self, record: EffectRecord, facts: Facts) -> Result<Outcome<Done>, Trouble> {
        let unknown = record.state == EffectState::Unknown;
        let task = facts.task.as_ref();
        match record.effect {
            Effect::Inspect { project, number } => self.inspect(&project, number, task).await,
            Effect::Prepare { .. } => {
                let (task, project, ports) = self.of(task)?;
                self.publisher.prepare(task, project, &*ports.host).await
            }
            Effect::Publish {
                execution,
                head,
                passed,
            } => {
                let (task, project, ports) = self.of(task)?;
                let record = facts
                    .execution
                    .as_ref()
                    .filter(|record| record.id == execution);
                let record = record.ok_or_else(gone)?;
                self.publisher
                    .publish((task, record), &head, passed, project, &*ports.host)
                    .await
            }
            Effect::Bring { execution } => {
                let (task, project, ports) = self.of(task)?;
                let record = facts
                    .execution
                    .as_ref()
                    .filter(|record| record.id == execution);
                let record = record.ok_or_else(gone)?;
                self.publisher
                    .bring((task, record), project, &*ports.host)
                    .await
            }
            Effect::OpenPullRequest { .. } => {
                let (task, project, ports) = self.of(task)?;
                let marker = self.marker.marker(&task.project, &task.id);
                crate::pull_requests::open::open(task, project, &*ports.host, &marker, unknown)
                    .await
            }
            Effect::Comment { .. } => {
                let (task, _, ports) = self.of(task)?;
                let marker = self.marker.marker(&task.project, &task.id);
                comments::progress(task, &*ports.tracker, &marker, unknown).await
            }
            Effect::Merge { .. } => {
                let (task, _, ports) = self.of(task)?;
                let pull_request = task.pull_request.as_ref().ok_or_else(gone)?;
                let number = pull_request.number.ok_or_else(gone)?;
                ports.host.merge(number, &pull_request.head).await?;
                Ok(Outcome::Done(Done::Merged))
            }
            Effect::Close { .. } => {
                let (task, _, ports) = self.of(task)?;
                let number = task
                    .pull_request
                    .as_ref()
                    .and_then(|pull_request| pull_request.number);
                ports.host.close(number.ok_or_else(gone)?).await?;
                Ok(Outcome::Done(Done::Closed))
            }
            Effect::NotifyTask { .. } => {
                let note = notify::task_waits(task.ok_or_else(gone)?);
                notify::run(&self.config.notify_command, note).await
            }
            Effect::NotifyRequest { .. } => {
                let note = notify::request_waits(facts.request.as_ref().ok_or_else(gone)?);
                notify::run(&self.config.notify_command, note).await
            }
        }
    }

    fn of<'a>(
        &'a self,
        task: Option<&'a Task>,
    ) -> Result<(&'a Task, &'a ProjectConfig, &'a Ports), Trouble> {
        let task = task.ok_or_else(gone)?;
        let project = self.config.project(&task.project).ok_or_else(gone)?;
        let ports = self.ports.get(&task.project).ok_or_else(gone)?;
        Ok((task, project, ports))
    }

    /// Reads an issue with its pull request and what people said. Merged wins: a merge closes the
    /// issue, so what was closed by one that happens meanwhile is seen only if the pull request is read
    /// after it.
    async fn inspect(
        &self,
        project: &ProjectName,
        number: u64,
        task: Option<&Task>,
    ) -> Result<Outcome<Done>, Trouble> {
        let ports = self.ports.get(project).ok_or_else(gone)?;
        let own = task
            .and_then(|task| task.pull_request.as_ref())
            .and_then(|own| own.number);
        let mut issue_number = match task {
            Some(task) => task.issue.as_ref().map(|issue| issue.number),
            None => Some(number),
        };
        let (mut issue, mut gone, mut unread) = (None, false, None);
        if let Some(asked) = issue_number {
            match look(ports, asked, task.is_some()).await {
                Ok(looked) => (issue, gone) = looked,
                // An issue that was moved elsewhere hides nothing of its pull request.
                Err(Trouble::Refused { what }) if own.is_some() => {
                    tracing::warn!(%project, issue = asked, what, "an issue cannot be read");
                    issue_number = None;
                }
                Err(trouble) if own.is_some() => unread = Some(trouble),
                Err(trouble) => return Err(trouble),
            }
        }
        let pull_request = match own {
            Some(own) => ports.host.pull_request(own).await?,
            None => None,
        };
        if let Some(trouble) = unread {
            // An issue that cannot be read now is read later, unless its pull request ends it all.
            let open = |seen: &PullRequestSnapshot| seen.state == PullRequestState::Open;
            if pull_request.as_ref().is_none_or(open) {
                return Err(trouble);
            }
            issue_number = None;
        }
        let remarks = match task {
            Some(task) => heard(ports, task, [issue_number, own]).await?,
            None => Vec::new(),
        };
        note_merge(&mut issue, pull_request.as_ref());
        let inspected = Inspected {
            issue,
            pull_request,
            remarks,
            gone,
        };
        Ok(Outcome::Done(Done::Inspected(Box::new(inspected))))
    }
}

/// An issue whose pull request is merged ends by that.
fn note_merge(issue: &mut Option<IssueSnapshot>, pull_request: Option<&PullRequestSnapshot>) {
    if let (Some(issue), Some(pull_request)) = (issue, pull_request) {
        issue.merged = pull_request.state == PullRequestState::Merged;
    }
}

/// What people said on an issue and on its pull request, oldest first.
async fn heard(
    ports: &Ports,
    task: &Task,
    numbers: [Option<u64>; 2],
) -> Result<Vec<Remark>, Trouble> {
    let mut remarks: Vec<Remark> = Vec::new();
    for number in numbers.into_iter().flatten() {
        remarks.extend(ports.tracker.remarks(number, task.hears_since()).await?);
    }
    remarks.sort_by_key(|remark| remark.at);
    Ok(remarks)
}

/// Reads an issue, and whether it is gone that a task was made from.
async fn look(
    ports: &Ports,
    number: u64,
    of_task: bool,
) -> Result<(Option<IssueSnapshot>, bool), Trouble> {
    let found = ports.tracker.issue(number).await?;
    let gone = of_task && found.is_none();
    if gone {
        // Who may read no issues any more finds none either.
        ports.tracker.clock().await?;
    }
    Ok((found, gone))
}
