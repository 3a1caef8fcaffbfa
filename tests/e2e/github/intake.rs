//! What becomes a task, and what waits.

use anyhow::Result;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{PATIENCE, until};
use cloud_code_tests::forge::Forge;

use super::{LABEL, Scene, script};

const STEPS: &str = "write hello.txt Hello\ncommit Say hello";

#[tokio::test(flavor = "multi_thread")]
async fn a_labelled_issue_becomes_a_pull_request_with_the_agents_commits() -> Result<()> {
    let scene = Scene::set().await?;
    let (issue, task, pull) = scene.reviewed("Say hello", STEPS).await?;

    assert!(pull.open);
    assert!(
        pull.body.contains(&format!("Closes #{issue}")),
        "{}",
        pull.body
    );
    assert_eq!(pull.branch, format!("cloud-code/{issue}-{task}"));
    assert_eq!(
        scene.forge.read_file(&pull.branch, "hello.txt").await?,
        "Hello"
    );
    let range = format!("main..{}", pull.branch);
    let log = scene
        .forge
        .git(&[
            "log",
            "--format=%an|%ae|%cn|%s|%(trailers:only,unfold)",
            &range,
        ])
        .await?;
    let log: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(
        log[0].starts_with("Cloud Code|cloud-code@localhost|Cloud Code|Say hello|"),
        "{log:?}"
    );
    assert!(log[0].contains(&task), "no trailer names the task: {log:?}");

    scene.comment_says(issue, "ready for review").await?;
    assert_eq!(scene.own_comments(issue).len(), 1, "edited in place");
    assert_eq!(scene.forge.pull_requests().len(), 1);
    assert_eq!(scene.forge.branches().len(), 2);
    scene.end();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_finds_what_no_webhook_told() -> Result<()> {
    let scene = Scene::polling(1).await?;
    let (issue, task, pull) = scene.reviewed("Say hello", STEPS).await?;
    scene.forge.merge("ada", pull.number).await?;
    scene.cluster.task_in(&task, "completed").await?;
    scene.comment_says(issue, "done").await?;
    scene.end();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_label_waits_in_triage_until_an_operator_accepts() -> Result<()> {
    let scene = Scene::set().await?;
    scene.forge.person("mallory", "triage");
    let body = script("Please.", STEPS);
    let issue = scene
        .forge
        .create_issue_labelled("mallory", "Say hello", &body, &[LABEL]);
    let task = scene.cluster.task_of(issue).await?;
    let waiting = scene.cluster.task_in(&task, "triage").await?;
    assert!(waiting.needs_operator);
    assert!(
        waiting.state_detail.contains("mallory"),
        "{}",
        waiting.state_detail
    );
    assert_eq!(scene.forge.branches().len(), 1, "nothing was worked on");
    scene
        .cluster
        .operator()?
        .act(Action::Accept(task.clone()))
        .await?;
    scene.cluster.task_in(&task, "review").await?;
    scene.end();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_edited_after_the_label_waits_in_triage() -> Result<()> {
    // Nobody looks before the text is edited.
    let forge = Scene::forge().await?;
    let body = script("Please.", STEPS);
    let issue = forge.create_issue_labelled("ada", "Say hello", &body, &[LABEL]);
    forge.edit_issue("mallory", issue, None, Some("Say something else."));
    let scene = Scene::at(forge, 1).await?;

    let task = scene.cluster.task_of(issue).await?;
    let waiting = scene.cluster.task_in(&task, "triage").await?;
    let why = waiting.state_detail;
    assert!(why.contains("edited"), "{why}");
    assert_eq!(scene.forge.branches().len(), 1, "nothing was worked on");

    // The label set again by who may is an answer, to the text as it is then.
    scene.forge.edit_issue("ada", issue, None, Some(&body));
    scene.forge.unlabel("ada", issue, LABEL);
    scene.forge.label("ada", issue, LABEL);
    let open = |forge: &Forge| forge.pull_requests().first().cloned();
    let pull = until("a pull request", || open(&scene.forge)).await?;
    assert_eq!(
        scene.forge.read_file(&pull.branch, "hello.txt").await?,
        "Hello"
    );
    scene.end();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_waits_for_what_it_depends_on() -> Result<()> {
    let scene = Scene::set().await?;
    let (first, first_task, pull) = scene.reviewed("Say hello", STEPS).await?;
    let body = script(
        &format!("Depends on #{first}"),
        "write second.txt 2\ncommit Second",
    );
    let second = scene
        .forge
        .create_issue_labelled("ada", "Say more", &body, &[LABEL]);
    let task = scene.cluster.task_of(second).await?;
    let waiting = scene.cluster.task_in(&task, "pending").await?;
    assert!(
        waiting.state_detail.contains(&format!("#{first}")),
        "{}",
        waiting.state_detail
    );
    scene.forge.merge("ada", pull.number).await?;
    scene.cluster.task_in(&first_task, "completed").await?;
    scene.cluster.task_in(&task, "review").await?;
    // It was started from what was merged.
    let branch = scene.pull_of(&task).await?.branch;
    assert_eq!(scene.forge.read_file(&branch, "hello.txt").await?, "Hello");
    scene.end();
    Ok(())
}

/// Waits until the task says so of itself.
async fn says(scene: &Scene, task: &str, words: &str) -> Result<()> {
    let says = |task: &cloud_code_proto::v1::Task| task.state_detail.contains(words);
    let operator = scene.cluster.operator()?;
    operator.wait_for(task, words, PATIENCE, says).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issue_that_is_no_task_is_waited_for_until_it_is_closed() -> Result<()> {
    let scene = Scene::set().await?;
    let plain = scene.forge.create_issue("ada", "By hand", "Ada does it.");
    let ours = scene.issue("Ours", "hang");
    let cancelled = scene.cluster.task_of(ours).await?;
    let body = script(&format!("Depends on #{plain}, #{ours} and #9999"), STEPS);
    let issue = scene
        .forge
        .create_issue_labelled("ada", "Say hello", &body, &[LABEL]);
    let task = scene.cluster.task_of(issue).await?;
    says(
        &scene,
        &task,
        &format!("waits for #{plain} (open), #{ours};"),
    )
    .await?;
    says(&scene, &task, "there is no issue #9999").await?;
    // Our task ends, its issue does not.
    scene.forge.unlabel("ada", ours, LABEL);
    scene.cluster.task_in(&cancelled, "cancelled").await?;
    says(&scene, &task, &format!("#{ours} (open)")).await?;
    scene.forge.close("ada", ours);
    says(&scene, &task, &format!("waits for #{plain} (open);")).await?;
    scene.forge.close("ada", plain);
    scene.cluster.task_in(&task, "review").await?;
    scene.end();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_wait_for_each_other_say_so() -> Result<()> {
    let scene = Scene::set().await?;
    let first = scene.forge.create_issue("ada", "First", "Depends on #2");
    let body = script(&format!("Depends on #{first}"), STEPS);
    let second = scene
        .forge
        .create_issue_labelled("ada", "Second", &body, &[LABEL]);
    assert_eq!((first, second), (1, 2));
    let second = scene.cluster.task_of(second).await?;
    says(&scene, &second, "waits for #1 (open)").await?;
    scene.forge.label("ada", first, LABEL);
    let task = scene.cluster.task_of(first).await?;
    for task in [&task, &second] {
        says(&scene, task, "#1, #2 wait for each other").await?;
    }
    scene.forge.close("ada", first);
    scene.cluster.task_in(&task, "cancelled").await?;
    scene.cluster.task_in(&second, "review").await?;
    scene.end();
    Ok(())
}
