//! What waits for an operator, and what follows from the answer.

use anyhow::Result;
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{PATIENCE, Setting, until};
use cloud_code_tests::sample;

use super::{Scene, ends, request_of};

const ASKS: &str = "request npm_token publish The release has to be published\n\
    run printf %s \"${NPM_TOKEN:-none}\" | wc -c > length.txt\ncommit Publish it";

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_credential_reaches_the_coding_cli_and_nothing_else() -> Result<()> {
    let scene = Scene::set("").await?;
    let secret = "npm_canary_0123456789_canary";
    let operator = scene.0.operator()?;
    operator
        .set_secret("npm_token", "publish", "sample", secret)
        .await?;
    let task = scene.task(ASKS).await?;
    scene.0.task_blocked(&task, "needs_credential").await?;
    let request = request_of(&scene, &task).await?;
    let approve = v1::Approve {
        request: request.id,
        for_task: false,
    };
    scene.act(Action::Approve(approve)).await?;
    let detail = scene.reviewed(&task).await?;
    assert!(
        detail.diff.contains(&format!("+{}", secret.len())),
        "{}",
        detail.diff
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_reaches_the_coding_cli_with_its_note() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene.task(ASKS).await?;
    scene.0.task_blocked(&task, "needs_credential").await?;
    let request = request_of(&scene, &task).await?;
    let deny = v1::Deny {
        request: request.id,
        note: "Not before Monday.".into(),
    };
    scene.act(Action::Deny(deny)).await?;
    let detail = scene.reviewed(&task).await?;
    assert!(
        detail.diff.contains("+4"),
        "it went on without: {}",
        detail.diff
    );
    let mut told = detail.conversation.iter();
    assert!(told.any(|one| one.text.contains("Not before Monday.") && one.delivered));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cost_limit_stops_a_task_until_more_is_granted() -> Result<()> {
    let scene = Scene::set("cost_limit_usd = 0.1").await?;
    let spend = "spend scripted-model 4000\n".repeat(4);
    let task = scene
        .task(&format!("{spend}write a.txt 1\ncommit A"))
        .await?;
    let blocked = scene.0.task_blocked(&task, "cost_limit").await?;
    // A call is counted when it is over: the last one may go beyond the limit, no other is made.
    assert!(blocked.cost_micro_usd < 2 * blocked.cost_limit_micro_usd);
    assert_eq!(scene.0.model().calls().len(), 2);
    let grant = v1::SetCostLimit {
        task: task.clone(),
        limit_micro_usd: 10_000_000,
    };
    scene.act(Action::SetCostLimit(grant)).await?;
    let detail = scene.reviewed(&task).await?;
    assert_eq!(ends(&detail), ["blocked", "succeeded"]);
    assert_eq!(
        detail.task.map(|task| task.attempts),
        Some(1),
        "no failure is counted: it is still the first attempt"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn triage_ends_with_accept_or_reject() -> Result<()> {
    let scene = Scene::set("auto_assign = false").await?;
    let accepted = scene.task("write a.txt 1\ncommit A").await?;
    let rejected = scene.task("write a.txt 1\ncommit A").await?;
    for task in [&accepted, &rejected] {
        let waiting = scene.0.task_in(task, "triage").await?;
        assert!(waiting.needs_operator);
    }
    scene.act(Action::Reject(rejected.clone())).await?;
    scene.act(Action::Accept(accepted.clone())).await?;
    scene.0.task_in(&rejected, "cancelled").await?;
    scene.reviewed(&accepted).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_moves_the_default_branch() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene.task("write a.txt 1\ncommit A").await?;
    scene.reviewed(&task).await?;
    scene.act(Action::Merge(task.clone())).await?;
    scene.0.task_in(&task, "completed").await?;
    assert_eq!(scene.git(&["show", "main:a.txt"])?, "1");
    until("a clean workspace", || {
        scene.0.worktree(&task).is_none().then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_branch_that_is_checked_out_is_not_moved_and_the_command_is_told() -> Result<()> {
    let scene = Scene::with("", Setting::default(), |root| {
        let (bare, work) = (root.join("sample.git"), root.join("work"));
        sample::git(
            root,
            &[
                "clone",
                "--quiet",
                &bare.to_string_lossy(),
                &work.to_string_lossy(),
            ],
        )?;
        std::fs::remove_dir_all(&bare)?;
        Ok(std::fs::rename(work, bare)?)
    })
    .await?;
    let task = scene.task("write a.txt 1\ncommit A").await?;
    scene.reviewed(&task).await?;
    let before = scene.git(&["rev-parse", "main"])?;
    scene.act(Action::Merge(task.clone())).await?;
    let told = |task: &v1::Task| task.last_error.contains("merge");
    let told = scene
        .0
        .operator()?
        .wait_for(&task, "told", PATIENCE, told)
        .await?;
    assert_eq!(scene.git(&["rev-parse", "main"])?, before);
    let command = told
        .last_error
        .split("run there: git ")
        .nth(1)
        .unwrap_or_default();
    let command = command.replace('\'', "");
    scene.git(&command.split_whitespace().collect::<Vec<_>>())?;
    assert_eq!(
        std::fs::read_to_string(scene.0.root().join("sample.git/a.txt"))?,
        "1\n"
    );
    // Asked again, it finds that it is done.
    scene.act(Action::Merge(task.clone())).await?;
    scene.0.task_in(&task, "completed").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_fleet_begins_nothing() -> Result<()> {
    let scene = Scene::set("").await?;
    let all = || v1::Scope {
        project: String::new(),
    };
    scene.act(Action::Halt(all())).await?;
    let task = scene.task("write a.txt 1\ncommit A").await?;
    let waits = |task: &v1::Task| task.state_detail.contains("halt");
    scene
        .0
        .operator()?
        .wait_for(&task, "halted", PATIENCE, waits)
        .await?;
    scene.act(Action::Resume(all())).await?;
    scene.reviewed(&task).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notify_command_is_told_in_json_what_waits() -> Result<()> {
    let setting = Setting {
        top: r#"notify_command = ["/bin/sh", "-c", "cat >> {root}/notes; echo >> {root}/notes"]"#
            .into(),
        ..Setting::default()
    };
    let scene = Scene::with("", setting, |_| Ok(())).await?;
    let task = scene.task("block What is meant?").await?;
    scene.0.task_blocked(&task, "needs_human").await?;
    let note = until("a note", || {
        let notes = std::fs::read_to_string(scene.0.root().join("notes")).ok()?;
        serde_json::from_str::<serde_json::Value>(notes.lines().next()?).ok()
    })
    .await?;
    assert_eq!(
        (&note["kind"], &note["task"]),
        (&"task".into(), &task.into())
    );
    assert_eq!(note["state"], "blocked");
    Ok(())
}
