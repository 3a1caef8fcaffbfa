//! A repository that runs programs on whoever touches it: planted by the agent, and by the source.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use cloud_code_proto::v1::action::Action;
use cloud_code_tests::cluster::{Cluster, local_project};
use cloud_code_tests::sample;

use super::super::{PROGRAMS, projects, script};

/// Says in a file who runs it: the programs above it, nearest first, in one line. Whoever runs the
/// tests is among them, with arguments that may be anything: what an `echo` takes for an escape, and
/// what is no text.
const TRAP: &str = r#"#!/bin/sh
p=$$
line=
while [ "${p:-0}" -gt 1 ]; do
  line="$line $(LC_ALL=C tr -c '[:print:]' ' ' < /proc/$p/cmdline) |"
  p=$(sed -n 's/^PPid:\t*//p' /proc/$p/status)
done
printf '%s\n' "$line" >> ROOT/sprung-NAME
case NAME in filter) exec cat ;; esac
"#;

fn trap(root: &Path, at: &Path, name: &str) -> Result<()> {
    if let Some(folder) = at.parent() {
        fs::create_dir_all(folder)?;
    }
    let text = TRAP
        .replace("ROOT", &root.to_string_lossy())
        .replace("NAME", name);
    fs::write(at, text)?;
    fs::set_permissions(at, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

const HOOKS: [&str; 10] = [
    "pre-commit",
    "post-commit",
    "post-checkout",
    "pre-push",
    "pre-receive",
    "update",
    "post-receive",
    "post-update",
    "reference-transaction",
    "post-index-change",
];

/// Settings by which git runs `trap`.
fn settings(root: &Path, name: &str) -> Vec<[String; 2]> {
    let trap = root
        .join(format!("trap-{name}"))
        .to_string_lossy()
        .into_owned();
    let filter = root.join("trap-filter").to_string_lossy().into_owned();
    let mut settings = vec![];
    for key in [
        "core.fsmonitor",
        "core.alternateRefsCommand",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "core.gitProxy",
        "diff.external",
        "diff.x.textconv",
        "merge.x.driver",
        "uploadpack.packObjectsHook",
        "credential.helper",
        "gpg.program",
        "core.askPass",
    ] {
        settings.push([key.to_owned(), trap.clone()]);
    }
    settings.push(["filter.x.clean".to_owned(), filter.clone()]);
    settings.push(["filter.x.smudge".to_owned(), filter]);
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_planted_in_a_repository_runs_on_the_host() -> Result<()> {
    let cluster = Cluster::prepared(
        PROGRAMS,
        projects(local_project("sample", "")),
        plant_in_the_source,
    )
    .await?;
    let root = cluster.root().to_owned();
    trap(&root, &root.join("trap-agent"), "agent")?;
    let mut steps: Vec<String> = settings(&root, "agent")
        .into_iter()
        .map(|[key, value]| format!("run git config {key} {value}"))
        .collect();
    for hook in HOOKS {
        steps.push(format!(
            "run H=$(git rev-parse --git-common-dir)/hooks; mkdir -p $H && cp {} $H/{hook}",
            root.join("trap-agent").display()
        ));
    }
    steps.push("run printf '* filter=x diff=x merge=x\\n' > .gitattributes".to_owned());
    steps.push("write a.txt 1\ncommit A".to_owned());
    let operator = cluster.operator()?;
    let text = script("Please.", &steps.join("\n"));
    let task = operator.new_task("sample", "Plant", &text).await?;
    let ended =
        |task: &cloud_code_proto::v1::Task| ["review", "blocked"].contains(&task.state.as_str());
    let patience = cloud_code_tests::cluster::PATIENCE;
    let shown = operator
        .wait_for(&task, "at an end", patience, ended)
        .await?;
    if shown.blocked_reason == "publish_rejected" {
        operator.act(Action::Pass(task.clone())).await?;
    }
    cluster.task_in(&task, "review").await?;
    operator.act(Action::Merge(task.clone())).await?;
    cluster.task_in(&task, "completed").await?;

    // The coding CLI's own git springs them, which shows that they work.
    assert!(root.join("sprung-agent").exists(), "no trap works");
    for name in ["agent", "source", "filter"] {
        let sprung = sprung(&root, name)?;
        let on_the_host: Vec<&str> = sprung
            .lines()
            .filter(|line| runs_on_the_host(line))
            .collect();
        assert!(on_the_host.is_empty(), "{name}: {on_the_host:#?}");
    }
    Ok(())
}

/// What the traps of that name wrote.
fn sprung(root: &Path, name: &str) -> Result<String> {
    let at = root.join(format!("sprung-{name}"));
    if !at.exists() {
        return Ok(String::new());
    }
    let bytes = fs::read(&at).with_context(|| format!("cannot read {}", at.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether orchestratord is nearer than agentd among the programs above.
fn runs_on_the_host(line: &str) -> bool {
    let mut above = line.split('|');
    let nearest = above
        .find(|program| program.contains("/bin/agentd") || program.contains("/bin/orchestratord"));
    nearest.is_none_or(|program| program.contains("/bin/orchestratord"))
}

fn plant_in_the_source(root: &Path) -> Result<()> {
    let bare = root.join("sample.git");
    let files = [
        ("README.md", "# Sample\n"),
        (".gitattributes", "*.md filter=x diff=x\n"),
    ];
    sample::bare_repository(&bare, &files)?;
    trap(root, &root.join("trap-source"), "source")?;
    trap(root, &root.join("trap-filter"), "filter")?;
    for [key, value] in settings(root, "source") {
        sample::git(&bare, &["config", &key, &value])?;
    }
    for hook in HOOKS {
        trap(root, &bare.join("hooks").join(hook), "source")?;
    }
    Ok(())
}
