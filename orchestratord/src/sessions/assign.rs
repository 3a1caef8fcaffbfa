//! What an assignment says: the task, and how the project wants it done.

use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use cloud_code_domain::account::Authorisation;
use cloud_code_domain::execution::{Execution, StopReason};
use cloud_code_domain::handover::Predecessor;
use cloud_code_domain::id::ExecutionId;
use cloud_code_domain::task::{Message, MessageKind, Task};
use cloud_code_proto::v1;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::{CodingCliConfig, Config, ProjectConfig};

/// Bytes and files of a project's `home_seed` at most.
const SEED_BYTES: u64 = 1 << 20;
const SEED_FILES: usize = 500;

/// What assignments are made from.
#[derive(Debug, Clone)]
pub struct Briefing {
    /// The configuration.
    pub config: Arc<Config>,
    /// The host's own key: executions' tokens are made from it.
    pub key: Arc<crate::app::HostKey>,
}

impl Briefing {
    /// The token of an execution. It opens nothing but the gateway, and only on the socket of the
    /// execution's agent.
    #[must_use]
    pub fn token(&self, execution: &ExecutionId) -> String {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.bytes()) else {
            return String::new();
        };
        mac.update(b"execution token\0");
        mac.update(execution.to_string().as_bytes());
        format!("{execution}.{}", hex::encode(mac.finalize().into_bytes()))
    }

    /// The execution that a token is of.
    #[must_use]
    pub fn execution_of(&self, token: &str) -> Option<ExecutionId> {
        let (execution, _) = token.rsplit_once('.')?;
        let execution: ExecutionId = execution.parse().ok()?;
        let same =
            subtle::ConstantTimeEq::ct_eq(self.token(&execution).as_bytes(), token.as_bytes());
        bool::from(same).then_some(execution)
    }

    /// The assignment of an execution; none where its project or coding CLI is configured no more.
    pub(super) fn assign(&self, execution: &Execution, task: &Task) -> Option<v1::Assign> {
        let project = self.config.project(&task.project)?;
        let cli = self.config.coding_clis.get(&execution.coding_cli)?;
        let limits = &self.config.agents.limits;
        let seconds =
            |limit: std::time::Duration| u32::try_from(limit.as_secs()).unwrap_or(u32::MAX);
        Some(v1::Assign {
            execution: execution.id.to_string(),
            task: task.id.to_string(),
            title: task.title.clone(),
            description: task.description.clone(),
            criteria: task.criteria.clone(),
            task_type: format!("{:?}", task.task_type).to_lowercase(),
            priority: task.priority.as_str().into(),
            branch: task.branch.clone(),
            base: execution.base.to_string(),
            resume: execution.resume,
            conversation: task.conversation.messages.iter().map(message).collect(),
            conversation_from: task.conversation.first,
            delivered: task.conversation.delivered,
            coding_cli: Some(self.coding_cli(execution, cli)),
            setup: project.setup.clone(),
            check: project.check.clone(),
            check_returns: project.check_returns,
            commit_leftovers: project.commit_leftovers,
            git_name: self.config.git.name.clone(),
            git_email: self.config.git.email.clone(),
            limits: Some(v1::Limits {
                wall_clock_seconds: seconds(limits.wall_clock),
                silence_seconds: seconds(limits.silence),
                retries: limits.retries,
            }),
            project: task.project.to_string(),
            issue: task
                .issue
                .as_ref()
                .map(|issue| format!("#{}", issue.number))
                .unwrap_or_default(),
            home: home_seed(project),
            agent_type: task
                .agent_type
                .map(|kind| kind.to_string())
                .unwrap_or_default(),
            earlier: execution
                .predecessor
                .as_ref()
                .map(|by| earlier(by, execution, task)),
            workspace_mode: project.workspace_mode.as_str().into(),
        })
    }

    fn coding_cli(&self, execution: &Execution, cli: &CodingCliConfig) -> v1::CodingCli {
        let account = cli
            .account
            .as_ref()
            .and_then(|name| self.config.accounts.get(name));
        v1::CodingCli {
            name: execution.coding_cli.to_string(),
            adapter: cli.adapter.as_str().into(),
            command: cli.command.clone(),
            model: cli.model.clone().unwrap_or_default(),
            env: cli.env.clone().into_iter().collect::<HashMap<_, _>>(),
            gateway_token: account
                .map(|_| self.token(&execution.id))
                .unwrap_or_default(),
            provider: account.map_or("", |account| account.kind.as_str()).into(),
            authorisation: account
                .map_or("", |account| match account.auth {
                    Authorisation::ApiKey => "api_key",
                    Authorisation::ClaudeToken => "claude_token",
                })
                .into(),
        }
    }
}

fn earlier(by: &Predecessor, execution: &Execution, task: &Task) -> v1::Earlier {
    v1::Earlier {
        agent: by.agent.to_string(),
        coding_cli: by.coding_cli.to_string(),
        from: by.from.to_string(),
        summary: task.report.summary.clone().unwrap_or_default(),
        changes: task.report.changes_summary.clone(),
        // A worktree that is kept may hold more.
        pushed: !execution.resume && by.from == execution.base,
    }
}

pub(super) fn message(message: &Message) -> v1::Message {
    v1::Message {
        kind: match message.kind {
            MessageKind::Steer => "steer",
            MessageKind::Review => "review",
            MessageKind::Answer => "answer",
            MessageKind::Gate => "gate",
            MessageKind::Pushed => "pushed",
        }
        .into(),
        author: message.author.clone(),
        text: message.text.clone(),
        at_ms: message.at.0,
    }
}

pub(super) fn cancel_reason(reason: StopReason) -> v1::CancelReason {
    match reason {
        StopReason::Cancelled => v1::CancelReason::Cancelled,
        StopReason::CostLimit => v1::CancelReason::CostLimit,
        StopReason::AccountParked => v1::CancelReason::AccountParked,
        StopReason::Authentication => v1::CancelReason::Authentication,
        StopReason::Halted => v1::CancelReason::Halted,
        StopReason::RetryStorm => v1::CancelReason::RetryStorm,
    }
}

/// The files of a project's `home_seed`: regular ones, bounded; what is beyond is left out and said.
fn home_seed(project: &ProjectConfig) -> Vec<v1::HomeFile> {
    let Some(root) = &project.home_seed else {
        return Vec::new();
    };
    let mut files = Vec::new();
    let mut room = SEED_BYTES;
    if let Err(error) = collect(root, root, &mut files, &mut room) {
        tracing::warn!(%error, project = %project.name, "home_seed cannot be read whole");
    }
    files
}

fn collect(
    root: &Path,
    dir: &Path,
    files: &mut Vec<v1::HomeFile>,
    room: &mut u64,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() {
            collect(root, &path, files, room)?;
        } else if kind.is_file() && files.len() < SEED_FILES {
            let mut content = Vec::new();
            let read = std::fs::File::open(&path)?
                .take(*room)
                .read_to_end(&mut content)?;
            *room = room.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
            let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
            if let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str) {
                files.push(v1::HomeFile {
                    path: relative.to_owned(),
                    content,
                    executable,
                });
            }
        }
    }
    Ok(())
}
