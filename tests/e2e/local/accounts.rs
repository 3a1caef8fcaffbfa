//! An account that cannot be used: what waits, who is told, and how it goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use cloud_code_domain::cost::Usage;
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{PATIENCE, PROVIDER_KEY, Setting, secret_file};
use cloud_code_tests::model::{Fault, Script, Step};

use super::{Scene, ends, refusal, script};

/// Does something, needs its model, and does something else.
const STEPS: &str = "append log.txt begun\ncommit Begin\nspend scripted-model 100\n\
    append log.txt ended\ncommit End";
const NEW_KEY: &str = "sk-canary-another-key-0123456789abcdef";

/// Three coding CLIs on three accounts, one of each kind, each with a project of its own.
const CLIS: [(&str, &str); 3] = [
    ("claude-code", "scripted"),
    ("codex", "other"),
    ("gemini", "googles"),
];
/// Seconds until the reset; long beside the time in which all tasks are seen to wait for it.
const FAR: &str = "35";

fn three_clis() -> Setting {
    let mut rest = r#"
[accounts.other]
kind = "openai"
patience_seconds = 1
base_url = "{model}"
secret_file = "{root}/provider.key"

[accounts.googles]
kind = "google"
patience_seconds = 1
base_url = "{model}"
secret_file = "{root}/provider.key"
"#
    .to_owned();
    for (name, account) in CLIS {
        rest.push_str(&format!(
            r#"
[coding_cli.{name}]
adapter = "scripted"
account = "{account}"
command = ["{{root}}/bin/scripted"]

[[projects]]
name = "{name}"
tracker = "local"
repository = "{{root}}/sample.git"
branch_prefix = "{name}/"
coding_cli = "{name}"
default_agent_type = "backend"
"#
        ));
    }
    Setting {
        account: "patience_seconds = 1".into(),
        rest,
        ..Setting::default()
    }
}

impl Scene {
    async fn on_account(account: &str) -> Result<Self> {
        let setting = Setting {
            account: account.into(),
            ..Setting::default()
        };
        Self::with("", setting, |_| Ok(())).await
    }

    /// Waits until a task waits for its account.
    async fn waiting(&self, task: &str, words: &str) -> Result<v1::Task> {
        let waits = |task: &v1::Task| task.state == "pending" && task.state_detail.contains(words);
        let operator = self.0.operator()?;
        operator.wait_for(task, words, PATIENCE, waits).await
    }

    async fn account(&self) -> Result<v1::Account> {
        let accounts = self.0.operator()?.snapshot().await?.accounts;
        let account = accounts.into_iter().find(|one| one.name == "scripted");
        account.context("no account")
    }

    /// It is ready for review, and no step was made twice.
    async fn done_once(&self, task: &str) -> Result<()> {
        let detail = self.reviewed(task).await?;
        let added: Vec<&str> = detail
            .diff
            .lines()
            .filter(|line| line.starts_with('+') && !line.starts_with("+++"))
            .collect();
        assert_eq!(added, ["+begun", "+ended"], "{}", detail.diff);
        assert_eq!(detail.task.context("no task")?.attempts, 1);
        Ok(())
    }
}

fn answering() -> Script {
    let usage = Usage {
        input: 10,
        output: 10,
        ..Usage::default()
    };
    Script::playing(vec![Step::says("Thought.").costing(usage)])
}

fn limited(seconds: &str) -> Script {
    Script::failing(Fault::Status {
        status: 429,
        code: String::new(),
        message: String::new(),
        headers: vec![("retry-after".into(), seconds.into())],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_usage_limit_parks_the_account_and_everything_goes_on_after_the_reset() -> Result<()> {
    let scene = Scene::on_account("patience_seconds = 1").await?;
    scene.0.model().play(limited("15"));
    let one = scene.task(STEPS).await?;
    let other = scene.task(STEPS).await?;
    for task in [&one, &other] {
        let waiting = scene.waiting(task, "usage limit").await?;
        assert!(waiting.waits_until_ms.is_some(), "it says until when");
        assert!(waiting.attempts <= 1, "no failure is counted");
        assert_eq!(waiting.blocked_reason, "");
    }
    let account = scene.account().await?;
    assert_eq!(account.parking, "usage_limit");
    assert!(account.parked_until_ms.is_some());
    // New work is not begun on it.
    let third = scene.task(STEPS).await?;
    scene.waiting(&third, "usage limit").await?;
    let asked = scene.0.model().calls().len();
    assert!(asked <= 2, "{asked}: each turn ends with its first refusal");

    scene.0.model().play(answering());
    for task in [&one, &other, &third] {
        scene.done_once(task).await?;
    }
    assert_eq!(scene.account().await?.parking, "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_out_of_order_parks_the_account_and_is_no_fault_of_its_tasks()
-> Result<()> {
    let scene = Scene::on_account("").await?;
    scene.0.model().play(Script::failing(Fault::status(500)));
    let task = scene.task(STEPS).await?;
    let waiting = scene.waiting(&task, "gives no answer").await?;
    assert!(waiting.waits_until_ms.is_some(), "it says until when");
    assert!(waiting.attempts <= 1, "no failure is counted");
    assert_eq!(scene.account().await?.parking, "no_answer");
    let asked = scene.0.model().calls().len();

    // A second task does not ask again.
    let other = scene.task(STEPS).await?;
    scene.waiting(&other, "gives no answer").await?;
    assert_eq!(scene.0.model().calls().len(), asked);

    scene.0.model().play(answering());
    let resume = Action::ResumeAccount("scripted".into());
    scene.0.operator()?.act(resume).await?;
    for task in [&task, &other] {
        scene.done_once(task).await?;
    }
    assert_eq!(scene.account().await?.parking, "");
    Ok(())
}

/// What a limit in the evening does to a full queue, and a daemon that is killed in the night.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_tasks_of_three_coding_clis_sleep_through_a_limit_and_nothing_is_done_twice()
-> Result<()> {
    let mut scene = Scene::with("", three_clis(), |_| Ok(())).await?;
    scene.0.model().play(limited(FAR));
    let mut tasks = Vec::new();
    for (project, _) in CLIS.iter().cycle().take(20) {
        let text = script("Please.", STEPS);
        let operator = scene.0.operator()?;
        tasks.push(operator.new_task(project, "A task", &text).await?);
    }
    let mut begun = 0;
    for task in &tasks {
        let waiting = scene.waiting(task, "usage limit").await?;
        assert!(waiting.waits_until_ms.is_some(), "it says until when");
        begun += usize::from(!scene.0.operator()?.task(task).await?.executions.is_empty());
    }
    let asked = scene.0.model().calls().len();
    assert!(asked >= 3, "every account was tried");
    assert!(asked <= begun, "each turn ends with its first refusal");

    // Who is parked is not forgotten, and nobody tries before the reset.
    scene.0.restart().await?;
    for task in &tasks {
        scene.waiting(task, "usage limit").await?;
    }
    assert_eq!(scene.0.model().calls().len(), asked);

    scene.0.model().play(answering());
    let mut resumed = 0;
    for task in &tasks {
        scene.done_once(task).await?;
        let detail = scene.0.operator()?.task(task).await?;
        let ends = ends(&detail);
        let (last, parked) = ends.split_last().context("no execution")?;
        assert_eq!(*last, "succeeded");
        assert!(parked.len() <= 1, "it was tried once: {ends:?}");
        resumed += parked.len();
    }
    assert_eq!(resumed, begun, "what had begun went on in its session");
    let calls = scene.0.model().calls().len();
    assert_eq!(calls, asked + tasks.len(), "no thought was paid twice");
    for call in scene.0.model().calls() {
        assert_eq!(call.key(), PROVIDER_KEY);
        assert!(!call.path.contains("key="), "{}", call.path);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_over_in_a_moment_is_the_coding_clis_to_wait_for() -> Result<()> {
    let scene = Scene::on_account("").await?;
    scene.0.model().play(limited("15"));
    let task = scene.task("spend scripted-model 100").await?;
    let failed = |task: &v1::Task| !task.last_error.is_empty();
    let operator = scene.0.operator()?;
    operator.wait_for(&task, "told", PATIENCE, failed).await?;
    assert_eq!(scene.account().await?.parking, "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_waits_for_the_operator_who_puts_another_into_its_file() -> Result<()> {
    let scene = Scene::on_account("").await?;
    scene.0.model().play(answering().requiring_key(NEW_KEY));
    let task = scene.task(STEPS).await?;
    let waiting = scene.waiting(&task, "secret was refused").await?;
    assert!(
        waiting
            .state_detail
            .contains("cloud-code resume account scripted"),
        "{}",
        waiting.state_detail
    );
    assert_eq!(scene.account().await?.parking, "log_in_again");
    let resume = || Action::ResumeAccount("scripted".into());

    // Nothing has changed: it is refused again, and waits again.
    let asked = scene.0.model().calls().len();
    scene.act(resume()).await?;
    scene.0.model().wait_for_calls(asked + 1).await;
    scene.waiting(&task, "secret was refused").await?;

    // What others can read is not taken.
    secret_file(scene.0.root(), "provider.key", NEW_KEY)?;
    let key = scene.0.root().join("provider.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    let refused = refusal(scene.act(resume()).await)?;
    assert!(refused.contains("chmod 600"), "{refused}");
    assert!(!refused.contains(NEW_KEY));
    assert_eq!(scene.account().await?.parking, "log_in_again");

    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    scene.act(resume()).await?;
    scene.done_once(&task).await
}
