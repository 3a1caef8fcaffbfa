//! The local tracker: issues that the operator makes, with our comments on them.

use cloud_code_domain::issue::{Actor, IssueSnapshot, PullRequestState, Remark, Trigger};
use cloud_code_domain::time::Timestamp;

use super::Local;
use super::records::{Comment, Kind, Record, Records};
use crate::ports::{Answer, Changed, IssueTracker, Trouble};

/// An issue to make.
#[derive(Debug, Clone)]
pub struct NewIssue {
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// Its labels.
    pub labels: Vec<String>,
    /// Which of them is a trigger label, and who set it; none: nobody did.
    pub trigger: Option<(String, Option<Actor>)>,
    /// Now.
    pub at: Timestamp,
}

impl Local {
    /// Makes an issue.
    ///
    /// # Errors
    /// `Later` where it cannot be written; then there is none.
    pub async fn create_issue(&self, new: NewIssue) -> Result<IssueSnapshot, Trouble> {
        let mut records = self.records.lock().await;
        let number = records.next_number();
        let trigger = new.trigger.map(|(label, actor)| Trigger {
            label,
            at: new.at,
            actor,
        });
        let record = Record {
            change: 0,
            title: new.title,
            body: new.body,
            comments: Vec::new(),
            kind: Kind::Issue {
                labels: new.labels,
                trigger,
                open: true,
                created_at: new.at,
            },
        };
        records.put(number, record)?;
        self.issue_snapshot(&records, number)
            .ok_or_else(|| no_such("issue", number))
    }

    fn issue_snapshot(&self, records: &Records, number: u64) -> Option<IssueSnapshot> {
        let record = records.get(number)?;
        let Kind::Issue {
            labels,
            trigger,
            open,
            ..
        } = &record.kind
        else {
            return None;
        };
        Some(IssueSnapshot {
            project: self.project.clone(),
            number,
            url: None,
            title: record.title.clone(),
            body: record.body.clone(),
            labels: labels.clone(),
            open: *open,
            closed_by: None,
            blocked_by: Vec::new(),
            trigger: trigger.clone(),
            untriggered_by: None,
            edited_at: None,
            merged: records.iter().any(|(_, other)| merged_for(other, number)),
        })
    }
}

/// Whether a record is a merged pull request that closes this issue.
fn merged_for(record: &Record, issue: u64) -> bool {
    match &record.kind {
        Kind::PullRequest { state, .. } => {
            *state == PullRequestState::Merged && closes(&record.body) == Some(issue)
        }
        Kind::Issue { .. } => false,
    }
}

/// The issue that a pull request's text says it closes, on a line of its own.
pub(super) fn closes(body: &str) -> Option<u64> {
    body.lines()
        .find_map(|line| line.trim().strip_prefix("Closes #")?.parse().ok())
}

pub(super) fn no_such(what: &str, number: u64) -> Trouble {
    Trouble::Refused {
        what: format!("there is no {what} {number}"),
    }
}

impl IssueTracker for Local {
    fn changed<'a>(&'a self, cursor: &'a str) -> Answer<'a, Changed> {
        Box::pin(async move {
            let after: u64 = cursor.parse().unwrap_or(0);
            let mut records = self.records.lock().await;
            // People commit, merge and delete branches without telling us.
            self.look_at_all(&mut records).await?;
            let numbers = records
                .iter()
                .filter(|(_, record)| record.change > after)
                .map(|(number, _)| number)
                .collect();
            Ok(Changed {
                numbers,
                cursor: records.change().to_string(),
            })
        })
    }

    fn issue(&self, number: u64) -> Answer<'_, Option<IssueSnapshot>> {
        Box::pin(async move {
            let records = self.records.lock().await;
            Ok(self.issue_snapshot(&records, number))
        })
    }

    fn remarks(&self, _number: u64, _since: Timestamp) -> Answer<'_, Vec<Remark>> {
        // The operator steers the task itself.
        Box::pin(async { Ok(Vec::new()) })
    }

    fn find_comment<'a>(&'a self, issue: u64, marker: &'a str) -> Answer<'a, Option<u64>> {
        Box::pin(async move {
            let records = self.records.lock().await;
            Ok(records.get(issue).and_then(|record| {
                let mut comments = record.comments.iter();
                comments
                    .find(|comment| comment.text.contains(marker))
                    .map(|comment| comment.id)
            }))
        })
    }

    fn create_comment<'a>(&'a self, issue: u64, text: &'a str) -> Answer<'a, u64> {
        Box::pin(async move {
            let mut records = self.records.lock().await;
            let id = records.next_comment();
            let found = records.get(issue).cloned();
            let mut record = found.ok_or_else(|| no_such("issue", issue))?;
            record.comments.push(Comment {
                id,
                text: text.to_owned(),
            });
            records.put(issue, record)?;
            Ok(id)
        })
    }

    fn edit_comment<'a>(&'a self, comment: u64, text: &'a str) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut records = self.records.lock().await;
            let found = records.iter().find_map(|(number, record)| {
                let at = record.comments.iter().position(|one| one.id == comment)?;
                Some((number, at, record.clone()))
            });
            let (number, at, mut record) = found.ok_or_else(|| no_such("comment", comment))?;
            if let Some(comment) = record.comments.get_mut(at) {
                text.clone_into(&mut comment.text);
            }
            Ok(records.put(number, record)?)
        })
    }

    fn clock(&self) -> Answer<'_, Option<Timestamp>> {
        Box::pin(async { Ok(None) })
    }
}
