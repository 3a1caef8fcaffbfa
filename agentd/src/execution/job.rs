//! What an assignment asks for, checked.

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_code_domain::account::{Authorisation, Provider};
use cloud_code_domain::id::{ExecutionId, Oid};
use cloud_code_domain::report::{Criterion, CriterionStatus, bounds};
use cloud_code_domain::text::one_line;
use cloud_code_domain::workspace::WorkspaceMode;
use cloud_code_proto::v1;

use crate::workspace::worktree::Identity;

/// An assignment.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) execution: ExecutionId,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) criteria: Vec<Criterion>,
    pub(crate) task_type: String,
    pub(crate) priority: String,
    pub(crate) branch: String,
    pub(crate) base: Oid,
    pub(crate) resume: bool,
    pub(crate) conversation: Vec<v1::Message>,
    /// The number of the conversation's first message.
    pub(crate) conversation_from: u64,
    /// Messages below this number were handed over before.
    pub(crate) delivered: u64,
    pub(crate) cli: Cli,
    pub(crate) setup: String,
    pub(crate) check: String,
    pub(crate) check_returns: u32,
    pub(crate) commit_leftovers: bool,
    pub(crate) identity: Identity,
    pub(crate) limits: Limits,
    pub(crate) project: String,
    pub(crate) issue: String,
    pub(crate) home: Vec<v1::HomeFile>,
    pub(crate) agent_type: String,
    /// Work of somebody else that it goes on with.
    pub(crate) earlier: Option<Earlier>,
    /// How its worktree is made, where none is kept.
    pub(crate) mode: WorkspaceMode,
}

/// See [`v1::Earlier`].
#[derive(Debug, Clone)]
pub(crate) struct Earlier {
    pub(crate) agent: String,
    pub(crate) coding_cli: String,
    pub(crate) from: Oid,
    pub(crate) summary: String,
    pub(crate) changes: Vec<String>,
    pub(crate) pushed: bool,
}

/// The coding CLI to run.
#[derive(Clone)]
pub(crate) struct Cli {
    pub(crate) name: String,
    pub(crate) adapter: String,
    pub(crate) command: Vec<String>,
    pub(crate) model: Option<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) account: Option<(Provider, Authorisation)>,
    pub(crate) gateway_token: String,
}

impl std::fmt::Debug for Cli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cli")
            .field("name", &self.name)
            .field("adapter", &self.adapter)
            .finish_non_exhaustive()
    }
}

/// Limits of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) wall_clock: Duration,
    pub(crate) silence: Duration,
    pub(crate) retries: u32,
}

/// Why an assignment cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the assignment is malformed: {field} is {value:?}")]
pub(crate) struct BadJob {
    field: &'static str,
    value: String,
}

fn bad(field: &'static str, value: &str) -> BadJob {
    BadJob {
        field,
        value: value.chars().take(80).collect(),
    }
}

impl TryFrom<v1::Assign> for Job {
    type Error = BadJob;

    fn try_from(assign: v1::Assign) -> Result<Self, BadJob> {
        let cli = assign
            .coding_cli
            .ok_or_else(|| bad("coding_cli", "missing"))?;
        let limits = assign.limits.ok_or_else(|| bad("limits", "missing"))?;
        if !is_branch(&assign.branch) {
            return Err(bad("branch", &assign.branch));
        }
        let parsed = |_| bad("execution", &assign.execution);
        Ok(Self {
            execution: assign.execution.parse().map_err(parsed)?,
            base: assign.base.parse().map_err(|_| bad("base", &assign.base))?,
            criteria: assign.criteria.iter().map(|text| pending(text)).collect(),
            cli: Cli::try_from(cli)?,
            limits: Limits::from(limits),
            identity: Identity {
                name: assign.git_name,
                email: assign.git_email,
            },
            title: assign.title,
            description: assign.description,
            task_type: assign.task_type,
            priority: assign.priority,
            branch: assign.branch,
            resume: assign.resume,
            conversation: assign.conversation,
            conversation_from: assign.conversation_from,
            delivered: assign.delivered,
            setup: assign.setup,
            check: assign.check,
            check_returns: assign.check_returns,
            commit_leftovers: assign.commit_leftovers,
            project: assign.project,
            issue: assign.issue,
            home: assign.home,
            agent_type: assign.agent_type,
            earlier: assign.earlier.map(Earlier::try_from).transpose()?,
            mode: mode(&assign.workspace_mode)?,
        })
    }
}

impl TryFrom<v1::Earlier> for Earlier {
    type Error = BadJob;

    fn try_from(earlier: v1::Earlier) -> Result<Self, BadJob> {
        Ok(Self {
            from: earlier
                .from
                .parse()
                .map_err(|_| bad("earlier", &earlier.from))?,
            agent: earlier.agent,
            coding_cli: earlier.coding_cli,
            summary: earlier.summary,
            changes: earlier.changes,
            pushed: earlier.pushed,
        })
    }
}

impl TryFrom<v1::CodingCli> for Cli {
    type Error = BadJob;

    fn try_from(cli: v1::CodingCli) -> Result<Self, BadJob> {
        let account = cli
            .account()
            .map_err(|error| bad("coding_cli", &error.to_string()))?;
        Ok(Self {
            name: cli.name,
            adapter: cli.adapter,
            command: cli.command,
            model: (!cli.model.is_empty()).then_some(cli.model),
            env: cli.env.into_iter().collect(),
            account,
            gateway_token: cli.gateway_token,
        })
    }
}

impl From<v1::Limits> for Limits {
    fn from(limits: v1::Limits) -> Self {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds.max(1)));
        Self {
            wall_clock: seconds(limits.wall_clock_seconds),
            silence: seconds(limits.silence_seconds),
            retries: limits.retries,
        }
    }
}

/// A mode that is not known is no reason to guess: who wants a workspace apart must not get a shared one.
fn mode(name: &str) -> Result<WorkspaceMode, BadJob> {
    if name.is_empty() {
        return Ok(WorkspaceMode::Shared);
    }
    name.parse().map_err(|_| bad("workspace_mode", name))
}

fn pending(criterion: &str) -> Criterion {
    Criterion {
        criterion: one_line(criterion, bounds::LINE),
        status: CriterionStatus::Pending,
    }
}

/// Whether git and a file system take it for a branch and nothing else.
fn is_branch(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./+".contains(&b);
    (1..=200).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
        && !["..", "//", "/.", ".lock", "/-"]
            .iter()
            .any(|part| name.contains(part))
}

impl Job {
    /// The commit that the work of the task goes back to, as far as it is not pushed.
    pub(crate) fn from(&self) -> &Oid {
        self.earlier
            .as_ref()
            .map_or(&self.base, |earlier| &earlier.from)
    }

    /// The number that the next message gets.
    pub(crate) fn conversation_end(&self) -> u64 {
        self.conversation_from + self.conversation.len() as u64
    }

    /// The messages that no turn has seen.
    pub(crate) fn waiting(&self) -> &[v1::Message] {
        let known = self.delivered.saturating_sub(self.conversation_from);
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        self.conversation.get(known..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_that_is_an_option_or_a_path_is_refused() {
        assert!(is_branch("cloud-code/42-k3f9x2ab"));
        for bad in [
            "", "-f", "a..b", "/a", "a/", "a b", "a/.b", "x.lock", "a\n", "a/-b",
        ] {
            assert!(!is_branch(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_workspace_mode_that_is_not_known_is_no_shared_workspace() {
        assert_eq!(mode(""), Ok(WorkspaceMode::Shared));
        assert_eq!(mode("copy_on_write"), Ok(WorkspaceMode::CopyOnWrite));
        assert!(mode("of-tomorrow").is_err());
    }

    #[test]
    fn only_messages_that_no_turn_has_seen_wait() {
        let message = |text: &str| v1::Message {
            text: text.into(),
            ..v1::Message::default()
        };
        let mut job = Job::try_from(v1::Assign {
            execution: "k3f9x2ab.1".into(),
            base: "a".repeat(40),
            branch: "b".into(),
            coding_cli: Some(v1::CodingCli::default()),
            limits: Some(v1::Limits::default()),
            conversation: vec![message("x"), message("y")],
            conversation_from: 3,
            delivered: 4,
            ..v1::Assign::default()
        })
        .unwrap();
        assert_eq!(job.waiting(), [message("y")]);
        assert_eq!(job.conversation_end(), 5);
        job.delivered = 0;
        assert_eq!(job.waiting().len(), 2);
        job.delivered = 9;
        assert!(job.waiting().is_empty());
    }
}
