//! What an issue waits for: the issues that its text names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::markdown::prose_lines;
use crate::report::bounds;
use crate::task::TaskState;

/// The issues that the text says it depends on: lines that start with `Depends on` or `Blocked by`
/// and name issues of the same tracker (`Depends on #12, #13 and #14`). Sorted, without
/// repetition, the first [`bounds::LIST`] of the text.
#[must_use]
pub fn from_body(body: &str) -> Vec<u64> {
    let mut found = BTreeSet::new();
    let lines = prose_lines(body);
    for number in lines.iter().flat_map(|line| numbers(line)) {
        if found.len() == bounds::LIST {
            break;
        }
        found.insert(number);
    }
    found.into_iter().collect()
}

fn numbers(line: &str) -> Vec<u64> {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "-*+>_".contains(c));
    let line = line.to_lowercase();
    let Some(mut rest) = ["depends on", "blocked by"]
        .iter()
        .find_map(|phrase| line.strip_prefix(phrase))
    else {
        return Vec::new();
    };
    let mut numbers = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || ":*_,;&".contains(c));
        rest = rest.strip_prefix("and ").map_or(rest, str::trim_start);
        let Some(after) = rest.strip_prefix('#') else {
            return numbers;
        };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        match after[..digits].parse() {
            Ok(number) if number > 0 => numbers.push(number),
            // No number, zero, or one that no tracker gives out: not an issue.
            Ok(_) | Err(_) => return numbers,
        }
        rest = &after[digits..];
    }
}

/// How an issue that somebody depends on stands at its tracker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Open: it is waited for, whoever works on it.
    Open,
    /// Closed: that is done, however it came to it.
    Closed,
    /// There is no such issue.
    Missing,
}

/// What one dependency comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Done,
    /// A task of ours works on it, or is going to.
    Task,
    /// It is open, and no task of ours.
    Open,
    /// How it stands is not known yet.
    Unknown,
    /// There is no such issue: that is said, and not waited for.
    Missing,
}

impl Verdict {
    /// Whether it holds back who depends on it.
    #[must_use]
    pub fn waits(self) -> bool {
        match self {
            Self::Task | Self::Open | Self::Unknown => true,
            Self::Done | Self::Missing => false,
        }
    }
}

impl fmt::Display for Verdict {
    /// A word for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Task => "a task",
            Self::Open => "open",
            Self::Unknown => "being looked up",
            Self::Missing => "no such issue",
        })
    }
}

/// Decides what one dependency comes to. `tasks` are the states of our tasks of that issue: one that
/// lives is waited for, a completed one is done. A task that somebody ended says nothing of its
/// issue: then, and without a task, the tracker counts.
#[must_use]
pub fn verdict<'a>(
    tasks: impl Iterator<Item = &'a TaskState>,
    at_tracker: Option<Standing>,
) -> Verdict {
    let mut completed = false;
    for state in tasks {
        if !state.is_finished() {
            return Verdict::Task;
        }
        completed |= *state == TaskState::Completed;
    }
    match at_tracker {
        _ if completed => Verdict::Done,
        Some(Standing::Closed) => Verdict::Done,
        Some(Standing::Open) => Verdict::Open,
        Some(Standing::Missing) => Verdict::Missing,
        None => Verdict::Unknown,
    }
}

/// The issues that wait for each other: each with all that are in its circle, itself included. Linear
/// in issues and dependencies.
#[must_use]
pub fn circles(depends_on: &BTreeMap<u64, Vec<u64>>) -> BTreeMap<u64, Vec<u64>> {
    let mut waits_for_it: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for (issue, others) in depends_on {
        for other in others.iter().filter(|other| *other != issue) {
            waits_for_it.entry(*other).or_default().push(*issue);
        }
    }
    // Who is done last on the way forth is first on the way back, and reaches only its own circle.
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    for issue in depends_on.keys() {
        walk(*issue, depends_on, &mut seen, &mut order);
    }
    let mut seen = BTreeSet::new();
    let mut found = BTreeMap::new();
    for issue in order.into_iter().rev() {
        let mut circle = Vec::new();
        walk(issue, &waits_for_it, &mut seen, &mut circle);
        circle.sort_unstable();
        if circle.len() > 1 {
            found.extend(circle.iter().map(|member| (*member, circle.clone())));
        }
    }
    found
}

/// Everything that `from` reaches and that was not seen, in the order in which it is done with. A
/// stack of our own: chains are as long as somebody makes them.
fn walk(from: u64, edges: &BTreeMap<u64, Vec<u64>>, seen: &mut BTreeSet<u64>, done: &mut Vec<u64>) {
    let next = |issue: u64| edges.get(&issue).map_or(&[][..], Vec::as_slice).iter();
    if !seen.insert(from) {
        return;
    }
    let mut stack = vec![(from, next(from))];
    while let Some((issue, rest)) = stack.last_mut() {
        match rest.next() {
            Some(other) if seen.insert(*other) => stack.push((*other, next(*other))),
            Some(_) => {}
            None => {
                done.push(*issue);
                stack.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_waits_for_those_that_its_text_names() {
        let body = "Depends on #12, #3 and #7.\n- **Blocked by:** #40\nDEPENDS ON: #3\n\
                    > depends on #5";
        assert_eq!(from_body(body), [3, 5, 7, 12, 40]);
    }

    #[test]
    fn only_statements_count() {
        for body in [
            "This no longer depends on #4",
            "Depends on the weather, see #4",
            "Depends on acme/app#4",
            "Depends on #",
            "Depends on #0",
            "Depends on #99999999999999999999999",
            "```\nDepends on #4\n```",
            "<!-- Depends on #4 -->",
        ] {
            assert_eq!(from_body(body), [0_u64; 0], "{body:?}");
        }
    }

    #[test]
    fn dependencies_are_bounded() {
        let body: String = (1..5_000).map(|n| format!("Depends on #{n}\n")).collect();
        assert_eq!(from_body(&body).len(), bounds::LIST);
    }

    #[test]
    fn what_a_dependency_comes_to() {
        use crate::task::CancelledBy;
        let live = TaskState::Pending;
        let completed = TaskState::Completed;
        let cancelled = TaskState::Cancelled(CancelledBy::Operator);
        let pending = Verdict::Task;
        let all = [
            None,
            Some(Standing::Open),
            Some(Standing::Closed),
            Some(Standing::Missing),
        ];
        let at_tracker = [
            Verdict::Unknown,
            Verdict::Open,
            Verdict::Done,
            Verdict::Missing,
        ];
        for (standing, alone) in all.into_iter().zip(at_tracker) {
            let rows: [(&[&TaskState], Verdict); 5] = [
                (&[], alone),
                (&[&cancelled], alone),
                (&[&completed], Verdict::Done),
                (&[&cancelled, &live], pending),
                (&[&completed, &live], pending),
            ];
            for (tasks, wanted) in rows {
                let found = verdict(tasks.iter().copied(), standing);
                assert_eq!(found, wanted, "{tasks:?} {standing:?}");
            }
        }
        assert!(!Verdict::Missing.waits() && !Verdict::Done.waits());
        assert!(Verdict::Unknown.waits() && Verdict::Open.waits() && pending.waits());
    }

    fn circles_of(edges: &[(u64, &[u64])]) -> Vec<Vec<u64>> {
        let edges = edges
            .iter()
            .map(|(issue, others)| (*issue, others.to_vec()));
        let mut found: Vec<_> = circles(&edges.collect()).into_values().collect();
        found.dedup();
        found
    }

    #[test]
    fn who_waits_for_each_other_is_found_and_nobody_else() {
        assert_eq!(
            circles_of(&[(1, &[2]), (2, &[3]), (3, &[])]),
            [[0_u64; 0]; 0]
        );
        assert_eq!(
            circles_of(&[(1, &[1])]),
            [[0_u64; 0]; 0],
            "itself is no wait"
        );
        assert_eq!(circles_of(&[(1, &[2]), (2, &[1])]), [[1, 2]]);
        let behind: &[(u64, &[u64])] = &[(1, &[2]), (2, &[3]), (3, &[2, 4]), (4, &[5]), (5, &[4])];
        assert_eq!(
            circles_of(behind),
            [[2, 3], [4, 5]],
            "between and before is outside"
        );
    }

    #[test]
    fn a_long_chain_is_walked_once_and_without_a_deep_stack() {
        let mut edges: BTreeMap<u64, Vec<u64>> = (0..200_000).map(|n| (n, vec![n + 1])).collect();
        assert!(circles(&edges).is_empty());
        edges.insert(200_000, vec![199_999]);
        assert_eq!(circles(&edges).len(), 2);
    }
}
