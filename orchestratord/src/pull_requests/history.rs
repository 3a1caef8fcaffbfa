//! Whose commits a result is made of.
//!
//! ```text
//!   anchors: base ── the head we pushed ── the default branch     (the agent was given these)
//!               ╲
//!   root ◀── a ◀── b ◀── merge ◀── head                           the first-parent chain: rebuilt
//!                          ╲
//!                           anchored parent: stays a parent       (a merge of the default branch)
//!                           the agent's own side branch: folded into the merge
//! ```

use cloud_code_domain::id::Oid;

use crate::mirrors::objects::{Found, ObjectKind, ObjectReader};
use crate::mirrors::{Mirror, MirrorError};

use super::finding::{Finding, Rule};
use super::gate::GateError;
use super::message;
use super::quarantine::Received;

/// More commits than this are no result of one turn.
const MAX_COMMITS: usize = 500;
/// A merge of more is a game.
const MAX_PARENTS: usize = 8;
/// The most that is read of a commit object: its headers, and a message.
const MAX_COMMIT_BYTES: u64 = 128 << 20;

/// What is taken of an agent's commit.
#[derive(Debug)]
pub(crate) struct AgentCommit {
    /// Its name at the agent's.
    pub(crate) oid: Oid,
    /// Its tree.
    pub(crate) tree: Oid,
    /// Parents besides the first that the agent was given.
    pub(crate) merged: Vec<Parent>,
    /// When it says it was written, in seconds since 1970.
    pub(crate) written: Option<i64>,
    /// Its message, as it is, cut.
    pub(crate) message: Vec<u8>,
}

/// A commit that the agent was given.
#[derive(Debug, Clone)]
pub(crate) struct Parent {
    pub(crate) oid: Oid,
    pub(crate) tree: Oid,
    pub(crate) committed: i64,
}

/// A result's history.
#[derive(Debug)]
pub(crate) struct History {
    /// What it goes back to.
    pub(crate) root: Parent,
    /// The commits to rebuild, oldest first.
    pub(crate) commits: Vec<AgentCommit>,
}

/// Follows the first parents of `head` back to a commit that one of the anchors reaches.
pub(crate) async fn follow(
    mirror: &Mirror,
    objects: &mut ObjectReader,
    received: &Received,
    anchors: &[Oid],
    head: &Oid,
) -> Result<History, GateError> {
    let mut commits = Vec::new();
    let mut next = head.clone();
    loop {
        if commits.len() > MAX_COMMITS {
            let what = format!("the result has more than {MAX_COMMITS} commits");
            return Err(Finding::whole(Rule::TooLarge, what).into());
        }
        if anchored(mirror, anchors, &next).await? {
            commits.reverse();
            let root = read(objects, &next).await?.as_parent(next);
            drop_old_merges(mirror, &root, &mut commits).await?;
            return Ok(History { root, commits });
        }
        if !received.contains(&next) {
            return Err(unsent(&next));
        }
        let commit = read(objects, &next).await?;
        let mut parents = commit.parents.iter();
        let Some(first) = parents.next().cloned() else {
            let what = "the result does not go back to the commit that it was to start from";
            return Err(Finding::whole(Rule::ForeignHistory, what).into());
        };
        let mut merged = Vec::new();
        for parent in parents {
            if *parent != first && anchored(mirror, anchors, parent).await? {
                let known = read(objects, parent).await?;
                merged.push(known.as_parent(parent.clone()));
            }
        }
        commits.push(AgentCommit {
            oid: next,
            tree: commit.tree,
            merged,
            written: commit.written,
            message: commit.message,
        });
        next = first;
    }
}

/// A merge of what is already in brings nothing, and is folded: as a parent it would make files look
/// given that are in truth brought back from an old version.
async fn drop_old_merges(
    mirror: &Mirror,
    root: &Parent,
    commits: &mut [AgentCommit],
) -> Result<(), GateError> {
    let mut within = vec![root.oid.clone()];
    for commit in commits {
        let mut newer = Vec::new();
        for parent in std::mem::take(&mut commit.merged) {
            if !anchored(mirror, &within, &parent.oid).await? {
                within.push(parent.oid.clone());
                newer.push(parent);
            }
        }
        commit.merged = newer;
    }
    Ok(())
}

/// Whether a commit is among those that the agent was given. A commit that is only somewhere in the
/// mirror, on a branch of another task, is not.
async fn anchored(mirror: &Mirror, anchors: &[Oid], commit: &Oid) -> Result<bool, GateError> {
    for anchor in anchors {
        if anchor == commit || mirror.is_ancestor(commit, anchor).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[derive(Debug)]
struct Commit {
    tree: Oid,
    parents: Vec<Oid>,
    written: Option<i64>,
    committed: i64,
    message: Vec<u8>,
}

impl Commit {
    fn as_parent(&self, oid: Oid) -> Parent {
        Parent {
            oid,
            tree: self.tree.clone(),
            committed: self.committed,
        }
    }
}

async fn read(objects: &mut ObjectReader, oid: &Oid) -> Result<Commit, GateError> {
    let found = objects.read(oid, MAX_COMMIT_BYTES).await;
    match found.map_err(MirrorError::from)? {
        Found::Object(ObjectKind::Commit, data) => parse(&data).ok_or_else(|| {
            Finding::whole(
                Rule::MalformedPack,
                format!("the commit {oid} is no commit"),
            )
            .into()
        }),
        Found::TooLarge => {
            let what = format!("the commit {oid} is too large");
            Err(Finding::whole(Rule::TooLarge, what).into())
        }
        Found::Missing
        | Found::Object(ObjectKind::Tree | ObjectKind::Blob | ObjectKind::Tag, _) => {
            Err(unsent(oid))
        }
    }
}

/// Also a commit that lies in the mirror, on a branch of another task: its message is private too.
fn unsent(oid: &Oid) -> GateError {
    let what = format!("names the commit {oid}, which the agent neither sent nor was sent");
    Finding::whole(Rule::ClosureViolation, what).into()
}

fn parse(data: &[u8]) -> Option<Commit> {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (headers, rest) = data.split_at(end.unwrap_or(data.len()));
    let rest = rest.get(2..).unwrap_or_default();
    let mut tree = None;
    let mut parents = Vec::new();
    let (mut written, mut committed) = (None, None);
    for line in headers.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&line[..line.len().min(4096)]);
        match line.split_once(' ') {
            Some(("tree", oid)) if tree.is_none() => tree = oid.parse().ok(),
            Some(("parent", oid)) => parents.push(oid.parse().ok()?),
            Some(("author", who)) if written.is_none() => written = seconds(who),
            Some(("committer", who)) if committed.is_none() => committed = seconds(who),
            Some(_) | None => {}
        }
        if parents.len() > MAX_PARENTS {
            return None;
        }
    }
    Some(Commit {
        tree: tree?,
        parents,
        written,
        committed: committed.unwrap_or(0),
        message: rest[..rest.len().min(message::READ_BYTES)].to_vec(),
    })
}

/// `A U Thor <a@u> 1700000000 +0100`: the seconds.
fn seconds(who: &str) -> Option<i64> {
    who.rsplit(' ').nth(1)?.parse().ok()
}
