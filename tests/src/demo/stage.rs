//! The demo's stage: what is made and started for it, and ended after it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use cloud_code_domain::cost::Usage;
use tokio::process::{Child, Command};

use crate::model::{ModelServer, Script, Step};
use crate::operator::Operator;
use crate::{programs, sample};

/// The programs have this long to come up, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// See the module.
#[derive(Debug)]
pub(super) struct Stage {
    root: PathBuf,
    operator: Operator,
    orchestratord: Child,
    _model: ModelServer,
}

impl Stage {
    /// Makes and starts everything.
    pub(super) async fn set() -> anyhow::Result<Self> {
        let root = tempfile::Builder::new()
            .prefix("cloud-code-demo-")
            .tempdir()
            .context("no directory can be made for the demo")?
            .keep();
        let bin = root.join("bin");
        programs::install(&std::env::current_exe()?, &bin)?;
        sample::bare_repository(&root.join("sample.git"), super::issues::FILES)?;
        let model = ModelServer::start(Script::playing(vec![thought()])).await?;
        let config = root.join("orchestratord.toml");
        secret_files(&root)?;
        std::fs::write(&config, configuration(&root, model.url()))?;
        // The terminal is the control room's.
        let said = root.join("orchestratord.out");
        let out = std::fs::File::create(&said)?;
        let orchestratord = start(&bin.join("orchestratord"), &config, out)?;
        let operator = Operator::connect(&root.join("operator.sock"), PATIENCE)
            .await
            .with_context(|| format!("see {} and {}/state/log", said.display(), root.display()))?;
        Ok(Self {
            root,
            operator,
            orchestratord,
            _model: model,
        })
    }

    pub(super) fn operator(&self) -> &Operator {
        &self.operator
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.root.join("bin").join(name)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.root.join("operator.sock")
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.root.join("state")
    }

    pub(super) fn repository(&self) -> PathBuf {
        self.root.join("sample.git")
    }

    /// Ends what was started: orchestratord, then the workstations, which outlive it by design.
    pub(super) async fn strike(&mut self) -> anyhow::Result<()> {
        end(&self.orchestratord).context("orchestratord cannot be told to end")?;
        tokio::time::timeout(PATIENCE, self.orchestratord.wait())
            .await
            .context("orchestratord does not end")??;
        remove_workstations(&self.state_dir()).await
    }
}

/// Tells a program of ours to end, if it has not.
pub(super) fn end(program: &Child) -> nix::Result<()> {
    let pid = program.id().and_then(|pid| i32::try_from(pid).ok());
    pid.map_or(Ok(()), |pid| {
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)
    })
}

/// What the scripted model answers to every call: some tokens, and nothing to do.
fn thought() -> Step {
    let usage = Usage {
        input: 2_000,
        output: 4_000,
        cache_read: 0,
        cache_write: 0,
    };
    Step::says("I am a scripted model and have thought about it.").costing(usage)
}

/// Removes every workstation below a state directory, by the runtime that started it.
async fn remove_workstations(state_dir: &Path) -> anyhow::Result<()> {
    use orchestratord::ports::Runtime;
    let runtime = orchestratord::fleet::process::ProcessRuntime::new(state_dir);
    for found in runtime.observe(&[]).await? {
        runtime.remove(&found.agent).await?;
    }
    Ok(())
}

fn secret_files(root: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let provider = root.join("provider.key");
    std::fs::write(&provider, "any-key-will-do\n")?;
    std::fs::set_permissions(&provider, std::fs::Permissions::from_mode(0o600))?;
    orchestratord::credentials::generate_key(&root.join("secrets.key"))?;
    Ok(())
}

fn start(program: &Path, config: &Path, out: std::fs::File) -> anyhow::Result<Child> {
    Command::new(program)
        .arg("--config")
        .arg(config)
        .stdout(out.try_clone()?)
        .stderr(out)
        .kill_on_drop(true)
        .spawn()
        .context("orchestratord cannot be started")
}

fn configuration(root: &Path, model: &str) -> String {
    let root = root.display();
    format!(
        r#"# The configuration of this demo. `orchestratord print-config` shows every key.
state_dir = "{root}/state"

[operator]
socket = "{root}/operator.sock"

[secrets]
key_file = "{root}/secrets.key"

[agents]
runtime = "process"
agentd = "{root}/bin/agentd"
max_running = 4
retry_seconds = 1

[agents.types.backend]
count = 3

[accounts.scripted]
kind = "anthropic"
auth = "api_key"
base_url = "{model}"
secret_file = "{root}/provider.key"

[coding_cli.scripted]
adapter = "scripted"
account = "scripted"
command = ["{root}/bin/scripted"]

[prices."scripted-model"]
input = 3.0
output = 15.0
cache_read = 0.3
cache_write = 3.75

[[projects]]
name = "sample"
tracker = "local"
repository = "{root}/sample.git"
coding_cli = "scripted"
cost_limit_usd = 0.25

[[projects]]
name = "inbox"
tracker = "local"
repository = "{root}/sample.git"
coding_cli = "scripted"
branch_prefix = "inbox/"
auto_assign = false
"#
    )
}
