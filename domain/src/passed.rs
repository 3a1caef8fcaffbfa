//! Changes of protected paths that a person let pass, so that nobody is asked for the same twice.
//!
//! A change is what a path was and what it became, both with mode and object. So what was passed holds
//! where the branch takes in the default branch, or gets another commit; and it is asked again where
//! the path becomes something else, or where what it is taken from has moved on meanwhile.

use serde::{Deserialize, Serialize};

/// Changes that are remembered of a task; an older one is asked for again.
const MOST: usize = 500;

/// A change of a protected path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProtectedChange {
    /// The path, as it is in the tree.
    pub path: String,
    /// Mode and object before; none: it was not there.
    pub was: Option<String>,
    /// Mode and object after; none: it is gone.
    pub now: Option<String>,
}

/// Those that a person let pass.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PassedChanges(Vec<ProtectedChange>);

impl PassedChanges {
    /// Whether this change was let pass.
    #[must_use]
    pub fn has(&self, change: &ProtectedChange) -> bool {
        self.0.contains(change)
    }

    /// Adds one. Two that follow each other are one as well: a merge shows them so.
    pub fn add(&mut self, change: ProtectedChange) {
        let follows = |one: &&ProtectedChange| one.path == change.path && one.now == change.was;
        let whole = |one: &ProtectedChange| ProtectedChange {
            path: change.path.clone(),
            was: one.was.clone(),
            now: change.now.clone(),
        };
        let mut more: Vec<ProtectedChange> = self.0.iter().filter(follows).map(whole).collect();
        more.retain(|one| one.was != one.now);
        more.push(change);
        for one in more {
            if !self.has(&one) {
                self.0.push(one);
            }
        }
        let spare = self.0.len().saturating_sub(MOST);
        self.0.drain(..spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &str, was: &str, now: &str) -> ProtectedChange {
        let state = |word: &str| (!word.is_empty()).then(|| word.to_owned());
        ProtectedChange {
            path: path.to_owned(),
            was: state(was),
            now: state(now),
        }
    }

    #[test]
    fn the_same_change_is_known_and_every_other_one_is_not() {
        let mut passed = PassedChanges::default();
        passed.add(change("ci", "a", "b"));
        assert!(passed.has(&change("ci", "a", "b")));
        for other in [
            change("ci", "a", "c"),
            change("ci", "b", "a"),
            change("ci", "z", "b"),
            change("ci", "", "b"),
            change("ci", "a", ""),
            change("cd", "a", "b"),
        ] {
            assert!(!passed.has(&other), "{other:?}");
        }
    }

    #[test]
    fn changes_that_follow_each_other_are_one_as_well() {
        let mut passed = PassedChanges::default();
        for (was, now) in [("", "a"), ("a", "b"), ("b", "c"), ("c", "")] {
            passed.add(change("ci", was, now));
        }
        assert!(passed.has(&change("ci", "", "c")));
        assert!(passed.has(&change("ci", "a", "c")));
        assert!(!passed.has(&change("ci", "c", "a")));
        assert!(!passed.has(&change("ci", "", "")));
    }

    #[test]
    fn changes_without_end_take_no_room_without_end() {
        let mut passed = PassedChanges::default();
        for number in 0..2_000 {
            passed.add(change(&format!("ci{number}"), "a", "b"));
        }
        assert_eq!(passed.0.len(), MOST);
        assert!(passed.has(&change("ci1999", "a", "b")));
    }
}
