//! Git of an orchestratord that was killed.
//!
//! A call dies with its caller's value, and a killed program drops none. What was asked for is asked
//! for again, by the outbox; one that hung at a remote would meanwhile go on to push, and hold locks.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The variable by which every git of ours, and what it starts, is known: its git directory.
pub(super) const MARK: &str = "CLOUD_CODE_GIT";

/// Kills every git that works below `state_dir`, and says how many there were. At start, before there
/// is one of our own: the state directory is nobody else's by then.
pub(crate) fn end_leftovers(state_dir: &Path) -> usize {
    let mut ended = 0;
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = process.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // A process that ended meanwhile, or is somebody else's, has no environment for us.
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        let ours = marked(&environment).is_some_and(|at| at.starts_with(state_dir));
        if ours && kill(Pid::from_raw(id), Signal::SIGKILL).is_ok() {
            ended += 1;
        }
    }
    ended
}

/// What an environment says in the variable.
fn marked(environment: &[u8]) -> Option<PathBuf> {
    environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))
        .map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use tokio::process::{Child, Command};

    use super::*;

    fn hangs_at(git_dir: &Path) -> Child {
        let mut command = Command::new("sleep");
        command.arg("600").env(MARK, git_dir).kill_on_drop(true);
        command.spawn().unwrap()
    }

    #[tokio::test]
    async fn what_a_killed_daemon_left_at_work_is_ended_and_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        let mut ours = hangs_at(&state.join("mirrors/a.git"));
        let mut others = hangs_at(&dir.path().join("state-of-another/mirrors/a.git"));
        assert_eq!(end_leftovers(&state), 1);
        let ended = ours.wait().await.unwrap();
        assert_eq!(ended.signal(), Some(9));
        assert_eq!(others.try_wait().unwrap(), None);
    }

    #[test]
    fn only_the_whole_variable_is_meant() {
        let path = |text: &[u8]| marked(text).map(|path| path.to_string_lossy().into_owned());
        assert_eq!(path(b"A=1\0CLOUD_CODE_GIT=/s/m\0B=2"), Some("/s/m".into()));
        assert_eq!(path(b"A=1\0CLOUD_CODE_GITS=/s/m"), None);
        assert_eq!(path(b"XCLOUD_CODE_GIT=/s/m"), None);
        assert_eq!(path(b""), None);
    }
}
