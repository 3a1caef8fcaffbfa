//! Looks that are taken again: one answer of a tracker is not always the truth.
//!
//! - A delivery names a comment or review that the lists do not show yet. They are asked again a
//!   little later, twice; after that a poll finds it.
//! - An issue is gone. It counts as gone when a second look, a minute later, says so too.
//!
//! Never stored: after a restart the polls find the one, and the other is confirmed anew.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cloud_code_domain::id::{ProjectName, TaskId};
use cloud_code_domain::issue::Remark;
use cloud_code_domain::time::Timestamp;

/// The pauses before the lists are asked again.
const PAUSES: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];
/// Between the two looks that find an issue gone.
pub(super) const CONFIRMED_AFTER: Duration = Duration::from_secs(60);
/// Issues that are waited for at once, and remarks of each.
const MOST: usize = 500;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Again {
    awaited: BTreeMap<(ProjectName, u64), Awaited>,
    missing: BTreeMap<TaskId, Timestamp>,
}

#[derive(Debug, Default)]
struct Awaited {
    remarks: BTreeSet<String>,
    looks: usize,
}

impl Again {
    /// A delivery named this remark of an issue or pull request.
    pub(super) fn expect(&mut self, about: (ProjectName, u64), remark: String) {
        if self.awaited.len() >= MOST && !self.awaited.contains_key(&about) {
            return;
        }
        let awaited = self.awaited.entry(about).or_default();
        awaited.looks = 0;
        if awaited.remarks.len() < MOST {
            awaited.remarks.insert(remark);
        }
    }

    /// The lists showed these: after which pause they are to be asked again, if they are.
    pub(super) fn shown(
        &mut self,
        about: &(ProjectName, u64),
        remarks: &[Remark],
    ) -> Option<Duration> {
        let awaited = self.awaited.get_mut(about)?;
        for remark in remarks {
            awaited.remarks.remove(&remark.source);
        }
        let pause = PAUSES.get(awaited.looks).copied();
        let pause = pause.filter(|_| !awaited.remarks.is_empty());
        awaited.looks = awaited.looks.saturating_add(1);
        if pause.is_none() {
            self.awaited.remove(about);
        }
        pause
    }

    /// Whether it is certain that a task's issue is gone, which a look did not find just now.
    pub(super) fn is_gone(&mut self, task: &TaskId, now: Timestamp) -> bool {
        let first = *self.missing.entry(task.clone()).or_insert(now);
        let certain = now.since(first) >= CONFIRMED_AFTER;
        if certain {
            self.missing.remove(task);
        }
        certain
    }

    /// A look found the issue, or nobody asks any more.
    pub(super) fn is_there(&mut self, task: &TaskId) {
        self.missing.remove(task);
    }
}

#[cfg(test)]
mod tests {
    use cloud_code_domain::issue::{Actor, Permission, RemarkKind};

    use super::*;

    fn about() -> (ProjectName, u64) {
        ("acme/app".parse().unwrap(), 7)
    }

    fn remark(source: &str) -> Remark {
        Remark {
            source: source.to_owned(),
            author: Actor {
                login: "ada".to_owned(),
                id: 1,
                permission: Permission::Write,
                bot: false,
            },
            text: String::new(),
            at: Timestamp(1),
            kind: RemarkKind::Comment,
        }
    }

    #[test]
    fn a_remark_that_the_lists_do_not_show_is_looked_for_twice_more() {
        let mut again = Again::default();
        assert_eq!(again.shown(&about(), &[]), None);
        again.expect(about(), "comment/1".into());
        assert_eq!(
            again.shown(&about(), &[remark("comment/2")]),
            Some(PAUSES[0])
        );
        assert_eq!(again.shown(&about(), &[]), Some(PAUSES[1]));
        assert_eq!(again.shown(&about(), &[]), None);
        assert_eq!(again.shown(&about(), &[]), None);
    }

    #[test]
    fn a_remark_that_is_shown_is_waited_for_no_more() {
        let mut again = Again::default();
        again.expect(about(), "comment/1".into());
        again.expect(about(), "review/2".into());
        assert_eq!(
            again.shown(&about(), &[remark("review/2")]),
            Some(PAUSES[0])
        );
        assert_eq!(again.shown(&about(), &[remark("comment/1")]), None);
    }

    #[test]
    fn deliveries_without_end_take_no_memory_without_end() {
        let mut again = Again::default();
        for number in 0..2_000 {
            again.expect(("acme/app".parse().unwrap(), number), "comment/1".into());
            again.expect(about(), format!("comment/{number}"));
        }
        assert_eq!(again.awaited.len(), MOST);
        assert_eq!(again.awaited[&about()].remarks.len(), MOST);
    }

    #[test]
    fn an_issue_is_gone_when_a_later_look_says_so_too() {
        let mut again = Again::default();
        let task = "k3f9x2ab".parse().unwrap();
        assert!(!again.is_gone(&task, Timestamp(0)));
        assert!(!again.is_gone(&task, Timestamp(59_999)));
        again.is_there(&task);
        assert!(!again.is_gone(&task, Timestamp(60_000)));
        assert!(again.is_gone(&task, Timestamp(120_000)));
    }
}
