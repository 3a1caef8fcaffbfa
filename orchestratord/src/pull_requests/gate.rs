//! The gate: what an agent sent becomes commits of ours in the mirror, or findings.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloud_code_domain::id::{Oid, TaskId};
use cloud_code_domain::passed::{PassedChanges, ProtectedChange};
use cloud_code_domain::time::Timestamp;
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use crate::config::{GateLimits, GitConfig};
use crate::failpoint::failpoint;
use crate::mirrors::branch::BranchName;
use crate::mirrors::git::Call;
use crate::mirrors::objects::ObjectReader;
use crate::mirrors::remote::later;
use crate::mirrors::{DiffStat, LONG, Mirror, MirrorError};
use crate::ports::Trouble;

use super::finding::{Finding, Rule};
use super::history::{self, History};
use super::protected::Protected;
use super::quarantine::{Quarantine, Received};
use super::rebuild::{self, Stamp};
use super::secrets::Secrets;
use super::walk::Walk;

const WALK_DEADLINE: Duration = Duration::from_secs(180);
/// From this size on, a pack without an object that was not judged moves to the mirror as it is. What
/// is smaller is packed anew: that costs nothing, and leaves the agent's own commits outside.
const MOVED_WHOLE: u64 = 4 << 20;
/// Deltas of deltas that git itself makes at most. The thousandth in a chain costs a thousand reads,
/// each time.
const DEEPEST: u32 = 50;

/// What a result is checked against.
#[derive(Debug)]
pub struct GateInput<'a> {
    /// The project's mirror, freshly fetched: default branch, and the task's branch where it is
    /// pushed.
    pub mirror: &'a Mirror,
    /// The project's limits.
    pub limits: &'a GateLimits,
    /// The project's own protected paths.
    pub protected_paths: &'a [String],
    /// Secrets of this host that may not leave it.
    pub known_secrets: &'a [SecretString],
    /// The commit that the execution started from.
    pub base: &'a Oid,
    /// The head of the task's branch as we pushed or fetched it last, where there is one.
    pub published: Option<&'a Oid>,
    /// The branch that the pull request goes to.
    pub default_branch: &'a BranchName,
    /// The commit that the agent says is its result.
    pub head: &'a Oid,
    /// Whether an operator let this result pass: then passable findings are none.
    pub passed: bool,
    /// Changes of protected paths that an operator let pass before.
    pub passed_before: &'a PassedChanges,
    /// Whose name the commits bear.
    pub identity: &'a GitConfig,
    /// The task, for the trailer.
    pub task: &'a TaskId,
    /// The task's title: the message of a commit that has none.
    pub title: &'a str,
    /// When the execution ended, as it was recorded: the same for a repeat of this check. No commit
    /// is dated later.
    pub ended_at: Timestamp,
}

/// A result that may be pushed; it is in the mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The rebuilt head.
    pub head: Oid,
    /// How many commits were rebuilt.
    pub commits: u32,
    /// Files changed against where it left the default branch.
    pub files: u64,
    /// Lines added.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
    /// Protected paths that it changes.
    pub protected: Vec<ProtectedChange>,
}

/// Why a result is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// It breaks rules. Nothing of it is in the mirror.
    #[error("the result was refused: {}", sentences(.findings))]
    Rejected {
        /// Which.
        findings: Vec<Finding>,
        /// Whether an operator may let it pass: every finding is a matter of judgement.
        passable: bool,
    },
    /// It could not be checked now; repeating it does no harm.
    #[error("the result could not be checked")]
    Trouble(#[from] Trouble),
}

fn sentences(findings: &[Finding]) -> String {
    let all: Vec<String> = findings.iter().map(Finding::to_string).collect();
    all.join("; ")
}

impl From<Finding> for GateError {
    fn from(finding: Finding) -> Self {
        Self::Rejected {
            passable: finding.rule.passable(),
            findings: vec![finding],
        }
    }
}

impl From<MirrorError> for GateError {
    fn from(error: MirrorError) -> Self {
        Self::Trouble(error.into())
    }
}

/// The gate of this host.
#[derive(Debug)]
pub struct Gate {
    root: PathBuf,
    /// From how many bytes on a pack is moved.
    whole_from: u64,
}

impl Gate {
    /// A gate with its quarantines under a state directory.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self {
            root: state_dir.join("quarantine"),
            whole_from: MOVED_WHOLE,
        }
    }

    /// Removes the quarantines of a process that was killed. Called at start, before any check.
    ///
    /// # Errors
    /// Where the directory cannot be removed.
    pub fn clean_leftovers(&self) -> std::io::Result<()> {
        match std::fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Checks a result. `pack` is the file of what the agent sent; an empty one is a pack without
    /// objects.
    /// The same input gives the same head, whatever happened to an earlier check of it.
    ///
    /// # Errors
    /// The findings, or why it could not be checked now.
    pub async fn check(&self, input: &GateInput<'_>, pack: File) -> Result<Accepted, GateError> {
        let anchors = anchors(input).await?;
        let quarantine = Quarantine::make(&self.root, input.mirror).await?;
        failpoint!("git::quarantine_made");
        let secrets = Secrets::new(input.known_secrets)
            .map_err(|error| later(format!("the secret scanner cannot be made: {error}")))?;
        let secrets = Arc::new(secrets);
        let received = quarantine.receive(pack, input.limits, &secrets).await?;
        failpoint!("git::index_pack");
        let protected = Protected::new(input.protected_paths);
        let repository = quarantine.repository();
        let mut objects = ObjectReader::open(quarantine.git(), &repository, WALK_DEADLINE)
            .map_err(MirrorError::from)?;
        let history =
            history::follow(input.mirror, &mut objects, &received, &anchors, input.head).await?;
        if history.commits.is_empty() {
            return nothing_new(input, &history).await;
        }
        let mut walk = Walk::new(objects, &received, input.limits, &protected, &secrets);
        let stamp = stamp(input);
        walk_all(&mut walk, &history, &stamp).await?;
        closed(input.mirror, &anchors, &mut walk).await?;
        failpoint!("git::walk");
        let rebuilt = rebuild::rebuild(&quarantine, &history, &stamp).await?;
        let head = rebuilt.last().unwrap_or(input.head).clone();
        failpoint!("git::commit_made");
        if let Some(published) = input.published
            && !keeps(&quarantine, published, &head).await?
        {
            let what = format!("commits up to {published}, pushed before, are gone from it");
            walk.findings
                .push(Finding::whole(Rule::RewrittenHistory, what));
        }
        walk.touched.judge(input.passed_before, &mut walk.findings);
        let refused = walk.findings.blocked() || !(input.passed || walk.findings.is_empty());
        if refused {
            let passable = !walk.findings.blocked();
            let findings = walk.findings.into_list();
            return Err(GateError::Rejected { findings, passable });
        }
        if self.may_move(&received) && all_judged(&received, &walk, &history) {
            quarantine.promote_whole(input.mirror, &rebuilt).await?;
        } else {
            quarantine.promote(input.mirror, &head, &anchors).await?;
        }
        failpoint!("git::promote");
        let accepted = accepted(input, &history, head).await?;
        Ok(Accepted {
            protected: walk.touched.into_changes(),
            ..accepted
        })
    }

    /// Whether a pack is worth moving, and no burden to whoever reads from it afterwards.
    fn may_move(&self, received: &Received) -> bool {
        let shallow = received.deepest.is_some_and(|depth| depth <= DEEPEST);
        received.bytes >= self.whole_from && shallow
    }
}

/// A head that the agent was given is no result, unless it is the one that we pushed: then an
/// earlier check of it is being repeated.
async fn nothing_new(input: &GateInput<'_>, history: &History) -> Result<Accepted, GateError> {
    if input.published == Some(&history.root.oid) {
        return accepted(input, history, history.root.oid.clone()).await;
    }
    let what = "the result has no commit of its own";
    Err(Finding::whole(Rule::NoChange, what).into())
}

/// Whether nothing was sent but what the walk looked at, and the commits that were rebuilt.
fn all_judged(received: &Received, walk: &Walk<'_>, history: &History) -> bool {
    let commits: HashSet<&Oid> = history.commits.iter().map(|commit| &commit.oid).collect();
    received
        .objects()
        .all(|oid| walk.judged(oid) || commits.contains(oid))
}

fn stamp<'a>(input: &GateInput<'a>) -> Stamp<'a> {
    Stamp {
        identity: input.identity,
        task: input.task,
        title: input.title,
        ended_at: input.ended_at,
    }
}

/// The commits whose history the agent was given, or may have been: where it started, what we
/// pushed, and the default branch as it is now.
async fn anchors(input: &GateInput<'_>) -> Result<Vec<Oid>, GateError> {
    let mut anchors = vec![input.base.clone()];
    anchors.extend(input.published.cloned());
    anchors.extend(input.mirror.head(input.default_branch).await?);
    anchors.sort();
    anchors.dedup();
    for anchor in [Some(input.base), input.published].into_iter().flatten() {
        if !input.mirror.contains(anchor).await? {
            return Err(MirrorError::Lacks(anchor.clone()).into());
        }
    }
    Ok(anchors)
}

async fn walk_all(
    walk: &mut Walk<'_>,
    history: &History,
    stamp: &Stamp<'_>,
) -> Result<(), GateError> {
    walk.measure(&history.root.tree)
        .await
        .or_else(too_big_is_theirs)?;
    let mut before = history.root.tree.clone();
    for commit in &history.commits {
        walk.measure(&commit.tree).await?;
        walk.touched.commit = Some(commit.oid.clone());
        let mut parents = vec![before];
        parents.extend(commit.merged.iter().map(|parent| parent.tree.clone()));
        walk.compare(&commit.tree, &parents).await?;
        for parent in &commit.merged {
            walk.guard(&commit.tree, &parent.tree).await?;
        }
        if let Some(hit) = walk.secrets.find(stamp.message(commit).as_bytes()) {
            walk.found_secret(hit, b"", "the message of a commit");
        }
        before = commit.tree.clone();
    }
    Ok(())
}

/// A base beyond the limits is not the agent's fault, and its own tree is measured next.
fn too_big_is_theirs(error: GateError) -> Result<(), GateError> {
    match error {
        GateError::Rejected { .. } => Ok(()),
        trouble @ GateError::Trouble(_) => Err(trouble),
    }
}

/// Every object that the result needs was sent by the agent or given to it. An object that is only
/// somewhere in the mirror, on a branch that the agent never saw, is neither: naming its id would
/// publish it.
async fn closed(mirror: &Mirror, anchors: &[Oid], walk: &mut Walk<'_>) -> Result<(), GateError> {
    let mut outside = std::mem::take(&mut walk.outside);
    // First the trees of the anchors themselves, which nearly always suffice; then all history.
    for form in [&["--no-walk=unsorted"][..], &[]] {
        if !outside.is_empty() {
            strike_out(mirror, anchors, form, &mut outside).await?;
        }
    }
    if outside.is_empty() {
        return Ok(());
    }
    let mut paths: Vec<_> = outside.into_iter().collect();
    paths.sort();
    let findings = paths
        .into_iter()
        .take(20)
        .map(|(oid, path)| {
            let what = format!("names the object {oid}, which the agent neither sent nor was sent");
            Finding::at(Rule::ClosureViolation, path.as_bytes(), what)
        })
        .collect();
    Err(GateError::Rejected {
        findings,
        passable: false,
    })
}

/// Takes out of `outside` what the anchors reach.
async fn strike_out(
    mirror: &Mirror,
    anchors: &[Oid],
    form: &[&str],
    outside: &mut HashMap<Oid, String>,
) -> Result<(), MirrorError> {
    let mut args = vec!["rev-list", "--objects", "--no-object-names"];
    args.extend(form);
    args.push("--stdin");
    let call = Call::new(mirror.path(), args).deadline(LONG);
    let mut running = mirror.git().start(&call)?;
    let (stdin, stdout) = (running.take_stdin(), running.take_stdout());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
        return Ok(());
    };
    let mut revisions = String::new();
    for anchor in anchors {
        revisions.push_str(anchor.as_str());
        revisions.push('\n');
    }
    let work = async {
        stdin.write_all(revisions.as_bytes()).await?;
        drop(stdin);
        let mut lines = BufReader::with_capacity(64 << 10, stdout).lines();
        while let Some(line) = lines.next_line().await? {
            if let Ok(oid) = line.parse::<Oid>() {
                outside.remove(&oid);
            }
        }
        Ok(())
    };
    running.within(work).await?;
    running.finish().await?;
    Ok(())
}

/// Whether `head` still has `published` in its history.
async fn keeps(quarantine: &Quarantine, published: &Oid, head: &Oid) -> Result<bool, MirrorError> {
    let repository = quarantine.repository();
    let args = [
        "merge-base",
        "--is-ancestor",
        published.as_str(),
        head.as_str(),
    ];
    let output = quarantine.git().run(Call::new(&repository, args)).await?;
    Ok(output.code == 0)
}

async fn accepted(
    input: &GateInput<'_>,
    history: &History,
    head: Oid,
) -> Result<Accepted, GateError> {
    let default = input.mirror.head(input.default_branch).await?;
    let against = default.as_ref().unwrap_or(input.base);
    // A count that takes too long is no reason to refuse what passed.
    let stat = input.mirror.diff_stat(against, &head).await;
    let stat = stat.unwrap_or_else(|error| {
        tracing::warn!(%head, %error, "the changed lines could not be counted");
        DiffStat::default()
    });
    Ok(Accepted {
        head,
        commits: u32::try_from(history.commits.len()).unwrap_or(u32::MAX),
        files: stat.files,
        added: stat.added,
        removed: stat.removed,
        protected: Vec::new(),
    })
}
