//! From a labelled issue to a pull request, by each of the coding CLIs.

use anyhow::{Result, ensure};
use cloud_code_tests::docker_cluster::{ContainedCli, DockerCluster, PROVIDER_KEY};
use cloud_code_tests::model::Script;
use libtest_mimic::Trial;

use super::installed;

pub(super) fn trials() -> Vec<Trial> {
    let by = |name, cli| installed(name, cli, Script::edit(), becomes_a_pull_request);
    vec![
        by(
            "an_issue_becomes_a_pull_request_by_claude_code",
            ContainedCli::ClaudeCode,
        ),
        by(
            "an_issue_becomes_a_pull_request_by_codex",
            ContainedCli::Codex,
        ),
        by(
            "an_issue_becomes_a_pull_request_by_aider",
            ContainedCli::Aider,
        ),
        by(
            "an_issue_becomes_a_pull_request_by_opencode",
            ContainedCli::Opencode,
        ),
        by(
            "an_issue_becomes_a_pull_request_by_qwen",
            ContainedCli::Qwen,
        ),
        by(
            "an_issue_becomes_a_pull_request_by_copilot",
            ContainedCli::Copilot,
        ),
    ]
}

async fn becomes_a_pull_request(cluster: &mut DockerCluster) -> Result<()> {
    let issue = cluster.file_issue("Greet the user", "There is to be a greeting.txt.");
    let detail = cluster.reviewed(issue).await?;

    let (pull, _) = cluster.one_of_each(issue)?;
    ensure!(pull.open && !pull.merged, "{pull:?}");
    let prefix = format!("cloud-code/{issue}-");
    ensure!(pull.branch.starts_with(&prefix), "its branch: {pull:?}");
    let closes = format!("Closes #{issue}");
    ensure!(pull.body.contains(&closes), "it closes nothing: {pull:?}");
    cluster
        .told(issue, &format!("/pull/{}", pull.number))
        .await?;
    let text = cluster
        .forge
        .read_file(&pull.branch, "greeting.txt")
        .await?;
    ensure!(
        text.trim_end() == "hello from the scripted model",
        "{text:?}"
    );
    commits_are_ours(cluster, &pull.branch).await?;

    let violations = cluster.forge.violations();
    ensure!(
        violations.is_empty(),
        "GitHub would refuse: {violations:#?}"
    );
    let task = detail.task.unwrap_or_default();
    ensure!(task.cost_micro_usd > 0, "its model calls were not counted");
    let calls = cluster.model.calls();
    ensure!(
        calls.iter().all(|call| call.key() == PROVIDER_KEY),
        "a call did not bear the account's key"
    );
    Ok(())
}

/// One parent line from main, rebuilt with our identity; nothing that agents keep for themselves.
async fn commits_are_ours(cluster: &DockerCluster, branch: &str) -> Result<()> {
    let range = format!("main..{branch}");
    let authors = cluster
        .forge
        .git(&["log", "--format=%an <%ae> | %cn <%ce>", &range])
        .await?;
    let ours = "Cloud Code <cloud-code@localhost>";
    let expected = format!("{ours} | {ours}");
    ensure!(!authors.trim().is_empty(), "the branch holds no commit");
    ensure!(
        authors.lines().all(|line| line == expected),
        "not our identity: {authors}"
    );
    let files = cluster
        .forge
        .git(&["diff", "--name-only", "main", branch])
        .await?;
    ensure!(files.trim() == "greeting.txt", "it changes {files:?}");
    Ok(())
}
