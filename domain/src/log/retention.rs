//! Which logs are removed, and what stands in their place.
//!
//! A log is removed whole, and never while its execution runs. What is older than the age goes; then,
//! as long as all together are larger than the size, the one that was written to longest ago.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::ExecutionId;
use crate::time::Timestamp;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// What was not written to for longer than this goes.
    pub age: Duration,
    /// Bytes of all logs together, as they are on disk.
    pub bytes: u64,
}

/// A log as it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub execution: ExecutionId,
    /// Its bytes.
    pub bytes: u64,
    /// When it was written to last.
    pub written_at: Timestamp,
    /// Whether its execution may still write.
    pub running: bool,
}

/// Why a log was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It was too old.
    Age,
    /// All together were too large, and it was the oldest.
    Size,
}

/// What has to go, oldest first.
#[must_use]
pub fn to_remove(held: &[Held], keep: Keep, now: Timestamp) -> Vec<(ExecutionId, Why)> {
    let mut oldest: Vec<&Held> = held.iter().collect();
    oldest.sort_by(|a, b| (a.written_at, &a.execution).cmp(&(b.written_at, &b.execution)));
    let mut total = held
        .iter()
        .fold(0_u64, |sum, log| sum.saturating_add(log.bytes));
    let mut gone = Vec::new();
    for log in oldest.into_iter().filter(|log| !log.running) {
        let why = if now.since(log.written_at) > keep.age {
            Why::Age
        } else if total > keep.bytes {
            Why::Size
        } else {
            continue;
        };
        total = total.saturating_sub(log.bytes);
        gone.push((log.execution.clone(), why));
    }
    gone
}

/// What is read in the place of lines that were removed.
#[must_use]
pub fn removed(lines: u64, why: Why) -> String {
    let lines = counted(lines);
    match why {
        Why::Age => format!("{lines} removed: older than [logs] keep_days"),
        Why::Size => {
            format!("{lines} removed: all logs together were larger than [logs] keep_size")
        }
    }
}

/// What is read in the place of lines that the disk does not give back. Their first number is that
/// of the line that says it.
#[must_use]
pub fn damaged(first: u64, lines: u64) -> String {
    let last = first.saturating_add(lines.saturating_sub(1));
    let lines = counted(lines);
    format!("{lines} missing, numbers {first} to {last}: the log is damaged on disk")
}

fn counted(lines: u64) -> String {
    match lines {
        1 => "1 line is".to_owned(),
        lines => format!("{lines} lines are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1_000;

    fn held(number: u32, bytes: u64, day: i64, running: bool) -> Held {
        Held {
            execution: format!("k3f9x2ab.{number}").parse().unwrap(),
            bytes,
            written_at: Timestamp(day * DAY),
            running,
        }
    }

    fn gone(held: &[Held], days: u64, bytes: u64) -> Vec<(u32, Why)> {
        let keep = Keep {
            age: Duration::from_hours(24 * days),
            bytes,
        };
        let gone = to_remove(held, keep, Timestamp(100 * DAY));
        gone.into_iter().map(|(id, why)| (id.number, why)).collect()
    }

    #[test]
    fn what_is_too_old_goes_then_the_oldest_until_the_rest_fits() {
        let logs = [
            held(1, 10, 99, false),
            held(2, 10, 60, false),
            held(3, 10, 90, false),
            held(4, 10, 95, false),
        ];
        let age = (2, Why::Age);
        assert_eq!(gone(&logs, 50, 1_000), []);
        assert_eq!(gone(&logs, 30, 1_000), [age]);
        assert_eq!(gone(&logs, 30, 30), [age]);
        assert_eq!(gone(&logs, 30, 29), [age, (3, Why::Size)]);
        assert_eq!(
            gone(&logs, 50, 10),
            [(2, Why::Size), (3, Why::Size), (4, Why::Size)]
        );
    }

    #[test]
    fn a_running_execution_keeps_its_log_however_old_and_large() {
        let logs = [held(1, 1_000, 1, true), held(2, 10, 99, false)];
        assert_eq!(gone(&logs, 30, 5), [(2, Why::Size)]);
        assert_eq!(gone(&[], 30, 0), []);
    }

    #[test]
    fn a_clock_that_was_set_back_removes_nothing_by_age() {
        assert_eq!(gone(&[held(1, 10, 500, false)], 1, 1_000), []);
    }

    #[test]
    fn the_place_of_missing_lines_says_how_many_and_why() {
        assert_eq!(
            removed(1, Why::Age),
            "1 line is removed: older than [logs] keep_days"
        );
        assert_eq!(
            damaged(400, 100),
            "100 lines are missing, numbers 400 to 499: the log is damaged on disk"
        );
    }
}
