//! Tasks with a repository of their own.

use cloud_code_domain::execution::FailureCause;
use cloud_code_domain::id::TaskId;
use cloud_code_proto::v1;
use cloud_code_proto::v1::to_agent::Message as ToAgent;

use crate::station::{Station, git_ok};

fn assignment(station: &Station, number: u32, program: &str) -> v1::Assign {
    v1::Assign {
        workspace_mode: "copy_on_write".into(),
        ..station.assignment(number, program)
    }
}

async fn run(station: &Station, assign: v1::Assign) -> v1::Ended {
    let execution = assign.execution.clone();
    station.assign(assign).await;
    station.host.ended(&execution).await
}

async fn succeeds(station: &Station, assign: v1::Assign) -> v1::Ended {
    let ended = run(station, assign).await;
    assert_eq!(ended.kind(), v1::EndKind::Succeeded, "{ended:?}");
    ended
}

#[tokio::test]
async fn whatever_a_coding_cli_does_to_its_repository_touches_no_other_task() {
    let overwrite = "find .git/objects -type f -exec chmod u+w {} + -exec sh -c 'echo broken > \"$1\"' - {} \\;";
    let forget = "rm -rf .git/refs .git/packed-refs .git/HEAD";
    for damage in [
        overwrite,
        forget,
        "rm -rf .git/objects/*",
        "rm -rf .git",
        "rm -rf .git; git init -q",
    ] {
        let mut station = Station::start().await;
        let clone = station.workspace().join("repo.git");
        let ended = run(
            &station,
            assignment(&station, 1, &format!("echo x > x; {damage}")),
        )
        .await;
        let cause = ended.failure_cause();
        assert_eq!(
            cause,
            Ok(FailureCause::WorktreeDamaged),
            "{damage}: {ended:?}"
        );
        git_ok(&clone, &["fsck", "--full", "--strict"]).await;
        // Its own next execution begins anew, also where the host did not hear of it.
        let mut again = assignment(&station, 2, "test ! -e x && echo y > y");
        again.resume = true;
        succeeds(&station, again).await;
        station.task = TaskId::from_random(7).to_string();
        let ended = succeeds(&station, assignment(&station, 1, "echo z > z")).await;
        station.take_result(1, &ended.head).await;
        assert_eq!(
            station.host.heard().needs.len(),
            1,
            "{damage}: the clone lost its base"
        );
    }
}

#[tokio::test]
async fn what_a_task_does_in_git_stays_with_it() {
    let mut station = Station::start().await;
    let program = "git checkout -q -b theirs; echo x > x; git add x; git commit -qm Mine
git config user.name Somebody; git config core.bare false; git tag wip; git gc -q --prune=now
test ! -e .git/objects/info/alternates; git remote";
    let ended = succeeds(&station, assignment(&station, 1, program)).await;
    station.take_result(1, &ended.head).await;
    let clone = station.workspace().join("repo.git");
    let refs = [
        "for-each-ref",
        "--format=%(refname)",
        "refs/heads",
        "refs/tags",
    ];
    assert_eq!(git_ok(&clone, &refs).await, "");
    let config = std::fs::read_to_string(clone.join("config")).unwrap();
    assert!(!config.contains("Somebody"), "{config}");
    let ours = std::fs::read_to_string(station.work().join(".git/info/exclude")).unwrap();
    assert!(ours.contains("/.cloud-code/"), "{ours}");
    let name = ["rev-parse", "--symbolic-full-name", "HEAD"];
    let branch = format!("refs/heads/cloud-code/1-{}", station.task);
    assert_eq!(git_ok(&station.work(), &name).await, branch);
    station.task = TaskId::from_random(7).to_string();
    let program = "test -z \"$(git tag)\" && test -z \"$(git config user.name)\" && echo y > y";
    succeeds(&station, assignment(&station, 1, program)).await;
}

#[tokio::test]
async fn a_published_head_and_commits_of_people_come_into_a_kept_repository() {
    let station = Station::start().await;
    let ended = succeeds(&station, assignment(&station, 1, "echo x > x")).await;
    let pushed = station.publishes(&ended.head).await;
    let mut next = assignment(&station, 2, "test -f x && echo y > y");
    next.resume = true;
    next.base.clone_from(&pushed);
    // What is configured meanwhile is for others.
    next.workspace_mode = "shared".into();
    let ended = succeeds(&station, next).await;
    let parent = format!("{}^", ended.head);
    assert_eq!(
        git_ok(&station.work(), &["rev-parse", &parent]).await,
        pushed
    );

    let theirs = station.commit_of_a_person("theirs.txt").await;
    let mut next = assignment(&station, 3, "test -f y && test -f theirs.txt && echo z > z");
    next.resume = true;
    next.base.clone_from(&theirs);
    let ended = succeeds(&station, next).await;
    let ancestor = ["merge-base", "--is-ancestor", &theirs, &ended.head];
    git_ok(&station.work(), &ancestor).await;
    assert!(station.work().join(".git").is_dir());
}

#[tokio::test]
async fn what_a_killed_git_locked_in_a_copy_is_free_again() {
    let station = Station::start().await;
    let locks =
        "echo x > x; for name in index HEAD packed-refs config; do touch .git/$name.lock; done";
    succeeds(&station, assignment(&station, 1, locks)).await;
    let mut next = assignment(&station, 2, "git config a.b c && echo y > y && git add y");
    next.resume = true;
    succeeds(&station, next).await;
}

#[tokio::test]
async fn a_link_in_a_copy_leads_our_git_nowhere() {
    let station = Station::start().await;
    let program = "echo x > x; printf 'kept' > ../kept; rm -rf .git/info
mkdir .git/info; ln -s \"$PWD/../kept\" .git/info/exclude";
    succeeds(&station, assignment(&station, 1, program)).await;
    let mut next = assignment(&station, 2, "echo y > y");
    next.resume = true;
    succeeds(&station, next).await;
    let kept = std::fs::read_to_string(station.above().join("kept")).unwrap();
    assert_eq!(kept, "kept");
}

#[tokio::test]
async fn a_cleaned_copy_leaves_nothing() {
    let station = Station::start().await;
    succeeds(&station, assignment(&station, 1, "echo x > x")).await;
    let clean = v1::CleanTask {
        task: station.task.clone(),
    };
    station.host.send(ToAgent::CleanTask(clean)).await;
    let heard = station
        .host
        .until("the cleaning", |heard| !heard.cleaned.is_empty());
    heard.await;
    assert!(!station.above().exists());
    let spares = std::fs::read_dir(station.workspace().join("spares")).unwrap();
    assert_eq!(spares.count(), 0);
}

#[tokio::test]
async fn a_workspace_mode_of_tomorrow_is_refused_and_not_taken_for_a_shared_one() {
    let station = Station::start().await;
    let mut assign = assignment(&station, 1, "echo x > x");
    assign.workspace_mode = "of-tomorrow".into();
    let ended = run(&station, assign).await;
    let cause = ended.failure_cause();
    assert_eq!(cause, Ok(FailureCause::WorkspaceUnavailable));
    assert!(ended.last_words.contains("of-tomorrow"), "{ended:?}");
    assert!(!station.work().exists());
}
