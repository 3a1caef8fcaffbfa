//! A whole installation for one test: the real programs, as processes, in a directory of its own.
//!
//! ```text
//!  Cluster ─▶ /tmp/cc-XXXXXX/{bin,config,state,…}   ports on a loopback address of this process
//!          ─▶ orchestratord (killed and started again at will) ─▶ workstations ─▶ coding CLIs
//!          ─▶ a scripted model server; a forge where the test brings one
//! ```
//!
//! Dropping it ends everything that was started below its directory, workstations included, which
//! outlive orchestratord by design.

mod dying;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cloud_code_domain::cost::Usage;
use cloud_code_proto::v1;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::forge::{APP_ID, Forge, INSTALLATION_ID, TOKEN};
use crate::model::{ModelServer, Script, Step};
use crate::operator::Operator;
use crate::programs;

/// How long anything may take here. Much longer than it does take: machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at what tells nobody that it changed.
const LOOK: Duration = Duration::from_millis(20);
/// What webhooks are signed with.
pub const WEBHOOK_SECRET: &str = "a-webhook-secret-of-more-than-32-bytes";
/// What the model provider is paid with: it may turn up nowhere.
pub const PROVIDER_KEY: &str = "sk-canary-provider-key-0123456789abcdef";

/// What differs between installations. Everything is TOML that is put where its name says; `{root}`
/// in it stands for the directory, `{model}` for where the scripted model is.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Above all sections.
    pub top: String,
    /// In `[agents]`.
    pub agents: String,
    /// In `[accounts.scripted]`.
    pub account: String,
    /// Workstations of each project; 0: two.
    pub seats: u32,
    /// Executions at once; 0: four.
    pub running: u32,
    /// After all else: projects, more coding CLIs.
    pub rest: String,
}

/// See the module.
#[derive(Debug)]
pub struct Cluster {
    root: tempfile::TempDir,
    orchestratord: Option<Child>,
    operator: Option<Operator>,
    model: ModelServer,
    listen: String,
    /// Where orchestratord dies after its next start, if anywhere.
    failpoint: Option<String>,
}

impl Cluster {
    /// Makes the directory and starts orchestratord. `binary` is all programs in one:
    /// `env!("CARGO_BIN_EXE_demo")`.
    ///
    /// # Errors
    /// Where something cannot be made, or orchestratord does not come up; with what it said.
    pub async fn start(binary: &str, setting: Setting) -> Result<Self> {
        Self::prepared(binary, setting, |_| Ok(())).await
    }

    /// The same, with files that the test needs in the directory before anything runs.
    ///
    /// # Errors
    /// As [`Cluster::start`], and those of `prepare`.
    pub async fn prepared(
        binary: &str,
        setting: Setting,
        prepare: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        // Sockets have to fit into 107 bytes.
        let root = tempfile::Builder::new()
            .prefix("cce-")
            .tempdir_in("/tmp")
            .context("a directory")?;
        programs::install(Path::new(binary), &root.path().join("bin"))?;
        secret_file(root.path(), "provider.key", PROVIDER_KEY)?;
        secret_file(root.path(), "forge.token", TOKEN)?;
        secret_file(root.path(), "webhook.secret", WEBHOOK_SECRET)?;
        orchestratord::credentials::generate_key(&root.path().join("secrets.key"))?;
        prepare(root.path())?;
        let model = ModelServer::start(thinking()).await?;
        let listen = own_address();
        let config = configuration(&setting, model.url(), &listen);
        let config = config.replace("{root}", &root.path().to_string_lossy());
        let config = config.replace("{model}", model.url());
        fs::write(root.path().join("orchestratord.toml"), config)?;
        let mut cluster = Self {
            root,
            orchestratord: None,
            operator: None,
            model,
            listen,
            failpoint: None,
        };
        cluster.restart().await?;
        Ok(cluster)
    }

    /// Its directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The state directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    /// The model server.
    #[must_use]
    pub fn model(&self) -> &ModelServer {
        &self.model
    }

    /// The operator, as long as orchestratord runs.
    ///
    /// # Errors
    /// Where it was killed and not started again.
    pub fn operator(&self) -> Result<&Operator> {
        self.operator.as_ref().context("orchestratord does not run")
    }

    /// Where webhooks go.
    #[must_use]
    pub fn webhook_url(&self) -> String {
        format!("http://{}/webhooks/github", self.listen)
    }

    /// From now on the forge tells of what happens.
    pub fn listen_to(&self, forge: &Forge) {
        forge.send_webhooks(Some((&self.webhook_url(), WEBHOOK_SECRET)));
    }

    /// Starts orchestratord, and waits until its operator is answered.
    ///
    /// # Errors
    /// Where it does not come up; with what it said.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill_orchestratord()?;
        let said = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.root().join("orchestratord.out"))?;
        #[expect(
            clippy::disallowed_methods,
            reason = "the harness starts the real program"
        )]
        let child = Command::new(self.root().join("bin/orchestratord"))
            .arg("--config")
            .arg(self.root().join("orchestratord.toml"))
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .envs(self.failpoint.take().map(|name| ("FAILPOINTS", name)))
            .spawn()
            .context("orchestratord cannot be started")?;
        self.orchestratord = Some(child);
        let operator = Operator::connect(&self.root().join("operator.sock"), PATIENCE).await;
        let said = || fs::read_to_string(self.root().join("orchestratord.out")).unwrap_or_default();
        self.operator = Some(operator.with_context(said)?);
        Ok(())
    }

    /// Runs a subcommand of orchestratord on this configuration; what it said.
    ///
    /// # Errors
    /// Where it fails; with what it said.
    pub fn orchestratord(&self, arguments: &[&str]) -> Result<String> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the harness starts the real program"
        )]
        let ended = Command::new(self.root().join("bin/orchestratord"))
            .arg("--config")
            .arg(self.root().join("orchestratord.toml"))
            .args(arguments)
            .output()
            .context("orchestratord cannot be started")?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(
            ended.status.success(),
            "{arguments:?}: {}",
            said(&ended.stderr)
        );
        Ok(said(&ended.stdout))
    }

    /// `kill -9` of orchestratord, and of nothing else.
    ///
    /// # Errors
    /// Where it cannot be killed.
    pub fn kill_orchestratord(&mut self) -> Result<()> {
        self.operator = None;
        if let Some(mut child) = self.orchestratord.take() {
            child.kill().context("orchestratord cannot be killed")?;
            child.wait().context("orchestratord does not end")?;
        }
        Ok(())
    }

    /// `kill -9` of every process of this installation whose command line has `part` in it; how many.
    #[must_use]
    pub fn kill_programs(&self, part: &str) -> usize {
        self.signal_programs(part, Signal::SIGKILL)
    }

    /// The same with any signal.
    #[must_use]
    pub fn signal_programs(&self, part: &str, signal: Signal) -> usize {
        let found = self.processes();
        let found = found.iter().filter(|(_, line)| line.contains(part));
        found.filter(|(pid, _)| kill(*pid, signal).is_ok()).count()
    }

    /// The processes of this installation, orchestratord included: those that name its directory in
    /// their command line, their environment or as where they work.
    #[must_use]
    pub fn processes(&self) -> Vec<(Pid, String)> {
        processes_of(self.root())
    }

    /// Waits until something is there.
    ///
    /// # Errors
    /// Where it is not within [`PATIENCE`].
    pub async fn until<T>(&self, what: &str, look: impl FnMut() -> Option<T>) -> Result<T> {
        until(what, look).await
    }

    /// Waits until the task is in this state.
    ///
    /// # Errors
    /// Where it is not within [`PATIENCE`]; with what it is.
    pub async fn task_in(&self, task: &str, state: &str) -> Result<v1::Task> {
        let is = |task: &v1::Task| task.state == state;
        self.operator()?.wait_for(task, state, PATIENCE, is).await
    }

    /// Waits until the task is blocked for this reason.
    ///
    /// # Errors
    /// As [`Cluster::task_in`].
    pub async fn task_blocked(&self, task: &str, reason: &str) -> Result<v1::Task> {
        let is = |task: &v1::Task| task.blocked_reason == reason;
        self.operator()?.wait_for(task, reason, PATIENCE, is).await
    }

    /// Waits until there is a task of this issue; its id.
    ///
    /// # Errors
    /// Where there is none within [`PATIENCE`].
    pub async fn task_of(&self, issue: u64) -> Result<String> {
        asked_until(&format!("a task of issue #{issue}"), async || {
            let tasks = self.operator()?.tasks().await?;
            let task = tasks.iter().find(|task| task.issue_number == Some(issue));
            Ok(task.map(|task| task.id.clone()))
        })
        .await
    }

    /// Waits until the warning of the first project, on the operator's screen, is as `level` says.
    ///
    /// # Errors
    /// Where it is not within [`PATIENCE`]; with what it is.
    pub async fn warned(&self, level: impl Fn(&str) -> bool) -> Result<String> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let projects = self.operator()?.snapshot().await?.projects;
            let warning = projects.into_iter().next().context("no project")?.warning;
            if level(&warning) {
                return Ok(warning);
            }
            if tokio::time::Instant::now() > deadline {
                bail!("the warning is still {warning:?}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The worktree of a task, wherever it is.
    #[must_use]
    pub fn worktree(&self, task: &str) -> Option<PathBuf> {
        let agents = fs::read_dir(self.state().join("agents")).ok()?;
        let homes = agents.flatten().map(|agent| agent.path());
        let mut trees = homes.map(|home| home.join(format!("workspace/tasks/{task}/work")));
        trees.find(|tree| tree.is_dir())
    }

    /// All that orchestratord said and logged.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(self.root().join("orchestratord.out")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Nothing more can be done about a process that cannot be killed.
        let _killed = self.kill_orchestratord();
        // Killing a parent may show children that were being started.
        for _ in 0..100 {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            for (pid, _) in left {
                let _gone = kill(pid, Signal::SIGKILL);
            }
        }
        if std::env::var_os("CLOUD_CODE_KEEP").is_some() {
            self.root.disable_cleanup(true);
        }
    }
}

/// Waits until something is there.
///
/// # Errors
/// Where it is not within [`PATIENCE`].
pub async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    asked_until(what, async || Ok(look())).await
}

/// The same, where looking means asking.
///
/// # Errors
/// As [`until`], and where asking fails.
pub async fn asked_until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if tokio::time::Instant::now() > deadline {
            bail!("{what}: not within {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A GitHub project of a forge.
#[must_use]
pub fn github_project(forge: &Forge, poll_seconds: u32, more: &str) -> String {
    format!(
        r#"
[[projects]]
name = "acme/app"
tracker = "github"
repository = "{git}"
coding_cli = "scripted"
default_agent_type = "backend"
{more}

[projects.github]
api_url = "{api}"
token_file = "{{root}}/forge.token"
webhook_secret_file = "{{root}}/webhook.secret"
poll_seconds = {poll_seconds}
"#,
        git = forge.git_url(),
        api = forge.api_url(),
    )
}

/// The same, authorised as the forge's app: its key has to be in `<root>/app.pem`.
#[must_use]
pub fn app_project(forge: &Forge, poll_seconds: u32) -> String {
    let app = format!(
        "app = {{ id = {APP_ID}, private_key_file = \"{{root}}/app.pem\", \
         installation_id = {INSTALLATION_ID} }}"
    );
    let token = "token_file = \"{root}/forge.token\"";
    github_project(forge, poll_seconds, "").replace(token, &app)
}

/// A local project on the bare repository `<root>/<name>.git`.
#[must_use]
pub fn local_project(name: &str, more: &str) -> String {
    format!(
        r#"
[[projects]]
name = "{name}"
tracker = "local"
repository = "{{root}}/{name}.git"
coding_cli = "scripted"
default_agent_type = "backend"
{more}
"#
    )
}

/// What the model of an installation does: it answers every call with some tokens, and nothing to do.
#[must_use]
pub fn thinking() -> Script {
    let usage = Usage {
        input: 2_000,
        output: 4_000,
        cache_read: 0,
        cache_write: 0,
    };
    let thought = Step::says("I am a scripted model and have thought about it.");
    Script::playing(vec![thought.costing(usage)])
}

/// A loopback address that no other process uses, so that ports need no luck.
fn own_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let port = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("127.{}.{middle}.{low}:{port}", high | 0x80)
}

/// Writes a secret so that only we may read it.
///
/// # Errors
/// Where it cannot be written.
pub fn secret_file(root: &Path, name: &str, secret: &str) -> Result<()> {
    let path = root.join(name);
    fs::write(&path, format!("{secret}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

fn configuration(setting: &Setting, model: &str, listen: &str) -> String {
    let Setting {
        top,
        agents,
        account,
        seats,
        running,
        rest,
    } = setting;
    let running = if *running == 0 { 4 } else { *running };
    let seats = if *seats == 0 { 2 } else { *seats };
    format!(
        r#"
state_dir = "{{root}}/state"
{top}

[operator]
socket = "{{root}}/operator.sock"

[secrets]
key_file = "{{root}}/secrets.key"

[webhooks]
listen = "{listen}"

[settle]
github_seconds = 1

[agents]
runtime = "process"
agentd = "{{root}}/bin/agentd"
max_running = {running}
retry_seconds = 1
min_free_disk = "1MB"
{agents}

[agents.types.backend]
count = {seats}

[accounts.scripted]
kind = "anthropic"
{account}
base_url = "{model}"
secret_file = "{{root}}/provider.key"

[coding_cli.scripted]
adapter = "scripted"
account = "scripted"
command = ["{{root}}/bin/scripted"]

[prices."scripted-model"]
input = 3.0
output = 15.0
cache_read = 0.3
cache_write = 3.75
{rest}
"#
    )
}

/// The processes that name a directory in their command line, their environment or as where they
/// work, with their command lines.
#[must_use]
pub fn processes_of(root: &Path) -> Vec<(Pid, String)> {
    let root = root.to_string_lossy().into_owned();
    let Ok(all) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let numbers = all
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let own = numbers.filter_map(|pid| Some((Pid::from_raw(pid), belongs(pid, &root)?)));
    own.collect()
}

/// The command line of a process, where it belongs to the installation and still lives.
fn belongs(pid: i32, root: &str) -> Option<String> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let read = |name: &str| {
        let bytes = fs::read(proc.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let line = read("cmdline");
    let works_in = fs::read_link(proc.join("cwd")).unwrap_or_default();
    let ours = line.contains(root)
        || read("environ").contains(root)
        || works_in.to_string_lossy().contains(root);
    // A zombie has no command line any more, and is dead.
    (ours && !line.is_empty()).then_some(line)
}
