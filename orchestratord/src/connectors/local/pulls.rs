//! The local code host: pull requests as records, heads as the repository has them.

use std::collections::BTreeMap;

use cloud_code_domain::id::Oid;
use cloud_code_domain::issue::{PullRequestSnapshot, PullRequestState};

use super::Local;
use super::records::{Kind, Record, Records};
use super::tracker::{closes, no_such};
use crate::mirrors::Merged;
use crate::mirrors::branch::BranchName;
use crate::mirrors::push::{CHECKED_OUT, Pushed};
use crate::ports::{Answer, CodeHost, GitAccess, NewPullRequest, Trouble};

/// Where branches of the repository are; none where there is no such branch.
type Heads = BTreeMap<BranchName, Option<Oid>>;

/// The part of a record that is a pull request's own.
#[derive(Debug, Clone)]
struct Pull {
    number: u64,
    branch: BranchName,
    head: Oid,
    state: PullRequestState,
}

fn refused(what: impl std::fmt::Display) -> Trouble {
    Trouble::Refused {
        what: what.to_string(),
    }
}

fn branch_name(name: &str) -> Result<BranchName, Trouble> {
    name.parse().map_err(refused)
}

fn pull_of(number: u64, record: &Record) -> Option<Pull> {
    match &record.kind {
        Kind::PullRequest {
            branch,
            head,
            state,
            ..
        } => Some(Pull {
            number,
            branch: branch.parse().ok()?,
            head: head.clone(),
            state: *state,
        }),
        Kind::Issue { .. } => None,
    }
}

fn find(records: &Records, number: u64) -> Result<Pull, Trouble> {
    let record = records.get(number);
    record
        .and_then(|record| pull_of(number, record))
        .ok_or_else(|| no_such("pull request", number))
}

fn newest(records: &Records, branch: &BranchName) -> Option<Pull> {
    records
        .iter()
        .rev()
        .filter_map(|(number, record)| pull_of(number, record))
        .find(|pull| pull.branch == *branch)
}

/// Writes where a pull request stands, and closes its issue when it was merged.
fn settle(
    records: &mut Records,
    pull: &Pull,
    head: &Oid,
    state: PullRequestState,
) -> Result<(), Trouble> {
    let Some(mut record) = records.get(pull.number).cloned() else {
        return Err(no_such("pull request", pull.number));
    };
    if let Kind::PullRequest {
        head: kept,
        state: stands,
        ..
    } = &mut record.kind
    {
        if kept == head && *stands == state {
            return Ok(());
        }
        kept.clone_from(head);
        *stands = state;
    }
    let issue = closes(&record.body).filter(|_| state == PullRequestState::Merged);
    records.put(pull.number, record)?;
    if let Some(number) = issue
        && let Some(mut record) = records.get(number).cloned()
        && let Kind::Issue { open, .. } = &mut record.kind
        && *open
    {
        *open = false;
        records.put(number, record)?;
    }
    Ok(())
}

impl Local {
    fn snapshot(&self, pull: Pull) -> PullRequestSnapshot {
        PullRequestSnapshot {
            project: self.project.clone(),
            number: pull.number,
            url: None,
            branch: pull.branch.to_string(),
            head: Some(pull.head),
            state: pull.state,
        }
    }

    /// Looks at every open pull request; what people did to one becomes a change of its record.
    pub(super) async fn look_at_all(&self, records: &mut Records) -> Result<(), Trouble> {
        let pulls = records
            .iter()
            .filter_map(|(number, record)| pull_of(number, record));
        let open: Vec<Pull> = pulls
            .filter(|pull| pull.state == PullRequestState::Open)
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let mut branches = vec![&self.default_branch];
        branches.extend(open.iter().map(|pull| &pull.branch));
        let heads = self.mirror.fetch(&self.access(), &branches).await?;
        for pull in &open {
            self.judge(records, pull.clone(), &heads).await?;
        }
        Ok(())
    }

    /// A pull request as the repository has it now.
    async fn look(&self, records: &mut Records, pull: Pull) -> Result<Pull, Trouble> {
        if pull.state != PullRequestState::Open {
            return Ok(pull);
        }
        let branches = [&self.default_branch, &pull.branch];
        let heads = self.mirror.fetch(&self.access(), &branches).await?;
        self.judge(records, pull, &heads).await
    }

    /// What an open pull request is, where its branches have these heads.
    async fn judge(
        &self,
        records: &mut Records,
        pull: Pull,
        heads: &Heads,
    ) -> Result<Pull, Trouble> {
        let at = |branch| heads.get(branch).cloned().flatten();
        let there = at(&pull.branch);
        let head = there.clone().unwrap_or_else(|| pull.head.clone());
        let merged = match at(&self.default_branch) {
            Some(default) => self.mirror.is_ancestor(&head, &default).await?,
            None => false,
        };
        let state = match (merged, there) {
            (true, _) => PullRequestState::Merged,
            (false, Some(_)) => PullRequestState::Open,
            (false, None) => PullRequestState::Closed,
        };
        settle(records, &pull, &head, state)?;
        Ok(Pull {
            head,
            state,
            ..pull
        })
    }

    async fn open_new(&self, new: &NewPullRequest) -> Result<Pull, Trouble> {
        let branch = branch_name(&new.branch)?;
        let into = branch_name(&new.into)?;
        let mut records = self.records.lock().await;
        let head = self.mirror.remote_head(&self.access(), &branch).await?;
        let head = head.ok_or_else(|| refused(format!("there is no branch {branch}")))?;
        if let Some(pull) = newest(&records, &branch)
            && (pull.state == PullRequestState::Open || pull.head == head)
        {
            return Ok(pull);
        }
        let number = records.next_number();
        let state = PullRequestState::Open;
        let record = Record {
            change: 0,
            title: new.title.clone(),
            body: new.body.clone(),
            comments: Vec::new(),
            kind: Kind::PullRequest {
                branch: branch.to_string(),
                into: into.to_string(),
                head: head.clone(),
                state,
            },
        };
        records.put(number, record)?;
        Ok(Pull {
            number,
            branch,
            head,
            state,
        })
    }

    async fn merge_pull(&self, number: u64, head: &Oid) -> Result<(), Trouble> {
        let mut records = self.records.lock().await;
        let pull = find(&records, number)?;
        let pull = self.look(&mut records, pull).await?;
        match pull.state {
            PullRequestState::Merged => return Ok(()),
            PullRequestState::Closed => {
                return Err(refused(format!("pull request {number} is closed")));
            }
            PullRequestState::Open => {}
        }
        if pull.head != *head {
            let now = &pull.head;
            return Err(refused(format!(
                "pull request {number} has moved to {now} since it was looked at; look again"
            )));
        }
        let default = self.mirror.head(&self.default_branch).await?;
        let default = default
            .ok_or_else(|| refused(format!("there is no branch {}", self.default_branch)))?;
        let target = self.merged(&pull, &default).await?;
        self.move_default(&pull, &default, &target).await?;
        settle(&mut records, &pull, head, PullRequestState::Merged)
    }

    async fn merged(&self, pull: &Pull, default: &Oid) -> Result<Oid, Trouble> {
        let message = format!("Merge pull request #{} from {}", pull.number, pull.branch);
        let merge = self
            .mirror
            .merge_heads(default, &pull.head, &message, &self.identity);
        match merge.await? {
            Merged::Clean(target) => Ok(target),
            Merged::Conflicts(files) => Err(refused(format!(
                "it conflicts with {} in {}; send the task back, or merge by hand: {}",
                self.default_branch,
                files.join(", "),
                self.merge_command(&pull.branch, false),
            ))),
        }
    }

    async fn move_default(&self, pull: &Pull, from: &Oid, to: &Oid) -> Result<(), Trouble> {
        let branch = &self.default_branch;
        let access = self.access();
        let push = self.mirror.push_ref(&access, branch, to, Some(from));
        match push.await {
            Ok(Pushed::Pushed | Pushed::AlreadyThere) => Ok(()),
            Ok(Pushed::Conflict { .. }) => Err(Trouble::Later {
                what: format!("{branch} moved while it was being merged into; try again"),
                until: None,
            }),
            Err(Trouble::Refused { what }) if what.contains(CHECKED_OUT) => {
                let command = self.merge_command(&pull.branch, *to == pull.head);
                Err(refused(format!(
                    "{branch} is checked out in a work tree of {}, and is not moved under it; \
                     run there: {command}",
                    self.repository.display()
                )))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// What the operator runs where the default branch is checked out.
    fn merge_command(&self, branch: &BranchName, fast_forward: bool) -> String {
        let path = self.repository.to_string_lossy().replace('\'', "'\\''");
        let only = if fast_forward { " --ff-only" } else { "" };
        format!("git -C '{path}' merge{only} {branch}")
    }
}

impl CodeHost for Local {
    fn find_pull_request<'a>(&'a self, branch: &'a str) -> Answer<'a, Option<PullRequestSnapshot>> {
        Box::pin(async move {
            let branch = branch_name(branch)?;
            let mut records = self.records.lock().await;
            match newest(&records, &branch) {
                Some(pull) => {
                    let pull = self.look(&mut records, pull).await?;
                    Ok(Some(self.snapshot(pull)))
                }
                None => Ok(None),
            }
        })
    }

    fn pull_request(&self, number: u64) -> Answer<'_, Option<PullRequestSnapshot>> {
        Box::pin(async move {
            let mut records = self.records.lock().await;
            match find(&records, number) {
                Ok(pull) => {
                    let pull = self.look(&mut records, pull).await?;
                    Ok(Some(self.snapshot(pull)))
                }
                Err(_) => Ok(None),
            }
        })
    }

    fn open_pull_request<'a>(&'a self, new: &'a NewPullRequest) -> Answer<'a, PullRequestSnapshot> {
        Box::pin(async move { Ok(self.snapshot(self.open_new(new).await?)) })
    }

    fn edit_pull_request<'a>(&'a self, number: u64, new: &'a NewPullRequest) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut records = self.records.lock().await;
            find(&records, number)?;
            let found = records.get(number).cloned();
            let mut record = found.ok_or_else(|| no_such("pull request", number))?;
            record.title.clone_from(&new.title);
            record.body.clone_from(&new.body);
            Ok(records.put(number, record)?)
        })
    }

    fn merge<'a>(&'a self, number: u64, head: &'a Oid) -> Answer<'a, ()> {
        Box::pin(self.merge_pull(number, head))
    }

    fn close(&self, number: u64) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut records = self.records.lock().await;
            let pull = find(&records, number)?;
            let pull = self.look(&mut records, pull).await?;
            match pull.state {
                PullRequestState::Closed => Ok(()),
                PullRequestState::Merged => {
                    Err(refused(format!("pull request {number} is merged")))
                }
                PullRequestState::Open => {
                    let head = pull.head.clone();
                    settle(&mut records, &pull, &head, PullRequestState::Closed)
                }
            }
        })
    }

    fn git_access(&self) -> Answer<'_, GitAccess> {
        Box::pin(async move { Ok(self.access()) })
    }
}
