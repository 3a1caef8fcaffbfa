//! What people and agents do on good days, and the judgement calls.

use secrecy::SecretString;

use super::{Case, findings, rules};
use crate::mirrors::branch::WorkBranch;
use crate::mirrors::testing::{Work, git, oid};
use crate::pull_requests::finding::Rule;
use crate::pull_requests::push::{Pushed, push};

#[tokio::test]
async fn a_result_becomes_commits_of_ours_with_the_same_trees() {
    let case = Case::new().await;
    case.agent
        .commit(&[("src/new.rs", Some("fn b() {}\n"))], "Add b")
        .await;
    let head = case
        .agent
        .commit(&[("README.md", Some("hello\nyou\n"))], "Say you")
        .await;
    let accepted = case.check_head().await.unwrap();
    assert_eq!(
        (
            accepted.commits,
            accepted.files,
            accepted.added,
            accepted.removed
        ),
        (2, 2, 2, 0)
    );
    let ours = accepted.head.as_str();
    assert_ne!(ours, head.as_str());
    let tree = case
        .agent
        .git(&["rev-parse", &format!("{head}^{{tree}}")])
        .await;
    assert_eq!(
        case.mirror(&["rev-parse", &format!("{ours}^{{tree}}")])
            .await,
        tree
    );
    assert_eq!(
        case.mirror(&["rev-parse", &format!("{ours}~2")]).await,
        case.base.as_str()
    );
    let log = case
        .mirror(&["log", "-1", "--format=%an|%ae|%cn|%ce|%at|%B", ours])
        .await;
    assert_eq!(
        log,
        "Cloud Code|bot@example.org|Cloud Code|bot@example.org|1700000000|Say you\n\n\
         Cloud-Code-Task: k3f9x2ab"
    );
    case.mirror(&["fsck", "--strict", "--connectivity-only", ours])
        .await;

    let branch = WorkBranch::new("cloud-code/", "main", "cloud-code/1-k3f9x2ab").unwrap();
    let access = case.sandbox.access();
    let once = push(&case.sandbox.mirror, &access, &branch, &accepted.head, None).await;
    assert_eq!(once, Ok(Pushed::Pushed));
    let again = push(&case.sandbox.mirror, &access, &branch, &accepted.head, None).await;
    assert_eq!(again, Ok(Pushed::AlreadyThere));
    let there = git(
        &case.sandbox.source,
        &["rev-parse", "cloud-code/1-k3f9x2ab"],
    )
    .await;
    assert_eq!(there, ours);
}

#[tokio::test]
async fn a_repeated_check_gives_the_same_head_also_after_the_push() {
    let mut case = Case::new().await;
    case.agent.commit(&[("a.txt", Some("a\n"))], "A").await;
    let first = case.check_head().await.unwrap();
    // Killed in between: leftovers, and the check is made again.
    let left = case
        .sandbox
        .root
        .path()
        .join("state/quarantine/half/repository.git");
    std::fs::create_dir_all(left).unwrap();
    case.gate.clean_leftovers().unwrap();
    assert_eq!(case.check_head().await.unwrap().head, first.head);
    case.published = Some(first.head.clone());
    assert_eq!(case.check_head().await.unwrap().head, first.head);
    // The agent's branch was moved to what was pushed.
    case.base = first.head.clone();
    assert_eq!(case.check(&first.head, b"").await.unwrap().head, first.head);
}

#[tokio::test]
async fn the_next_execution_builds_on_what_was_pushed_and_on_what_people_added() {
    let mut case = Case::new().await;
    case.agent.commit(&[("a.txt", Some("a\n"))], "A").await;
    let first = case.check_head().await.unwrap();
    let access = case.sandbox.access();
    let branch = WorkBranch::new("cloud-code/", "main", "cloud-code/1-x").unwrap();
    push(&case.sandbox.mirror, &access, &branch, &first.head, None)
        .await
        .unwrap();
    let person = &case.sandbox.person;
    person
        .git(&["fetch", "--quiet", "origin", "cloud-code/1-x"])
        .await;
    person.git(&["checkout", "--quiet", "FETCH_HEAD"]).await;
    let theirs = person.commit(&[("b.txt", Some("b\n"))], "Theirs").await;
    person
        .git(&["push", "--quiet", "origin", "HEAD:cloud-code/1-x"])
        .await;
    case.sandbox.fetch(&["cloud-code/1-x"]).await;

    case.base = theirs.clone();
    case.published = Some(theirs.clone());
    let agent = case.sandbox.agent("second", &theirs).await;
    let head = agent.commit(&[("c.txt", Some("c\n"))], "C").await;
    let pack = agent.pack(&head, &theirs).await;
    let second = case.check(&head, &pack).await.unwrap();
    assert_eq!(second.commits, 1);
    let parent = case
        .mirror(&["rev-parse", &format!("{}^", second.head)])
        .await;
    assert_eq!(parent, theirs.as_str());
    let pushed = push(
        &case.sandbox.mirror,
        &access,
        &branch,
        &second.head,
        Some(&theirs),
    )
    .await;
    assert_eq!(pushed, Ok(Pushed::Pushed));

    // A result that leaves their commit out is for a person to decide.
    let old = case.agent.head().await;
    let pack = case.agent.pack(&old, &case.sandbox.base).await;
    let (found, passable) = findings(case.check(&old, &pack).await);
    assert!(
        passable && found.iter().all(|f| f.rule == Rule::RewrittenHistory),
        "{found:?}"
    );
}

#[tokio::test]
async fn the_base_may_move_along_the_default_branch() {
    let mut case = Case::new().await;
    let person = &case.sandbox.person;
    let moved = person
        .commit(&[(".github/workflows/ci.yml", Some("on: push\n"))], "CI")
        .await;
    person.git(&["push", "--quiet", "origin", "main"]).await;
    case.sandbox.fetch(&["main"]).await;

    // The agent still stands on the old one.
    case.agent.commit(&[("a.txt", Some("a\n"))], "A").await;
    case.base = moved.clone();
    let head = case.agent.head().await;
    let pack = case.agent.pack(&head, &case.sandbox.base).await;
    let accepted = case.check(&head, &pack).await.unwrap();
    assert_eq!((accepted.commits, accepted.files), (1, 1));

    // It merges the new one: the merge stays one, and what comes from there is not judged.
    let agent = case.sandbox.agent("merging", &moved).await;
    agent
        .git(&[
            "checkout",
            "--quiet",
            "-b",
            "work",
            case.sandbox.base.as_str(),
        ])
        .await;
    agent.commit(&[("a.txt", Some("a\n"))], "A").await;
    agent.git(&["merge", "--quiet", "--no-edit", "main"]).await;
    let head = agent.head().await;
    let pack = agent.pack(&head, &case.sandbox.base).await;
    let accepted = case.check(&head, &pack).await.unwrap();
    assert_eq!((accepted.commits, accepted.files), (2, 1));
    let second = case
        .mirror(&["rev-parse", &format!("{}^2", accepted.head)])
        .await;
    assert_eq!(second, moved.as_str());
}

#[tokio::test]
async fn a_side_branch_of_the_agent_is_folded_into_its_merge() {
    let case = Case::new().await;
    case.agent.git(&["checkout", "--quiet", "-b", "side"]).await;
    case.agent
        .commit(&[("side.txt", Some("s\n"))], "Side")
        .await;
    case.agent.git(&["checkout", "--quiet", "main"]).await;
    case.agent
        .commit(&[("main.txt", Some("m\n"))], "Main")
        .await;
    case.agent
        .git(&["merge", "--quiet", "--no-edit", "side"])
        .await;
    let accepted = case.check_head().await.unwrap();
    assert_eq!((accepted.commits, accepted.files), (2, 2));
    let count = case
        .mirror(&["rev-list", "--count", accepted.head.as_str()])
        .await;
    assert_eq!(count, "4");
}

#[tokio::test]
async fn an_old_version_that_the_agent_was_given_may_come_back() {
    let case = Case::new().await;
    let old = case
        .agent
        .git(&["rev-parse", "HEAD~1^{tree}"])
        .await
        .parse()
        .unwrap();
    let head = case.agent.commit_tree(&old, &case.base).await;
    let pack = case.agent.pack_of(&[&head]).await;
    assert_eq!(case.check(&head, &pack).await.unwrap().files, 1);
}

#[tokio::test]
async fn without_a_commit_of_its_own_there_is_no_result() {
    let case = Case::new().await;
    assert_eq!(rules(case.check(&case.base, b"").await), [Rule::NoChange]);
}

#[tokio::test]
async fn a_protected_path_waits_for_a_person_who_may_let_it_pass() {
    let mut case = Case::new().await;
    case.protected_paths = vec!["/deploy/**".into()];
    case.agent
        .commit(
            &[
                (".github/workflows/x.yml", Some("x")),
                ("deploy/p", Some("x")),
            ],
            "CI",
        )
        .await;
    case.agent
        .commit(&[(".github/workflows/x.yml", None)], "Gone again")
        .await;
    let (found, passable) = findings(case.check_head().await);
    assert!(passable);
    assert!(
        found
            .iter()
            .all(|finding| finding.rule == Rule::ProtectedPath)
    );
    assert_eq!(found.len(), 2);
    case.passed = true;
    assert!(case.check_head().await.is_ok());
}

#[tokio::test]
async fn a_protected_path_that_is_taken_back_is_refused_with_its_commit_and_the_remedy() {
    let case = Case::new().await;
    let workflow = ".github/workflows/x.yml";
    let touched = case.agent.commit(&[(workflow, Some("x"))], "CI").await;
    let back = [(workflow, None), ("a.txt", Some("a"))];
    case.agent.commit(&back, "Gone again").await;
    let (found, passable) = findings(case.check_head().await);
    assert!(passable && found.len() == 1, "{found:?}");
    let said = found[0].to_string();
    for words in [workflow, &touched.as_str()[..12], "takes it back", "squash"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[tokio::test]
async fn a_protected_change_that_was_passed_is_not_asked_for_again() {
    let mut case = Case::new().await;
    let workflow = ".github/workflows/x.yml";
    case.agent.commit(&[(workflow, Some("x"))], "CI").await;
    case.passed = true;
    let passed = case.check_head().await.unwrap();
    assert_eq!(passed.protected.len(), 1);
    for change in passed.protected {
        case.passed_before.add(change);
    }
    case.passed = false;
    assert!(case.check_head().await.is_ok());
    // The default branch moves on, and is merged.
    let person = &case.sandbox.person;
    person.commit(&[("b.txt", Some("b"))], "B").await;
    person.git(&["push", "--quiet", "origin", "main"]).await;
    case.sandbox.fetch(&["main"]).await;
    let source = case.sandbox.source.display().to_string();
    let agent = &case.agent;
    agent.git(&["fetch", "--quiet", &source, "main"]).await;
    agent
        .git(&["merge", "--quiet", "--no-edit", "FETCH_HEAD"])
        .await;
    assert!(case.check_head().await.is_ok());
    // Another change of it is another question.
    agent.commit(&[(workflow, Some("y"))], "Another").await;
    assert_eq!(rules(case.check_head().await), [Rule::ProtectedPath]);
}

#[tokio::test]
async fn taking_a_protected_path_away_or_replacing_it_is_a_change_of_it() {
    let case = Case::new().await;
    let person = &case.sandbox.person;
    let files = [
        ("CODEOWNERS", Some("* @acme\n")),
        (".github/workflows/ci.yml", Some("on: push\n")),
    ];
    let base = person.commit(&files, "Guarded").await;
    person.git(&["push", "--quiet", "origin", "main"]).await;
    case.sandbox.fetch(&["main"]).await;
    let case = Case {
        agent: case.sandbox.agent("two", &base).await,
        base,
        ..case
    };
    case.agent.commit(&[("CODEOWNERS", None)], "Free").await;
    assert_eq!(rules(case.check_head().await), [Rule::ProtectedPath]);
    case.agent
        .git(&["reset", "--quiet", "--hard", case.base.as_str()])
        .await;
    case.agent.git(&["rm", "-r", "--quiet", ".github"]).await;
    case.agent
        .commit(&[(".github", Some("a file now"))], "Replaced")
        .await;
    let found = rules(case.check_head().await);
    assert!(!found.is_empty() && found.iter().all(|rule| *rule == Rule::ProtectedPath));
    // A move under a protected path needs no new object.
    case.agent
        .git(&["reset", "--quiet", "--hard", case.base.as_str()])
        .await;
    case.agent.git(&["mv", "src", ".vscode"]).await;
    case.agent.commit(&[], "Moved").await;
    assert!(rules(case.check_head().await).contains(&Rule::ProtectedPath));
}

#[tokio::test]
async fn a_link_that_leads_a_protected_path_elsewhere_is_a_change_of_it() {
    let case = Case::new().await;
    std::os::unix::fs::symlink("tools", case.agent.path.join(".cargo")).unwrap();
    case.agent
        .commit(&[("tools/config.toml", Some("[build]\n"))], "Tools")
        .await;
    assert_eq!(rules(case.check_head().await), [Rule::ProtectedPath]);
}

#[tokio::test]
async fn a_merge_takes_no_protected_path_back_to_an_older_version() {
    let case = Case::new().await;
    let person = &case.sandbox.person;
    let (workflow, mut bases) = (".github/workflows/ci.yml", Vec::new());
    for text in ["on: pull_request_target\n", "on: push\n"] {
        bases.push(person.commit(&[(workflow, Some(text))], "CI").await);
    }
    let [unsafe_one, safe_one] = &bases[..] else {
        unreachable!("there are two");
    };
    person.git(&["push", "--quiet", "origin", "main"]).await;
    case.sandbox.fetch(&["main"]).await;
    // A merge of what is in already, which brings the old version back.
    let agent = case.sandbox.agent("back", safe_one).await;
    let tree = oid(&agent
        .git(&["rev-parse", &format!("{unsafe_one}^{{tree}}")])
        .await);
    let who = "Somebody <some@body> 1700000100 +0000";
    let text = format!(
        "tree {tree}\nparent {safe_one}\nparent {unsafe_one}\nauthor {who}\ncommitter {who}\n\nx\n"
    );
    let head = agent.object("commit", text.as_bytes()).await;
    let pack = agent.pack_of(&[&head]).await;
    let case = Case {
        base: safe_one.clone(),
        ..case
    };
    assert_eq!(rules(case.check(&head, &pack).await), [Rule::ProtectedPath]);
    // A merge of the new version, which keeps the old one.
    let case = Case {
        base: unsafe_one.clone(),
        ..case
    };
    agent
        .git(&["checkout", "--quiet", "-b", "keep", unsafe_one.as_str()])
        .await;
    agent.commit(&[("a.txt", Some("a\n"))], "A").await;
    let merge = ["merge", "--quiet", "--no-edit", "-s", "ours", "main"];
    agent.git(&merge).await;
    let head = agent.head().await;
    let pack = agent.pack(&head, &case.base).await;
    assert_eq!(rules(case.check(&head, &pack).await), [Rule::ProtectedPath]);
}

#[tokio::test]
async fn a_secret_of_this_host_never_passes_and_what_looks_like_one_waits() {
    let mut case = Case::new().await;
    case.secrets = vec![SecretString::from("CCCANARY-0123456789")];
    let token = format!("token = \"ghp_{}\"\n", "aB3x".repeat(9));
    case.agent
        .commit(&[("config.toml", Some(&token))], "Configure")
        .await;
    let (found, passable) = findings(case.check_head().await);
    assert!(passable && found[0].rule == Rule::Secret && !found[0].to_string().contains("aB3x"));
    case.passed = true;
    assert!(case.check_head().await.is_ok());
    // In the history only, in hexadecimal.
    let hidden = hex::encode("CCCANARY-0123456789");
    case.agent.commit(&[("x.bin", Some(&hidden))], "Hide").await;
    case.agent.commit(&[("x.bin", None)], "Hide again").await;
    let (found, passable) = findings(case.check_head().await);
    assert!(!passable && found[0].rule == Rule::KnownSecret, "{found:?}");
    assert!(!format!("{found:?}").contains("CCCANARY"));
    // In a name, and in a message.
    case.agent
        .git(&["reset", "--quiet", "--hard", case.base.as_str()])
        .await;
    case.agent
        .commit(&[("CCCANARY-0123456789", Some("x"))], "Name")
        .await;
    assert!(rules(case.check_head().await).contains(&Rule::KnownSecret));
    case.agent
        .git(&["reset", "--quiet", "--hard", case.base.as_str()])
        .await;
    case.agent
        .commit(&[("x", Some("x"))], "Say CCCANARY-0123456789")
        .await;
    assert!(rules(case.check_head().await).contains(&Rule::KnownSecret));
}

#[tokio::test]
async fn what_the_repository_had_before_is_not_the_agents() {
    let case = Case::new().await;
    let person = &case.sandbox.person;
    let commit = person.head().await;
    let info = format!("160000,{commit},vendor/lib");
    person
        .git(&["update-index", "--add", "--cacheinfo", &info])
        .await;
    std::os::unix::fs::symlink("/etc/hosts", person.path.join("hosts")).unwrap();
    std::fs::write(person.path.join("readme.MD"), "a").unwrap();
    std::fs::write(person.path.join(".gitmodules"), "[submodule \"lib\"]\n").unwrap();
    person
        .git(&["add", "hosts", "readme.MD", ".gitmodules"])
        .await;
    person.git(&["commit", "--quiet", "-m", "Legacy"]).await;
    person.git(&["push", "--quiet", "origin", "main"]).await;
    case.sandbox.fetch(&["main"]).await;
    let base = person.head().await;
    let agent: Work = case.sandbox.agent("legacy", &base).await;
    let case = Case {
        agent,
        base,
        ..case
    };
    std::fs::write(case.agent.path.join("new.txt"), "new\n").unwrap();
    case.agent.git(&["add", "new.txt"]).await;
    case.agent.git(&["commit", "--quiet", "-m", "New"]).await;
    assert_eq!(case.check_head().await.unwrap().files, 1);
    // Taking the submodule away is not for it.
    case.agent
        .git(&["update-index", "--force-remove", "vendor/lib"])
        .await;
    case.agent
        .git(&["commit", "--quiet", "-m", "No vendor"])
        .await;
    assert_eq!(rules(case.check_head().await), [Rule::Submodule]);
}
