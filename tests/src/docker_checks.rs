//! The Docker runtime against a real engine: what a workstation can and cannot do, and that what is
//! not ours is left alone.
//!
//! Each check is a function that a harness calls; it ends with what was wrong. Images are made
//! without a registry (debootstrap, `docker import`) and kept under a tag that names their recipe.

mod images;
mod probe;

pub use images::{Image, repository_root};

use std::path::{Path, PathBuf};

use cloud_code_domain::agent::AgentType;
use cloud_code_domain::id::AgentId;
use orchestratord::fleet::docker::{DockerRuntime, Engine};
use orchestratord::ports::{Observed, ObservedState, Runtime, Trouble, WorkstationSpec};

/// The outcome of a check: what was wrong.
pub type Outcome = Result<(), String>;

/// Whether there is an engine, and why not.
///
/// # Errors
/// Why there is none.
pub async fn engine_is_there() -> Result<String, String> {
    docker(&["version", "--format", "{{.Server.Version}}"]).await
}

/// Runs the docker program.
///
/// # Errors
/// What it printed.
pub async fn docker(arguments: &[&str]) -> Result<String, String> {
    let mut command = tokio::process::Command::new("docker");
    command
        .args(arguments)
        .env("DOCKER_BUILDKIT", "0")
        .kill_on_drop(true);
    let output = command
        .output()
        .await
        .map_err(|error| format!("docker: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("docker {}: {}", arguments.join(" "), said.trim()))
    }
}

/// One workstation of a cluster of its own, gone with everything of it when [`Bench::end`] is called.
struct Bench {
    dir: tempfile::TempDir,
    cluster: String,
    spec: WorkstationSpec,
}

impl Bench {
    /// A workstation whose agentd is this shell script.
    async fn new(name: &str, script: &str) -> Result<Self, String> {
        let image = Image::Contract.make().await?;
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let agentd = dir.path().join("agentd");
        write_program(&agentd, script)?;
        let socket_dir = dir.path().join("socket");
        std::fs::create_dir(&socket_dir).map_err(|error| error.to_string())?;
        let agent: AgentId = format!("{name}.backend-1")
            .parse()
            .map_err(|bad| format!("{bad}"))?;
        let spec = WorkstationSpec {
            agent,
            project: name.parse().map_err(|bad| format!("{bad}"))?,
            agent_type: AgentType::Backend,
            image,
            memory: 256 << 20,
            cpu_millis: 1_000,
            agentd,
            socket_dir,
            ca_bundle: None,
            isolated: false,
        };
        Ok(Self {
            dir,
            cluster: format!("t{}", std::process::id()),
            spec,
        })
    }

    fn runtime(&self) -> DockerRuntime {
        DockerRuntime::new(Engine::default(), &self.cluster)
    }

    fn container(&self) -> String {
        format!("cc-{}-{}", self.cluster, self.spec.agent)
    }

    fn volume(&self) -> String {
        format!("{}-workspace", self.container())
    }

    async fn container_id(&self) -> Result<String, String> {
        docker(&["inspect", "--format", "{{.Id}}", &self.container()]).await
    }

    async fn observed(&self) -> Result<Option<Observed>, String> {
        let runtime = self.runtime();
        let all = runtime.observe(std::slice::from_ref(&self.spec)).await;
        let all = all.map_err(|trouble| trouble.to_string())?;
        Ok(all.into_iter().find(|one| one.agent == self.spec.agent))
    }

    async fn start(&self) -> Outcome {
        let started = self.runtime().start(&self.spec).await;
        started.map_err(|trouble| trouble.to_string())
    }

    /// Takes everything away that the check made, whatever it found; its outcome stays the check's.
    async fn end(self, outcome: Outcome) -> Outcome {
        let purged = self.runtime().purge(&self.spec.agent).await;
        drop(self.dir);
        outcome.and(purged.map_err(|trouble| format!("clean-up: {trouble}")))
    }
}

fn write_program(path: &Path, script: &str) -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let text = format!("#!/bin/sh\n{script}\n");
    std::fs::write(path, text).map_err(|error| error.to_string())?;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).map_err(|error| error.to_string())
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn is_refused<T: std::fmt::Debug>(answer: &Result<T, Trouble>, what: &str) -> Outcome {
    ensure(matches!(answer, Err(Trouble::Refused { .. })), || {
        format!("{what} was not refused: {answer:?}")
    })
}

const WAITS: &str = "exec sleep 600";

/// An image from debootstrap and import has the contract, and one without it is told what is missing.
///
/// # Errors
/// What was wrong.
pub async fn an_image_is_checked_against_the_contract() -> Outcome {
    let runtime = DockerRuntime::new(Engine::default(), "contract");
    let image = Image::Contract.make().await?;
    let facts = runtime
        .image_facts(&image)
        .await
        .map_err(|t| t.to_string())?;
    ensure(facts.missing().is_empty(), || format!("{image}: {facts:?}"))?;
    let base = Image::Base.make().await?;
    let facts = runtime
        .image_facts(&base)
        .await
        .map_err(|t| t.to_string())?;
    ensure(facts.missing().len() == 3, || format!("{base}: {facts:?}"))?;
    let nothing = runtime.image_facts("cloud-code-no-such-image:latest").await;
    is_refused(&nothing, "an image that is not there")?;
    ensure(
        nothing.is_err_and(|trouble| trouble.to_string().contains("dockerfiles/build.sh")),
        || "the message does not say how to build it".to_owned(),
    )
}

/// What runs in a workstation has its socket and its volumes, and nothing else.
///
/// # Errors
/// What was wrong.
pub async fn a_workstation_reaches_its_socket_and_nothing_else() -> Outcome {
    let listener = probe::HostListener::open().await?;
    let bench = Bench::new("probe", &probe::script(listener.port())).await?;
    let neighbour = Bench::new("neighbour", probe::NEIGHBOUR).await?;
    let outcome = async {
        let report = probe::Report::listen(&bench.spec.socket_dir)?;
        let ready = probe::Report::listen(&neighbour.spec.socket_dir)?;
        neighbour.start().await?;
        ready.is_called().await?;
        bench.start().await?;
        report.compare().await?;
        ensure(!listener.was_reached(), || {
            "the host was reached over TCP".to_owned()
        })
    };
    let outcome = outcome.await;
    let outcome = neighbour.end(outcome).await;
    bench.end(outcome).await
}

/// The next runtime object finds the workstation of the one before, and starts no second one.
///
/// # Errors
/// What was wrong.
pub async fn a_workstation_is_adopted_after_a_restart() -> Outcome {
    let bench = Bench::new("adopt", WAITS).await?;
    let outcome = async {
        ensure(bench.observed().await?.is_none(), || {
            "there before its start".to_owned()
        })?;
        bench.start().await?;
        let id = bench.container_id().await?;
        let seen = bench.observed().await?;
        ensure(
            seen.as_ref()
                .is_some_and(|one| one.state == ObservedState::Running && !one.outdated),
            || format!("{seen:?}"),
        )?;
        bench.start().await?;
        ensure(bench.container_id().await? == id, || {
            "it was made again".to_owned()
        })
    };
    let outcome = outcome.await;
    bench.end(outcome).await
}

/// A stopped workstation is started again with its volume; a changed one is outdated; removal keeps
/// the volume and purging does not. Each step may be repeated.
///
/// # Errors
/// What was wrong.
pub async fn a_workstation_keeps_its_volumes_until_it_is_purged() -> Outcome {
    let script = "echo x >>/workspace/starts; exec sleep 600";
    let mut bench = Bench::new("keep", script).await?;
    let outcome = keeps_its_volumes(&mut bench).await;
    bench.end(outcome).await
}

async fn keeps_its_volumes(bench: &mut Bench) -> Outcome {
    bench.start().await?;
    let id = bench.container_id().await?;
    docker(&["kill", &bench.container()]).await?;
    let seen = bench.observed().await?;
    let stopped = |one: &Observed| matches!(one.state, ObservedState::Stopped(_));
    ensure(seen.as_ref().is_some_and(stopped), || format!("{seen:?}"))?;
    bench.start().await?;
    ensure(bench.container_id().await? == id, || {
        "it was made again".to_owned()
    })?;

    bench.spec.memory += 1 << 20;
    let seen = bench.observed().await?;
    ensure(seen.as_ref().is_some_and(|one| one.outdated), || {
        format!("{seen:?}")
    })?;
    for _ in 0..2 {
        let removed = bench.runtime().remove(&bench.spec.agent).await;
        removed.map_err(|trouble| trouble.to_string())?;
    }
    docker(&["volume", "inspect", &bench.volume()]).await?;
    bench.start().await?;
    let seen = bench.observed().await?;
    ensure(seen.as_ref().is_some_and(|one| !one.outdated), || {
        format!("{seen:?}")
    })?;
    for _ in 0..2 {
        let purged = bench.runtime().purge(&bench.spec.agent).await;
        purged.map_err(|trouble| trouble.to_string())?;
    }
    let volume = docker(&["volume", "inspect", &bench.volume()]).await;
    ensure(volume.is_err(), || "the volume is still there".to_owned())
}

/// A container or volume that has our name and not our labels is refused, and left as it was.
///
/// # Errors
/// What was wrong.
pub async fn what_is_not_ours_is_left_alone() -> Outcome {
    let bench = Bench::new("foreign", WAITS).await?;
    let (name, volume) = (bench.container(), bench.volume());
    docker(&["create", "--name", &name, &bench.spec.image, "true"]).await?;
    let outcome = foreign_container(&bench).await;
    let removed = docker(&["rm", "-f", &name]).await;
    outcome.and(removed.map(drop))?;

    docker(&["volume", "create", &volume]).await?;
    let runtime = bench.runtime();
    let started = runtime.start(&bench.spec).await;
    let purged = runtime.purge(&bench.spec.agent).await;
    let there = docker(&["volume", "rm", &volume]).await;
    is_refused(&started, "a start on a foreign volume")?;
    is_refused(&purged, "purging a foreign volume")?;
    bench.end(there.map(drop)).await
}

async fn foreign_container(bench: &Bench) -> Outcome {
    let runtime = bench.runtime();
    let id = bench.container_id().await?;
    let agent = &bench.spec.agent;
    is_refused(&runtime.start(&bench.spec).await, "a start")?;
    is_refused(&runtime.remove(agent).await, "a removal")?;
    is_refused(&runtime.purge(agent).await, "a purge")?;
    let seen = bench.observed().await?;
    ensure(seen.is_none(), || {
        format!("it was taken for ours: {seen:?}")
    })?;
    ensure(bench.container_id().await? == id, || {
        "it was replaced".to_owned()
    })
}

/// The real agentd, static, comes up in a workstation and calls over its socket.
///
/// # Errors
/// What was wrong.
pub async fn the_real_agentd_calls_from_a_workstation(agentd: &Path) -> Outcome {
    let mut bench = Bench::new("real", WAITS).await?;
    bench.spec.agentd = agentd.to_owned();
    let outcome = async {
        let report = probe::Report::listen(&bench.spec.socket_dir)?;
        bench.start().await?;
        let called = report.is_http2().await;
        let logs = docker(&["logs", &bench.container()]).await;
        called.map_err(|error| format!("{error}; it says: {logs:?}"))
    };
    let outcome = outcome.await;
    bench.end(outcome).await
}

/// The three coding CLIs of the backend image start under the profile of a workstation.
///
/// # Errors
/// What was wrong.
pub async fn the_coding_clis_of_the_backend_image_start_confined() -> Outcome {
    let image = Image::Backend.make().await?;
    let profile: PathBuf = repository_root().join("dockerfiles/seccomp.json");
    let seccomp = format!("seccomp={}", profile.display());
    let script =
        "claude --version && codex --version 2>/dev/null && aider --version && git --version";
    let said = docker(&[
        "run",
        "--rm",
        "--network",
        "none",
        "--read-only",
        "--user",
        "10001:10001",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--security-opt",
        &seccomp,
        "--tmpfs",
        "/tmp:exec,uid=10001,gid=10001",
        "--env",
        "HOME=/tmp",
        &image,
        "/bin/sh",
        "-c",
        script,
    ])
    .await?;
    for word in ["Claude Code", "codex-cli", "aider", "git version"] {
        ensure(said.contains(word), || format!("no {word} in {said:?}"))?;
    }
    Ok(())
}
