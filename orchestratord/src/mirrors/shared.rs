//! One fetch for all who wait for one.
//!
//! ```text
//!  asked   1  2 3 4            whoever asked before a fetch began is answered by it
//!  fetch  ├─1──┤├─2,3,4─┤
//! ```
//!
//! A fetch is told apart by what had been asked when it began: its answer is as new as that of a
//! fetch of one's own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use cloud_code_domain::id::Oid;

use super::branch::BranchName;
use crate::ports::Trouble;

/// Where branches are at a remote, or why it cannot be said.
pub(super) type Heads = Result<BTreeMap<BranchName, Option<Oid>>, Trouble>;

/// Numbers those who ask.
#[derive(Debug, Default)]
pub(super) struct Asked(AtomicU64);

impl Asked {
    /// One more asks; its number.
    pub(super) fn one_more(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }

    /// How many have asked so far.
    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// The fetch that ended last.
#[derive(Debug)]
pub(super) struct Last {
    /// How many had asked when it began.
    pub(super) asked: u64,
    /// What was fetched from.
    pub(super) url: String,
    /// Which branches.
    pub(super) branches: Vec<BranchName>,
    /// What came of it.
    pub(super) heads: Heads,
}

impl Last {
    /// Its answer for the one with this number, if it is one for it.
    pub(super) fn answers(
        &self,
        number: u64,
        url: &str,
        branches: &[&BranchName],
    ) -> Option<Heads> {
        let covers = branches.iter().all(|branch| self.branches.contains(branch));
        if self.asked < number || self.url != url || !covers {
            return None;
        }
        Some(self.heads.clone().map(|mut heads| {
            heads.retain(|branch, _| branches.contains(&branch));
            heads
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::branch;
    use super::*;

    fn last(asked: u64, branches: &[&str]) -> Last {
        let branches: Vec<_> = branches.iter().map(|name| branch(name)).collect();
        let heads = branches.iter().map(|branch| (branch.clone(), None));
        Last {
            asked,
            url: "/srv/app.git".to_owned(),
            heads: Ok(heads.collect()),
            branches,
        }
    }

    #[test]
    fn a_fetch_answers_who_asked_before_it_began_and_nobody_else() {
        let asked = Asked::default();
        let (first, second) = (asked.one_more(), asked.one_more());
        let began = last(asked.so_far(), &["main"]);
        let third = asked.one_more();
        let main = branch("main");
        for (number, answered) in [(first, true), (second, true), (third, false)] {
            let answer = began.answers(number, "/srv/app.git", &[&main]);
            assert_eq!(answer.is_some(), answered, "{number}");
        }
    }

    #[test]
    fn an_answer_is_for_one_remote_and_for_the_branches_that_were_asked_for() {
        let began = last(9, &["main", "topic"]);
        let (main, other) = (branch("main"), branch("other"));
        let found = began.answers(1, "/srv/app.git", &[&main]).unwrap().unwrap();
        let branches: Vec<_> = found.keys().collect();
        assert_eq!(branches, [&main]);
        assert!(began.answers(1, "/srv/app.git", &[&main, &other]).is_none());
        assert!(began.answers(1, "/srv/other.git", &[&main]).is_none());
    }

    #[test]
    fn a_remote_that_does_not_answer_is_waited_for_once_by_all() {
        let mut began = last(2, &["main"]);
        let what = "no answer".to_owned();
        began.heads = Err(Trouble::Later { what, until: None });
        let answer = began.answers(2, "/srv/app.git", &[&branch("main")]);
        assert!(matches!(answer, Some(Err(Trouble::Later { .. }))));
    }
}
