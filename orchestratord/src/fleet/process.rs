//! The process runtime: agentd beside us, as our own user. It isolates nothing; it is for the demo,
//! for tests, and for machines where agents may do all that the operator may.
//!
//! ```text
//!  <state_dir>/agents/<id>/started     what it was made from, and its process: the "container"
//!                          agentd.log  what it says, bounded
//!                          workspace/  the "volume"; agentd locks workspace/.agentd/lock
//!                          tools/, cache/
//! ```
//!
//! agentd is the leader of a session of its own, so that it outlives us and no signal of our terminal
//! reaches it; the next one of us finds it by the number in `started`, its arguments and its lock.

mod files;
mod spawn;

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cloud_code_domain::id::AgentId;
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use super::process_tree::{Held, kill_session};
use files::{bound, gone, is_locked, last_line, open_log, private_dir, remove_tree, rotate};

use crate::ports::{Answer, Observed, ObservedState, Runtime, Trouble, WorkstationSpec};

/// How often we look whether it has ended.
const LOOK: Duration = Duration::from_millis(25);

/// Workstations as processes of our own user.
#[derive(Debug)]
pub struct ProcessRuntime {
    agents: PathBuf,
    memory: PathBuf,
    stop_deadline: Duration,
    /// Those that we started ourselves; only we can ask how they ended.
    children: Mutex<HashMap<AgentId, Child>>,
}

/// What `started` says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Started {
    digest: String,
    /// None for the moment between the decision and the process.
    pid: Option<i32>,
}

enum Status {
    Absent,
    Running(Held),
    Stopped(String),
}

impl ProcessRuntime {
    /// A runtime that keeps its workstations below `<state_dir>/agents`.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self {
            agents: state_dir.join("agents"),
            memory: memory_dir(state_dir),
            stop_deadline: Duration::from_secs(20),
            children: Mutex::default(),
        }
    }

    /// The same with another time to end in before it is killed.
    #[must_use]
    pub fn with_stop_deadline(mut self, deadline: Duration) -> Self {
        self.stop_deadline = deadline;
        self
    }

    /// The directory that agentd works in.
    #[must_use]
    pub fn workspace(&self, agent: &AgentId) -> PathBuf {
        self.home(agent).join("workspace")
    }

    /// What agentd says.
    #[must_use]
    pub fn log(&self, agent: &AgentId) -> PathBuf {
        self.home(agent).join("agentd.log")
    }

    fn home(&self, agent: &AgentId) -> PathBuf {
        self.agents.join(agent.as_str())
    }

    fn marker(&self, agent: &AgentId) -> PathBuf {
        self.home(agent).join("started")
    }

    fn started(&self, agent: &AgentId) -> Option<Started> {
        let text = fs::read_to_string(self.marker(agent)).ok()?;
        let mut lines = text.lines();
        Some(Started {
            digest: lines.next().unwrap_or_default().to_owned(),
            pid: lines.next().and_then(|line| line.parse().ok()),
        })
    }

    fn status(&self, agent: &AgentId) -> Status {
        let Some(started) = self.started(agent) else {
            return Status::Absent;
        };
        let workspace = self.workspace(agent);
        if let Some(ended) = self.ended_child(agent) {
            return Status::Stopped(self.with_last_words(agent, &ended));
        }
        let noted = started.pid.and_then(|pid| Held::agentd(pid, &workspace));
        // We may have ended between its start and the note of its number.
        let Some(held) = noted.or_else(|| Held::find_agentd(&workspace)) else {
            return Status::Stopped(self.with_last_words(agent, "its process is gone"));
        };
        if self.is_child(agent) || is_locked(&workspace.join(".agentd/lock")) {
            Status::Running(held)
        } else {
            Status::Stopped("it does not hold its workspace".to_owned())
        }
    }

    fn is_child(&self, agent: &AgentId) -> bool {
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.contains_key(agent)
    }

    /// How a process ended that we started.
    fn ended_child(&self, agent: &AgentId) -> Option<String> {
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        match children.get_mut(agent)?.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => {
                children.remove(agent);
                Some(format!("it ended with {status}"))
            }
            Err(error) => {
                children.remove(agent);
                Some(format!("it cannot be asked: {error}"))
            }
        }
    }

    /// The reason with the last line of the log behind it.
    fn with_last_words(&self, agent: &AgentId, reason: &str) -> String {
        match last_line(&self.log(agent)) {
            Some(line) => format!("{reason}: {line}"),
            None => reason.to_owned(),
        }
    }

    fn start_workstation(&self, spec: &WorkstationSpec) -> io::Result<()> {
        if let Status::Running(_) = self.status(&spec.agent) {
            return Ok(());
        }
        if let Some(pid) = self.started(&spec.agent).and_then(|started| started.pid) {
            kill_session(pid);
        }
        let workspace = self.workspace(&spec.agent);
        let shelf = |name| (!spec.isolated).then(|| self.home(&spec.agent).join(name));
        let (tools, cache) = (shelf("tools"), shelf("cache"));
        for volume in [Some(&workspace), tools.as_ref(), cache.as_ref()] {
            volume.map_or(Ok(()), |volume| private_dir(volume))?;
        }
        let credentials = self.memory.join(spec.agent.as_str());
        private_dir(&credentials)?;
        rotate(&self.log(&spec.agent))?;
        let digest = digest(spec);
        self.mark(&spec.agent, &digest, None)?;
        let child = spawn::agentd(&spawn::Plan {
            agentd: &spec.agentd,
            socket: &spec.socket_dir.join("agentd.sock"),
            workspace: &workspace,
            credentials: &credentials,
            tools: tools.as_deref(),
            cache: cache.as_deref(),
            home: &self.home(&spec.agent),
            log: open_log(&self.log(&spec.agent))?,
        })?;
        let pid = child.id();
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.insert(spec.agent.clone(), child);
        drop(children);
        self.mark(&spec.agent, &digest, Some(pid))
    }

    fn mark(&self, agent: &AgentId, digest: &str, pid: Option<u32>) -> io::Result<()> {
        let pid = pid.map(|pid| format!("{pid}\n")).unwrap_or_default();
        let text = format!("{digest}\n{pid}");
        let mut file = tempfile::NamedTempFile::new_in(self.home(agent))?;
        file.write_all(text.as_bytes())?;
        file.persist(self.marker(agent))?;
        Ok(())
    }

    /// Asks, waits, kills; then takes the mark away.
    async fn remove_workstation(&self, agent: &AgentId) -> io::Result<()> {
        let pid = self.started(agent).and_then(|started| started.pid);
        if let Status::Running(held) = self.status(agent) {
            held.signal(Signal::TERM);
            let asked = tokio::time::timeout(self.stop_deadline, self.until_ended(agent, &held));
            if asked.await.is_err() {
                tracing::warn!(%agent, "agentd did not end when asked: its processes are killed");
                held.kill_tree();
                self.until_ended(agent, &held).await;
            }
        }
        if let Some(pid) = pid {
            kill_session(pid);
        }
        gone(fs::remove_dir_all(self.memory.join(agent.as_str())))?;
        gone(fs::remove_file(self.marker(agent)))
    }

    async fn until_ended(&self, agent: &AgentId, held: &Held) {
        while held.lives() {
            tokio::time::sleep(LOOK).await;
        }
        // Asking a child how it ended is what takes it off the list of processes.
        self.ended_child(agent);
    }

    fn observe_all(&self, wanted: &[WorkstationSpec]) -> io::Result<Vec<Observed>> {
        let entries = match fs::read_dir(&self.agents) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let Some(agent) = name.to_str().and_then(|name| name.parse::<AgentId>().ok()) else {
                continue;
            };
            bound(&self.log(&agent))?;
            let state = match self.status(&agent) {
                Status::Absent => continue,
                Status::Running(_) => ObservedState::Running,
                Status::Stopped(why) => ObservedState::Stopped(why),
            };
            let made_from = self.started(&agent).map(|started| started.digest);
            let outdated = wanted
                .iter()
                .any(|spec| spec.agent == agent && made_from.as_ref() != Some(&digest(spec)));
            all.push(Observed {
                agent,
                state,
                outdated,
            });
        }
        Ok(all)
    }
}

impl Runtime for ProcessRuntime {
    fn observe<'a>(&'a self, wanted: &'a [WorkstationSpec]) -> Answer<'a, Vec<Observed>> {
        Box::pin(async {
            let what = "the workstations' directories cannot be read";
            self.observe_all(wanted)
                .map_err(|error| later(what, &error))
        })
    }

    fn start<'a>(&'a self, spec: &'a WorkstationSpec) -> Answer<'a, ()> {
        Box::pin(async {
            let what = format!("agentd of {} cannot be started", spec.agent);
            self.start_workstation(spec)
                .map_err(|error| later(&what, &error))
        })
    }

    fn remove<'a>(&'a self, agent: &'a AgentId) -> Answer<'a, ()> {
        Box::pin(async move {
            let what = format!("agentd of {agent} cannot be removed");
            self.remove_workstation(agent)
                .await
                .map_err(|error| later(&what, &error))
        })
    }

    fn purge<'a>(&'a self, agent: &'a AgentId) -> Answer<'a, ()> {
        Box::pin(async move {
            self.remove(agent).await?;
            let home = self.home(agent);
            let removed = tokio::task::spawn_blocking(move || gone(remove_tree(&home)));
            let what = format!("the workspace of {agent} cannot be removed");
            match removed.await {
                Ok(result) => result.map_err(|error| later(&what, &error)),
                Err(error) => Err(later(&what, &io::Error::other(error))),
            }
        })
    }
}

fn later(what: &str, error: &io::Error) -> Trouble {
    Trouble::Later {
        what: format!("{what}: {error}"),
        until: None,
    }
}

/// Where credentials are kept: memory where this machine has some for us, one folder per state_dir.
fn memory_dir(state_dir: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let hash = hex::encode(&Sha256::digest(state_dir.as_os_str().as_bytes())[..6]);
    let uid = nix::unistd::geteuid().as_raw();
    let ours = |path: &Path| {
        fs::symlink_metadata(path)
            .is_ok_and(|m| m.is_dir() && m.uid() == uid && m.mode() & 0o077 == 0)
    };
    if let Some(runtime) = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
        && runtime.is_absolute()
        && ours(&runtime)
    {
        return runtime.join(format!("cloud-code-{hash}"));
    }
    // Others can write to /dev/shm as well: the folder is ours, or is not taken.
    let shared = PathBuf::from(format!("/dev/shm/cloud-code-{uid}-{hash}"));
    let made = private_dir(&shared);
    if made.is_ok() && ours(&shared) {
        return shared;
    }
    state_dir.join("agents-credentials")
}

fn digest(spec: &WorkstationSpec) -> String {
    let stamp = fs::metadata(&spec.agentd)
        .map(|m| format!("{}.{}.{}", m.len(), m.mtime(), m.mtime_nsec()))
        .unwrap_or_default();
    let text = format!("{spec:?} {stamp}");
    hex::encode(&Sha256::digest(text.as_bytes())[..16])
}

#[cfg(test)]
mod tests;
