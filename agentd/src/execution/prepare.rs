//! Before the first turn: base, worktree, home, files, setup.

use std::path::Path;

use cloud_code_domain::log::LogLevel;
use cloud_code_domain::report::ReportStatus;
use cloud_code_domain::workspace::WorkspaceMode;
use tokio::time::Instant;

use super::scene::Scene;
use super::verdict::Stop;
use super::{ExecutionError, shell};
use crate::clock;
use crate::failpoint::failpoint;
use crate::files::dir::Dir;
use crate::files::merge::Keeper;
use crate::files::{reporting, tasking};
use crate::workspace::memory::Memory;
use crate::workspace::worktree::Kept;
use crate::workspace::{WorkspaceError, failed, home};

/// Whether the first turn can begin.
pub(crate) enum Prepared {
    Ready,
    Stopped(Stop),
}

/// Makes everything that the first turn needs.
pub(crate) async fn prepare(scene: &mut Scene) -> Result<Prepared, ExecutionError> {
    alone(scene)?;
    match base(scene).await? {
        Prepared::Ready => {}
        stopped @ Prepared::Stopped(_) => return Ok(stopped),
    }
    failpoint!("agentd::base_kept");
    worktree(scene).await?;
    failpoint!("agentd::worktree_made");
    files(scene)?;
    scene.remember();
    scene.send_report().await?;
    set_up(scene).await
}

/// Nothing of another task is in an isolated workspace, whatever the host believes.
fn alone(scene: &Scene) -> Result<(), WorkspaceError> {
    let task = scene.job.execution.task.as_str();
    let mut others = scene.parts.workspace.worktrees().into_iter();
    match others.find(|other| other != task) {
        Some(other) if scene.job.mode == WorkspaceMode::Isolated => {
            Err(WorkspaceError::NotFresh(other))
        }
        Some(_) | None => Ok(()),
    }
}

/// Fetches the base where the hot clone lacks it. The host may take its time; a stop ends it.
async fn base(scene: &mut Scene) -> Result<Prepared, ExecutionError> {
    let parts = scene.parts.clone();
    parts.workspace.make_clone().await?;
    let base = scene.job.base.clone();
    if parts.workspace.holds(&base).await? {
        parts.workspace.keep_base(&base).await?;
        return Ok(Prepared::Ready);
    }
    let execution = scene.execution.clone();
    let asked = parts
        .requests
        .ask(&parts.workspace, &parts.answers, &execution, &base);
    let pack = tokio::select! {
        pack = asked => pack?,
        stop = scene.stopped() => {
            parts.requests.forget(&execution);
            return Ok(Prepared::Stopped(stop));
        }
    };
    parts.workspace.take_pack(pack, &base).await?;
    Ok(Prepared::Ready)
}

async fn worktree(scene: &mut Scene) -> Result<(), ExecutionError> {
    let began = Instant::now();
    // Also where it is of no use: no spare survives an execution.
    let spare = scene.parts.spares.take();
    scene.dirs.make()?;
    let usable = is_usable(scene).await;
    if scene.job.resume && !usable && scene.worktree.path.exists() {
        let text = "its worktree is no git worktree any more; it is made anew";
        scene.logs.system(LogLevel::Warning, text);
    }
    let keep = scene.job.resume && usable;
    if keep {
        let worktree = scene.worktree.clone();
        worktree.unlock().await?;
        let kept = worktree
            .follow(&scene.job.base, &scene.job.identity, &scene.execution)
            .await?;
        if let Kept::Aside(name) = kept {
            let text =
                format!("earlier commits conflict with the new base; they are kept as {name}");
            scene.logs.system(LogLevel::Warning, &text);
            scene.aside = Some(name);
        }
        let before = Dir::open(&scene.dirs.contract()).ok().and_then(|dir| {
            reporting::read(&dir, &scene.job.execution.task)
                .ok()
                .flatten()
        });
        let before = before
            .as_ref()
            .map(|claim| (claim, scene.memory.told.as_slice()));
        scene.keeper = Keeper::begin(before, &scene.job.criteria, clock::now());
        scene.set_status(ReportStatus::Received, "Task received again");
    } else {
        // Forgotten first, on disk: killed in between, we would go on with a session that believes its
        // work to be done, in a worktree that has nothing of it.
        scene.memory = Memory::default();
        scene.remember();
        scene.worktree.mode = scene.job.mode;
        let workspace = &scene.parts.workspace;
        let origin = workspace
            .fresh_worktree(&scene.worktree, &scene.job.base, spare)
            .await?;
        let (base, mode) = (&scene.job.base, scene.job.mode);
        scene.parts.spares.began_from(base, mode);
        tracing::info!(
            execution_id = scene.execution,
            from = origin.as_str(),
            microseconds = began.elapsed().as_micros(),
            "there is a worktree"
        );
        scene.set_status(ReportStatus::Received, "Task received");
    }
    // Another coding CLI, or the same with another account or model, knows nothing of a session.
    let known = &scene.memory.coding_cli;
    let other = !known.is_empty() && *known != scene.job.cli.name;
    if other || scene.memory.adapter != scene.job.cli.adapter {
        scene.memory.session = None;
    }
    scene.forget_unknown_session();
    scene.memory.coding_cli.clone_from(&scene.job.cli.name);
    scene.memory.adapter.clone_from(&scene.job.cli.adapter);
    scene.memory.execution.clone_from(&scene.execution);
    scene.memory.branch.clone_from(&scene.job.branch);
    scene.memory.mode = scene.worktree.mode;
    Ok(())
}

/// Whether what is there can be worked in from the base on.
async fn is_usable(scene: &Scene) -> bool {
    let (worktree, workspace) = (&scene.worktree, &scene.parts.workspace);
    if !worktree.is_usable().await {
        return false;
    }
    let taken = worktree.take_from(workspace, &scene.job.base).await;
    if let Err(error) = &taken {
        let error = crate::session::chain(error);
        tracing::warn!(
            execution_id = scene.execution,
            error,
            "a base does not come into a worktree"
        );
    }
    taken.is_ok()
}

fn files(scene: &mut Scene) -> Result<(), WorkspaceError> {
    home::fill(&scene.dirs.home(), &scene.job.home)?;
    let contract = scene.dirs.contract();
    let task = &scene.job.execution.task;
    let secrets = scene
        .parts
        .credentials
        .prepare(task)
        .inspect_err(|error| tracing::warn!(error = crate::session::chain(error), "no credentials"))
        .unwrap_or_else(|_| scene.parts.credentials.dir(task));
    let now = clock::rfc3339(clock::now());
    let write = || {
        let dir = Dir::make(&contract)?;
        let tasking = tasking::tasking(&scene.job, &scene.dirs.work(), &now);
        dir.write("tasking.yaml", tasking.as_bytes())?;
        dir.write("config.yaml", tasking::config(&scene.job).as_bytes())?;
        dir.link("credentials", &secrets)
    };
    write().map_err(failed("write", Path::new(&contract)))
}

/// The project's setup, once per worktree.
async fn set_up(scene: &mut Scene) -> Result<Prepared, ExecutionError> {
    if scene.memory.set_up || scene.job.setup.is_empty() {
        return Ok(Prepared::Ready);
    }
    let command = scene.job.setup.clone();
    scene
        .logs
        .system(LogLevel::Info, &format!("setup: {command}"));
    match shell::run(scene, &command).await? {
        shell::End::Ok => {
            scene.memory.set_up = true;
            scene.remember();
            Ok(Prepared::Ready)
        }
        shell::End::Failed(output) => Err(WorkspaceError::Setup(output).into()),
        shell::End::Stopped(stop) => Ok(Prepared::Stopped(stop)),
    }
}
