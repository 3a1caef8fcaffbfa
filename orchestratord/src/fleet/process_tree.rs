//! The processes of this machine as `/proc` shows them, and ending a tree of them.
//!
//! A process is held by a pidfd before it is looked at, so that a number that was given to another
//! process meanwhile is never hit.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process, as far as a tree of them needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: i32,
    parent: i32,
    session: i32,
    /// It has ended and waits for its parent to ask how.
    zombie: bool,
    /// When it started, in ticks since the machine did: tells it from another of the same number.
    started: u64,
}

/// A process that cannot turn into another one.
#[derive(Debug)]
pub(super) struct Held {
    pid: i32,
    started: u64,
    fd: OwnedFd,
}

impl Held {
    /// Holds the agentd of this workspace; none where the number is another process, or none.
    pub(super) fn agentd(pid: i32, workspace: &Path) -> Option<Self> {
        let held = Self::any(pid)?;
        held.is_agentd_of(workspace).then_some(held)
    }

    /// Holds the agentd of this workspace, whatever its number: it leads its session.
    pub(super) fn find_agentd(workspace: &Path) -> Option<Self> {
        let leaders = processes().into_iter().filter(|p| p.session == p.pid);
        leaders
            .filter(|leader| !leader.zombie)
            .find_map(|leader| Self::agentd(leader.pid, workspace))
    }

    fn any(pid: i32) -> Option<Self> {
        let number = Pid::from_raw(pid).filter(|_| pid > 1)?;
        let fd = pidfd_open(number, PidfdFlags::empty()).ok()?;
        let started = read(pid)?.started;
        Some(Self { pid, started, fd })
    }

    /// By its arguments: they are what we started it with.
    fn is_agentd_of(&self, workspace: &Path) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let arguments = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let words: Vec<&[u8]> = arguments.split(|byte| *byte == 0).collect();
        words
            .windows(2)
            .any(|pair| pair[0] == b"--workspace" && pair[1] == workspace.as_os_str().as_bytes())
    }

    /// Sends a signal; a process that has ended is no mistake.
    pub(super) fn signal(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&self.fd, signal) {
            tracing::debug!(pid = self.pid, %error, "a signal found nobody");
        }
    }

    /// Whether it still runs.
    pub(super) fn lives(&self) -> bool {
        read(self.pid).is_some_and(|now| !now.zombie && now.started == self.started)
    }

    /// Kills everything that descends from it, whatever session that is in, then itself. It is
    /// stopped first, so that it starts nothing meanwhile.
    pub(super) fn kill_tree(&self) {
        const ROUNDS: usize = 16;
        self.signal(Signal::STOP);
        for _ in 0..ROUNDS {
            if kill_all(|process, all| descends(process, self.pid, all)) == 0 {
                break;
            }
        }
        self.signal(Signal::KILL);
    }
}

/// Kills what is left of a session whose leader has ended.
pub(super) fn kill_session(leader: i32) {
    const ROUNDS: usize = 16;
    if leader <= 1 || read(leader).is_some_and(|process| !process.zombie) {
        return;
    }
    for _ in 0..ROUNDS {
        if kill_all(|process, _| process.session == leader) == 0 {
            return;
        }
    }
}

/// Kills what `wanted` says; how many there were.
fn kill_all(wanted: impl Fn(&Process, &[Process]) -> bool) -> usize {
    let all = processes();
    let mut killed = 0;
    for process in all.iter().filter(|p| !p.zombie && wanted(p, &all)) {
        let Some(held) = Held::any(process.pid) else {
            continue;
        };
        // Still the one that we saw?
        if read(process.pid).is_some_and(|now| now.started == process.started) {
            held.signal(Signal::KILL);
            killed += 1;
        }
    }
    killed
}

fn descends(process: &Process, ancestor: i32, all: &[Process]) -> bool {
    let mut current = *process;
    // A chain is at most as long as the list: a torn snapshot may hold a circle.
    for _ in 0..all.len() {
        if current.parent == ancestor {
            return true;
        }
        let Some(parent) = all.iter().find(|other| other.pid == current.parent) else {
            return false;
        };
        current = *parent;
    }
    false
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

fn read(pid: i32) -> Option<Process> {
    parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// `pid (name) state parent group session …`, the start at place 22; a name may hold blanks and parentheses.
fn parse(stat: &[u8]) -> Option<Process> {
    let text = String::from_utf8_lossy(stat);
    let pid = text.split(' ').next()?.parse().ok()?;
    let rest = text.get(text.rfind(')')? + 1..)?;
    let mut words = rest.split_ascii_whitespace();
    let zombie = matches!(words.next()?, "Z" | "X");
    let parent = words.next()?.parse().ok()?;
    let session = words.nth(1)?.parse().ok()?;
    let started = words.nth(15)?.parse().ok()?;
    Some(Process {
        pid,
        parent,
        session,
        zombie,
        started,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pretend_to_be_the_rest_of_the_line() {
        let line = b"42 (a) S 1 1 1 (b) R) S 7 42 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 999 0";
        let process = Process {
            pid: 42,
            parent: 7,
            session: 40,
            zombie: false,
            started: 999,
        };
        assert_eq!(parse(line), Some(process));
        assert_eq!(parse(b"42 (a"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn descent_ends_also_in_a_circle() {
        let process = |pid, parent| Process {
            pid,
            parent,
            session: 1,
            zombie: false,
            started: 1,
        };
        let all = [process(2, 3), process(3, 2), process(4, 9), process(5, 4)];
        assert!(descends(&all[3], 9, &all));
        assert!(!descends(&all[0], 9, &all));
    }

    #[test]
    fn nobody_but_an_agentd_of_this_workspace_is_held() {
        let us = i32::try_from(std::process::id()).unwrap();
        assert!(Held::agentd(us, Path::new("/nowhere")).is_none());
        assert!(Held::agentd(1, Path::new("/nowhere")).is_none());
        assert!(Held::any(0).is_none());
        assert!(Held::any(us).unwrap().lives());
    }
}
