//! Everything that one execution works with, and what can reach it from outside while it runs.

use std::ffi::OsString;
use std::path::PathBuf;

use cloud_code_domain::log::LogLevel;
use cloud_code_domain::report::{ReportStatus, bounds};
use cloud_code_domain::text::visible;
use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;
use tokio::sync::mpsc;

use super::ExecutionError;
use super::job::Job;
use super::logs::Logs;
use super::processes::MARK;
use super::prompt::{self, Place};
use super::verdict::Stop;
use crate::app::Parts;
use crate::cli;
use crate::clock;
use crate::files::dir::{Dir, ReadError};
use crate::files::merge::{Keeper, texts};
use crate::files::reporting;
use crate::session::spool::SpoolError;
use crate::workspace::clone::exclude;
use crate::workspace::memory::Memory;
use crate::workspace::worktree::Worktree;
use crate::workspace::{TaskDirs, WorkspaceError};

/// What reaches a running execution.
#[derive(Debug)]
pub(crate) enum Control {
    Stop(Stop),
    Steer {
        number: u64,
        message: v1::Message,
    },
    /// A secret is held for the next turn.
    Granted {
        label: String,
        kind: String,
        variable: String,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) parts: Parts,
    pub(crate) job: Job,
    pub(crate) execution: String,
    pub(crate) dirs: TaskDirs,
    pub(crate) worktree: Worktree,
    /// Whether the first turn began: from then on the worktree is the coding CLI's.
    pub(crate) begun: bool,
    pub(crate) memory: Memory,
    /// Where commits are kept that conflict with the base.
    pub(crate) aside: Option<String>,
    pub(crate) keeper: Keeper,
    pub(crate) logs: Logs,
    pub(crate) control: mpsc::Receiver<Control>,
    /// What the coding CLI calls its version, once it was asked.
    pub(crate) cli_version: Option<String>,
    stop: Option<Stop>,
    messages: Vec<(u64, v1::Message)>,
    granted: Vec<String>,
    /// The coding CLI has the messages below this number in hand.
    delivered: u64,
}

impl Scene {
    pub(crate) fn new(parts: Parts, job: Job, control: mpsc::Receiver<Control>) -> Self {
        let execution = job.execution.to_string();
        let dirs = parts.workspace.task(&job.execution.task);
        let memory = Memory::load(&dirs.memory());
        Self {
            worktree: Worktree {
                path: dirs.work(),
                branch: job.branch.clone(),
                // One that is kept stays what it is, whatever is configured meanwhile.
                mode: if job.resume { memory.mode } else { job.mode },
            },
            begun: false,
            memory,
            keeper: Keeper::begin(None, &job.criteria, clock::now()),
            aside: None,
            logs: Logs::new(parts.spool.clone(), &execution),
            dirs,
            execution,
            control,
            cli_version: None,
            stop: None,
            messages: Vec::new(),
            granted: Vec::new(),
            delivered: job.delivered,
            job,
            parts,
        }
    }

    /// What the coding CLI is told first.
    pub(crate) async fn first_prompt(&self) -> String {
        let commits = match &self.job.earlier {
            // Where git cannot say, the prompt goes without a list.
            Some(earlier) => self.worktree.log(&earlier.from).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let place = Place {
            aside: self.aside.as_deref(),
            commits: &commits,
        };
        prompt::first(&self.job, self.is_resumed(), place)
    }

    /// Keeps what is ours, and what the coding CLI drops, out of commits.
    pub(crate) fn exclude(&self, droppings: &[String]) -> Result<(), WorkspaceError> {
        let workspace = &self.parts.workspace;
        exclude(&self.worktree.repository(workspace), droppings)
    }

    /// Whether the coding CLI's session goes on.
    pub(crate) fn is_resumed(&self) -> bool {
        self.memory.session.is_some()
    }

    /// Forgets a session that its program knows nothing of, and would refuse to resume: the id was
    /// ours, and the program was killed before it had written anything down.
    pub(crate) fn forget_unknown_session(&mut self) {
        let kept = self.memory.session.as_ref().and_then(|session| {
            let adapter = cli::adapter(&self.job.cli.adapter)?;
            adapter.keeps_session(&self.dirs.home(), session)
        });
        if kept == Some(false) {
            self.memory.session = None;
        }
    }

    /// Notes what came from outside. True: the execution is to stop.
    pub(crate) fn note(&mut self, control: Control) -> bool {
        match control {
            Control::Stop(stop) => {
                self.stop.get_or_insert(stop);
                return true;
            }
            Control::Steer { number, message } => {
                self.logs
                    .system(LogLevel::Info, "a message waits for the next turn");
                self.messages.push((number, message));
            }
            Control::Granted {
                label,
                kind,
                variable,
            } => {
                self.keeper.answer(&label, &kind);
                self.granted.push(format!("{label} ({kind}): ${variable}"));
            }
        }
        false
    }

    /// Why the execution is to stop.
    pub(crate) fn pending_stop(&mut self) -> Option<Stop> {
        while let Ok(control) = self.control.try_recv() {
            self.note(control);
        }
        self.stop
    }

    /// Waits until the execution is to stop; notes everything else on the way.
    pub(crate) async fn stopped(&mut self) -> Stop {
        loop {
            if let Some(stop) = self.stop {
                return stop;
            }
            match self.control.recv().await {
                Some(control) => drop(self.note(control)),
                None => return Stop::Shutdown,
            }
        }
    }

    /// The prompt for the messages that wait, and the number below which all are in it.
    pub(crate) fn take_messages(&mut self) -> Option<(String, u64)> {
        let last = self.messages.iter().map(|(number, _)| *number).max()?;
        let messages = std::mem::take(&mut self.messages);
        if messages.iter().any(|(_, message)| message.kind == "answer") {
            self.keeper.answer_all();
        }
        self.keeper.unblock();
        let texts: Vec<&v1::Message> = messages.iter().map(|(_, message)| message).collect();
        Some((prompt::follow_up(&texts), last + 1))
    }

    /// The prompt for the credentials that came; they are in the next turn's environment.
    pub(crate) fn take_granted(&mut self) -> Option<String> {
        if self.granted.is_empty() || self.keeper.has_open_request() {
            return None;
        }
        self.keeper.unblock();
        Some(prompt::granted(&std::mem::take(&mut self.granted)))
    }

    pub(crate) fn set_status(&mut self, status: ReportStatus, message: &str) {
        self.keeper.status(status, message, clock::now());
    }

    /// Takes what reporting.yaml claims into our report.
    pub(crate) fn read_report(&mut self) {
        let read = Dir::open(&self.dirs.contract())
            .map_err(|error| reporting::ReportError::Read(ReadError::Io(error)))
            .and_then(|dir| reporting::read(&dir, &self.job.execution.task));
        match read {
            Ok(Some(claim)) => self.keeper.claim(&claim, clock::now()),
            Ok(None) => {}
            Err(error) => self.complain(&error.to_string()),
        }
    }

    /// Says of reporting.yaml why it is not taken; once, however often it is read.
    fn complain(&mut self, why: &str) {
        let known = self.keeper.report().invalid.clone();
        self.keeper.invalid(why);
        if known != self.keeper.report().invalid {
            let text = format!("reporting.yaml is not taken: {why}");
            self.logs.system(LogLevel::Warning, &text);
        }
    }

    /// Writes reporting.yaml. Only between turns: two writers would lose edits.
    pub(crate) fn write_report(&self) {
        let now = clock::rfc3339(clock::now());
        let task = &self.job.execution.task;
        let text = reporting::write(self.keeper.report(), task, &self.job.agent_type, &now);
        let written = Dir::open(&self.dirs.contract())
            .and_then(|dir| dir.write(reporting::NAME, text.as_bytes()));
        if let Err(error) = written {
            tracing::debug!(%error, execution_id = self.execution, "reporting.yaml was not written");
        }
    }

    /// Sends what changed in the report.
    pub(crate) async fn send_report(&mut self) -> Result<(), SpoolError> {
        if let Some(mut delta) = self.keeper.take_delta() {
            for text in texts(&mut delta) {
                *text = self.logs.redacted(text);
            }
            let said_more = !delta.progress.is_empty();
            let body = Body::Report(delta.into());
            self.parts.spool.append(&self.execution, body).await?;
            if said_more {
                self.memory.told = self.keeper.told();
                self.remember();
            }
        }
        Ok(())
    }

    /// The coding CLI has the messages below this number in hand.
    pub(crate) async fn delivered(&mut self, below: u64) -> Result<(), SpoolError> {
        if below <= self.delivered {
            return Ok(());
        }
        self.delivered = below;
        let body = Body::MessagesDelivered(v1::MessagesDelivered { below });
        self.parts.spool.append(&self.execution, body).await?;
        Ok(())
    }

    /// Puts HEAD on the branch and commits what the coding CLI left.
    pub(crate) async fn keep_leftovers(&mut self) -> Result<(), ExecutionError> {
        self.worktree.unlock_after_turn().await?;
        self.worktree.attach().await?;
        if self.job.commit_leftovers {
            let message = format!("{}\n\nLeft uncommitted by the coding CLI.", self.job.title);
            if self
                .worktree
                .commit_all(&message, &self.job.identity)
                .await?
            {
                self.logs
                    .system(LogLevel::Info, "uncommitted work was committed");
            }
        }
        Ok(())
    }

    /// Remembers what the next execution needs.
    pub(crate) fn remember(&self) {
        if let Err(error) = self.memory.save(&self.dirs.memory()) {
            tracing::warn!(
                error = crate::session::chain(&error),
                "a task was not remembered"
            );
        }
    }

    /// A text for people: without secrets, visible, cut.
    pub(crate) fn presentable(&self, text: &str) -> String {
        visible(&self.logs.redacted(text), bounds::TEXT)
    }

    /// What every program of the execution gets; `own` is the adapter's.
    pub(crate) fn environment(
        &mut self,
        own: Vec<(OsString, OsString)>,
    ) -> Vec<(OsString, OsString)> {
        let mut env: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), self.path()),
            ("HOME".into(), self.dirs.home().into()),
            ("LANG".into(), "C.UTF-8".into()),
            ("TERM".into(), "dumb".into()),
            ("TMPDIR".into(), self.dirs.tmp().into()),
            ("NO_PROXY".into(), "127.0.0.1,localhost".into()),
            ("no_proxy".into(), "127.0.0.1,localhost".into()),
        ];
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
            env.push((name.into(), self.parts.gateway_url.clone().into()));
        }
        // The image says which authorities it trusts besides its own.
        for name in [
            "SSL_CERT_FILE",
            "NODE_EXTRA_CA_CERTS",
            "PIP_CERT",
            "REQUESTS_CA_BUNDLE",
        ] {
            env.extend(std::env::var_os(name).map(|value| (name.into(), value)));
        }
        if let Some(cache) = &self.parts.cache {
            for (name, dir) in [
                ("XDG_CACHE_HOME", ""),
                ("npm_config_cache", "npm"),
                ("PIP_CACHE_DIR", "pip"),
            ] {
                env.push((name.into(), cache.join(dir).into()));
            }
        }
        for (name, value) in self.job.identity.environment() {
            env.push((name.into(), value.into()));
        }
        env.extend(own);
        let secrets = self.parts.credentials.secrets(&self.job.execution.task);
        self.logs.redact(&secrets);
        for secret in secrets {
            if let Ok(value) = std::str::from_utf8(&secret.value) {
                env.push((secret.variable.into(), value.trim_end_matches('\n').into()));
            }
        }
        env.push((MARK.into(), self.execution.clone().into()));
        env
    }

    fn path(&self) -> OsString {
        let own = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let Some(tools) = &self.parts.tools else {
            return own;
        };
        let mut paths: Vec<PathBuf> = vec![tools.join("bin"), tools.clone()];
        paths.extend(std::env::split_paths(&own));
        std::env::join_paths(paths).unwrap_or(own)
    }
}
