//! A task changes hands: another agent, or another coding CLI.

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Setting, asked_until, until};

use super::{Scene, refusal};

const OTHER: &str = r#"
[coding_cli.other]
adapter = "scripted"
account = "scripted"
command = ["{root}/bin/scripted"]
"#;

/// Whoever begins finds what was committed before, adds its own, and then needs a person.
fn steps(reason: &str) -> String {
    format!(
        "run if test -e first.txt; then echo 2 > second.txt; else echo 1 > first.txt; fi\n\
         run git add --all && git commit -qm \"$(test -e second.txt && echo Second || echo First)\"\n\
         report summary Half of it is there.\n\
         block {reason}"
    )
}

fn reassign(task: &str, agent: &str, coding_cli: &str) -> Action {
    Action::Reassign(v1::Reassign {
        task: task.into(),
        agent: agent.into(),
        coding_cli: coding_cli.into(),
    })
}

/// Waits until it is blocked again, in its second execution.
async fn blocked_again(scene: &Scene, task: &str) -> Result<v1::Task> {
    let operator = scene.0.operator()?;
    asked_until("it is blocked again", async || {
        let detail = operator.task(task).await?;
        let second = detail.executions.len() == 2;
        Ok(detail.task.filter(|now| second && now.state == "blocked"))
    })
    .await
}

/// What its coding CLI was told last.
fn told(scene: &Scene, task: &str) -> Result<String> {
    let worktree = scene.0.worktree(task).context("there is no worktree")?;
    let place = worktree.parent().context("a worktree has a place")?;
    Ok(std::fs::read_to_string(place.join("prompt.md"))?)
}

/// Answers it, and looks whether the result holds what both did.
async fn finished(scene: &Scene, task: &str) -> Result<v1::TaskDetail> {
    let steer = v1::SteerTask {
        task: task.into(),
        text: "It is good as it is.".into(),
    };
    scene.act(Action::Steer(steer)).await?;
    let detail = scene.reviewed(task).await?;
    let branch = detail.task.clone().unwrap_or_default().branch;
    let log = scene.git(&["log", "--format=%s", &format!("main..{branch}")])?;
    let subjects: Vec<&str> = log.lines().rev().take(2).collect();
    ensure!(subjects == ["First", "Second"], "{log}");
    Ok(detail)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_agent_goes_on_from_the_commits_of_the_one_before() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene.task(&steps("Which colour?")).await?;
    let blocked = scene.0.task_blocked(&task, "needs_human").await?;
    let before = scene.0.worktree(&task).context("there was a worktree")?;
    let agents = scene.0.operator()?.snapshot().await?.agents;
    let other = agents.into_iter().find(|agent| agent.id != blocked.agent);
    let other = other.context("there is one agent only")?.id;
    scene.act(reassign(&task, &other, "")).await?;
    let again = blocked_again(&scene, &task).await?;
    ensure!(again.agent == other, "{} has it", again.agent);
    until("the old worktree is gone", || {
        (!before.exists()).then_some(())
    })
    .await?;
    let told = told(&scene, &task)?;
    for words in ["# What was done before", "First", "Half of it is there."] {
        ensure!(told.contains(words), "{words} is not in {told}");
    }
    finished(&scene, &task).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_brought_is_looked_at_before_it_is_pushed() -> Result<()> {
    let scene = Scene::set("protected_paths = [\"locked/\"]").await?;
    let first = "run mkdir -p locked && echo x > locked/x && git add --all && \
                 { git diff --cached --quiet || git commit -qm Locked; }\nblock Which colour?";
    let task = scene.task(first).await?;
    let blocked = scene.0.task_blocked(&task, "needs_human").await?;
    let agents = scene.0.operator()?.snapshot().await?.agents;
    let other = agents.into_iter().find(|agent| agent.id != blocked.agent);
    let other = other.context("there is one agent only")?.id;
    scene.act(reassign(&task, &other, "")).await?;
    blocked_again(&scene, &task).await?;
    let steer = v1::SteerTask {
        task: task.clone(),
        text: "Blue.".into(),
    };
    scene.act(Action::Steer(steer)).await?;
    scene.0.task_blocked(&task, "publish_rejected").await?;
    let detail = scene.0.operator()?.task(&task).await?;
    let findings = detail.findings.join("; ");
    ensure!(findings.contains("locked/x"), "{findings}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handoff_is_answered_with_another_coding_cli_in_the_same_worktree() -> Result<()> {
    let setting = Setting {
        rest: OTHER.into(),
        ..Setting::default()
    };
    let scene = Scene::with("", setting, |_| Ok(())).await?;
    let task = scene.task(&steps("recommend_handoff: other")).await?;
    let blocked = scene.0.task_blocked(&task, "handoff").await?;
    let refused = refusal(scene.act(reassign(&task, "", "unheard-of")).await)?;
    ensure!(
        refused.contains("configured are: other, scripted"),
        "{refused}"
    );
    scene.act(reassign(&task, "", "other")).await?;
    let again = blocked_again(&scene, &task).await?;
    ensure!(again.agent == blocked.agent, "{} has it", again.agent);
    let told = told(&scene, &task)?;
    for words in [
        "The coding CLI scripted on",
        "First",
        "Half of it is there.",
    ] {
        ensure!(told.contains(words), "{words} is not in {told}");
    }
    let detail = finished(&scene, &task).await?;
    let clis: Vec<&str> = detail
        .executions
        .iter()
        .map(|one| one.coding_cli.as_str())
        .collect();
    ensure!(clis == ["scripted", "other", "other"], "{clis:?}");
    Ok(())
}
