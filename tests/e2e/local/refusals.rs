//! What the gate refuses.

use anyhow::Result;
use cloud_code_proto::v1;
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::PROVIDER_KEY;

use super::{Scene, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_path_waits_for_an_operator_who_lets_it_pass() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene
        .task("write .github/workflows/x.yml on: push\ncommit Add a workflow")
        .await?;
    scene.0.task_blocked(&task, "publish_rejected").await?;
    let detail = scene.0.operator()?.task(&task).await?;
    let findings = detail.findings.join("\n");
    assert!(findings.contains(".github/workflows/x.yml"), "{findings}");
    let branch = detail.task.map(|task| task.branch).unwrap_or_default();
    assert!(
        scene.git(&["rev-parse", "--verify", &branch]).is_err(),
        "it was pushed"
    );
    scene.act(Action::Pass(task.clone())).await?;
    scene.reviewed(&task).await?;
    let file = format!("{branch}:.github/workflows/x.yml");
    assert_eq!(scene.git(&["show", &file])?, "on: push");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_result_goes_back_with_a_message() -> Result<()> {
    let scene = Scene::set(r#"protected_paths = ["deploy/**"]"#).await?;
    let task = scene
        .task("write deploy/run.sh rm\ncommit Deploy\nend-turn\nrun git reset --quiet --soft HEAD~1 && git rm -rqf deploy\nwrite a.txt 1\ncommit Do not deploy")
        .await?;
    scene.0.task_blocked(&task, "publish_rejected").await?;
    let back = v1::SteerTask {
        task: task.clone(),
        text: "Leave deploy alone.".into(),
    };
    scene.act(Action::Steer(back)).await?;
    let detail = scene.reviewed(&task).await?;
    assert!(!detail.diff.contains("deploy/run.sh"), "{}", detail.diff);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_this_host_in_a_file_is_refused_for_good() -> Result<()> {
    let scene = Scene::set("").await?;
    // Put together only there: the secret stands in no text of ours.
    let (one, other) = PROVIDER_KEY.split_at(12);
    let task = scene
        .task(&format!(
            "run printf '%s%s\\n' {one} {other} > key.txt\ncommit Add a file"
        ))
        .await?;
    scene.0.task_blocked(&task, "publish_rejected").await?;
    let detail = scene.0.operator()?.task(&task).await?;
    let findings = detail.findings.join("\n");
    assert!(findings.contains("key.txt"), "{findings}");
    assert!(!findings.contains(PROVIDER_KEY), "{findings}");
    refusal(scene.act(Action::Pass(task)).await)?;
    Ok(())
}
