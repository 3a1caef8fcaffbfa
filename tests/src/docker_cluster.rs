//! A whole installation with containers: what a user has who follows the README with a real
//! repository, except for the two services.
//!
//! ```text
//!  forge ◀──▶ orchestratord ◀── one socket ──▶ container [ agentd ─▶ a coding CLI ]
//!                  │
//!                  └──▶ model server, on the host's loopback: no container reaches it by itself
//! ```
//!
//! orchestratord is a process of its own, so that it can be killed. Everything ends with
//! [`DockerCluster::end`], also what a killed orchestratord left behind.

mod git_record;
mod parts;
mod setup;

pub use git_record::{GitRecord, Started};
pub use setup::{Beside, ContainedCli, PROVIDER_KEY, PUSH_TOKEN};

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cloud_code_domain::id::AgentId;
use cloud_code_proto::v1;
use orchestratord::fleet::docker_spec;
use tokio::process::{Child, Command};

use crate::docker_checks::docker;
use crate::docker_way::DockerWay;
use crate::forge::{self, Comment, Forge, PullRequest};
use crate::model::{ModelServer, Script};
use crate::operator::Operator;
use crate::programs;

/// The failpoints of orchestratord around the engine's calls.
pub const FAILPOINTS_OF_DOCKER: [&str; 8] = [
    "docker::stop_before",
    "docker::stop_after",
    "docker::rm_before",
    "docker::rm_after",
    "docker::create_before",
    "docker::create_after",
    "docker::start_before",
    "docker::start_after",
];
/// The project, at the forge.
pub const PROJECT: &str = "acme/app";
/// Who sets labels.
const WRITER: &str = "ada";
/// orchestratord has this long to come up, and to end.
const MOMENT: Duration = Duration::from_secs(30);
/// Anything that a coding CLI in a container does has this long, on the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// See the module.
#[derive(Debug)]
pub struct DockerCluster {
    /// The GitHub of this installation.
    pub forge: Forge,
    /// The model of this installation.
    pub model: ModelServer,
    /// orchestratord's way to the engine.
    pub way: DockerWay,
    root: tempfile::TempDir,
    cluster: String,
    image: String,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    orchestratord: Child,
    operator: Operator,
}

/// What a cluster is made of.
#[derive(Debug)]
pub struct Wanted {
    /// The coding CLI.
    pub cli: ContainedCli,
    /// What its model does.
    pub script: Script,
    /// The workstation's image.
    pub image: String,
    /// A static agentd.
    pub agentd: PathBuf,
    /// The binary that is all our programs.
    pub programs: PathBuf,
    /// What its configuration has besides.
    pub beside: Beside,
}

impl DockerCluster {
    /// Starts an installation, runs a test on it and takes it away again; what the test found comes
    /// with the last words of the installation.
    ///
    /// # Errors
    /// Where it cannot be started or taken away, and those of the test.
    pub async fn run(
        wanted: Wanted,
        test: impl AsyncFnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let mut cluster = Self::prepare(&wanted).await?;
        let outcome = async {
            cluster.start().await?;
            test(&mut cluster).await
        };
        let outcome = match outcome.await {
            Ok(()) => Ok(()),
            Err(error) => Err(error.context(cluster.last_words().await)),
        };
        outcome.and(cluster.end().await)
    }

    /// Makes all but orchestratord.
    async fn prepare(wanted: &Wanted) -> Result<Self> {
        let root = tempfile::Builder::new().prefix("cc-").tempdir()?;
        programs::install(&wanted.programs, &root.path().join("bin"))?;
        let forge = Forge::start(PROJECT).await?;
        forge.person(WRITER, "write");
        let model = ModelServer::start(wanted.script.clone().requiring_key(PROVIDER_KEY)).await?;
        let cluster = setup::write(root.path(), wanted, &forge, &model)?;
        let way = DockerWay::listen(&root.path().join("docker.sock"))?;
        Ok(Self {
            forge,
            model,
            way,
            root,
            cluster,
            image: wanted.image.clone(),
            running: None,
        })
    }

    /// Starts orchestratord, for the first time or again.
    ///
    /// # Errors
    /// Where it does not come up.
    pub async fn start(&mut self) -> Result<()> {
        let orchestratord = self.spawn(None)?;
        let socket = self.root.path().join("operator.sock");
        let operator = Operator::connect(&socket, MOMENT).await?;
        self.running = Some(Running {
            orchestratord,
            operator,
        });
        Ok(())
    }

    /// Starts orchestratord so that it dies at a failpoint, and waits until it has.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn dies_at(&mut self, failpoint: &str) -> Result<()> {
        let mut orchestratord = self.spawn(Some(failpoint))?;
        let died = tokio::time::timeout(PATIENCE, orchestratord.wait()).await;
        died.context("it is never reached")??;
        Ok(())
    }

    /// Other workstations are wanted from the next start on: with so many megabytes.
    ///
    /// # Errors
    /// Where the configuration cannot be changed.
    pub fn want_memory(&self, megabytes: u32) -> Result<()> {
        let path = self.root.path().join("orchestratord.toml");
        let text = std::fs::read_to_string(&path)?;
        let lines = text.lines().filter(|line| !line.starts_with("memory = "));
        let lines: Vec<String> = lines
            .flat_map(|line| {
                let more = format!("memory = \"{megabytes}MB\"");
                let more = line.starts_with("image = ").then_some(more);
                std::iter::once(line.to_owned()).chain(more)
            })
            .collect();
        Ok(std::fs::write(path, lines.join("\n"))?)
    }

    /// The project wants this workspace mode from the next start on.
    ///
    /// # Errors
    /// Where the configuration cannot be changed.
    pub fn want_mode(&self, mode: &str) -> Result<()> {
        let path = self.root.path().join("orchestratord.toml");
        let text = std::fs::read_to_string(&path)?;
        let project = "[[projects]]\n";
        let wanted = format!("{project}workspace_mode = \"{mode}\"\n");
        Ok(std::fs::write(path, text.replace(project, &wanted))?)
    }

    fn spawn(&self, failpoint: Option<&str>) -> Result<Child> {
        let output = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.output())?;
        let mut command = Command::new(self.root.path().join("bin/orchestratord"));
        let orchestratord = command
            .arg("--config")
            .arg(self.root.path().join("orchestratord.toml"))
            .env("PATH", self.search_path()?)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .env("DOCKER_HOST", self.docker_host())
            .envs(failpoint.map(|name| ("FAILPOINTS", name)))
            .kill_on_drop(true)
            .spawn();
        orchestratord.context("orchestratord cannot be started")
    }

    fn docker_host(&self) -> String {
        format!("unix://{}/docker.sock", self.root.path().display())
    }

    /// Our search path, and in front of it where a test may put a program.
    fn search_path(&self) -> Result<std::ffi::OsString> {
        let ours = std::env::var_os("PATH").unwrap_or_default();
        let first = std::iter::once(self.root.path().join("bin"));
        Ok(std::env::join_paths(
            first.chain(std::env::split_paths(&ours)),
        )?)
    }

    /// From now on every git of the host writes down what it starts. orchestratord looks for git once,
    /// and is started again.
    ///
    /// # Errors
    /// Where there is no git, or orchestratord does not stop or start.
    pub async fn record_git(&mut self) -> Result<GitRecord> {
        let record = GitRecord::begin(
            &self.root.path().join("bin"),
            self.root.path().join("git.log"),
        )?;
        self.stop().await?;
        self.start().await?;
        Ok(record)
    }

    /// The directory of the installation.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Ends orchestratord as nothing can prepare for.
    ///
    /// # Errors
    /// Where it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        let mut running = self.running.take().context("orchestratord does not run")?;
        running.orchestratord.kill().await?;
        Ok(())
    }

    /// Ends orchestratord in order.
    ///
    /// # Errors
    /// Where it does not end.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else {
            return Ok(());
        };
        if let Some(pid) = running.orchestratord.id() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid)?);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM)?;
        }
        let ended = tokio::time::timeout(MOMENT, running.orchestratord.wait()).await;
        let status = ended.context("orchestratord does not end")??;
        ensure!(status.success(), "orchestratord ended with {status}");
        Ok(())
    }

    /// The operator of the running orchestratord.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn operator(&self) -> Result<&Operator> {
        let running = self
            .running
            .as_ref()
            .context("orchestratord does not run")?;
        Ok(&running.operator)
    }

    /// The workstations' image.
    #[must_use]
    pub fn image(&self) -> &str {
        &self.image
    }

    /// Waits until orchestratord's log says something.
    ///
    /// # Errors
    /// Where it does not in time.
    pub async fn wait_for_log(&self, words: &str) -> Result<()> {
        let waited = tokio::time::timeout(MOMENT, async {
            while !self.log().contains(words) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        waited
            .await
            .with_context(|| format!("the log never says {words:?}"))
    }

    fn log(&self) -> String {
        let files = files(&self.root.path().join("state/log"));
        let texts = files
            .iter()
            .filter_map(|path| std::fs::read_to_string(path).ok());
        texts.collect()
    }

    fn output(&self) -> PathBuf {
        self.root.path().join("orchestratord.out")
    }

    /// The name of the only agent's container.
    ///
    /// # Errors
    /// Never, as long as agents are named as they are.
    pub fn container(&self) -> Result<String> {
        let agent: AgentId = "acme-app.backend-1".parse()?;
        Ok(docker_spec::container_name(&self.cluster, &agent))
    }

    /// The id of the only agent's container.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn container_id(&self) -> Result<String> {
        engine(&["inspect", "--format", "{{.Id}}", &self.container()?]).await
    }

    /// Waits until another container than this one runs.
    ///
    /// # Errors
    /// Where none does in time.
    pub async fn wait_for_another_container(&self, id: &str) -> Result<()> {
        let waited = tokio::time::timeout(PATIENCE, async {
            // Between the two there is none, and then one that does not run yet.
            while self.container_id().await.is_ok_and(|now| now == id)
                || self.inside("true").await.is_err()
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        waited.await.context("the container was not replaced")
    }

    /// Runs a command in the container, as its user.
    ///
    /// # Errors
    /// Where it fails.
    pub async fn inside(&self, script: &str) -> Result<String> {
        engine(&["exec", &self.container()?, "/bin/sh", "-c", script]).await
    }

    /// Waits until a file is there in the container.
    ///
    /// # Errors
    /// Where it is not in time.
    pub async fn wait_inside(&self, path: &str) -> Result<()> {
        let script = format!("until test -e {path}; do sleep 0.1; done");
        let waited = tokio::time::timeout(PATIENCE, async {
            // The container may not be there yet, or be there again soon.
            while self.inside(&script).await.is_err() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        waited
            .await
            .with_context(|| format!("no {path} in the container"))
    }

    /// A writer's issue with the label that makes it a task: its number.
    #[must_use]
    pub fn file_issue(&self, title: &str, text: &str) -> u64 {
        self.forge
            .create_issue_labelled(WRITER, title, text, &["cloud-code"])
    }

    /// Waits until the installation has made a task of an issue: the task's id.
    ///
    /// # Errors
    /// Where it does not in time.
    pub async fn task(&self, issue: u64) -> Result<String> {
        let operator = self.operator()?;
        let waited = tokio::time::timeout(MOMENT, async {
            loop {
                let tasks = operator.tasks().await?;
                if let Some(task) = tasks
                    .into_iter()
                    .find(|task| task.issue_number == Some(issue))
                {
                    return anyhow::Ok(task.id);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        waited.await.context("the issue did not become a task")?
    }

    /// Waits until the task of an issue has a pull request.
    ///
    /// # Errors
    /// Where it has none in time.
    pub async fn reviewed(&self, issue: u64) -> Result<v1::TaskDetail> {
        let task = self.task(issue).await?;
        let operator = self.operator()?;
        let reviewed = |task: &v1::Task| task.state == "review";
        operator
            .wait_for(&task, "a pull request", PATIENCE, reviewed)
            .await?;
        operator.task(&task).await
    }

    /// The only pull request of the forge and the only comment on the issue: there is exactly one of
    /// each, however often anything was tried.
    ///
    /// # Errors
    /// Where there are more, or none.
    pub fn one_of_each(&self, issue: u64) -> Result<(PullRequest, Comment)> {
        let pulls = self.forge.pull_requests();
        let [pull] = pulls.as_slice() else {
            anyhow::bail!("there are {} pull requests: {pulls:?}", pulls.len());
        };
        let comments = self.forge.comments(issue);
        let [comment] = comments.as_slice() else {
            anyhow::bail!("there are {} comments: {comments:?}", comments.len());
        };
        ensure!(
            comment.author == forge::OWN_LOGIN,
            "it is not ours: {comment:?}"
        );
        Ok((pull.clone(), comment.clone()))
    }

    /// Waits until the comment on an issue says something; it is still the only one then.
    ///
    /// # Errors
    /// Where it does not in time.
    pub async fn told(&self, issue: u64, words: &str) -> Result<()> {
        let waited = tokio::time::timeout(MOMENT, async {
            loop {
                let (_, comment) = self.one_of_each(issue)?;
                if comment.body.contains(words) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let waited = waited.await;
        waited.with_context(|| format!("the comment never says {words:?}"))?
    }

    /// What is known when a test fails: the ends of the log and of agentd's words.
    async fn last_words(&self) -> String {
        let printed = std::fs::read_to_string(self.output()).unwrap_or_default();
        let mut words = format!("orchestratord said:\n{printed}\n");
        words.push_str(&last_lines(&self.log()));
        if let Ok(container) = self.container() {
            let said = Command::new("docker")
                .args(["logs", "--tail", "40", &container])
                .output()
                .await;
            if let Ok(said) = said {
                words.push_str("\nagentd said:\n");
                words.push_str(&String::from_utf8_lossy(&said.stderr));
            }
        }
        words
    }

    /// Ends everything, and takes containers and volumes away.
    async fn end(mut self) -> Result<()> {
        let stopped = self.stop().await;
        self.running = None;
        // The name alone tells it: also a container that a test put in the place of ours.
        for container in self.containers().await? {
            engine(&["rm", "--force", &container]).await?;
        }
        for volume in self.volumes().await? {
            engine(&["volume", "rm", &volume]).await?;
        }
        stopped
    }
}

/// The docker program.
///
/// # Errors
/// What it said.
pub async fn engine(arguments: &[&str]) -> Result<String> {
    docker(arguments).await.map_err(anyhow::Error::msg)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
