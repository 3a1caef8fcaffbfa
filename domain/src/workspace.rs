//! Workspace modes, paths and branch names.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{BadName, TaskId};

/// How a task's workspace is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceMode {
    /// A worktree of the agent's hot clone.
    #[default]
    Shared,
    /// A repository of the task's own, copied from the agent's hot clone: whatever becomes of it
    /// touches no other task.
    CopyOnWrite,
    /// A workstation of the task's own: made empty, without tools and caches of others, and thrown
    /// away when the task needs it no more.
    Isolated,
}

impl WorkspaceMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Shared, Self::Isolated, Self::CopyOnWrite];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::CopyOnWrite => "copy_on_write",
            Self::Isolated => "isolated",
        }
    }

    /// Whether a task has a repository of its own, and not a worktree of the hot clone.
    #[must_use]
    pub fn is_copied(self) -> bool {
        match self {
            // Nobody else ever comes to the clone of an isolated workstation.
            Self::Shared | Self::Isolated => false,
            Self::CopyOnWrite => true,
        }
    }
}

impl FromStr for WorkspaceMode {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let found = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        found.ok_or_else(|| BadName {
            kind: "workspace mode",
            text: text.chars().take(80).collect(),
            rule: "one of shared, isolated, copy_on_write",
        })
    }
}

/// The branch that a task owns: `<prefix><issue>-<task id>`, or `<prefix><task id>` without an
/// issue. The task's id in it makes it nobody else's.
#[must_use]
pub fn branch_name(prefix: &str, issue: Option<u64>, task: &TaskId) -> String {
    match issue {
        Some(issue) => format!("{prefix}{issue}-{task}"),
        None => format!("{prefix}{task}"),
    }
}

/// Whether this is a branch name that we would make or push to: a strict list of what is allowed,
/// because git itself takes `-x`, `HEAD` and `refs/replace/…`.
///
/// One to four parts of `a-z A-Z 0-9 - _ .`, joined by `/`, at most 120 characters; no part starts
/// with `-` or `.`, ends with `.` or `.lock`, holds `..`, or is called `HEAD` or `refs`.
#[must_use]
pub fn is_branch_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    name.len() <= 120 && parts.len() <= 4 && parts.into_iter().all(is_branch_part)
}

fn is_branch_part(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    !part.is_empty()
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !part.starts_with(['-', '.'])
        && !part.ends_with('.')
        && !part.contains("..")
        && !lower.ends_with(".lock")
        && lower != "head"
        && lower != "refs"
        // A part that could be an object id reads as one in half of git's commands.
        && !((part.len() == 40 || part.len() == 64)
            && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The folder of a task's worktree, below the workspace volume.
#[must_use]
pub fn worktree_dir(task: &TaskId) -> String {
    format!("tasks/{task}/work")
}

/// The folder of a task's HOME, below the workspace volume.
#[must_use]
pub fn home_dir(task: &TaskId) -> String {
    format!("tasks/{task}/home")
}

/// The folder of the hot clone, below the workspace volume.
pub const CLONE_DIR: &str = "clone";

/// The folder in a worktree that is ours: tasking, report, link to credentials. Never committed.
pub const OUR_DIR: &str = ".cloud-code";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_reads_as_it_is_written_and_nothing_else_does() {
        for mode in WorkspaceMode::ALL {
            assert_eq!(mode.as_str().parse(), Ok(mode));
            let stored = serde_json::to_value(mode).unwrap();
            assert_eq!(stored, serde_json::json!(mode.as_str()));
        }
        for bad in ["", "Shared", "copy-on-write", "shared "] {
            assert!(bad.parse::<WorkspaceMode>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_branch_carries_the_id_of_its_task() {
        let task: TaskId = "k3f9x2ab".parse().unwrap();
        assert_eq!(
            branch_name("cloud-code/", Some(42), &task),
            "cloud-code/42-k3f9x2ab"
        );
        assert_eq!(
            branch_name("cloud-code/", None, &task),
            "cloud-code/k3f9x2ab"
        );
        assert!(is_branch_name(&branch_name(
            "cloud-code/",
            Some(u64::MAX),
            &task
        )));
    }

    #[test]
    fn what_git_takes_and_we_do_not() {
        for good in [
            "main",
            "release/1.2",
            "cloud-code/42-k3f9x2ab",
            "A_b",
            "a/b/c/d",
        ] {
            assert!(is_branch_name(good), "{good}");
        }
        let long = "a".repeat(121);
        let id = "0123456789".repeat(4);
        for bad in [
            "",
            "-x",
            "-f",
            "HEAD",
            "a/HEAD",
            "head",
            "@",
            "@{u}",
            "a@{1}",
            "a..b",
            "..",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.",
            "a.lock",
            "a.LOCK/b",
            "refs/heads/x",
            "refs",
            "a b",
            "a\tb",
            "a\nb",
            "a\0b",
            "a:b",
            "a?b",
            "a*b",
            "a[b",
            "a\\b",
            "a~1",
            "a^",
            "a/b/c/d/e",
            "cloud-code/../main",
            "caf\u{e9}",
            "cafe\u{301}",
            "\u{202e}a",
            "\u{ff0d}x",
            "--upload-pack=x",
            &long,
            &id,
        ] {
            assert!(!is_branch_name(bad), "{bad:?}");
        }
    }
}
