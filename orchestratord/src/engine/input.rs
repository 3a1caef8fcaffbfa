//! Everything that can happen to the engine. One closed enum, one exhaustive match.

use std::collections::BTreeSet;

use cloud_code_domain::account::Parking;
use cloud_code_domain::cost::Usage;
use cloud_code_domain::credential::CredentialType;
use cloud_code_domain::execution::FailureCause;
use cloud_code_domain::id::{
    AccountName, AgentId, ExecutionId, Oid, ProjectName, RequestId, TaskId,
};
use cloud_code_domain::issue::{IssueSnapshot, PullRequestSnapshot, Remark};
use cloud_code_domain::limit::Amount;
use cloud_code_domain::operator::Action;
use cloud_code_domain::passed::ProtectedChange;
use cloud_code_domain::report::ReportDelta;
use cloud_code_domain::vitals::Vitals;

use super::effect::{EffectRecord, Outcome};

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A webhook says that these issues or pull requests may have changed.
    Delivered {
        /// SHA-256 of what was delivered: the same is taken once. None is always taken.
        digest: Option<[u8; 32]>,
        /// Of each project the number of the issue or pull request.
        about: Vec<(ProjectName, u64)>,
        /// The remark that it tells of, as [`Remark::source`] names it.
        remark: Option<String>,
    },
    /// A poll says that these issues or pull requests may have changed.
    Polled {
        /// The project.
        project: ProjectName,
        /// Their numbers.
        numbers: Vec<u64>,
        /// Where the next poll goes on from.
        cursor: String,
    },
    /// An agent's session began.
    Hello {
        /// The agent, by its socket.
        agent: AgentId,
        /// What it said.
        hello: Hello,
    },
    /// An agent's session ended.
    Gone {
        /// The agent.
        agent: AgentId,
        /// The link that broke; a newer one may stand already.
        link: u64,
    },
    /// A sign of life.
    Heartbeat {
        /// The agent.
        agent: AgentId,
        /// What it said.
        vitals: Vitals,
    },
    /// A numbered record of an agent.
    Record {
        /// The agent.
        agent: AgentId,
        /// Its number in the agent's spool.
        seq: u64,
        /// The execution that it speaks for.
        execution: ExecutionId,
        /// What it says.
        body: RecordBody,
    },
    /// An agent's record cannot be read: it is taken note of and passed over.
    Unreadable {
        /// The agent.
        agent: AgentId,
        /// Its number in the agent's spool.
        seq: u64,
        /// Why.
        why: String,
    },
    /// An agent has removed what it had of a task.
    TaskCleaned {
        /// The agent.
        agent: AgentId,
        /// The task.
        task: TaskId,
    },
    /// An agent holds a secret.
    CredentialHeld {
        /// The agent.
        agent: AgentId,
        /// The request.
        request: RequestId,
    },
    /// The fleet was looked at.
    FleetObserved {
        /// Agents whose workstation does not run, with the reason.
        down: Vec<(AgentId, String)>,
    },
    /// The workspace of an agent was removed, and all that ran there.
    WorkspaceRemoved {
        /// Whose it was.
        agent: AgentId,
    },
    /// The runtime was asked what runs.
    FleetAsked {
        /// Why the runtime does not say what runs; none where it does.
        trouble: Option<String>,
    },
    /// A workstation cannot be started.
    WorkstationStuck {
        /// Whose it is.
        agent: AgentId,
        /// Why not.
        why: String,
    },
    /// A model call wants to be made.
    CallOpened {
        /// The execution, by its token and its agent's socket.
        execution: ExecutionId,
        /// The model.
        model: String,
        /// The most that it can come to, in both measures.
        most: Amount,
    },
    /// A model call has ended.
    CallSettled {
        /// The execution.
        execution: ExecutionId,
        /// The call.
        call: u64,
        /// Tokens, by the provider's own count.
        usage: Usage,
        /// Their price, and those of them that count towards a limit.
        came_to: Amount,
        /// How it was answered.
        answer: Answer,
    },
    /// A provider said that an account cannot be used.
    AccountParked {
        /// The account.
        account: AccountName,
        /// Why, and until when.
        parking: Parking,
    },
    /// A tracker was asked: what keeps it from answering, or none where it does answer.
    TrackerAsked {
        /// The project.
        project: ProjectName,
        /// The trouble, in a sentence.
        trouble: Option<String>,
    },
    /// An effect is about to be made.
    EffectStarted {
        /// Its key.
        key: String,
    },
    /// An effect was made, or not.
    EffectFinished {
        /// Its key.
        key: String,
        /// What it came to.
        outcome: Outcome<Done>,
    },
    /// An operator did something.
    Act {
        /// Who.
        operator: String,
        /// What.
        action: Action,
        /// The version of the task or request it was decided on; 0 for any.
        expected_version: u64,
    },
    /// These secrets are stored now.
    SecretsKnown {
        /// Which.
        secrets: BTreeSet<SecretId>,
        /// How often their file was written.
        version: u64,
        /// Which operator changed them, and how; none at start.
        change: Option<(String, String)>,
    },
    /// The host's file system has this many bytes free.
    DiskFree(u64),
    /// A deadline has passed (a back-off, a parking), or a minute.
    Tick,
}

/// What an agent says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The number of its link; grows with each.
    pub link: u64,
    /// Its program's version.
    pub version: String,
    /// The id of its spool.
    pub spool_id: String,
    /// The execution it is busy with.
    pub execution: Option<ExecutionId>,
    /// Tasks that it holds a worktree of.
    pub worktrees: Vec<TaskId>,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordBody {
    /// The coding CLI runs.
    Started {
        /// Its version.
        version: String,
    },
    /// The report has changed.
    Report(ReportDelta),
    /// Log lines, which are in the log already.
    Logged,
    /// Log lines were lost.
    LogsDropped(u64),
    /// Messages below this number are in the coding CLI's hands.
    Delivered(u64),
    /// The execution has ended.
    Ended(Ended),
}

/// How an execution ended, as the agent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub how: EndedHow,
    /// Where its branch stands, where it says so.
    pub head: Option<Oid>,
    /// The coding CLI's last words, or the error.
    pub last_words: String,
}

/// See [`Ended`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndedHow {
    /// With a result.
    Succeeded {
        /// The commit that holds it.
        head: Oid,
    },
    /// A person is needed.
    Blocked {
        /// A credential request is open.
        needs_credential: bool,
        /// What the agent reported.
        reason: String,
    },
    /// Without a result.
    Failed(FailureCause),
    /// As it was told to.
    Cancelled,
}

/// What an effect found or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// An inspection.
    Inspected(Box<Inspected>),
    /// The base of the next execution.
    Prepared {
        /// The commit to start from.
        base: Oid,
        /// The pull request's head, where people may have moved it.
        pull_request_head: Option<Oid>,
    },
    /// The result was pushed.
    Published {
        /// The pushed commit.
        head: Oid,
        /// Lines added against the default branch.
        added: u64,
        /// Lines removed.
        removed: u64,
        /// Files changed.
        files: u64,
        /// Changes of protected paths that an operator let pass with it.
        passed: Vec<ProtectedChange>,
    },
    /// The gate refused the result.
    Rejected {
        /// What it found.
        findings: Vec<String>,
        /// Whether an operator may pass it.
        passable: bool,
    },
    /// Somebody else pushed to the branch before; nothing of theirs was replaced.
    Overtaken {
        /// Where they left the branch.
        head: Oid,
        /// Their commits, a line each, the newest first.
        commits: Vec<String>,
    },
    /// The agent does not have the result any more.
    ResultLost {
        /// Why.
        why: String,
    },
    /// The commits of the agent before are on the host.
    Brought {
        /// The last of them, as it is there.
        head: Oid,
    },
    /// The commits of the agent before cannot be had.
    NotBrought {
        /// Why.
        why: String,
    },
    /// The pull request stands.
    PullRequestOpened(PullRequestSnapshot),
    /// The comment stands.
    Commented {
        /// Its id.
        id: u64,
    },
    /// The pull request is merged.
    Merged,
    /// The pull request is closed.
    Closed,
    /// The command was run.
    Notified,
}

/// What an inspection found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The issue.
    pub issue: Option<IssueSnapshot>,
    /// The pull request.
    pub pull_request: Option<PullRequestSnapshot>,
    /// Comments and reviews.
    pub remarks: Vec<Remark>,
    /// Whether the tracker has the issue of the task no more: it was deleted, or is elsewhere.
    pub gone: bool,
}

/// What the engine answers, after everything that the input changed is durable.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It is so now, or was so already.
    Ok,
    /// Records up to this number are committed.
    Committed {
        /// The number.
        seq: u64,
    },
    /// Between this record and the last one some are missing: the link has to begin anew.
    Gap {
        /// The last one that is committed.
        committed: u64,
    },
    /// The effect may be made now, from these facts.
    Make(Box<(EffectRecord, Facts)>),
    /// The same was delivered before.
    Duplicate,
    /// The effect is not wanted any more.
    NotWanted,
    /// The call may be made.
    CallAllowed {
        /// Its number.
        call: u64,
    },
    /// The call may not be made.
    CallRefused(CallRefusal),
    /// The action is done.
    Acted {
        /// What follows, a sentence.
        message: String,
        /// The task it made or acted on.
        task: Option<TaskId>,
    },
    /// The action cannot be done.
    ActRefused(ActRefusal),
    /// The store cannot be written: nothing of the input was kept.
    Unavailable {
        /// Why.
        why: String,
    },
}

/// What became of a model call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The model answered to the end.
    Whole,
    /// The provider refused it for what is in it.
    Refused,
    /// There was none: the provider cannot now, or was not reached.
    None,
}

/// Why a model call may not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallRefusal {
    /// The token names no execution that runs on this agent.
    NotRunning,
    /// The task's cost limit is reached.
    CostLimit,
    /// Its calls failed too often in a row.
    RetryStorm,
    /// The project's daily limit is reached.
    DailyLimit,
    /// The account is parked.
    Parked(Parking),
    /// The coding CLI has no account.
    NoAccount,
    /// The execution is being ended.
    Stopping,
}

impl Input {
    /// Whether it only says how an agent's work goes on: there may be a thousand of them a second,
    /// and none makes room for a task, ends one, or sets a time that is waited for.
    pub(crate) fn is_routine(&self) -> bool {
        match self {
            Self::Heartbeat { .. } => true,
            Self::Record { body, .. } => match body {
                RecordBody::Report(delta) => delta.credential_requests.is_none(),
                RecordBody::Logged | RecordBody::LogsDropped(_) => true,
                RecordBody::Started { .. } | RecordBody::Delivered(_) | RecordBody::Ended(_) => {
                    false
                }
            },
            Self::Delivered { .. }
            | Self::Polled { .. }
            | Self::Hello { .. }
            | Self::Gone { .. }
            | Self::Unreadable { .. }
            | Self::TaskCleaned { .. }
            | Self::CredentialHeld { .. }
            | Self::FleetObserved { .. }
            | Self::FleetAsked { .. }
            | Self::WorkspaceRemoved { .. }
            | Self::WorkstationStuck { .. }
            | Self::CallOpened { .. }
            | Self::CallSettled { .. }
            | Self::AccountParked { .. }
            | Self::TrackerAsked { .. }
            | Self::EffectStarted { .. }
            | Self::EffectFinished { .. }
            | Self::Act { .. }
            | Self::SecretsKnown { .. }
            | Self::DiskFree(_)
            | Self::Tick => false,
        }
    }
}

/// Why an action cannot be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActRefusal {
    /// There is no such thing.
    NotFound(String),
    /// Not in this state; why, and what would be possible.
    NotPossible(String),
    /// It has changed since the operator looked.
    Changed {
        /// Its version now.
        version: u64,
    },
    /// It makes no sense.
    Invalid(String),
}

/// What the outside needs to know to make an effect: a copy, taken when it was started.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The task it serves.
    pub task: Option<cloud_code_domain::task::Task>,
    /// The execution whose result it publishes.
    pub execution: Option<cloud_code_domain::execution::Execution>,
    /// The credential request it tells of.
    pub request: Option<cloud_code_domain::credential::CredentialRequest>,
}

/// Which secret: its kind, its exact scope, and the project it is for (none: every project).
pub type SecretId = (CredentialType, String, Option<ProjectName>);
