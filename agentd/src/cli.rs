//! Coding CLIs: one pure adapter each.
//!
//! An adapter turns what agentd knows into a command line ([`Adapter::plan`]) and what the program
//! prints into events ([`Parser`]). It starts nothing, reads no clock and holds no handle, so it is
//! tested on a few lines of text; `execution/` does all process handling.
//!
//! ```text
//!  RunSpec ──plan──▶ LaunchPlan ──(execution starts it)──▶ lines ──Parser──▶ Output
//!                                                             ▲                 │ events: CliEvent
//!                                                             └── stdin ◀───────┘ bytes for the CLI
//! ```

mod acp;
mod aider;
mod claude_code;
mod codex;
mod error_kind;
mod lines;
#[cfg(test)]
mod replay;
mod scripted;
mod transcript;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud_code_domain::account::{Authorisation, Provider};
use cloud_code_domain::cost::Usage;

/// The adapter with this configured name.
#[must_use]
pub fn adapter(name: &str) -> Option<Box<dyn Adapter>> {
    let adapter: Box<dyn Adapter> = match name {
        "claude-code" => Box::new(claude_code::ClaudeCode),
        "codex" => Box::new(codex::Codex),
        "aider" => Box::new(aider::Aider),
        "opencode" => Box::new(acp::Acp(acp::Program::Opencode)),
        "qwen" => Box::new(acp::Acp(acp::Program::Qwen)),
        "copilot" => Box::new(acp::Acp(acp::Program::Copilot)),
        "gemini" => Box::new(acp::Acp(acp::Program::Gemini)),
        "acp" => Box::new(acp::Acp(acp::Program::Any)),
        "scripted" => Box::new(scripted::Scripted),
        "lines" => Box::new(lines::Lines),
        _ => return None,
    };
    Some(adapter)
}

/// What agentd knows about the run to start.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The first prompt.
    pub prompt: String,
    /// The worktree; the program is started in it.
    pub workdir: PathBuf,
    /// The task's HOME.
    pub home: PathBuf,
    /// The model; none: the program's default.
    pub model: Option<String>,
    /// The session to begin or to go on with.
    pub session: SessionRef,
    /// The program and its first arguments as configured; may be empty.
    pub command: Vec<String>,
    /// Where model calls go; none: the program gets no account.
    pub gateway: Option<Gateway>,
    /// Configured environment; never secrets.
    pub env: BTreeMap<String, String>,
    /// A file that holds the prompt, outside the worktree.
    pub prompt_file: PathBuf,
}

/// Which session a run belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionRef {
    /// A new one; the id is a fresh UUID that the program may take over, see [`Adapter::keeps_session`].
    New {
        /// The UUID.
        id: String,
    },
    /// The one that an earlier run took over or reported in [`CliEvent::Session`].
    Resume {
        /// Its id as reported.
        id: String,
    },
}

impl SessionRef {
    /// The id, whichever it is.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::New { id } | Self::Resume { id } => id,
        }
    }
}

/// The loopback end of the model gateway.
#[derive(Clone)]
pub struct Gateway {
    /// `http://127.0.0.1:PORT/model`, without a slash at its end; `/<provider>/…` follows.
    pub base_url: String,
    /// Opens nothing but the loopback gateway, for one execution.
    pub token: String,
    /// Whose API the account speaks to.
    pub provider: Provider,
    /// How the account is authorised; the program gets the token in the same place.
    pub authorisation: Authorisation,
}

impl Gateway {
    /// Where the provider's API is, for example `http://127.0.0.1:4000/model/anthropic`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}", self.base_url, self.provider.as_str())
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("base_url", &self.base_url)
            .field("provider", &self.provider)
            .field("authorisation", &self.authorisation)
            .finish_non_exhaustive()
    }
}

/// How to start the program. agentd adds PATH, HOME, LANG, TERM, TMPDIR, its own marker, granted
/// credentials and the proxy variables; nothing else reaches the child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchPlan {
    /// The program and all its arguments.
    pub argv: Vec<OsString>,
    /// The environment, complete apart from what agentd always sets.
    pub env: Vec<(OsString, OsString)>,
    /// What the program reads.
    pub stdin: StdinPlan,
    /// Files to write below HOME first: relative path, content.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// Globs of files that the program drops into the workspace; they are kept out of commits.
    pub droppings: Vec<String>,
}

/// What the program reads from standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StdinPlan {
    /// Nothing.
    Null,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// What [`Output::stdin`] holds, as long as it runs.
    Session,
}

/// Why a command line cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// This build has no such adapter.
    #[error("this build of agentd has no adapter for {0}")]
    NotBuilt(&'static str),
    /// The configuration names no program.
    #[error("no command is configured for {0}: set `command` in its [coding_cli] table")]
    NoCommand(&'static str),
    /// The program needs an account.
    #[error("{0} needs an account: set `account` in its [coding_cli] table")]
    NoAccount(&'static str),
    /// The account does not fit the program.
    #[error("{0}")]
    Unsuitable(String),
}

/// One kind of coding CLI.
pub trait Adapter: Send + Sync {
    /// Its configured name.
    fn name(&self) -> &'static str;

    /// How to start it.
    ///
    /// # Errors
    /// Where configuration and program do not fit together.
    fn plan(&self, spec: &RunSpec) -> Result<LaunchPlan, PlanError>;

    /// A parser for one process started by [`Adapter::plan`] with the same specification.
    fn parser(&self, spec: &RunSpec) -> Box<dyn Parser>;

    /// Whether the process stays for the next turn. Otherwise each turn starts one.
    fn warm(&self) -> bool {
        false
    }

    /// Whether the program left something below HOME by which it can take this session up again. None:
    /// it names its sessions itself, and every one that it told of can be resumed.
    ///
    /// A program that takes the id over from us may be killed before it has written anything down; it
    /// would refuse to resume such a session.
    fn keeps_session(&self, _home: &Path, _session: &str) -> Option<bool> {
        None
    }

    /// How a turn is interrupted.
    fn interrupt(&self) -> Interrupt {
        Interrupt::Signal
    }

    /// The tokens of a session from what the program left below HOME: a cross-check of the gateway's
    /// count, for a turn that was killed before it reported any.
    fn usage_from_files(&self, _spec: &RunSpec, _session: &str) -> Option<Usage> {
        None
    }
}

/// How a turn is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// [`Parser::interrupt`] writes a request to the program's standard input.
    Protocol,
    /// SIGINT to the program.
    Signal,
}

/// Understands what one process prints. Pure and incremental. It accepts any line: what it does not
/// know becomes [`CliEvent::Line`], never an error.
pub trait Parser: Send {
    /// The process was started with this prompt.
    fn start(&mut self, prompt: &str, out: &mut Output);

    /// A line of standard output, without its end, cut at a bound.
    fn stdout_line(&mut self, line: &str, out: &mut Output);

    /// A line of standard error.
    fn stderr_line(&mut self, line: &str, out: &mut Output);

    /// The next turn of a warm process. A program that is started anew for each turn has none.
    fn next_turn(&mut self, _prompt: &str, _out: &mut Output) {}

    /// A message into the running turn. False: not possible now, deliver it with the next turn.
    fn steer(&mut self, _text: &str, _out: &mut Output) -> bool {
        false
    }

    /// Asks for the end of the running turn. False: not possible, use a signal.
    fn interrupt(&mut self, _out: &mut Output) -> bool {
        false
    }

    /// The process ended. Where a turn was running, exactly one [`CliEvent::TurnEnded`] follows.
    fn finish(&mut self, exit: Option<Exit>, out: &mut Output);
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// Whether it exited with status 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }
}

/// What a parser has to say after a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// What happened, in order.
    pub events: Vec<CliEvent>,
    /// Bytes to write to the program now.
    pub stdin: Vec<u8>,
}

impl Output {
    /// Adds an event.
    pub fn event(&mut self, event: CliEvent) {
        self.events.push(event);
    }
}

/// What a coding CLI does, the same for all of them. Texts are hostile and bounded by their reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CliEvent {
    /// The session has this id: what a later run resumes.
    Session {
        /// The id.
        id: String,
        /// The model it uses.
        model: Option<String>,
    },
    /// It says something.
    Message {
        /// What.
        text: String,
    },
    /// It uses a tool.
    ToolCall {
        /// The tool.
        name: String,
        /// What it asks of it.
        input: String,
    },
    /// A tool answered.
    ToolResult {
        /// Whether it succeeded.
        ok: bool,
        /// What it said.
        text: String,
    },
    /// It changed a file. A hint; git's facts count.
    FileChange {
        /// The path as it names it.
        path: String,
    },
    /// A model call failed and will be repeated.
    Retry {
        /// The HTTP status, where it is known.
        status: Option<u16>,
        /// Why.
        kind: ErrorKind,
        /// After this long.
        delay: Option<Duration>,
    },
    /// Its own permission system refused a tool.
    Denied {
        /// Which.
        tool: String,
    },
    /// Something failed. Whether the turn goes on is said by other events.
    Error {
        /// What kind.
        kind: ErrorKind,
        /// In its words.
        message: String,
    },
    /// The turn ended.
    TurnEnded {
        /// Whether the program says that it succeeded.
        ok: bool,
        /// Why not.
        kind: Option<ErrorKind>,
        /// Its last words.
        text: String,
    },
    /// A line that means nothing to the parser.
    Line {
        /// The line.
        text: String,
    },
}

/// Kinds of error; what follows from each is decided in `execution/verdict.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// 401, 403: the secret is refused.
    Auth,
    /// 429: too many requests.
    RateLimit,
    /// The account's usage limit or balance is reached.
    Quota,
    /// 529, 503.
    Overloaded,
    /// 5xx.
    Server,
    /// 400: the request itself is refused.
    BadRequest,
    /// The conversation does not fit the model.
    ContextLength,
    /// 404: no such model.
    ModelNotFound,
    /// No connection.
    Network,
    /// No answer.
    Timeout,
    /// The answer was cut at the model's output limit.
    MaxTokens,
    /// The program's own bound of turns.
    MaxTurns,
    /// It was interrupted on request.
    Interrupted,
    /// A signal ended it.
    Killed,
    /// It does not like its command line.
    Usage,
    /// It said something impossible, or ended without saying how.
    Protocol,
    /// Anything else.
    Unknown,
}
