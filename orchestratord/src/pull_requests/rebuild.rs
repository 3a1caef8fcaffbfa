//! Commits made by the host: the agent's trees, our name, cleaned messages, dates within reason.
//!
//! The same input gives the same commits to the byte, so that a repeat after a crash finds what it
//! may already have pushed. Nothing else of an agent's commit is carried over: not its author, not
//! its signature, not its encoding, not what else it has in its headers.

use cloud_code_domain::id::{Oid, TaskId};
use cloud_code_domain::time::Timestamp;

use crate::config::GitConfig;
use crate::mirrors::MirrorError;
use crate::mirrors::git::{Call, GitError, Input};

use super::history::{AgentCommit, History};
use super::message;
use super::quarantine::Quarantine;

/// What goes into a rebuilt commit besides the tree.
#[derive(Debug)]
pub(crate) struct Stamp<'a> {
    pub(crate) identity: &'a GitConfig,
    pub(crate) task: &'a TaskId,
    /// The message where the agent gave none.
    pub(crate) title: &'a str,
    /// No commit is younger.
    pub(crate) ended_at: Timestamp,
}

impl Stamp<'_> {
    /// The message that a commit gets.
    pub(crate) fn message(&self, commit: &AgentCommit) -> String {
        let trailer = format!("Cloud-Code-Task: {}", self.task);
        message::clean(&commit.message, self.title, &trailer)
    }

    fn text(&self, commit: &AgentCommit, parents: &[&Oid], at: i64) -> String {
        let mut text = format!("tree {}\n", commit.tree);
        for parent in parents {
            text.push_str(&format!("parent {parent}\n"));
        }
        let name = or(message::identity(&self.identity.name), "Cloud Code");
        let email = or(
            message::identity(&self.identity.email),
            "cloud-code@localhost",
        );
        for role in ["author", "committer"] {
            text.push_str(&format!("{role} {name} <{email}> {at} +0000\n"));
        }
        text.push('\n');
        text.push_str(&self.message(commit));
        text
    }
}

fn or(text: String, fallback: &str) -> String {
    if text.is_empty() {
        fallback.to_owned()
    } else {
        text
    }
}

/// Writes the commits of a history into the quarantine; what they are there, oldest first.
pub(crate) async fn rebuild(
    quarantine: &Quarantine,
    history: &History,
    stamp: &Stamp<'_>,
) -> Result<Vec<Oid>, MirrorError> {
    let mut rebuilt = Vec::new();
    let mut parent = history.root.oid.clone();
    let mut earliest = history.root.committed;
    for commit in &history.commits {
        let merged = commit.merged.iter();
        earliest = merged.map(|known| known.committed).fold(earliest, i64::max);
        let latest = stamp.ended_at.0.div_euclid(1000).max(earliest);
        let at = commit.written.unwrap_or(latest).clamp(earliest, latest);
        let mut parents = vec![&parent];
        parents.extend(commit.merged.iter().map(|known| &known.oid));
        let text = stamp.text(commit, &parents, at);
        parent = write(quarantine, text).await?;
        rebuilt.push(parent.clone());
        earliest = at;
    }
    Ok(rebuilt)
}

async fn write(quarantine: &Quarantine, text: String) -> Result<Oid, MirrorError> {
    let repository = quarantine.repository();
    let args = ["hash-object", "-t", "commit", "-w", "--stdin"];
    let call = Call::new(&repository, args).input(Input::Bytes(text.into_bytes()));
    let answer = quarantine.git().must(call).await?;
    let answer = String::from_utf8_lossy(&answer);
    answer.trim().parse().map_err(|_| {
        MirrorError::Git(GitError::Nonsense {
            command: "hash-object".to_owned(),
            what: answer.trim().chars().take(80).collect(),
        })
    })
}
