//! A coding CLI that knows nothing of us: a shell program, by configuration alone.

use anyhow::{Context, Result};
use cloud_code_tests::cluster::{PROVIDER_KEY, Setting, secret_file};

use super::Scene;

/// Reads what is to be done, pays for a thought, writes a file.
const PROGRAM: &str = r#"#!/usr/bin/env bash
set -eu
title=$(sed -n 's/^ *title: *//p' .cloud-code/tasking.yaml | head -n 1)
grep -q . "$1"
rest=${ANTHROPIC_BASE_URL#http://}
body='{"model":"scripted-model","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}'
host=${rest%%/*} path=/${rest#*/}
exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
printf 'POST %s/v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\ncontent-length: %s\r\nconnection: close\r\n\r\n%s' \
  "$path" "$ANTHROPIC_API_KEY" "${#body}" "$body" >&3
answer=$(cat <&3)
case $answer in *"scripted model"*) ;; *) echo "no thought: $answer" >&2; exit 1 ;; esac
echo "$title" > done.txt
echo "I have done it."
"#;

/// A line without end that is longer than all that a log takes at once, then too many lines; and a report
/// that is none.
const FLOOD: &str = r#"#!/usr/bin/env bash
set -eu
echo 'tasks: [not, a, report]' > .cloud-code/reporting.yaml
head -c 8000000 /dev/zero | tr '\0' x
echo
seq -f 'line %.0f' 1 60000
echo 'the reason stands at the end'
exit 3
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_cut_and_counted_and_its_end_is_there() -> Result<()> {
    let setting = Setting {
        agents: "allow_unconfined = true".into(),
        rest: r#"
[coding_cli.flood]
adapter = "lines"
command = ["bash", "{root}/flood.sh"]

[[projects]]
name = "flood"
tracker = "local"
repository = "{root}/sample.git"
branch_prefix = "flood/"
coding_cli = "flood"
default_agent_type = "backend"
max_attempts = 1
"#
        .into(),
        ..Setting::default()
    };
    let scene = Scene::with("", setting, |root| secret_file(root, "flood.sh", FLOOD)).await?;
    let operator = scene.0.operator()?;
    let task = operator.new_task("flood", "Do it", "Please.").await?;
    scene.0.task_in(&task, "failed").await?;
    let (lines, lost) = operator.log(&task).await?;
    let has = |part: &str| lines.iter().any(|line| line.contains(part));
    assert!(has("xxx [cut]"), "the long line is gone");
    assert!(has("reporting.yaml is not taken"), "nobody heard of it");
    assert!(has("the reason stands at the end") && has("the turn failed"));
    let kept = lines.iter().filter(|line| line.starts_with("line "));
    let kept = u64::try_from(kept.count())?;
    // What agentd said itself in the middle of it may be among the lost.
    let counted = kept + lost;
    assert!(
        lost > 0 && (60_000..60_010).contains(&counted),
        "{kept} and {lost}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_program_is_a_coding_cli_by_configuration_alone() -> Result<()> {
    let setting = Setting {
        agents: "allow_unconfined = true".into(),
        rest: r#"
[coding_cli.foreign]
adapter = "lines"
account = "scripted"
model = "scripted-model"
command = ["bash", "{root}/foreign.sh", "{prompt_file}"]

[[projects]]
name = "foreign"
tracker = "local"
repository = "{root}/sample.git"
branch_prefix = "foreign/"
coding_cli = "foreign"
default_agent_type = "backend"
"#
        .into(),
        ..Setting::default()
    };
    let scene = Scene::with("", setting, |root| secret_file(root, "foreign.sh", PROGRAM)).await?;
    let operator = scene.0.operator()?;
    let task = operator
        .new_task("foreign", "Do it", "Please do it.")
        .await?;
    let detail = scene.reviewed(&task).await?;
    assert!(detail.diff.contains("+Do it"), "{}", detail.diff);
    let spent = detail.task.context("no task")?.cost_micro_usd;
    assert!(spent > 0, "its call was not counted");
    // The provider saw the real key, which the program never had.
    let calls = scene.0.model().calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].key(), PROVIDER_KEY);
    Ok(())
}
