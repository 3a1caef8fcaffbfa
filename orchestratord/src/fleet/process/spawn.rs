//! The one place of the process runtime that starts a program.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::program;

/// What agentd is started with.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) agentd: &'a Path,
    pub(super) socket: &'a Path,
    pub(super) workspace: &'a Path,
    pub(super) credentials: &'a Path,
    pub(super) tools: Option<&'a Path>,
    pub(super) cache: Option<&'a Path>,
    pub(super) home: &'a Path,
    pub(super) log: File,
}

/// Starts agentd as the leader of a session of its own, with nothing of our environment but `PATH`.
///
/// `setsid` replaces itself by agentd, so that the process we started is agentd. (Doing it between
/// fork and exec would need unsafe code.)
#[expect(
    clippy::disallowed_methods,
    reason = "this is the process module of the process runtime"
)]
pub(super) fn agentd(plan: &Plan<'_>) -> io::Result<Child> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    Command::new(program::find("setsid", &path))
        .arg(plan.agentd)
        .arg("--socket")
        .arg(plan.socket)
        .arg("--workspace")
        .arg(plan.workspace)
        .arg("--credentials")
        .arg(plan.credentials)
        .args(
            plan.tools
                .iter()
                .flat_map(|tools| [OsStr::new("--tools"), tools.as_os_str()]),
        )
        .args(
            plan.cache
                .iter()
                .flat_map(|cache| [OsStr::new("--cache"), cache.as_os_str()]),
        )
        .env_clear()
        .env("PATH", path)
        .env("HOME", plan.home)
        .env("LANG", "C.UTF-8")
        .current_dir(plan.workspace)
        .stdin(Stdio::null())
        .stdout(plan.log.try_clone()?)
        .stderr(plan.log.try_clone()?)
        .spawn()
}
