//! Worktrees, homes, results, published heads, and their end.

use std::collections::BTreeSet;

use cloud_code_domain::execution::FailureCause;
use cloud_code_proto::v1;
use cloud_code_proto::v1::to_agent::Message as ToAgent;

use crate::station::{Station, git_ok, until};

#[tokio::test]
async fn a_second_execution_reuses_the_clone_and_begins_at_its_base() {
    let station = Station::start().await;
    station.run(1, "echo x > x").await;
    station.run(2, "echo y > y").await;
    assert_eq!(station.host.heard().needs.len(), 1);
    assert!(!station.work().join("x").exists());
}

#[tokio::test]
async fn a_base_that_does_not_come_is_an_unavailable_workspace() {
    let station = Station::start().await;
    let mut assign = station.assignment(1, "echo x > x");
    assign.base = "0123456789".repeat(4);
    station.assign(assign).await;
    let ended = station.host.ended(&station.execution(1)).await;
    let cause = ended.failure_cause();
    assert_eq!(cause, Ok(FailureCause::WorkspaceUnavailable));
    assert!(ended.last_words.contains("there is no such commit"));
}

#[tokio::test]
async fn what_is_begun_anew_is_forgotten_before_its_worktree_goes() {
    let station = Station::start().await;
    station.run(1, "echo x > x").await;
    let memory = station.above().join("task.json");
    let remembered = || std::fs::read_to_string(&memory).unwrap();
    assert!(remembered().contains(&station.execution(1)));
    // Its branch cannot be made beside cloud-code/…: whoever goes on from here finds no session of the work that is gone.
    let mut assign = station.assignment(2, "echo y > y");
    assign.branch = "cloud-code".into();
    station.assign(assign).await;
    let ended = station.host.ended(&station.execution(2)).await;
    let cause = ended.failure_cause();
    assert_eq!(cause, Ok(FailureCause::WorkspaceUnavailable));
    assert!(
        !remembered().contains(&station.execution(1)),
        "{}",
        remembered()
    );
}

#[tokio::test]
async fn locks_that_a_coding_cli_leaves_hold_nobody_up() {
    let station = Station::start().await;
    let program = "echo x > x; git add x; echo y > y
for name in index.lock HEAD.lock; do touch \"$(git rev-parse --git-path $name)\"; done";
    let ended = station.run(1, program).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    for name in ["x", "y"] {
        git_ok(
            &station.work(),
            &["cat-file", "-e", &format!("HEAD:{name}")],
        )
        .await;
    }
}

#[tokio::test]
async fn setup_runs_once_per_worktree_and_its_failure_is_shown() {
    let station = Station::start().await;
    let mut assign = station.assignment(1, "echo x >> x");
    assign.setup = "echo setting up; echo once >> ../setups".into();
    station.assign(assign.clone()).await;
    station.host.ended(&station.execution(1)).await;
    assign.execution = station.execution(2);
    assign.resume = true;
    station.assign(assign.clone()).await;
    station.host.ended(&station.execution(2)).await;
    let setups = std::fs::read_to_string(station.above().join("setups")).unwrap();
    assert_eq!(setups, "once\n");
    let log = station.host.heard().log(&station.execution(1));
    assert!(log.contains("setting up"));

    assign.execution = station.execution(3);
    assign.resume = false;
    assign.setup = "echo no network; exit 1".into();
    station.assign(assign).await;
    let ended = station.host.ended(&station.execution(3)).await;
    let cause = ended.failure_cause();
    assert_eq!(cause, Ok(FailureCause::WorkspaceUnavailable));
    assert!(ended.last_words.contains("no network"));
}

#[tokio::test]
async fn the_child_gets_an_environment_of_its_own() {
    let station = Station::start().await;
    let program = "env > env.txt; cat ~/.note > note.txt; readlink /proc/self/fd/0 > in.txt";
    let mut assign = station.assignment(1, program);
    assign.home = vec![v1::HomeFile {
        path: ".note".into(),
        content: b"be kind\n".to_vec(),
        executable: false,
    }];
    let cli = assign.coding_cli.as_mut().unwrap();
    cli.env.insert("GREETING".into(), "hi".into());
    cli.provider = "anthropic".into();
    cli.authorisation = "api_key".into();
    cli.gateway_token = "token-of-the-execution".into();
    station.assign(assign).await;
    station.host.ended(&station.execution(1)).await;
    assert_eq!(station.read("note.txt"), "be kind\n");
    assert_eq!(station.read("in.txt"), "/dev/null\n");
    let env = station.read("env.txt");
    let names: BTreeSet<&str> = env
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    let mark = format!("CLOUD_CODE_EXECUTION={}\n", station.execution(1));
    for wanted in [
        mark.as_str(),
        "GREETING=hi\n",
        "ANTHROPIC_BASE_URL=http://127.0.0.1:",
        "/model/anthropic\n",
        "ANTHROPIC_API_KEY=token-of-the-execution\n",
        "HTTPS_PROXY=http://127.0.0.1:",
        "TERM=dumb\n",
    ] {
        assert!(env.contains(wanted), "{wanted} is not in {env}");
    }
    for name in ["CARGO", "CARGO_MANIFEST_DIR", "USER", "SSH_AUTH_SOCK"] {
        assert!(!names.contains(name), "{name} came through");
    }
}

#[tokio::test]
async fn a_published_head_moves_the_branch_and_the_next_execution_builds_on_it() {
    let station = Station::start().await;
    let ended = station.run(1, "echo x > x").await;
    let pushed = station.publishes(&ended.head).await;

    let mut next = station.assignment(2, "test -f x && echo y > y");
    next.resume = true;
    next.base.clone_from(&pushed);
    station.assign(next).await;
    let ended = station.host.ended(&station.execution(2)).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    let parent = format!("{}^", ended.head);
    let parent = git_ok(&station.work(), &["rev-parse", &parent]).await;
    assert_eq!(parent, pushed);
}

#[tokio::test]
async fn commits_of_people_become_the_base_of_a_resumed_execution() {
    let station = Station::start().await;
    station.run(1, "echo ours > ours.txt").await;
    let theirs = station.commit_of_a_person("theirs.txt").await;
    let program = "test -f ours.txt && test -f theirs.txt && echo z > z";
    let mut next = station.assignment(2, program);
    next.resume = true;
    next.base.clone_from(&theirs);
    station.assign(next).await;
    let ended = station.host.ended(&station.execution(2)).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    let ancestor = ["merge-base", "--is-ancestor", &theirs, &ended.head];
    git_ok(&station.work(), &ancestor).await;
}

/// As a rebase that was killed before it had put our commits on top.
#[tokio::test]
async fn commits_outlive_a_rebase_that_was_killed() {
    let station = Station::start().await;
    station.run(1, "echo ours > ours.txt").await;
    let theirs = station.commit_of_a_person("theirs.txt").await;
    let work = station.work();
    let mirror = station.mirror().display().to_string();
    git_ok(&work, &["fetch", "--quiet", &mirror, &theirs]).await;
    let stops = "sequence.editor=sed -i 1ibreak";
    let rebase = ["-c", stops, "rebase", "--quiet", "--interactive", &theirs];
    git_ok(&work, &rebase).await;
    assert!(!work.join("ours.txt").exists(), "it is in the middle");
    let program = "test -f ours.txt && test -f theirs.txt && echo z > z";
    let mut next = station.assignment(2, program);
    next.resume = true;
    next.base.clone_from(&theirs);
    station.assign(next).await;
    let ended = station.host.ended(&station.execution(2)).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
}

#[tokio::test]
async fn what_a_killed_git_locked_is_free_again_for_a_resumed_execution() {
    let station = Station::start().await;
    station.run(1, "echo x > x").await;
    let lock = git_ok(&station.work(), &["rev-parse", "--git-path", "index.lock"]).await;
    std::fs::write(station.work().join(lock), "").unwrap();
    let mut next = station.assignment(2, "echo y > y; git add y");
    next.resume = true;
    station.assign(next).await;
    let ended = station.host.ended(&station.execution(2)).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
}

#[tokio::test]
async fn a_worktree_that_its_agent_damaged_is_its_failure_and_made_anew() {
    let index = "echo broken > \"$(git rev-parse --git-path index)\"";
    for damage in ["rm .git", index] {
        let station = Station::start().await;
        let ended = station.run(1, &format!("echo x > x; {damage}")).await;
        let cause = ended.failure_cause();
        assert_eq!(cause, Ok(FailureCause::WorktreeDamaged), "{ended:?}");
        // Also where the host did not hear of it.
        let mut next = station.assignment(2, "test ! -e x && echo y > y");
        next.resume = true;
        station.assign(next).await;
        let ended = station.host.ended(&station.execution(2)).await;
        assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
        let log = station.host.heard().log(&station.execution(2));
        assert!(log.contains("it is made anew"), "{log}");
    }
}

#[tokio::test]
async fn work_that_conflicts_with_the_new_base_is_kept_aside() {
    let station = Station::start().await;
    let first = station.run(1, "echo ours > same.txt").await;
    let theirs = station.commit_of_a_person("same.txt").await;
    let mut next = station.assignment(2, "! grep -q ours same.txt && echo z > z");
    next.resume = true;
    next.base.clone_from(&theirs);
    station.assign(next).await;
    let ended = station.host.ended(&station.execution(2)).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    let aside = format!("refs/cloud-code/kept/{}", station.execution(2));
    let kept = git_ok(&station.work(), &["rev-parse", &aside]).await;
    assert_eq!(kept, first.head);
    let log = station.host.heard().log(&station.execution(2));
    assert!(log.contains(&aside), "{log}");
}

#[tokio::test]
async fn a_result_that_is_gone_is_refused_with_a_reason() {
    let station = Station::start().await;
    station.run(1, "echo x > x").await;
    let request = v1::RequestResult {
        execution: station.execution(1),
        head: "0123456789".repeat(4),
        base: station.base.clone(),
        ask: 1,
    };
    station.host.send(ToAgent::RequestResult(request)).await;
    let heard = station
        .host
        .until("the refusal", |heard| !heard.failed_results.is_empty())
        .await;
    assert!(heard.packs_ended.is_empty());
}

#[tokio::test]
async fn a_cleaned_task_leaves_nothing_even_while_it_runs() {
    let station = Station::start().await;
    let program = "touch ../begun; mkdir -p ~/cache/deep; chmod 500 ~/cache; exec sleep 1000";
    station.assign(station.assignment(1, program)).await;
    until("the turn", || station.above().join("begun").exists()).await;
    let clean = |task: &str| ToAgent::CleanTask(v1::CleanTask { task: task.into() });
    station.host.send(clean(&station.task)).await;
    station
        .host
        .until("the cleaning", |heard| {
            heard.cleaned.contains(&station.task)
        })
        .await;
    assert!(!station.above().exists());
    assert!(!station.credentials().exists());
    let repository = station.workspace().join("repo.git");
    let branches = git_ok(&repository, &["for-each-ref", "refs/heads"]).await;
    assert_eq!(branches, "");
    // What is clean is answered as well.
    station.host.send(clean("zzzzzzzz")).await;
    station
        .host
        .until("the cleaning", |heard| heard.cleaned.len() == 2)
        .await;
}

#[tokio::test]
async fn a_hook_that_an_agent_left_does_not_run_in_our_git() {
    let station = Station::start().await;
    let program = "\
hooks=$(git rev-parse --git-common-dir)/hooks
mkdir -p \"$hooks\"
for name in pre-commit commit-msg post-commit post-checkout reference-transaction; do
  printf '#!/bin/sh\\ntouch %s/hooked\\n' \"$PWD/..\" > \"$hooks/$name\"
  chmod +x \"$hooks/$name\"
done
git config core.fsmonitor \"touch $PWD/../hooked\"
rm -f ../hooked
echo x > x
";
    let ended = station.run(1, program).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    station.take_result(1, &ended.head).await;
    assert!(!station.above().join("hooked").exists());
}
