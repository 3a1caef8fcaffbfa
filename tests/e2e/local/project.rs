//! What a project is configured to do around a turn.

use anyhow::Result;
use cloud_code_tests::cluster::Setting;

use super::{Scene, ends};

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_check_goes_back_to_the_coding_cli() -> Result<()> {
    let scene =
        Scene::set(r#"check = "test -f checked.txt || { echo 'nobody checked it'; false; }""#)
            .await?;
    let task = scene
        .task("write a.txt 1\ncommit A\nend-turn\nwrite checked.txt 1\ncommit B")
        .await?;
    let detail = scene.reviewed(&task).await?;
    assert!(detail.diff.contains("checked.txt"), "{}", detail.diff);
    assert_eq!(ends(&detail), ["succeeded"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_again_fails_the_execution() -> Result<()> {
    let scene = Scene::set("check = \"false\"\nmax_attempts = 1").await?;
    let task = scene.task("write a.txt 1\ncommit A").await?;
    let failed = scene.0.task_in(&task, "failed").await?;
    assert!(failed.last_error.contains("check"), "{}", failed.last_error);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_runs_once_in_a_worktree_and_home_is_seeded() -> Result<()> {
    let setting = Setting::default();
    let project = "setup = \"echo made >> $HOME/setup\"\nhome_seed = \"{root}/seed\"";
    let scene = Scene::with(project, setting, |root| {
        std::fs::create_dir_all(root.join("seed/.config"))?;
        std::fs::write(root.join("seed/CLAUDE.md"), "Be brief.\n")?;
        Ok(std::fs::write(root.join("seed/.config/tool"), "on\n")?)
    })
    .await?;
    let task = scene
        .task("block What now?\nrun cat $HOME/setup $HOME/CLAUDE.md $HOME/.config/tool > seen.txt\ncommit See")
        .await?;
    scene.0.task_blocked(&task, "needs_human").await?;
    let answer = cloud_code_proto::v1::SteerTask {
        task: task.clone(),
        text: "Go on.".into(),
    };
    scene
        .act(cloud_code_proto::v1::action::Action::Steer(answer))
        .await?;
    let detail = scene.reviewed(&task).await?;
    assert_eq!(ends(&detail), ["blocked", "succeeded"]);
    assert!(
        detail.diff.contains("+made\n+Be brief.\n+on\n"),
        "{}",
        detail.diff
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_coding_cli_left_is_committed() -> Result<()> {
    let scene = Scene::set("").await?;
    let task = scene.task("write left.txt 1").await?;
    let detail = scene.reviewed(&task).await?;
    assert!(detail.diff.contains("left.txt"), "{}", detail.diff);
    assert!(!detail.diff.contains(".cloud-code"), "{}", detail.diff);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_are_no_result_where_they_are_not_wanted() -> Result<()> {
    let scene = Scene::set("commit_leftovers = false").await?;
    let task = scene.task("write left.txt 1").await?;
    scene.0.task_blocked(&task, "needs_human").await?;
    Ok(())
}
