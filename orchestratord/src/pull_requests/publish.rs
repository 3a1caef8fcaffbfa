//! A result's way out: fetched from its agent, checked at the gate, pushed.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use cloud_code_domain::execution::Execution;
use cloud_code_domain::id::Oid;
use cloud_code_domain::task::Task;
use secrecy::SecretString;

use crate::config::{GitConfig, ProjectConfig};
use crate::engine::{Done, Outcome};
use crate::mirrors::branch::{BadBranch, BranchName, WorkBranch};
use crate::mirrors::{Mirror, Mirrors};
use crate::ports::{CodeHost, GitAccess, Trouble};
use crate::sessions::Sessions;

pub use super::arrival::Silences;
use super::arrival::{self, Patience};
use super::{Accepted, Gate, GateError, GateInput, push::Pushed, push::push};

/// What publishing needs.
#[derive(Debug)]
pub struct Publisher {
    /// The mirrors.
    pub mirrors: Arc<Mirrors>,
    /// The gate.
    pub gate: Gate,
    /// Who has the results.
    pub sessions: Sessions,
    /// Whose name the commits bear.
    pub identity: GitConfig,
    /// Where packs are put until they are complete.
    pub incoming: PathBuf,
    /// Agents that did not send in time.
    pub silences: Silences,
    /// Secrets of this host that may not leave it.
    pub known_secrets: Arc<dyn KnownSecrets>,
}

/// Who knows the secrets that the gate looks for.
pub trait KnownSecrets: Send + Sync + std::fmt::Debug {
    /// All of them, now.
    fn all(&self) -> Vec<SecretString>;
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn bad_branch(error: BadBranch) -> Trouble {
    Trouble::Refused {
        what: error.to_string(),
    }
}

impl Publisher {
    /// Fetches what the next execution starts from: the head of the pull request, where people may
    /// have added to it, else the default branch.
    ///
    /// # Errors
    /// As the code host and its repository.
    pub async fn prepare(
        &self,
        task: &Task,
        project: &ProjectConfig,
        host: &dyn CodeHost,
    ) -> Result<Outcome<Done>, Trouble> {
        let mirror = self.mirrors.of(&project.name).await?;
        if let Some(brought) = &task.brought {
            return prepare_brought(&mirror, &brought.head).await;
        }
        let default: BranchName = project.default_branch.parse().map_err(bad_branch)?;
        let own: BranchName = task.branch.parse().map_err(bad_branch)?;
        let access = host.git_access().await?;
        let pushed = task.pull_request.is_some();
        let branches: &[&BranchName] = if pushed {
            &[&default, &own]
        } else {
            &[&default]
        };
        let mut heads = mirror.fetch(&access, branches).await?;
        let pull_request_head = heads.remove(&own).flatten();
        let base = pull_request_head
            .clone()
            .or_else(|| heads.remove(&default).flatten());
        let base = match base {
            Some(base) => base,
            None => {
                let what = format!(
                    "{} has no branch {default}; set default_branch of project {}, or push it",
                    project.repository, project.name
                );
                return Err(Trouble::Refused { what });
            }
        };
        Ok(Outcome::Done(Done::Prepared {
            base,
            pull_request_head,
        }))
    }

    /// Fetches, checks and pushes a result. Doing it again does nothing new: the same result
    /// becomes the same commits, and a branch that is there already is there.
    ///
    /// # Errors
    /// As the code host, its repository and the agent's link.
    pub async fn publish(
        &self,
        (task, execution): (&Task, &Execution),
        head: &Oid,
        passed: bool,
        project: &ProjectConfig,
        host: &dyn CodeHost,
    ) -> Result<Outcome<Done>, Trouble> {
        let mirror = self.mirrors.of(&project.name).await?;
        let default: BranchName = project.default_branch.parse().map_err(bad_branch)?;
        let branch = WorkBranch::new(
            &project.branch_prefix,
            &project.default_branch,
            &task.branch,
        )
        .map_err(bad_branch)?;
        let access = host.git_access().await?;
        let pushed = task.pull_request.as_ref().map(|record| &record.head);
        let branches: &[&BranchName] = if pushed.is_some() {
            &[&default, branch.name()]
        } else {
            &[&default]
        };
        mirror.fetch(&access, branches).await?;
        let pack = match self.receive(execution, head, project).await? {
            Ok(pack) => pack,
            Err(why) => return Ok(Outcome::Done(Done::ResultLost { why })),
        };
        let input = GateInput {
            mirror: &mirror,
            limits: &project.gate,
            protected_paths: &project.protected_paths,
            known_secrets: &self.known_secrets.all(),
            base: execution.checked_from(),
            published: pushed,
            default_branch: &default,
            head,
            passed,
            passed_before: &task.passed,
            identity: &self.identity,
            task: &task.id,
            title: &task.title,
            ended_at: execution.ended_at.unwrap_or(execution.started_at),
        };
        match self.gate.check(&input, pack).await {
            Ok(accepted) => {
                let parcel = Parcel {
                    mirror: &mirror,
                    access: &access,
                    branch: &branch,
                    default: &default,
                    accepted,
                    passed,
                    expected: pushed,
                };
                parcel.push().await
            }
            Err(GateError::Rejected { findings, passable }) => {
                let findings = findings.iter().map(ToString::to_string).collect();
                Ok(Outcome::Done(Done::Rejected { findings, passable }))
            }
            Err(GateError::Trouble(trouble)) => Err(trouble),
        }
    }

    /// Brings what an agent committed into the mirror, for the next agent to go on with. It is checked
    /// like a result, but for what is a matter of judgement: that is looked at when all of it is to be
    /// pushed. Doing it again gives the same commits.
    ///
    /// # Errors
    /// As the code host, its repository and the agent's link.
    pub async fn bring(
        &self,
        (task, execution): (&Task, &Execution),
        project: &ProjectConfig,
        host: &dyn CodeHost,
    ) -> Result<Outcome<Done>, Trouble> {
        let lost = |why: String| Ok(Outcome::Done(Done::NotBrought { why }));
        let Some(head) = &execution.head else {
            return lost("it did not say what it committed".into());
        };
        let mirror = self.mirrors.of(&project.name).await?;
        let default: BranchName = project.default_branch.parse().map_err(bad_branch)?;
        let access = host.git_access().await?;
        mirror.fetch(&access, &[&default]).await?;
        let pack = match self.receive(execution, head, project).await? {
            Ok(pack) => pack,
            Err(why) => return lost(why),
        };
        let input = GateInput {
            mirror: &mirror,
            limits: &project.gate,
            protected_paths: &project.protected_paths,
            known_secrets: &[],
            base: execution.checked_from(),
            published: None,
            default_branch: &default,
            head,
            passed: true,
            passed_before: &task.passed,
            identity: &self.identity,
            task: &task.id,
            title: &task.title,
            ended_at: execution.ended_at.unwrap_or(execution.started_at),
        };
        match self.gate.check(&input, pack).await {
            Ok(accepted) => Ok(Outcome::Done(Done::Brought {
                head: accepted.head,
            })),
            Err(rejected @ GateError::Rejected { .. }) => lost(rejected.to_string()),
            Err(GateError::Trouble(trouble)) => Err(trouble),
        }
    }

    /// Receives the whole pack before anything looks at it: a link that breaks in the middle is no
    /// fault of the result.
    async fn receive(
        &self,
        execution: &Execution,
        head: &Oid,
        project: &ProjectConfig,
    ) -> Result<Result<File, String>, Trouble> {
        let (agent, base) = (&execution.agent, execution.checked_from());
        let asked = self
            .sessions
            .request_result(agent, &execution.id, head, base);
        let most = project.gate.pack_bytes;
        let patience = Patience::with(most);
        let parts = asked.await?;
        let arrival = arrival::receive(parts, &self.incoming, most, patience).await?;
        self.silences.judge(&execution.id, arrival)
    }
}

/// The next execution starts from what the agent before committed, which is in the mirror alone.
async fn prepare_brought(mirror: &Mirror, head: &Oid) -> Result<Outcome<Done>, Trouble> {
    if !mirror.contains(head).await? {
        let what = format!("the mirror lost {head}, which an agent before committed");
        return Err(Trouble::Refused { what });
    }
    Ok(Outcome::Done(Done::Prepared {
        base: head.clone(),
        pull_request_head: None,
    }))
}

/// A checked result on its way out.
struct Parcel<'a> {
    mirror: &'a Mirror,
    access: &'a GitAccess,
    branch: &'a WorkBranch,
    default: &'a BranchName,
    accepted: Accepted,
    /// Whether an operator let it pass.
    passed: bool,
    /// Where the branch is expected; none: nowhere.
    expected: Option<&'a Oid>,
}

impl Parcel<'_> {
    async fn push(mut self) -> Result<Outcome<Done>, Trouble> {
        let head = self.accepted.head.clone();
        match push(self.mirror, self.access, self.branch, &head, self.expected).await? {
            Pushed::Pushed | Pushed::AlreadyThere => Ok(self.published(head)),
            Pushed::Conflict { .. } => self.overtaken().await,
        }
    }

    fn published(&mut self, head: Oid) -> Outcome<Done> {
        let protected = std::mem::take(&mut self.accepted.protected);
        Outcome::Done(Done::Published {
            head,
            added: self.accepted.added,
            removed: self.accepted.removed,
            files: self.accepted.files,
            passed: if self.passed { protected } else { Vec::new() },
        })
    }

    /// The branch is not where it was expected. What is there is brought here, and nothing of it is
    /// replaced: the agent puts its work on top.
    async fn overtaken(&mut self) -> Result<Outcome<Done>, Trouble> {
        let name = self.branch.name();
        let fetched = self.mirror.fetch(self.access, &[name]).await?;
        let Some(found) = fetched.get(name).cloned().flatten() else {
            let what = format!(
                "somebody else removed the branch {name}; nothing was pushed. A retry makes it anew"
            );
            return Err(Trouble::Refused { what });
        };
        // They pushed on top of what an earlier call of ours had pushed.
        if self.mirror.is_ancestor(&self.accepted.head, &found).await? {
            return Ok(self.published(found));
        }
        let default = self.mirror.head(self.default).await?;
        let known: Vec<&Oid> = self.expected.into_iter().chain(&default).collect();
        let commits = self.mirror.commits(&found, &known).await?;
        Ok(Outcome::Done(Done::Overtaken {
            head: found,
            commits,
        }))
    }
}
