//! The process of a coding CLI, from its start to its end, over one turn or several.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use cloud_code_domain::log::LogLevel;
use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;
use nix::sys::signal::Signal;
use tokio::process::Command;
use tokio::time::Instant;

use crate::cli::{
    self, Adapter, Exit, Gateway, Interrupt, Output, Parser, RunSpec, SessionRef, StdinPlan,
};
use crate::execution::process::{Launch, Moment, Owned, Running};
use crate::execution::scene::Scene;
use crate::execution::{ExecutionError, sweep};
use crate::failpoint::failpoint;
use crate::workspace::{failed, home};

/// For `--version`.
const PROBE: Duration = Duration::from_secs(10);
/// For each step of an orderly end.
const GRACE: Duration = Duration::from_secs(2);

/// A started coding CLI.
pub(crate) struct Live {
    pub(super) running: Running,
    pub(super) parser: Box<dyn Parser>,
    adapter: Box<dyn Adapter>,
    spec: RunSpec,
    /// Of the secrets in its environment.
    secrets: u64,
}

impl Live {
    /// The process for the next turn: the one that is kept, or a new one where it does not know all
    /// secrets or has ended.
    pub(super) async fn for_turn(
        scene: &mut Scene,
        kept: Option<Self>,
        prompt: &str,
        out: &mut Output,
    ) -> Result<Self, ExecutionError> {
        let secrets = scene
            .parts
            .credentials
            .fingerprint(&scene.job.execution.task);
        if let Some(mut live) = kept {
            if !live.running.has_exited() && live.secrets == secrets {
                live.parser.next_turn(prompt, out);
                return Ok(live);
            }
            live.shut_down(&scene.execution).await;
        }
        Self::start(scene, prompt, secrets, out).await
    }

    async fn start(
        scene: &mut Scene,
        prompt: &str,
        secrets: u64,
        out: &mut Output,
    ) -> Result<Self, ExecutionError> {
        let name = scene.job.cli.adapter.clone();
        let adapter = cli::adapter(&name)
            .ok_or_else(|| ExecutionError::Start(format!("there is no adapter {name:?}")))?;
        scene.forget_unknown_session();
        let spec = spec(scene, prompt);
        let plan = adapter
            .plan(&spec)
            .map_err(|error| ExecutionError::Start(error.to_string()))?;
        std::fs::write(&spec.prompt_file, prompt).map_err(failed("write", &spec.prompt_file))?;
        for (path, content) in &plan.files {
            home::write(&spec.home, &spec.home.join(path), content)?;
        }
        scene.exclude(&plan.droppings)?;
        let env = scene.environment(plan.env);
        let program = plan.argv.first().cloned().unwrap_or_default();
        if scene.cli_version.is_none() {
            scene.cli_version = Some(version(&name, &program, &env, &spec.workdir).await);
        }
        if adapter
            .keeps_session(&spec.home, spec.session.id())
            .is_some()
        {
            // Before it is started: both may be killed before it says what its session is.
            scene.memory.session = Some(spec.session.id().to_owned());
            scene.remember();
        }
        failpoint!("agentd::session_chosen");
        let mut running = Running::start(&Launch {
            argv: &plan.argv,
            env: &env,
            dir: &spec.workdir,
            speaks: plan.stdin != StdinPlan::Null,
        })
        .map_err(|error| ExecutionError::Start(format!("{}: {error}", program.display())))?;
        failpoint!("agentd::cli_started");
        tracing::info!(
            execution_id = scene.execution,
            coding_cli = name,
            pid = running.pid(),
            "a coding CLI was started"
        );
        let mut parser = adapter.parser(&spec);
        parser.start(prompt, out);
        if let StdinPlan::Bytes(bytes) = plan.stdin {
            running.write(bytes);
            running.close_stdin();
        }
        let started = Body::Started(v1::Started {
            coding_cli_version: scene.cli_version.clone().unwrap_or_default(),
        });
        scene.parts.spool.append(&scene.execution, started).await?;
        Ok(Self {
            running,
            parser,
            adapter,
            spec,
            secrets,
        })
    }

    pub(super) fn is_warm(&self) -> bool {
        self.adapter.warm()
    }

    /// Whether it lives on to the next turn.
    pub(super) fn stays(&self) -> bool {
        self.is_warm() && self.running.exit().is_none()
    }

    pub(super) fn interrupt(&self) -> Interrupt {
        self.adapter.interrupt()
    }

    /// What its own files say of its tokens, where it could not say it itself.
    pub(super) fn cross_check(&self, scene: &mut Scene) {
        let killed = !self.running.exit().is_some_and(Exit::is_success);
        let session = scene.memory.session.clone().filter(|_| killed);
        let usage = session.and_then(|id| self.adapter.usage_from_files(&self.spec, &id));
        if let Some(usage) = usage {
            let text = format!("its own files count {usage:?}");
            scene.logs.system(LogLevel::Debug, &text);
        }
    }

    /// Ends it in good order, then everything it left.
    pub(crate) async fn shut_down(mut self, execution: &str) {
        self.running.close_stdin();
        if !self.exits().await {
            self.running.signal_group(Signal::SIGTERM);
            if !self.exits().await {
                self.running.signal_group(Signal::SIGKILL);
            }
        }
        sweep::end_all(execution, self.running.living_pid()).await;
    }

    async fn exits(&mut self) -> bool {
        let deadline = Instant::now() + GRACE;
        while self.running.exit().is_none() {
            match tokio::time::timeout_at(deadline, self.running.next()).await {
                Ok(Moment::Line(..) | Moment::PipesEnded | Moment::Exited(_)) => {}
                Err(_) => return false,
            }
        }
        true
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

fn spec(scene: &Scene, prompt: &str) -> RunSpec {
    let job = &scene.job;
    let session = match &scene.memory.session {
        Some(id) => SessionRef::Resume { id: id.clone() },
        None => SessionRef::New {
            id: uuid::Uuid::new_v4().to_string(),
        },
    };
    RunSpec {
        prompt: prompt.to_owned(),
        workdir: scene.dirs.work(),
        home: scene.dirs.home(),
        model: job.cli.model.clone(),
        session,
        command: job.cli.command.clone(),
        gateway: job.cli.account.map(|(provider, authorisation)| Gateway {
            base_url: format!("{}/model", scene.parts.gateway_url),
            token: job.cli.gateway_token.clone(),
            provider,
            authorisation,
        }),
        env: job.cli.env.clone(),
        prompt_file: scene.dirs.prompt(),
    }
}

/// What the program calls its version. Unknown programs are not started twice.
async fn version(
    adapter: &str,
    program: &OsString,
    env: &[(OsString, OsString)],
    dir: &Path,
) -> String {
    if matches!(adapter, "scripted" | "lines" | "acp") {
        return String::new();
    }
    let mut command = Command::new(program);
    command
        .arg("--version")
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(dir)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true);
    let probe = async { Owned::spawn(command)?.output().await };
    match tokio::time::timeout(PROBE, probe).await {
        Ok(Ok(output)) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            cloud_code_domain::text::one_line(&text, 80)
        }
        Ok(Err(_)) | Err(_) => String::new(),
    }
}
