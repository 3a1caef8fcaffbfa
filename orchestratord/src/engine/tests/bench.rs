//! An engine on a bench: one local project, one agent that says what the test says.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test that meets another answer fails"
)]

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use cloud_code_domain::credential::CredentialRequest;
use cloud_code_domain::dependencies::Verdict;
use cloud_code_domain::event::Event;
use cloud_code_domain::execution::Execution;
use cloud_code_domain::id::{AgentId, ExecutionId, Oid, TaskId};
use cloud_code_domain::issue::{PullRequestSnapshot, PullRequestState};
use cloud_code_domain::task::Task;

use super::backend::Recorder;
use super::*;
use crate::config::{RealFiles, parse};
use crate::store::{FILE, verify};

pub(super) struct Bench {
    pub(super) engine: Engine,
    pub(super) agent: AgentId,
    dir: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    thread: Joined,
    recorder: Option<Recorder>,
    changes: Changes,
}

/// What is replaced in the configuration.
pub(super) type Changes = &'static [(&'static str, &'static str)];

fn config(dir: &Path, changes: Changes) -> Config {
    use std::os::unix::fs::PermissionsExt;
    let at = dir.display();
    std::fs::create_dir_all(dir.join("repository")).unwrap();
    std::fs::write(dir.join("agentd"), "").unwrap();
    std::fs::set_permissions(dir.join("agentd"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(dir.join("secret"), "a-secret-of-the-provider\n").unwrap();
    std::fs::set_permissions(dir.join("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut text = format!(
        r#"
state_dir = "{at}/state"
[operator]
socket = "{at}/operator.sock"
[agents]
runtime = "process"
agentd = "{at}/agentd"
min_free_disk = "1MB"
[agents.types.backend]
count = 1
[accounts.main]
kind = "anthropic"
auth = "api_key"
base_url = "http://127.0.0.1:1"
secret_file = "{at}/secret"
[coding_cli.scripted]
adapter = "scripted"
account = "main"
command = ["scripted"]
[coding_cli.other]
adapter = "scripted"
account = "main"
command = ["scripted"]
[[projects]]
name = "sample"
tracker = "local"
repository = "{at}/repository"
coding_cli = "scripted"
"#
    );
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    parse(&dir.join("orchestratord.toml"), &text, &RealFiles).unwrap_or_else(|bad| panic!("{bad}"))
}

impl Bench {
    pub(super) async fn start() -> Self {
        Self::over(
            tempfile::tempdir().unwrap(),
            Arc::new(AtomicI64::new(1_000_000)),
            None,
            &[],
        )
        .await
    }

    /// With this in its configuration.
    pub(super) async fn with(changes: Changes) -> Self {
        let clock = Arc::new(AtomicI64::new(1_000_000));
        Self::over(tempfile::tempdir().unwrap(), clock, None, changes).await
    }

    pub(super) async fn recorded() -> (Self, Recorder) {
        let recorder = Recorder::default();
        let clock = Arc::new(AtomicI64::new(1_000_000));
        let dir = tempfile::tempdir().unwrap();
        (
            Self::over(dir, clock, Some(recorder.clone()), &[]).await,
            recorder,
        )
    }

    async fn over(
        dir: tempfile::TempDir,
        clock: Arc<AtomicI64>,
        recorder: Option<Recorder>,
        changes: Changes,
    ) -> Self {
        let config = Arc::new(config(dir.path(), changes));
        std::fs::create_dir_all(&config.state_dir).unwrap();
        let store = match recorder.clone() {
            Some(recorder) => Store::over(move || recorder.clone()).unwrap(),
            None => Store::open(&config.state_dir).unwrap(),
        };
        let reads = clock.clone();
        let clock_of_engine: Arc<dyn Fn() -> Timestamp + Send + Sync> =
            Arc::new(move || Timestamp(reads.load(Ordering::SeqCst)));
        let foundations = Foundations {
            config,
            store,
            clock: clock_of_engine,
            seed: 7,
        };
        let (engine, thread) = Engine::start(foundations).unwrap();
        let agent = "sample.backend-1".parse().unwrap();
        let bench = Self {
            engine,
            agent,
            dir,
            clock,
            thread,
            recorder,
            changes,
        };
        bench.hello().await;
        bench
    }

    /// Over a store that is there already.
    pub(super) async fn on(store: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("state")).unwrap();
        std::fs::write(dir.path().join("state").join(FILE), store).unwrap();
        Self::over(dir, Arc::new(AtomicI64::new(9_000_000)), None, &[]).await
    }

    /// Its store, after its end.
    pub(super) async fn store(self) -> Vec<u8> {
        self.engine.stop().await;
        let thread = self.thread;
        assert!(tokio::task::spawn_blocking(|| thread.wait()).await.unwrap());
        drop(self.engine);
        std::fs::read(self.dir.path().join("state").join(FILE)).unwrap()
    }

    /// As after `kill -9`: what was not committed is gone; the agent is not connected.
    pub(super) async fn killed(self) -> Self {
        let Self {
            engine,
            dir,
            clock,
            thread,
            recorder,
            changes,
            ..
        } = self;
        engine.stop().await;
        assert!(tokio::task::spawn_blocking(|| thread.wait()).await.unwrap());
        drop(engine);
        if recorder.is_none() {
            verify(&dir.path().join("state").join(FILE)).unwrap();
        }
        Self::over(dir, clock, recorder, changes).await
    }

    /// As [`Self::killed`], and started with another configuration.
    pub(super) async fn configured(mut self, changes: Changes) -> Self {
        self.changes = changes;
        self.killed().await
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.clock.load(Ordering::SeqCst))
    }

    /// Time passes.
    pub(super) async fn later(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
        self.engine.send(Input::Tick).await.unwrap();
    }

    /// The clock is set where nobody sees it: kill what runs next.
    pub(super) fn set_while_dead(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    /// The same, with the engine's own looks at the clock in between.
    pub(super) async fn minutes(&self, minutes: u32) {
        for _ in 0..minutes {
            self.later(60_000).await;
        }
    }

    pub(super) async fn hello(&self) {
        self.hello_with(Vec::new()).await;
    }

    /// The agent holds worktrees of these tasks.
    pub(super) async fn hello_with(&self, worktrees: Vec<TaskId>) {
        let hello = Hello {
            link: 1,
            version: "1".into(),
            spool_id: "spool".into(),
            execution: None,
            worktrees,
        };
        let input = Input::Hello {
            agent: self.agent.clone(),
            hello,
        };
        self.engine.send(input).await.unwrap();
    }

    pub(super) async fn gone(&self) {
        let input = Input::Gone {
            agent: self.agent.clone(),
            link: 1,
        };
        self.engine.send(input).await.unwrap();
    }

    pub(super) fn new_task_input(&self, title: &str) -> Input {
        let action = Action::NewTask {
            project: "sample".parse().unwrap(),
            title: title.into(),
            description: String::new(),
            priority: None,
        };
        Input::Act {
            operator: "ada".into(),
            action,
            expected_version: 0,
        }
    }

    pub(super) async fn new_task(&self, title: &str) -> TaskId {
        match self.engine.send(self.new_task_input(title)).await.unwrap() {
            Reply::Acted {
                task: Some(task), ..
            } => task,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn act(&self, action: Action) -> Result<(), ActRefusal> {
        self.act_on(action, 0).await
    }

    pub(super) async fn act_on(&self, action: Action, version: u64) -> Result<(), ActRefusal> {
        let input = Input::Act {
            operator: "ada".into(),
            action,
            expected_version: version,
        };
        match self.engine.send(input).await.unwrap() {
            Reply::Acted { .. } => Ok(()),
            Reply::ActRefused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    /// The execution that the task is assigned as; its base is prepared on the way.
    pub(super) async fn assigned(&self, task: &TaskId) -> ExecutionId {
        self.assigned_from(task, oid('a')).await
    }

    /// The same, from another base.
    pub(super) async fn assigned_from(&self, task: &TaskId, base: Oid) -> ExecutionId {
        let prepared = Done::Prepared {
            base,
            pull_request_head: None,
        };
        self.effect_if_wanted(&format!("prepare/{task}"), prepared)
            .await;
        match self.state(task).await {
            TaskState::Assigned(execution) => execution,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn says(&self, execution: &ExecutionId, body: RecordBody) {
        let agent = self.agent.clone();
        let seq = self
            .engine
            .read({
                let agent = agent.clone();
                move |world| {
                    world.agents[&agent]
                        .spool
                        .as_ref()
                        .map_or(0, |spool| spool.seq)
                }
            })
            .await
            .unwrap();
        let record = Input::Record {
            agent,
            seq: seq + 1,
            execution: execution.clone(),
            body,
        };
        self.engine.send(record).await.unwrap();
    }

    pub(super) async fn ends(&self, execution: &ExecutionId, how: EndedHow) {
        self.ends_at(execution, how, None).await;
    }

    /// The same, with where its branch stands.
    pub(super) async fn ends_at(&self, execution: &ExecutionId, how: EndedHow, head: Option<Oid>) {
        let ended = Ended {
            head,
            how,
            last_words: String::new(),
        };
        self.says(execution, RecordBody::Ended(ended)).await;
    }

    pub(super) async fn succeeds(&self, execution: &ExecutionId, head: Oid) {
        self.ends(execution, EndedHow::Succeeded { head }).await;
    }

    pub(super) async fn fails(&self, execution: &ExecutionId, cause: FailureCause) {
        self.ends(execution, EndedHow::Failed(cause)).await;
    }

    /// Makes the only effect of a kind.
    pub(super) async fn effect(&self, kind: &str, done: Done) {
        let prefix = format!("{kind}/");
        let key = self
            .engine
            .read(move |world| {
                world
                    .effects
                    .keys()
                    .find(|key| key.starts_with(&prefix))
                    .cloned()
            })
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("no {kind} is wanted"));
        self.effect_if_wanted(&key, done).await;
    }

    async fn effect_if_wanted(&self, key: &str, done: Done) {
        let started = Input::EffectStarted {
            key: key.to_owned(),
        };
        if let Reply::Make(_) = self.engine.send(started).await.unwrap() {
            let outcome = Outcome::Done(done);
            let finished = Input::EffectFinished {
                key: key.to_owned(),
                outcome,
            };
            self.engine.send(finished).await.unwrap();
        }
    }

    pub(super) fn opened(&self, _task: &TaskId, number: u64) -> Done {
        Done::PullRequestOpened(PullRequestSnapshot {
            project: "sample".parse().unwrap(),
            number,
            url: None,
            branch: "cloud-code/1".into(),
            head: None,
            state: PullRequestState::Open,
        })
    }

    pub(super) async fn open_call(&self, execution: &ExecutionId) -> Result<u64, CallRefusal> {
        let input = Input::CallOpened {
            execution: execution.clone(),
            model: "a-model".into(),
            most: Amount {
                cost: MicroUsd(100_000),
                tokens: Tokens(50_000),
            },
        };
        match self.engine.send(input).await.unwrap() {
            Reply::CallAllowed { call } => Ok(call),
            Reply::CallRefused(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn task(&self, id: &TaskId) -> Task {
        let id = id.clone();
        self.engine
            .read(move |world| world.whole_task(&id).unwrap().0)
            .await
            .unwrap()
    }

    pub(super) async fn titles(&self) -> Vec<String> {
        let titles = self.engine.read(|world| {
            world
                .tasks
                .values()
                .map(|task| task.title.clone())
                .collect()
        });
        titles.await.unwrap()
    }

    pub(super) async fn state(&self, id: &TaskId) -> TaskState {
        self.task(id).await.state
    }

    pub(super) async fn wait(&self, id: &TaskId) -> Option<Wait> {
        let id = id.clone();
        self.engine
            .read(move |world| world.wait_of(&world.tasks[&id]))
            .await
            .unwrap()
    }

    pub(super) async fn dependencies(&self, id: &TaskId) -> Vec<(u64, Verdict)> {
        let id = id.clone();
        self.engine
            .read(move |world| world.dependencies_of(&world.tasks[&id]))
            .await
            .unwrap()
    }

    pub(super) async fn execution(&self, id: &ExecutionId) -> Execution {
        let id = id.clone();
        self.engine
            .read(move |world| world.executions[&id].clone())
            .await
            .unwrap()
    }

    pub(super) async fn request(&self, task: &TaskId) -> CredentialRequest {
        let task = task.clone();
        let requests = self.engine.read(move |world| {
            world
                .requests
                .values()
                .find(|request| request.id.task == task)
                .cloned()
        });
        requests.await.unwrap().unwrap()
    }

    pub(super) async fn request_states(&self, task: &TaskId) -> Vec<&'static str> {
        let task = task.clone();
        let states = self.engine.read(move |world| {
            let of_task = world
                .requests
                .values()
                .filter(|request| request.id.task == task);
            of_task.map(|request| request.state.as_str()).collect()
        });
        states.await.unwrap()
    }

    pub(super) async fn agent_state(&self) -> AgentState {
        let agent = self.agent.clone();
        self.engine
            .read(move |world| world.agents[&agent].state.clone())
            .await
            .unwrap()
    }

    /// What an operator reads beside the task and its agent.
    pub(super) async fn shown(&self, id: &TaskId) -> (String, String) {
        use crate::operator::view;
        let (id, agent) = (id.clone(), self.agent.clone());
        self.engine
            .read(move |world| {
                (
                    view::task(world, &world.tasks[&id]).state_detail,
                    view::agent(world, &world.agents[&agent]).state_detail,
                )
            })
            .await
            .unwrap()
    }

    pub(super) async fn orders(&self) -> Orders {
        let agent = self.agent.clone();
        self.engine
            .read(move |world| world.orders(&agent))
            .await
            .unwrap()
    }

    /// The detail of the last event of a kind.
    pub(super) async fn detail_of(&self, kind: &str) -> String {
        let events = self.events().await.into_iter().rev();
        let mut of_kind = events.filter(|event| event.kind == kind);
        of_kind.next().unwrap_or_else(|| panic!("no {kind}")).detail
    }

    pub(super) async fn events(&self) -> Vec<Event> {
        self.engine
            .read(|world| world.store_events(0, 10_000))
            .await
            .unwrap()
    }
}
