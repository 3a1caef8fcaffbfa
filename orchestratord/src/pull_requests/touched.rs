//! Protected paths that a result touches, as the walk over its commits comes upon them.
//!
//! Every commit is pushed, not only the last tree: a path that one commit changes and a later one takes
//! back is refused as well. The finding names the commit then, since squashing is the remedy.

use std::collections::BTreeMap;

use cloud_code_domain::id::Oid;
use cloud_code_domain::passed::{PassedChanges, ProtectedChange};

use super::finding::{Finding, Findings, Rule};
use super::tree::{Entry, Mode};

/// Changes that are told apart; a result with more is refused, whatever was passed before.
const MOST: usize = 10_000;

/// Mode and object of a path; none where there is nothing.
type State = Option<String>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// The commit that is looked at.
    pub(crate) commit: Option<Oid>,
    changes: BTreeMap<(Vec<u8>, State, State), Touch>,
    /// What each path was before the first commit that changes it, and is after the last.
    ends: BTreeMap<Vec<u8>, (State, State)>,
    more: bool,
}

#[derive(Debug)]
struct Touch {
    commit: Option<Oid>,
    what: String,
}

/// What an entry is, for comparing.
pub(crate) fn state(entry: Option<&Entry>) -> State {
    let entry = entry?;
    let mode = match entry.mode {
        Mode::File => "file",
        Mode::Executable => "executable",
        Mode::Link => "link",
        Mode::Directory => "directory",
        Mode::Submodule => "submodule",
        Mode::Other => "other",
    };
    Some(format!("{mode} {}", entry.oid))
}

impl Touched {
    /// Notes a change. `merged`: against what a merge took in, which is no step of the result.
    pub(crate) fn note(
        &mut self,
        path: &[u8],
        (was, now): (State, State),
        what: String,
        merged: bool,
    ) {
        if self.changes.len() >= MOST {
            self.more = true;
            return;
        }
        if !merged {
            let ends = self.ends.entry(path.to_vec());
            let ends = ends.or_insert_with(|| (was.clone(), None));
            ends.1.clone_from(&now);
        }
        let commit = self.commit.clone();
        let touch = Touch { commit, what };
        self.changes
            .entry((path.to_vec(), was, now))
            .or_insert(touch);
    }

    /// What is found, of what was not let pass before: one finding for each path.
    pub(crate) fn judge(&self, passed: &PassedChanges, findings: &mut Findings) {
        let mut last: Option<&[u8]> = None;
        for ((path, was, now), touch) in &self.changes {
            let known = change(path, was, now).is_some_and(|change| passed.has(&change));
            if known || last == Some(path.as_slice()) {
                continue;
            }
            last = Some(path);
            findings.push(Finding::at(
                Rule::ProtectedPath,
                path,
                self.words(path, touch),
            ));
        }
        if self.more {
            let what = format!("more than {MOST} changes of protected paths");
            findings.push(Finding::whole(Rule::ProtectedPath, what));
        }
    }

    fn words(&self, path: &[u8], touch: &Touch) -> String {
        let back = self.ends.get(path).filter(|(first, last)| first == last);
        match (back, &touch.commit) {
            (Some(_), Some(commit)) => {
                let short: String = commit.as_str().chars().take(12).collect();
                format!(
                    "commit {short} {}, and a later commit takes it back. Every commit is pushed: \
                     squash them, so that none of them touches it",
                    touch.what
                )
            }
            (Some(_) | None, _) => touch.what.clone(),
        }
    }

    /// All changes, for being remembered.
    pub(crate) fn into_changes(self) -> Vec<ProtectedChange> {
        let keys = self.changes.into_keys();
        keys.filter_map(|(path, was, now)| change(&path, &was, &now))
            .collect()
    }
}

/// A path that is no text is never remembered.
fn change(path: &[u8], was: &State, now: &State) -> Option<ProtectedChange> {
    Some(ProtectedChange {
        path: std::str::from_utf8(path).ok()?.to_owned(),
        was: was.clone(),
        now: now.clone(),
    })
}
