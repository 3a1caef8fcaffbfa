//! What `/proc` says of processes: who descends from whom, who carries our mark.
//!
//! Coding CLIs leave children in sessions of their own, so a group signal is not enough. There are
//! two ways to find them: the mark `CLOUD_CODE_EXECUTION` in their environment, and their descent,
//! since agentd is the reaper of orphans below it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The variable that marks everything an execution starts.
pub(crate) const MARK: &str = "CLOUD_CODE_EXECUTION";

/// The variable that marks besides everything one `setup` or `check` starts.
pub(crate) const COMMAND_MARK: &str = "CLOUD_CODE_COMMAND";

/// One line of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) zombie: bool,
    /// Clock ticks spent, those of reaped children included.
    ticks: u64,
}

/// All processes that can be seen.
pub(crate) fn list() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            parse(pid, &stat)
        })
        .collect()
}

/// The name in parentheses is the program's choice and may hold anything.
fn parse(pid: u32, stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        zombie: *fields.first()? == "Z",
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
    })
}

/// Everything below `root`, without it; nothing of what is below `except`.
pub(crate) fn descendants(list: &[Process], root: u32, except: &BTreeSet<u32>) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for process in list {
        children
            .entry(process.parent)
            .or_default()
            .push(process.pid);
    }
    let mut found = BTreeSet::new();
    let mut waiting = vec![root];
    while let Some(parent) = waiting.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if !except.contains(child) && found.insert(*child) {
                waiting.push(*child);
            }
        }
    }
    found
}

/// Those that have this variable; zombies have no environment.
pub(crate) fn marked(list: &[Process], name: &str, value: &str) -> BTreeSet<u32> {
    let mark = format!("{name}={value}").into_bytes();
    list.iter()
        .map(|process| process.pid)
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|var| var == mark))
        })
        .collect()
}

/// Clock ticks and resident bytes of `root` and everything below it.
pub(crate) fn use_of_descendants(root: u32) -> (u64, u64) {
    let list = list();
    let mut all = descendants(&list, root, &BTreeSet::new());
    all.insert(root);
    let ticks = list
        .iter()
        .filter(|process| all.contains(&process.pid))
        .map(|process| process.ticks)
        .sum();
    (ticks, all.iter().filter_map(|pid| resident(*pid)).sum())
}

fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_calls_itself_like_a_stat_line_is_still_read_rightly() {
        let stat = "7 (a) Z 1 (b) S 42 7 7 0 -1 0 0 0 0 0 1 2 3 4 20 0";
        let process = parse(7, stat).unwrap();
        assert_eq!(
            (process.parent, process.zombie, process.ticks),
            (42, false, 10)
        );
    }

    #[test]
    fn descendants_are_found_through_every_generation_and_stop_at_exceptions() {
        let process = |pid, parent| Process {
            pid,
            parent,
            zombie: false,
            ticks: 0,
        };
        let list = [
            process(2, 1),
            process(3, 2),
            process(4, 3),
            process(5, 2),
            process(9, 8),
        ];
        let none = BTreeSet::new();
        assert_eq!(descendants(&list, 2, &none), BTreeSet::from([3, 4, 5]));
        assert_eq!(
            descendants(&list, 2, &BTreeSet::from([3])),
            BTreeSet::from([5])
        );
    }
}
