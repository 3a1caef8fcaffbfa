//! The configuration: TOML, parsed whole before anything is opened.
//!
//! [`parse()`] turns a text into a [`Config`] or into every mistake at once, each with file, line, key
//! and remedy. The structs here are what the rest of the program sees: typed, checked, with all
//! defaults filled in.

mod account_secret;
mod adapter;
mod annotated;
mod files;
mod parse;
mod problem;
mod read;
mod secret;
mod value;

pub use account_secret::AccountSecret;
pub use adapter::AdapterKind;
pub use annotated::annotated;
pub use files::{FileFacts, FileKind, Files, RealFiles, Surroundings};
pub use parse::parse;
pub use problem::{Problem, Problems};
pub use secret::Unfit;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cloud_code_domain::account::{Authorisation, Provider};
use cloud_code_domain::agent::AgentType;
use cloud_code_domain::id::{AccountName, CodingCliName, ProjectName};
use cloud_code_domain::limit::Amount;
use cloud_code_domain::log::retention::Keep;
use cloud_code_domain::routing::RoutingTable;
use cloud_code_domain::task::TaskType;
use cloud_code_domain::workspace::WorkspaceMode;
use secrecy::SecretString;

/// Everything that is configured.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the store, mirrors, logs, sockets and quarantines are; 0700.
    pub state_dir: PathBuf,
    /// Run with a small JSON on standard input when something starts to wait for a person.
    pub notify_command: Vec<String>,
    /// The operator's socket.
    pub operator: OperatorConfig,
    /// The webhook listener; none where no project has a webhook secret.
    pub webhooks: Option<WebhooksConfig>,
    /// The encrypted secrets file; none: agents' requests can only be denied.
    pub secrets: Option<SecretsConfig>,
    /// Whose name the commits bear.
    pub git: GitConfig,
    /// How long an effect with an unknown outcome settles before it is made again.
    pub settle: SettleConfig,
    /// How much of executions' logs is kept.
    pub logs: Keep,
    /// The fleet.
    pub agents: AgentsConfig,
    /// What coding CLIs spend from.
    pub accounts: BTreeMap<AccountName, AccountConfig>,
    /// The coding CLIs.
    pub coding_clis: BTreeMap<CodingCliName, CodingCliConfig>,
    /// Prices that extend or replace those of the shipped table.
    pub prices: BTreeMap<String, cloud_code_domain::price::Price>,
    /// Keywords of labels that choose an agent type.
    pub routing: RoutingTable,
    /// The repositories we watch.
    pub projects: Vec<ProjectConfig>,
}

/// `[operator]`
#[derive(Debug, Clone)]
pub struct OperatorConfig {
    /// The Unix socket.
    pub socket: PathBuf,
    /// Login names that may connect; empty: the daemon's own and root.
    pub users: Vec<String>,
}

/// `[webhooks]`
#[derive(Debug, Clone)]
pub struct WebhooksConfig {
    /// Address and port.
    pub listen: std::net::SocketAddr,
}

/// `[secrets]`
#[derive(Debug, Clone)]
pub struct SecretsConfig {
    /// 32 bytes as 64 hexadecimal digits, mode 0600, outside `state_dir`.
    pub key_file: PathBuf,
}

/// `[git]`
#[derive(Debug, Clone)]
pub struct GitConfig {
    /// Author and committer of the commits that we push.
    pub name: String,
    /// Their address.
    pub email: String,
}

/// `[settle]`
#[derive(Debug, Clone)]
pub struct SettleConfig {
    /// For GitHub.
    pub github: Duration,
}

/// `[agents]`
#[derive(Debug, Clone)]
pub struct AgentsConfig {
    /// What a workstation is.
    pub runtime: RuntimeKind,
    /// The agentd binary; for docker a static one.
    pub agentd: PathBuf,
    /// `host:port` that agents may reach through the egress proxy.
    pub egress: Vec<String>,
    /// Executions at once, over all projects.
    pub max_running: u32,
    /// The first pause after a failed execution; it doubles with each.
    pub retry: Duration,
    /// A workstation that is connected and says nothing for this long is away.
    pub away: Duration,
    /// One that works and is away for this long is lost.
    pub lost: Duration,
    /// Bytes; below this no new work is taken.
    pub min_free_disk: u64,
    /// Whether adapters other than `scripted` may run under the process runtime.
    pub allow_unconfined: bool,
    /// A bundle of certificate authorities that containers trust besides their image's own.
    pub ca_bundle: Option<PathBuf>,
    /// Limits of a turn.
    pub limits: TurnLimits,
    /// Workstations by type.
    pub types: BTreeMap<AgentType, AgentTypeConfig>,
}

/// `[agents.limits]`
#[derive(Debug, Clone)]
pub struct TurnLimits {
    /// A turn is ended as timed out after this.
    pub wall_clock: Duration,
    /// A turn without any sign of progress for this long is ended as stalled.
    pub silence: Duration,
    /// Retry events of the coding CLI without progress in between that end a turn.
    pub retries: u32,
}

/// What a workstation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuntimeKind {
    /// A container without network.
    Docker,
    /// A process of our own uid: isolates nothing.
    Process,
}

/// `[agents.types.TYPE]`
#[derive(Debug, Clone)]
pub struct AgentTypeConfig {
    /// The image; empty under `process`.
    pub image: String,
    /// Workstations of this type per project.
    pub count: u32,
    /// Memory limit in bytes.
    pub memory: u64,
    /// CPU limit in thousandths of a core.
    pub cpu_millis: u32,
}

/// `[accounts.NAME]`
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// Whose API.
    pub kind: Provider,
    /// How the secret is presented.
    pub auth: Authorisation,
    /// Where the API is.
    pub base_url: String,
    /// The secret, read from `secret_file`.
    pub secret: AccountSecret,
    /// A usage limit that is over within this time is the coding CLI's to wait for; a later one parks
    /// the account.
    pub patience: Duration,
    /// `price = "none"`: models without a price are allowed and cost nothing.
    pub unpriced: bool,
}

/// `[coding_cli.NAME]`
#[derive(Debug, Clone)]
pub struct CodingCliConfig {
    /// Which adapter drives it.
    pub adapter: AdapterKind,
    /// What it spends from; none: it gets no gateway.
    pub account: Option<AccountName>,
    /// The program and its first arguments.
    pub command: Vec<String>,
    /// The model; none: the CLI's default.
    pub model: Option<String>,
    /// More environment; never secrets.
    pub env: BTreeMap<String, String>,
}

/// `[[projects]]`
#[derive(Debug, Clone)]
pub struct ProjectConfig {
    /// Its name; for GitHub `owner/repository`.
    pub name: ProjectName,
    /// Whether it is watched and worked on.
    pub enabled: bool,
    /// Where its issues and pull requests are.
    pub tracker: TrackerConfig,
    /// Clone and push URL, or a path.
    pub repository: String,
    /// The branch that pull requests go to.
    pub default_branch: String,
    /// What our branches begin with.
    pub branch_prefix: String,
    /// Labels that make an issue a task.
    pub trigger_labels: Vec<String>,
    /// Labels that keep an issue from being one.
    pub ignore_labels: Vec<String>,
    /// False: everything waits in triage.
    pub auto_assign: bool,
    /// Agent type of a task that no rule routes.
    pub default_agent_type: Option<AgentType>,
    /// Agent types by task type.
    pub preferred_agents: BTreeMap<TaskType, AgentType>,
    /// The coding CLI that works on it.
    pub coding_cli: CodingCliName,
    /// How workspaces are made.
    pub workspace_mode: WorkspaceMode,
    /// A command, once per worktree; or empty.
    pub setup: String,
    /// A command at the end of a turn; or empty.
    pub check: String,
    /// How often a failed check goes back to the coding CLI.
    pub check_returns: u32,
    /// Whether what the CLI left uncommitted is committed.
    pub commit_leftovers: bool,
    /// A folder whose files are put into HOME; never secrets.
    pub home_seed: Option<PathBuf>,
    /// Failed executions since the last human input.
    pub max_attempts: u32,
    /// Per task: dollars of accounts with a key, tokens of subscriptions.
    pub task_limit: Amount,
    /// Per project and day (UTC), in the same way.
    pub daily_limit: Amount,
    /// Paths that a person has to pass besides the built-in ones (`.github/**`, …).
    pub protected_paths: Vec<String>,
    /// The most the gate accepts.
    pub gate: GateLimits,
}

/// `[projects.gate]`
#[derive(Debug, Clone)]
pub struct GateLimits {
    /// Bytes of a pack.
    pub pack_bytes: u64,
    /// Bytes of one file.
    pub blob_bytes: u64,
    /// Bytes of all new objects, inflated.
    pub inflated_bytes: u64,
    /// Paths in a tree.
    pub paths: u64,
    /// Depth of a tree.
    pub depth: u32,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            pack_bytes: 50 << 20,
            blob_bytes: 100 << 20,
            inflated_bytes: 512 << 20,
            paths: 200_000,
            depth: 128,
        }
    }
}

/// Where a project's issues and pull requests are.
#[derive(Debug, Clone)]
pub enum TrackerConfig {
    /// With us: issues are made by the operator, results are merged by the operator.
    Local,
    /// At GitHub.
    Github(GithubConfig),
}

/// `[projects.github]`
#[derive(Debug, Clone)]
pub struct GithubConfig {
    /// Where the API is; GraphQL is `<api_url>/graphql`.
    pub api_url: String,
    /// How we are authorised.
    pub authorisation: GithubAuthorisation,
    /// The secret of its webhook; none: it is only polled.
    pub webhook_secret: Option<SecretString>,
    /// Time between two polls.
    pub poll: Duration,
}

/// How we are authorised at GitHub.
#[derive(Debug, Clone)]
pub enum GithubAuthorisation {
    /// A token.
    Token(SecretString),
    /// A GitHub App.
    App {
        /// The app's id.
        id: u64,
        /// Its private key, PEM.
        private_key: SecretString,
        /// Its installation.
        installation_id: u64,
    },
}

impl Config {
    /// The project with this name.
    #[must_use]
    pub fn project(&self, name: &ProjectName) -> Option<&ProjectConfig> {
        self.projects.iter().find(|project| project.name == *name)
    }
}

/// The most bytes of a configuration; a device has no end.
const FILE_MOST: usize = 1 << 20;

/// Reads the configuration file.
///
/// # Errors
/// Every mistake at once; one where the file cannot be read.
pub fn read(path: &std::path::Path, files: &dyn Files) -> Result<Config, Problems> {
    let bytes = files.read(path, FILE_MOST + 1);
    let bytes = bytes.map_err(|error| Problems::unreadable(path, &error))?;
    if bytes.len() > FILE_MOST {
        return Err(Problems::too_long(path, FILE_MOST));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(path, text, files),
        Err(error) => Err(Problems::not_utf8(path, &bytes[..error.valid_up_to()])),
    }
}
