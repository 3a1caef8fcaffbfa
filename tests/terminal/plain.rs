//! The subcommands against the real daemon, as scripts call them.

use anyhow::{Context, Result, ensure};
use cloud_code_tests::sample;
use libtest_mimic::Trial;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::desk::Desk;
use crate::sshd::ALIAS;
use crate::{installed, over_ssh};

/// A task that becomes a pull request at once and costs something.
const EASY: &str =
    "```script\nspend scripted-model 400\nwrite hello.txt hello\ncommit Say hello\n```";

/// A task that asks for a credential.
const ASKS: &str =
    "```script\nrequest npm_token publish To publish\nwrite a.txt a\ncommit Publish it\n```";

/// A secret's value: it may be printed nowhere.
const CANARY: &str = "npm_canary_0123456789abcdef";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        installed("tasks_as_json_have_every_field_and_null_for_none", fields),
        installed("a_task_goes_its_way_by_subcommands_alone", the_whole_way),
        installed("a_merge_that_is_refused_is_a_command_that_fails", unmerged),
        installed("a_request_is_answered_by_subcommands", answered),
        installed("a_log_is_followed_until_its_task_is_finished", followed),
        installed("events_begin_after_the_number_that_is_given", events),
        installed("a_mistake_says_what_why_and_what_to_do", mistakes),
        installed("the_doctor_looks_at_everything", doctor),
        over_ssh("every_subcommand_works_over_ssh", remote),
        over_ssh(
            "a_server_that_ssh_does_not_reach_is_an_error_with_its_words",
            unreachable,
        ),
    ]
}

async fn fields(desk: &mut Desk) -> Result<()> {
    let easy = desk.task("Say hello", EASY).await?;
    let asks = desk.task("Publish it", ASKS).await?;
    desk.cluster.task_in(&easy, "review").await?;
    desk.cluster.task_blocked(&asks, "needs_credential").await?;
    let tasks = desk.run(&["tasks", "--json"]).await?.json()?;
    let tasks = tasks.as_array().context("an array")?;
    let find = |id: &str| tasks.iter().find(|task| task["id"] == id);
    let easy = find(&easy).context("the first")?;
    let asks = find(&asks).context("the second")?;
    ensure!(
        easy["project"] == "sample" && easy["title"] == "Say hello",
        "{easy}"
    );
    ensure!(easy["state"] == "review" && easy["priority"] == 2, "{easy}");
    ensure!(
        easy["agent"].is_string() && easy["attempts"].is_u64(),
        "{easy}"
    );
    ensure!(easy["cost_usd"].as_f64() > Some(0.0), "{easy}");
    ensure!(easy["blocked_reason"].is_null(), "{easy}");
    let request = easy["pull_request"].as_object().context("an object")?;
    ensure!(
        request["number"].is_u64() && request.contains_key("url"),
        "{easy}"
    );
    ensure!(asks["state"] == "blocked", "{asks}");
    ensure!(asks["blocked_reason"] == "needs_credential", "{asks}");
    ensure!(asks["pull_request"].is_null(), "{asks}");
    Ok(())
}

async fn the_whole_way(desk: &mut Desk) -> Result<()> {
    let new = ["--json", "task", "new", "Say hello", "--description", "-"];
    let made = desk.run_with(&new, EASY).await?.json()?;
    let id = made["task"].as_str().context("its id")?.to_owned();
    desk.cluster.task_in(&id, "review").await?;
    let shown = desk.run(&["task", "show", "sample#1"]).await?;
    ensure!(shown.out.contains("+hello"), "{}", shown.out);
    let early = desk.run(&["task", "accept", &id]).await?;
    ensure!(early.code == Some(1), "it is not in triage: {}", early.out);
    let urgent = desk.run(&["task", "priority", &id, "P0"]).await?;
    ensure!(urgent.code == Some(0), "{}", urgent.err);
    let merged = desk.run(&["task", "merge", "#1"]).await?;
    ensure!(merged.code == Some(0), "{}", merged.err);
    ensure!(merged.out.ends_with("  merged\n"), "{}", merged.out);
    let show = desk.run(&["--json", "task", "show", &id]).await?.json()?;
    ensure!(
        show["state"] == "completed" && show["priority"] == 0,
        "{show}"
    );
    let again = desk.run(&["task", "merge", &id]).await?;
    ensure!(again.code == Some(1), "it is merged: {}", again.out);
    let costs = desk
        .run(&["--json", "costs", "--by", "task"])
        .await?
        .json()?;
    ensure!(costs.to_string().contains(&id), "{costs}");
    Ok(())
}

/// A pull request that cannot be merged: where the branch is checked out, it is not moved.
async fn unmerged(desk: &mut Desk) -> Result<()> {
    let task = desk.task("Say hello", EASY).await?;
    desk.cluster.task_in(&task, "review").await?;
    let root = desk.cluster.root();
    let work = root.join("work").display().to_string();
    let check_out = ["worktree", "add", "--quiet", &work, "main"];
    sample::git(&root.join("sample.git"), &check_out)?;
    let refused = desk.run(&["task", "merge", &task]).await?;
    ensure!(refused.code == Some(1), "{}", refused.out);
    for said in ["it was not merged", "is checked out", "run there: git"] {
        ensure!(refused.err.contains(said), "{}", refused.err);
    }
    let again = format!("cloud-code task merge {task}");
    ensure!(refused.err.contains(&again), "{}", refused.err);
    // A refusal of before is no answer to what is asked now.
    let closed = desk.run(&["--json", "task", "close", &task]).await?;
    let closed = closed.json()?;
    ensure!(
        closed["done"] == true && closed["message"] == "closed",
        "{closed}"
    );
    Ok(())
}

async fn answered(desk: &mut Desk) -> Result<()> {
    let set = [
        "secret",
        "set",
        "npm_token",
        "publish",
        "--project",
        "sample",
    ];
    let stored = desk.run_with(&set, &format!("{CANARY}\n")).await?;
    ensure!(stored.code == Some(0), "{}", stored.err);
    let listed = desk.run(&["secret", "ls"]).await?;
    ensure!(listed.out.contains("npm_token"), "{}", listed.out);
    let task = desk.task("Publish it", ASKS).await?;
    desk.cluster.task_blocked(&task, "needs_credential").await?;
    let waiting = desk.run(&["--json", "approvals"]).await?.json()?;
    let request = waiting[0]["id"].as_str().context("its id")?.to_owned();
    let version = waiting[0]["version"].as_u64().context("its version")?;
    let stale = (version + 7).to_string();
    let refused = desk
        .run(&["approve", &request, "--if-version", &stale])
        .await?;
    ensure!(refused.code == Some(1), "an old version: {}", refused.out);
    ensure!(refused.err.contains("changed"), "{}", refused.err);
    let approved = desk.run(&["approve", &request]).await?;
    ensure!(approved.code == Some(0), "{}", approved.err);
    desk.cluster.task_in(&task, "review").await?;
    for line in [["secret", "ls"].as_slice(), &["events"], &["logs", &task]] {
        let said = desk.run(line).await?;
        ensure!(!said.out.contains(CANARY), "{line:?} shows the secret");
    }
    Ok(())
}

async fn followed(desk: &mut Desk) -> Result<()> {
    let text = "```script\nsay first\nwait-for go\nsay second\nwrite a.txt a\ncommit A\n```";
    let task = desk.task("Slow", text).await?;
    desk.cluster.task_in(&task, "in_progress").await?;
    let socket = desk.cluster.root().join("operator.sock");
    let mut child = desk
        .command()
        .arg("--socket")
        .arg(socket)
        .args(["--json", "logs", &task, "--follow"])
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
    let mut until = async |wanted: &str| -> Result<()> {
        while let Some(line) = lines.next_line().await? {
            let line: Value = serde_json::from_str(&line)?;
            if line.to_string().contains(wanted) {
                return Ok(());
            }
        }
        anyhow::bail!("the log ended before {wanted:?}")
    };
    until("first").await?;
    let work = desk.cluster.worktree(&task).context("its worktree")?;
    std::fs::write(work.join("go"), "")?;
    until("second").await?;
    desk.cluster.task_in(&task, "review").await?;
    let closed = desk.run(&["task", "close", &task]).await?;
    ensure!(closed.code == Some(0), "{}", closed.err);
    let ended = tokio::time::timeout(cloud_code_tests::cluster::PATIENCE, child.wait());
    ensure!(ended.await.context("it goes on for ever")??.success());
    Ok(())
}

async fn events(desk: &mut Desk) -> Result<()> {
    let task = desk.task("Say hello", EASY).await?;
    desk.cluster.task_in(&task, "review").await?;
    let all = desk.run(&["--json", "events"]).await?;
    let numbers = |out: &str| -> Result<Vec<u64>> {
        let events = out.lines().map(serde_json::from_str::<Value>);
        events
            .map(|event| event?["seq"].as_u64().context("a number"))
            .collect()
    };
    let seen = numbers(&all.out)?;
    ensure!(
        seen.windows(2).all(|two| two[1] == two[0] + 1),
        "a gap: {seen:?}"
    );
    let middle = seen[seen.len() / 2];
    let since = middle.to_string();
    let rest = desk.run(&["--json", "events", "--since", &since]).await?;
    ensure!(
        numbers(&rest.out)?.first() == Some(&(middle + 1)),
        "{}",
        rest.out
    );
    ensure!(all.out.contains("operator"), "who did it: {}", all.out);
    Ok(())
}

async fn mistakes(desk: &mut Desk) -> Result<()> {
    for (line, code, words) in [
        (
            ["task", "show", "nothing"].as_slice(),
            1,
            "cloud-code tasks",
        ),
        (&["task", "merge", "#99"], 1, "cloud-code tasks"),
        (&["task", "priority", "x", "9"], 2, "0 (most urgent) to 4"),
        (
            &["task", "new", "A title", "--project", "no/such"],
            1,
            "no/such",
        ),
        (&["grant", "x", "a lot"], 2, "dollars"),
        (&["approve", "aaaaaaaa:1"], 1, "approvals"),
        (
            &["secret", "set", "no_such_type", "read"],
            2,
            "no_such_type",
        ),
        (&["nonsense"], 2, "nonsense"),
    ] {
        let said = desk.run_with(line, "value\n").await?;
        ensure!(
            said.code == Some(code),
            "{line:?}: {:?} {}",
            said.code,
            said.err
        );
        ensure!(said.err.contains(words), "{line:?}: {}", said.err);
        ensure!(said.out.is_empty(), "{line:?}: {}", said.out);
    }
    desk.cluster.kill_orchestratord()?;
    let said = desk.run(&["tasks"]).await?;
    ensure!(said.code == Some(1), "{:?}", said.code);
    ensure!(said.err.contains("orchestratord --config"), "{}", said.err);
    Ok(())
}

async fn doctor(desk: &mut Desk) -> Result<()> {
    let said = desk.run(&["doctor", "--json"]).await?;
    let checks: Value = serde_json::from_str(&said.out)?;
    let checks = checks.as_array().context("an array")?;
    ensure!(checks.len() > 1, "{checks:?}");
    let failed = checks.iter().any(|check| check["ok"] == false);
    ensure!(said.code == Some(i32::from(failed)), "{checks:?}");
    Ok(())
}

async fn remote(desk: &mut Desk) -> Result<()> {
    let task = desk.task("Say hello", EASY).await?;
    desk.cluster.task_in(&task, "review").await?;
    for line in [
        ["tasks"].as_slice(),
        &["task", "show", &task],
        &["logs", &task],
        &["doctor"],
    ] {
        let run = desk.command().args(["--host", ALIAS]).args(line).output();
        let output = run.await?;
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        ensure!(
            output.status.code() <= Some(1) && !out.is_empty(),
            "{line:?}: {err}"
        );
    }
    Ok(())
}

async fn unreachable(desk: &mut Desk) -> Result<()> {
    let run = desk
        .command()
        .args(["--host", "nowhere.invalid", "tasks"])
        .output();
    let output = run.await?;
    let err = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{err}");
    ensure!(
        err.contains("ssh nowhere.invalid") && err.contains("resolve"),
        "{err}"
    );
    Ok(())
}
