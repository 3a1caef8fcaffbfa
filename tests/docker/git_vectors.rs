//! What an agent plants in its repository to have git run it: in a real container, by a real coding
//! CLI, while every program that git starts on the host is written down.
//!
//! ```text
//!  agent ─▶ settings, hooks, filters, alternates, replacements, … ─▶ its own .git, in its volume
//!                 │ its own git obeys: a mark in the container
//!                 └ a git of the host would: a mark on the host, a line in the record
//! ```

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use cloud_code_proto::v1::action::Action as Operate;
use cloud_code_tests::docker_cluster::{ContainedCli, DockerCluster, PATIENCE};
use cloud_code_tests::model::{Action, Script, Step};
use libtest_mimic::Trial;

use super::installed;

pub(super) fn trials() -> Vec<Trial> {
    vec![installed(
        "nothing_that_an_agent_plants_for_git_runs_on_the_host",
        ContainedCli::Codex,
        planting(),
        runs_nothing,
    )]
}

/// Commits, then plants whatever makes git start a program or go elsewhere. The trap marks the
/// installation's directory where it sees it, which is on the host, and else the container's /tmp.
const PLANT: &str = r#"trap() { echo "sh -c 'touch HOST/sprung-$1 2>/dev/null || touch /tmp/sprung-$1'"; }
pass() { echo "sh -c 'touch HOST/sprung-$1 2>/dev/null || touch /tmp/sprung-$1; cat'"; }
echo work > work.txt
printf '*.txt filter=x diff=x merge=x\n' > .gitattributes
git add -A && git commit -q -m Work
common=$(git rev-parse --path-format=absolute --git-common-dir)
own=$(git rev-parse --path-format=absolute --git-dir)
for hook in pre-commit post-commit prepare-commit-msg commit-msg post-checkout post-merge post-rewrite \
  pre-push pre-auto-gc pre-receive update post-receive post-update reference-transaction \
  post-index-change push-to-checkout proc-receive sendemail-validate fsmonitor-watchman; do
  for hooks in "$common/hooks" "$common/other-hooks"; do
    mkdir -p "$hooks"
    printf '#!/bin/sh\n%s\nexit 0\n' "$(trap hook)" > "$hooks/$hook"
    chmod 755 "$hooks/$hook"
  done
done
set_in() { git config --file "$@"; }
for file in "$common/config" "$own/config.worktree" "$common/included"; do
  set_in "$file" core.fsmonitor "$(trap fsmonitor)"
  set_in "$file" core.alternateRefsCommand "$(trap alternates)"
  set_in "$file" core.sshCommand "$(trap ssh)"
  set_in "$file" core.gitProxy "$(trap proxy)"
  set_in "$file" core.pager "$(trap pager)"
  set_in "$file" core.editor "$(trap editor)"
  set_in "$file" core.askPass "$(trap askpass)"
  set_in "$file" diff.external "$(trap diff)"
  set_in "$file" diff.x.textconv "$(trap textconv)"
  set_in "$file" merge.x.driver "$(trap merge)"
  set_in "$file" filter.x.clean "$(pass filter)"
  set_in "$file" filter.x.smudge "$(pass filter)"
  set_in "$file" uploadpack.packObjectsHook "$(trap pack)"
  set_in "$file" credential.helper "!$(trap credential)"
  set_in "$file" gpg.program "$(trap gpg)"
  set_in "$file" gc.recentObjectsHook "$(trap gc)"
  set_in "$file" remote.origin.uploadpack "$(trap uploadpack)"
  set_in "$file" remote.origin.receivepack "$(trap receivepack)"
  set_in "$file" remote.origin.promisor true
  set_in "$file" remote.origin.vcs trap
  set_in "$file" protocol.ext.allow always
  set_in "$file" protocol.file.allow always
  set_in "$file" url."ext::$(trap ext) ".insteadOf https://
  set_in "$file" url."ext::$(trap ext) ".pushInsteadOf http://
  set_in "$file" submodule.x.update "!$(trap submodule)"
  set_in "$file" submodule.recurse true
  set_in "$file" alias.rev-list "!$(trap alias)"
done
set_in "$common/config" core.hooksPath "$common/other-hooks"
set_in "$common/config" include.path "$common/included"
set_in "$common/config" extensions.worktreeConfig true
set_in "$own/config.worktree" core.bare false
mkdir -p "$common/objects/info"
printf '%s\n' "HOST/state" "HOST/state/mirrors" > "$common/objects/info/alternates"
evil=$(git commit-tree -m Evil "$(git mktree </dev/null)")
git update-ref "refs/replace/$(git rev-parse HEAD)" "$evil"
printf '%s %s\n' "$(git rev-parse HEAD)" "$evil" > "$common/info/grafts"
git status >/dev/null 2>&1; git diff HEAD~1 >/dev/null 2>&1; git log -p >/dev/null 2>&1
git fetch origin >/dev/null 2>&1; ls /tmp/sprung-* | wc -l > /tmp/planted; true"#;

fn planting() -> Script {
    // The directory of the installation stands in the issue, which the script cannot know.
    let plant = PLANT.replace("HOST", "$HOST_DIR");
    let plant = format!(
        "HOST_DIR=$(sed -n 's/.*The host is at \\([^ ]*\\) .*/\\1/p' .cloud-code/tasking.yaml | head -n 1); export HOST_DIR\n{plant}"
    );
    Script::playing(vec![
        Step::does("I plant.", Action::run(&plant)),
        Step::says("Done."),
    ])
}

async fn runs_nothing(cluster: &mut DockerCluster) -> Result<()> {
    let record = cluster.record_git().await?;
    let text = format!("The host is at {} today.", cluster.root().display());
    let issue = cluster.file_issue("Plant", &text);
    let task = cluster.task(issue).await?;
    let operator = cluster.operator()?;
    let checked = |task: &cloud_code_proto::v1::Task| {
        ["review", "failed"].contains(&task.state.as_str())
            || task.blocked_reason == "publish_rejected"
    };
    let ended = operator
        .wait_for(&task, "checked", PATIENCE, checked)
        .await?;
    ensure!(
        ended.state != "failed",
        "it never came to the gate: {ended:?}"
    );
    if ended.state != "review" {
        operator.act(Operate::Pass(task.clone())).await?;
    }
    cluster.reviewed(issue).await?;
    let planted = cluster.inside("cat /tmp/planted; ls /tmp").await?;
    let worked: usize = planted
        .lines()
        .next()
        .context("nothing is planted")?
        .parse()?;
    ensure!(
        worked >= 3,
        "the traps do not work in the container either: {planted}"
    );

    let (pull, _) = cluster.one_of_each(issue)?;
    let text = cluster.forge.read_file(&pull.branch, "work.txt").await?;
    ensure!(
        text.trim_end() == "work",
        "another commit was pushed: {text:?}"
    );
    cluster.forge.merge("ada", pull.number).await?;
    let done = |task: &cloud_code_proto::v1::Task| task.state == "completed";
    cluster
        .operator()?
        .wait_for(&task, "done", PATIENCE, done)
        .await?;

    let sprung: Vec<String> = std::fs::read_dir(cluster.root())?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("sprung-"))
        .collect();
    ensure!(sprung.is_empty(), "it ran on the host: {sprung:?}");
    let started = record.programs_started()?;
    ensure!(started.calls > 5, "git was hardly recorded: {started:?}");
    let foreign: BTreeSet<&String> = started
        .programs
        .iter()
        .filter(|one| !is_gits_own(one))
        .collect();
    ensure!(foreign.is_empty(), "git started {foreign:?}");
    Ok(())
}

/// Whether git starts this by itself: its own commands, and what we set where it would run another.
fn is_gits_own(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or_default();
    name == "git" || name.starts_with("git-") || name == "true"
}
