//! The demo without a terminal: files the sample issues, answers what waits, says what happened.

use std::time::Duration;

use anyhow::{Context, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;

use super::stage::Stage;
use super::{issues, say};
use crate::operator::Operator;
use crate::sample;

/// Each step has this long.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn run(stage: &Stage) -> anyhow::Result<()> {
    let tasks = issues::file_all(stage, issues::Pace::Full).await?;
    let [greeting, flaky, credential, expensive, triage] = tasks.as_slice() else {
        anyhow::bail!("five issues make five tasks");
    };
    say("filed 5 issues on two local projects");
    let operator = stage.operator();
    greeted(operator, greeting)
        .await
        .context("an issue becomes a pull request")?;
    retried(operator, flaky)
        .await
        .context("a failed execution is tried again")?;
    approved(operator, credential)
        .await
        .context("a credential waits for the operator")?;
    limited(operator, expensive)
        .await
        .context("a cost limit stops a task")?;
    accepted(operator, triage)
        .await
        .context("a task waits in triage")?;
    merged(stage, greeting)
        .await
        .context("the operator merges what is ready")?;
    say("everything happened");
    Ok(())
}

async fn reviewed(operator: &Operator, task: &str) -> anyhow::Result<v1::Task> {
    operator
        .wait_for(task, "a pull request", PATIENCE, |task| {
            task.state == "review"
        })
        .await
}

async fn greeted(operator: &Operator, task: &str) -> anyhow::Result<()> {
    reviewed(operator, task).await?;
    let detail = operator.task(task).await?;
    ensure!(
        detail.diff.contains("src/greet.sh"),
        "its diff does not show the new file"
    );
    let done = detail
        .criteria
        .iter()
        .filter(|criterion| criterion.status() == v1::CriterionStatus::Done);
    ensure!(done.count() == 2, "its criteria are not met");
    let task = detail.task.context("it is gone")?;
    let pull_request = task.pull_request.context("it has no pull request")?;
    say(&format!(
        "task {}: {} is pull request #{} (+{} -{})",
        task.id,
        task.title,
        pull_request.number.unwrap_or_default(),
        pull_request.added,
        pull_request.removed
    ));
    ensure!(task.cost_micro_usd > 0, "its model calls were not counted");
    Ok(())
}

async fn retried(operator: &Operator, task: &str) -> anyhow::Result<()> {
    reviewed(operator, task).await?;
    let detail = operator.task(task).await?;
    let states: Vec<&str> = detail.executions.iter().map(|e| e.state.as_str()).collect();
    ensure!(
        states == ["failed", "succeeded"],
        "its executions were {states:?}"
    );
    say(&format!(
        "task {task}: failed once, was tried again, and is ready for review"
    ));
    Ok(())
}

async fn approved(operator: &Operator, task: &str) -> anyhow::Result<()> {
    operator
        .wait_for(task, "blocked on a credential", PATIENCE, |task| {
            task.blocked_reason == "needs_credential"
        })
        .await?;
    let waiting = operator.snapshot().await?.approvals;
    let request = waiting
        .iter()
        .find(|request| request.task == task)
        .context("nothing is asked")?;
    say(&format!(
        "task {task}: asks for {} ({}); approved",
        request.kind, request.scope
    ));
    let approve = v1::Approve {
        request: request.id.clone(),
        for_task: false,
    };
    operator.act(Action::Approve(approve)).await?;
    reviewed(operator, task).await?;
    say(&format!(
        "task {task}: went on with the credential and is ready for review"
    ));
    Ok(())
}

async fn limited(operator: &Operator, task: &str) -> anyhow::Result<()> {
    let blocked = operator
        .wait_for(task, "blocked on its cost limit", PATIENCE, |task| {
            task.blocked_reason == "cost_limit"
        })
        .await?;
    let limit = blocked.cost_limit_micro_usd.saturating_mul(100);
    say(&format!(
        "task {task}: stopped at {} of {} micro-dollars; granted more",
        blocked.cost_micro_usd, blocked.cost_limit_micro_usd
    ));
    let grant = v1::SetCostLimit {
        task: task.to_owned(),
        limit_micro_usd: limit,
    };
    operator.act(Action::SetCostLimit(grant)).await?;
    reviewed(operator, task).await?;
    say(&format!("task {task}: finished within its new limit"));
    Ok(())
}

async fn accepted(operator: &Operator, task: &str) -> anyhow::Result<()> {
    operator
        .wait_for(task, "in triage", PATIENCE, |task| task.state == "triage")
        .await?;
    operator.act(Action::Accept(task.to_owned())).await?;
    reviewed(operator, task).await?;
    say(&format!(
        "task {task}: waited in triage, was accepted, and is ready for review"
    ));
    Ok(())
}

async fn merged(stage: &Stage, task: &str) -> anyhow::Result<()> {
    stage.operator().act(Action::Merge(task.to_owned())).await?;
    let completed = |task: &v1::Task| task.state == "completed";
    stage
        .operator()
        .wait_for(task, "completed", PATIENCE, completed)
        .await?;
    let files = sample::git(
        &stage.repository(),
        &["ls-tree", "-r", "--name-only", "main"],
    )?;
    ensure!(
        files.lines().any(|file| file == "src/greet.sh"),
        "main does not hold it"
    );
    say(&format!("task {task}: merged; main holds src/greet.sh"));
    Ok(())
}
