//! Ends everything that an execution left behind, whatever session or group it hides in.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use tokio::signal::unix::Signal as Signals;

use super::process::{owned, pid};
use super::processes::{self, COMMAND_MARK, MARK, Process};

/// Rounds until what forks faster than we kill is given up on.
const ROUNDS: u32 = 200;

/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(10);

/// From the end of a process to a look for adopted orphans among those that ended.
const REAP: Duration = Duration::from_secs(10);

/// Makes agentd the parent of what its children leave, so that nothing escapes by an empty
/// environment.
pub(crate) fn become_reaper() {
    if let Err(error) = nix::sys::prctl::set_child_subreaper(true) {
        tracing::warn!(%error, "orphans cannot be adopted; they are found by their mark only");
    }
}

/// Kills everything that carries the mark of `execution` or descends from `main`, and, where agentd
/// is the reaper, every stray below it. Returns how many were killed; none is left but what cannot
/// be killed.
pub(crate) async fn end_all(execution: &str, main: Option<u32>) -> usize {
    let execution = execution.to_owned();
    rounds(move || kill_round(|list, owned| everything(list, owned, &execution, main))).await
}

/// Kills what one `setup` or `check` left, and nothing of a coding CLI that waits beside it.
pub(crate) async fn end_command(command: &str) -> usize {
    let command = command.to_owned();
    rounds(move || kill_round(|list, _| processes::marked(list, COMMAND_MARK, &command))).await
}

/// Repeats a round until it finds nobody.
async fn rounds(round: impl Fn() -> BTreeSet<u32> + Clone + Send + 'static) -> usize {
    let mut killed = BTreeSet::new();
    for _ in 0..ROUNDS {
        let found = tokio::task::spawn_blocking(round.clone())
            .await
            .unwrap_or_default();
        if found.is_empty() {
            return killed.len();
        }
        killed.extend(found);
        tokio::time::sleep(PAUSE).await;
    }
    tracing::warn!("some leftovers cannot be killed");
    killed.len()
}

fn everything(
    list: &[Process],
    owned: &BTreeSet<u32>,
    execution: &str,
    main: Option<u32>,
) -> BTreeSet<u32> {
    let mut found = processes::marked(list, MARK, execution);
    if let Some(main) = main {
        found.extend(processes::descendants(list, main, &BTreeSet::new()));
        found.insert(main);
    }
    if is_reaper() {
        found.extend(processes::descendants(list, std::process::id(), owned));
    }
    found
}

/// Kills those of `wanted` that live now; the pids.
fn kill_round(wanted: impl FnOnce(&[Process], &BTreeSet<u32>) -> BTreeSet<u32>) -> BTreeSet<u32> {
    // While this is held nobody starts a program: a git of ours is never taken for a stray.
    let owned = owned();
    let list = processes::list();
    let mut found = wanted(&list, &owned);
    if is_reaper() {
        reap(&list, &owned);
    }
    found.remove(&std::process::id());
    let living = |pid: &u32| {
        list.iter()
            .any(|process| process.pid == *pid && !process.zombie)
    };
    found.retain(living);
    for target in found.iter().filter_map(|target| pid(*target)) {
        if let Err(error) = kill(target, Signal::SIGKILL) {
            tracing::debug!(%error, pid = target.as_raw(), "a leftover was gone already");
        }
    }
    found
}

fn is_reaper() -> bool {
    nix::sys::prctl::get_child_subreaper().unwrap_or(false) || std::process::id() == 1
}

/// Waits for adopted orphans that have ended, and for nobody else.
fn reap(list: &[Process], owned: &BTreeSet<u32>) {
    let own = std::process::id();
    let ours = |process: &&Process| {
        process.zombie && process.parent == own && !owned.contains(&process.pid)
    };
    for target in list.iter().filter(ours).filter_map(|found| pid(found.pid)) {
        if let Err(error) = waitpid(target, Some(WaitPidFlag::WNOHANG)) {
            tracing::debug!(%error, "an orphan was reaped already");
        }
    }
}

/// Reaps adopted orphans soon after `ended` tells of any, for ever. A git of ours tells of itself as well,
/// many a time a second: zombies can wait.
pub(crate) async fn keep_reaping(mut ended: Signals) {
    while ended.recv().await.is_some() {
        tokio::time::sleep(REAP).await;
        let round = tokio::task::spawn_blocking(|| {
            if is_reaper() {
                let owned = owned();
                reap(&processes::list(), &owned);
            }
        });
        if round.await.is_err() {
            tracing::warn!("reaping orphans failed once");
        }
    }
}
