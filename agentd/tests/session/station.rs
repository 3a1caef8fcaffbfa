//! A workstation for tests: a project, a host, and an agentd that runs in this process.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use agentd::app::{self, AppError, Orphans};
use agentd::config::Config;
use cloud_code_domain::id::TaskId;
use cloud_code_proto::v1;
use cloud_code_proto::v1::to_agent::Message as ToAgent;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::host::Host;

/// For programs: `report 'summary: x'` claims something of our task.
pub(crate) const REPORT: &str = "
task=$(sed -n 's/^- id: //p' .cloud-code/tasking.yaml)
report() {
  echo \"{version: 1, tasks: {$task: {$1}}}\" > .cloud-code/next
  mv .cloud-code/next .cloud-code/reporting.yaml
}
";

/// See the module.
pub(crate) struct Station {
    pub(crate) host: Host,
    pub(crate) dir: TempDir,
    pub(crate) base: String,
    pub(crate) task: String,
    agentd: Option<(JoinHandle<Result<(), AppError>>, CancellationToken)>,
}

/// A program that may start git: away from the configuration of whoever runs the tests, and from the
/// repository of a hook that does.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE");
    command
}

pub(crate) async fn git(dir: &Path, args: &[&str]) -> Output {
    program("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_AUTHOR_NAME", "Test")
        .env("GIT_AUTHOR_EMAIL", "test@example.com")
        .env("GIT_COMMITTER_NAME", "Test")
        .env("GIT_COMMITTER_EMAIL", "test@example.com")
        .output()
        .await
        .unwrap()
}

pub(crate) async fn git_ok(dir: &Path, args: &[&str]) -> String {
    let output = git(dir, args).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Station {
    /// A project with one commit, its host, and a running agentd.
    pub(crate) async fn start() -> Self {
        let mut station = Self::without_agentd().await;
        station.start_agentd();
        station
    }

    pub(crate) async fn without_agentd() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let seed = dir.path().join("seed");
        std::fs::create_dir(&seed).unwrap();
        git_ok(&seed, &["init", "-q", "-b", "main"]).await;
        std::fs::write(seed.join("README.md"), "# Sample\n").unwrap();
        git_ok(&seed, &["add", "."]).await;
        git_ok(&seed, &["commit", "-qm", "Begin"]).await;
        let base = git_ok(&seed, &["rev-parse", "HEAD"]).await;
        let mirror = dir.path().join("mirror.git");
        let (from, to) = (seed.to_string_lossy(), mirror.to_string_lossy());
        git_ok(dir.path(), &["clone", "-q", "--bare", &from, &to]).await;
        let host = Host::start(&dir.path().join("agentd.sock"), &mirror);
        let (bits, _) = uuid::Uuid::new_v4().as_u64_pair();
        Self {
            host,
            base,
            task: TaskId::from_random(bits).to_string(),
            dir,
            agentd: None,
        }
    }

    pub(crate) fn start_agentd(&mut self) {
        let stop = CancellationToken::new();
        let serving = app::serve(self.config(), Orphans::Left, stop.clone());
        self.agentd = Some((tokio::spawn(serving), stop));
    }

    /// Asks agentd to end and waits for it.
    pub(crate) async fn stop_agentd(&mut self) -> Result<(), AppError> {
        let (serving, stop) = self.agentd.take().unwrap();
        stop.cancel();
        serving.await.unwrap()
    }

    /// Waits for agentd to end by itself.
    pub(crate) async fn agentd_ends(&mut self) -> Result<(), AppError> {
        let (serving, _stop) = self.agentd.take().unwrap();
        serving.await.unwrap()
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            socket: self.dir.path().join("agentd.sock"),
            workspace: self.workspace(),
            tools: None,
            cache: None,
            credentials: Some(self.dir.path().join("credentials")),
        }
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.dir.path().join("workspace")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.above().join("work")
    }

    /// The folder around the worktree.
    pub(crate) fn above(&self) -> PathBuf {
        self.workspace().join("tasks").join(&self.task)
    }

    /// A file of the worktree.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.work().join(name)).unwrap()
    }

    /// The secrets of the task.
    pub(crate) fn credentials(&self) -> PathBuf {
        self.dir.path().join("credentials").join(&self.task)
    }

    pub(crate) fn mirror(&self) -> PathBuf {
        self.dir.path().join("mirror.git")
    }

    pub(crate) fn execution(&self, number: u32) -> String {
        format!("{}.{number}", self.task)
    }

    /// A program for the `lines` adapter: `/bin/sh` with this text.
    pub(crate) fn program(&self, text: &str) -> Vec<String> {
        let path = self.dir.path().join("program");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        vec![
            "/bin/sh".into(),
            path.to_string_lossy().into_owned(),
            "{prompt_file}".into(),
        ]
    }

    /// An assignment that runs this program.
    pub(crate) fn assignment(&self, number: u32, program: &str) -> v1::Assign {
        v1::Assign {
            execution: self.execution(number),
            task: self.task.clone(),
            title: "Add a greeting".into(),
            description: "Write it down.".into(),
            criteria: vec!["It greets".into(), "It is polite".into()],
            task_type: "feature".into(),
            priority: "medium".into(),
            branch: format!("cloud-code/1-{}", self.task),
            base: self.base.clone(),
            coding_cli: Some(v1::CodingCli {
                name: "lines".into(),
                adapter: "lines".into(),
                command: self.program(program),
                ..v1::CodingCli::default()
            }),
            commit_leftovers: true,
            git_name: "Cloud Code".into(),
            git_email: "bot@example.com".into(),
            limits: Some(v1::Limits {
                wall_clock_seconds: 120,
                silence_seconds: 60,
                retries: 5,
            }),
            project: "acme/app".into(),
            agent_type: "backend".into(),
            ..v1::Assign::default()
        }
    }

    pub(crate) async fn assign(&self, assign: v1::Assign) {
        self.host.send(ToAgent::Assign(assign)).await;
    }

    /// Runs the program as an execution and gives its end.
    pub(crate) async fn run(&self, number: u32, program: &str) -> v1::Ended {
        self.assign(self.assignment(number, program)).await;
        self.host.ended(&self.execution(number)).await
    }

    /// The same in the kept worktree.
    pub(crate) async fn resume(&self, number: u32, program: &str) -> v1::Ended {
        let mut assign = self.assignment(number, program);
        assign.resume = true;
        self.assign(assign).await;
        self.host.ended(&self.execution(number)).await
    }

    /// A commit on the base that adds a file, made in the mirror.
    pub(crate) async fn commit_of_a_person(&self, file: &str) -> String {
        self.commit_of_a_person_with(file, "theirs\n").await
    }

    pub(crate) async fn commit_of_a_person_with(&self, file: &str, content: &str) -> String {
        let theirs = self.dir.path().join("theirs");
        std::fs::write(&theirs, content).unwrap();
        let theirs = theirs.display();
        let mirror = self.mirror();
        let index = self.dir.path().join("index").display().to_string();
        let text = format!(
            "export GIT_INDEX_FILE='{index}'; git read-tree {base}; \
             blob=$(git hash-object -w --stdin < '{theirs}'); \
             git update-index --add --cacheinfo 100644,$blob,{file}; git write-tree",
            base = self.base
        );
        let made = program("sh")
            .args(["-ec", &text])
            .current_dir(&mirror)
            .output()
            .await
            .unwrap();
        let tree = String::from_utf8(made.stdout).unwrap();
        let commit = ["commit-tree", tree.trim(), "-p", &self.base, "-m", "Theirs"];
        git_ok(&mirror, &commit).await
    }

    /// Puts what the host has of an execution into the mirror.
    pub(crate) async fn take_result(&self, number: u32, head: &str) {
        let execution = self.execution(number);
        let request = v1::RequestResult {
            execution: execution.clone(),
            head: head.to_owned(),
            base: self.base.clone(),
            ask: 1,
        };
        self.host.send(ToAgent::RequestResult(request)).await;
        let heard = self
            .host
            .until("a result", |heard| heard.packs_ended.contains(&execution))
            .await;
        let pack = self.dir.path().join("result.pack");
        std::fs::write(&pack, &heard.packs[&execution]).unwrap();
        let text = format!("git index-pack --strict --stdin < '{}'", pack.display());
        let output = program("sh")
            .args(["-c", &text])
            .current_dir(self.mirror())
            .output()
            .await
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
    }

    /// The first execution's result is published: the host rebuilds its commit, the same tree under
    /// another name, which this gives.
    pub(crate) async fn publishes(&self, head: &str) -> String {
        self.take_result(1, head).await;
        let tree = format!("{head}^{{tree}}");
        let commit = ["commit-tree", &tree, "-p", &self.base, "-m", "Ours"];
        let pushed = git_ok(&self.mirror(), &commit).await;
        let published = v1::Published {
            task: self.task.clone(),
            head: pushed.clone(),
        };
        self.host.send(ToAgent::Published(published)).await;
        pushed
    }
}

/// Waits until `wanted` holds of the world outside.
pub(crate) async fn until(what: &str, wanted: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while !wanted() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what} did not come"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Whether a process lives; a zombie does not.
pub(crate) fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.contains(") Z "))
}
