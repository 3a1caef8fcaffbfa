use std::sync::Arc;

use cloud_code_domain::id::Oid;
use cloud_code_domain::issue::PullRequestState;
use cloud_code_domain::time::Timestamp;

use super::{Local, NewIssue};
use crate::config::GitConfig;
use crate::mirrors::testing::{Sandbox, Work, branch, git};
use crate::ports::{CodeHost, IssueTracker, NewPullRequest, Trouble};

const OURS: &str = "cloud-code/1-k3f9x2ab";

fn open_at(sandbox: &Sandbox, repository: &std::path::Path) -> Local {
    let identity = GitConfig {
        name: "Cloud Code".into(),
        email: "bot@example.org".into(),
    };
    Local::open(
        &sandbox.root.path().join("state"),
        &"acme/app".parse().unwrap(),
        repository,
        &sandbox.main,
        &identity,
        Arc::clone(&sandbox.mirror),
    )
    .unwrap()
}

fn open(sandbox: &Sandbox) -> Local {
    open_at(sandbox, &sandbox.source)
}

fn new(body: &str) -> NewPullRequest {
    NewPullRequest {
        branch: OURS.into(),
        into: "main".into(),
        title: "Say more".into(),
        body: body.into(),
    }
}

/// Puts a commit on our branch of the source.
async fn result(sandbox: &Sandbox, file: &str, text: &str) -> Oid {
    let person = &sandbox.person;
    person
        .git(&["checkout", "--quiet", "--detach", "origin/main"])
        .await;
    let head = person.commit(&[(file, Some(text))], "Result").await;
    person
        .git(&[
            "push",
            "--quiet",
            "--force",
            "origin",
            &format!("HEAD:refs/heads/{OURS}"),
        ])
        .await;
    person.git(&["checkout", "--quiet", "main"]).await;
    head
}

async fn issue(local: &Local, title: &str) -> u64 {
    let new = NewIssue {
        title: title.into(),
        body: "Please.".into(),
        labels: vec!["cloud-code".into()],
        trigger: Some(("cloud-code".into(), None)),
        at: Timestamp(5),
    };
    local.create_issue(new).await.unwrap().number
}

#[tokio::test]
async fn a_pull_request_is_opened_once_and_merged_once() {
    let sandbox = Sandbox::new().await;
    let local = open(&sandbox);
    let number = issue(&local, "Say more").await;
    let head = result(&sandbox, "more.txt", "more\n").await;
    let new = new(&format!("It says more.\n\nCloses #{number}\n"));
    let opened = local.open_pull_request(&new).await.unwrap();
    assert_eq!((opened.number, opened.head.as_ref()), (2, Some(&head)));
    assert_eq!(local.open_pull_request(&new).await.unwrap(), opened);
    assert_eq!(local.find_pull_request(OURS).await.unwrap(), Some(opened));

    local.merge(2, &head).await.unwrap();
    assert_eq!(
        git(&sandbox.source, &["rev-parse", "main"]).await,
        head.as_str()
    );
    local.merge(2, &head).await.unwrap();
    let merged = local.pull_request(2).await.unwrap().unwrap();
    assert_eq!(merged.state, PullRequestState::Merged);
    let issue = local.issue(number).await.unwrap().unwrap();
    assert!(issue.merged && !issue.open);
    // A process that starts again knows the same.
    drop(local);
    let local = open(&sandbox);
    assert_eq!(local.pull_request(2).await.unwrap(), Some(merged));
    assert_eq!(local.open_pull_request(&new).await.unwrap().number, 2);
}

#[tokio::test]
async fn where_the_default_branch_moved_a_merge_commit_of_ours_joins_both() {
    let sandbox = Sandbox::new().await;
    let local = open(&sandbox);
    let head = result(&sandbox, "more.txt", "more\n").await;
    local.open_pull_request(&new("")).await.unwrap();
    sandbox
        .person
        .commit(&[("other.txt", Some("x\n"))], "Other")
        .await;
    sandbox
        .person
        .git(&["push", "--quiet", "origin", "main"])
        .await;
    local.merge(1, &head).await.unwrap();
    let log = git(
        &sandbox.source,
        &["log", "-1", "--format=%an %s %P", "main"],
    )
    .await;
    assert!(
        log.starts_with("Cloud Code Merge pull request #1 from cloud-code/1-k3f9x2ab "),
        "{log}"
    );
    assert!(log.ends_with(head.as_str()));
    let files = git(&sandbox.source, &["ls-tree", "--name-only", "main"]).await;
    assert!(files.contains("more.txt") && files.contains("other.txt"));
}

#[tokio::test]
async fn a_conflict_is_for_a_person() {
    let sandbox = Sandbox::new().await;
    let local = open(&sandbox);
    let head = result(&sandbox, "README.md", "ours\n").await;
    local.open_pull_request(&new("")).await.unwrap();
    let theirs = sandbox
        .person
        .commit(&[("README.md", Some("theirs\n"))], "Theirs")
        .await;
    sandbox
        .person
        .git(&["push", "--quiet", "origin", "main"])
        .await;
    let answer = local.merge(1, &head).await;
    assert!(
        matches!(&answer, Err(Trouble::Refused { what }) if what.contains("README.md")),
        "{answer:?}"
    );
    assert_eq!(
        git(&sandbox.source, &["rev-parse", "main"]).await,
        theirs.as_str()
    );
    let still = local.pull_request(1).await.unwrap().unwrap();
    assert_eq!(still.state, PullRequestState::Open);
}

#[tokio::test]
async fn what_is_checked_out_is_merged_by_the_command_that_the_operator_gets() {
    let sandbox = Sandbox::new().await;
    let head = result(&sandbox, "more.txt", "more\n").await;
    let tree = Work::init(sandbox.root.path().join("it's mine")).await;
    let source = sandbox.source.to_str().unwrap();
    let ours = format!("{OURS}:{OURS}");
    tree.git(&["pull", "--quiet", source, "main"]).await;
    tree.git(&["fetch", "--quiet", source, &ours]).await;
    let local = open_at(&sandbox, &tree.path);
    local.open_pull_request(&new("")).await.unwrap();
    let answer = local.merge(1, &head).await;
    let Err(Trouble::Refused { what }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(tree.head().await, sandbox.base);
    let command = what.split("run there: ").nth(1).unwrap();
    assert!(command.contains("--ff-only"), "{command}");
    let run = tokio::process::Command::new("sh")
        .args(["-c", command])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .await
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let seen = local.pull_request(1).await.unwrap().unwrap();
    assert_eq!(seen.state, PullRequestState::Merged);
    local.merge(1, &head).await.unwrap();
}

#[tokio::test]
async fn a_pull_request_that_moved_since_it_was_looked_at_is_not_merged() {
    let sandbox = Sandbox::new().await;
    let local = open(&sandbox);
    let head = result(&sandbox, "more.txt", "more\n").await;
    local.open_pull_request(&new("")).await.unwrap();
    let moved = result(&sandbox, "more.txt", "even more\n").await;
    assert!(matches!(
        local.merge(1, &head).await,
        Err(Trouble::Refused { .. })
    ));
    assert_eq!(
        local.pull_request(1).await.unwrap().unwrap().head,
        Some(moved)
    );
    assert_eq!(
        git(&sandbox.source, &["rev-parse", "main"]).await,
        sandbox.base.as_str()
    );
}

#[tokio::test]
async fn what_people_did_to_a_branch_is_a_change_once() {
    let sandbox = Sandbox::new().await;
    let local = open(&sandbox);
    let head = result(&sandbox, "more.txt", "more\n").await;
    local.open_pull_request(&new("")).await.unwrap();
    let opened = local.changed("").await.unwrap();
    assert_eq!(opened.numbers, [1]);
    let nothing = local.changed(&opened.cursor).await.unwrap();
    assert!(nothing.numbers.is_empty(), "{nothing:?}");
    let merge = format!("{head}:refs/heads/main");
    sandbox
        .person
        .git(&["push", "--quiet", "origin", &merge])
        .await;
    let merged = local.changed(&nothing.cursor).await.unwrap();
    assert_eq!(merged.numbers, [1]);
    let seen = local.pull_request(1).await.unwrap().unwrap();
    assert_eq!(seen.state, PullRequestState::Merged);
    let nothing = local.changed(&merged.cursor).await.unwrap();
    assert!(nothing.numbers.is_empty(), "{nothing:?}");
}

#[tokio::test]
async fn closed_stays_closed_and_a_deleted_branch_closes() {
    let sandbox = Sandbox::new().await;
    let local = open(&sandbox);
    let head = result(&sandbox, "more.txt", "more\n").await;
    local.open_pull_request(&new("")).await.unwrap();
    local.close(1).await.unwrap();
    local.close(1).await.unwrap();
    assert!(matches!(
        local.merge(1, &head).await,
        Err(Trouble::Refused { .. })
    ));
    result(&sandbox, "more.txt", "again\n").await;
    let again = local.open_pull_request(&new("")).await.unwrap();
    assert_eq!(again.number, 2);
    sandbox
        .person
        .git(&["push", "--quiet", "origin", &format!(":{OURS}")])
        .await;
    let seen = local.pull_request(2).await.unwrap().unwrap();
    assert_eq!(seen.state, PullRequestState::Closed);
    assert!(matches!(
        local.open_pull_request(&new("")).await,
        Err(Trouble::Refused { .. })
    ));
    assert_eq!(local.pull_request(77).await.unwrap(), None);
    assert!(local.mirror.head(&branch(OURS)).await.unwrap().is_none());
}

#[tokio::test]
async fn issues_comments_and_changes_are_found_again() {
    let sandbox = Sandbox::new().await;
    let local = open(&sandbox);
    let one = issue(&local, "One").await;
    let first = local.changed("").await.unwrap();
    assert_eq!(first.numbers, [one]);
    let two = issue(&local, "Two").await;
    let second = local.changed(&first.cursor).await.unwrap();
    assert_eq!(second.numbers, [two]);
    assert!(
        local
            .changed(&second.cursor)
            .await
            .unwrap()
            .numbers
            .is_empty()
    );

    let comment = local
        .create_comment(one, "<!-- m1 --> working")
        .await
        .unwrap();
    local
        .edit_comment(comment, "<!-- m1 --> done")
        .await
        .unwrap();
    let local = open(&sandbox);
    assert_eq!(
        local.find_comment(one, "<!-- m1 -->").await.unwrap(),
        Some(comment)
    );
    assert_eq!(local.find_comment(two, "<!-- m1 -->").await.unwrap(), None);
    assert!(matches!(
        local.edit_comment(99, "x").await,
        Err(Trouble::Refused { .. })
    ));
    assert_eq!(local.issue(two).await.unwrap().unwrap().title, "Two");
    assert!(local.issue(99).await.unwrap().is_none());
}
