//! Objects that git takes and we do not.

use super::{Case, rules};
use crate::mirrors::testing::{Work, git_with, oid};
use crate::pull_requests::finding::Rule;

#[tokio::test]
async fn an_object_that_the_agent_never_had_cannot_be_named() {
    let case = Case::new().await;
    let person = &case.sandbox.person;
    person.git(&["checkout", "--quiet", "-b", "private"]).await;
    let files = [("private/secret.txt", Some("the private plan\n"))];
    let private = person.commit(&files, "Private").await;
    person.git(&["push", "--quiet", "origin", "private"]).await;
    case.sandbox.fetch(&["private"]).await;
    let blob = oid(&person
        .git(&["rev-parse", "private:private/secret.txt"])
        .await);
    let tree = oid(&person.git(&["rev-parse", "private:private"]).await);
    let root = oid(&person.git(&["rev-parse", "private^{tree}"]).await);

    let named = case.check_tree(&[("100644", b"stolen", &blob)], &[]).await;
    assert_eq!(named, [Rule::ClosureViolation]);
    let named = case.check_tree(&[("40000", b"stolen", &tree)], &[]).await;
    assert_eq!(named, [Rule::ClosureViolation]);
    let named = case.check_tree(&[("120000", b"stolen", &blob)], &[]).await;
    assert!(named.contains(&Rule::ClosureViolation), "{named:?}");
    // The whole tree of the private commit, and the commit itself as parent.
    let head = case.agent.commit_tree(&root, &case.base).await;
    let pack = case.agent.pack_of(&[&head]).await;
    assert_eq!(
        rules(case.check(&head, &pack).await),
        [Rule::ClosureViolation]
    );
    let base_tree = oid(&case.agent.git(&["rev-parse", "HEAD^{tree}"]).await);
    let head = case.agent.commit_tree(&base_tree, &private).await;
    let pack = case.agent.pack_of(&[&head]).await;
    assert_eq!(
        rules(case.check(&head, &pack).await),
        [Rule::ClosureViolation]
    );
    // The private commit itself as the result.
    assert_eq!(
        rules(case.check(&private, b"").await),
        [Rule::ClosureViolation]
    );
    // As a merged parent it is folded away.
    let who = "Somebody <some@body> 1700000100 +0000";
    let text = format!(
        "tree {base_tree}\nparent {}\nparent {private}\nauthor {who}\ncommitter {who}\n\nx\n",
        case.base
    );
    let head = case.agent.object("commit", text.as_bytes()).await;
    let pack = case.agent.pack_of(&[&head]).await;
    let accepted = case.check(&head, &pack).await.unwrap();
    let list = case
        .mirror(&["rev-list", "--objects", accepted.head.as_str()])
        .await;
    assert!(!list.contains(blob.as_str()) && !list.contains(private.as_str()));
}

#[tokio::test]
async fn a_delta_against_an_object_that_was_not_sent_is_refused() {
    let case = Case::new().await;
    // An honest thin pack does the same: its delta's base is only in the mirror.
    let long: String = (0..2000).map(|n| format!("line {n}\n")).collect();
    let person = &case.sandbox.person;
    let base = person.commit(&[("long.txt", Some(&long))], "Long").await;
    person.git(&["push", "--quiet", "origin", "main"]).await;
    case.sandbox.fetch(&["main"]).await;
    let agent: Work = case.sandbox.agent("thin", &base).await;
    let head = agent
        .commit(&[("long.txt", Some(&format!("{long}more\n")))], "More")
        .await;
    let revisions = format!("{head}\n^{base}\n");
    let args = ["pack-objects", "--revs", "--thin", "--stdout", "--quiet"];
    let thin = git_with(&agent.path, &args, revisions.as_bytes()).await;
    let whole = agent.pack(&head, &base).await;
    assert!(thin.len() < whole.len() / 2, "the pack is not thin");
    let case = Case { base, ..case };
    assert_eq!(rules(case.check(&head, &thin).await), [Rule::MalformedPack]);
    assert!(case.check(&head, &whole).await.is_ok());
}

#[tokio::test]
async fn each_hostile_entry_is_refused_alone() {
    let case = Case::new().await;
    let refused: [(&str, &[u8], &[u8], Rule); 20] = [
        ("100644", b"\x1b]52;c;ZWNobw==\x07", b"x", Rule::BadPath),
        ("100644", b"a\nb", b"x", Rule::BadPath),
        ("100644", b"\xff\xfe", b"x", Rule::BadPath),
        ("100644", "a\u{202e}cod.exe".as_bytes(), b"x", Rule::BadPath),
        ("100644", "a\u{200b}".as_bytes(), b"x", Rule::BadPath),
        ("100644", b"a\\b", b"x", Rule::BadPath),
        (
            "100644",
            b".git::$INDEX_ALLOCATION",
            b"x",
            Rule::MalformedPack,
        ),
        ("100644", b".GIT", b"x", Rule::MalformedPack),
        ("100644", b"git~1", b"x", Rule::MalformedPack),
        ("100644", b"..", b"x", Rule::MalformedPack),
        ("100644", b"a/b", b"x", Rule::MalformedPack),
        (
            "100644",
            ".g\u{200c}it".as_bytes(),
            b"x",
            Rule::MalformedPack,
        ),
        ("100664", b"writable", b"x", Rule::BadMode),
        ("120000", b".gitattributes", b"README.md", Rule::BadLink),
        ("120000", b"out", b"../../etc/passwd", Rule::BadLink),
        ("120000", b"abs", b"/etc/passwd", Rule::BadLink),
        ("120000", b"config", b".git/config", Rule::BadLink),
        ("120000", b"nul", b"a\0b", Rule::BadLink),
        ("100644", b".gitmodules", b"[x]\n", Rule::Submodule),
        ("100644", b".Cloud-Code", b"x", Rule::OwnFiles),
    ];
    for (mode, name, content, rule) in refused {
        let found = case.check_entry(mode, name, content).await;
        let name = String::from_utf8_lossy(name);
        assert!(found.contains(&rule), "{name:?} gave {found:?}");
    }
}

#[tokio::test]
async fn a_submodule_and_siblings_that_are_one_file_elsewhere_are_refused() {
    let case = Case::new().await;
    let found = case
        .check_tree(&[("160000", b"sub", &case.base)], &[])
        .await;
    assert_eq!(found, [Rule::Submodule]);
    let blob = case.agent.object("blob", b"x").await;
    for (one, other) in [
        ("README", "readme"),
        ("e\u{301}", "\u{e9}"),
        ("A.txt", "a.txt"),
    ] {
        let entries = [
            ("100644", one.as_bytes(), &blob),
            ("100644", other.as_bytes(), &blob),
        ];
        assert_eq!(
            case.check_tree(&entries, &[&blob]).await,
            [Rule::BadPath],
            "{one} {other}"
        );
    }
    // Twice the same name, as a file and as a directory.
    let inner = case.agent.tree(&[("100644", b"y", &blob)]).await;
    let entries = [("100644", &b"x"[..], &blob), ("40000", b"x", &inner)];
    let found = case.check_tree(&entries, &[&blob, &inner]).await;
    assert!(
        found.contains(&Rule::MalformedPack) || found.contains(&Rule::BadPath),
        "{found:?}"
    );
}

#[tokio::test]
async fn the_worst_finding_is_told_first() {
    let case = Case::new().await;
    case.agent
        .commit(
            &[
                ("CODEOWNERS", Some("x")),
                (".cloud-code/tasking.yaml", Some("x")),
                ("a\nb", Some("x")),
            ],
            "All",
        )
        .await;
    let found = rules(case.check_head().await);
    assert_eq!(found, [Rule::BadPath, Rule::OwnFiles, Rule::ProtectedPath]);
}

#[tokio::test]
async fn nothing_of_an_agents_commit_but_its_tree_is_pushed() {
    let case = Case::new().await;
    let blob = case.agent.object("blob", b"x\n").await;
    let tree = case.agent.tree(&[("100644", b"x", &blob)]).await;
    let text = format!(
        "tree {tree}\nparent {}\nauthor Linus \x1b]0;x\x07 <torvalds@example.org> 99999999999 +0000\n\
         committer Boss <boss@example.org> 1 +0000\ngpgsig -----BEGIN PGP SIGNATURE-----\n forged\n \
         -----END PGP SIGNATURE-----\nencoding latin-1\n\n\x1b[31mFix [skip ci]\x07\n\nCloses #1 @all\n{}",
        case.base,
        "huge ".repeat(2 << 20),
    );
    let head = case.agent.object("commit", text.as_bytes()).await;
    let pack = case.agent.pack_of(&[&blob, &tree, &head]).await;
    let accepted = case.check(&head, &pack).await.unwrap();
    let raw = case
        .mirror(&["cat-file", "commit", accepted.head.as_str()])
        .await;
    assert_honest(&raw);
    assert!(
        raw.contains("committer Cloud Code <bot@example.org> 1800000000 +0000"),
        "{raw}"
    );
}

fn assert_honest(raw: &str) {
    assert!(raw.len() < 8_000);
    assert!(raw.bytes().all(|byte| byte == b'\n' || byte >= 0x20));
    for part in [
        "Linus",
        "Boss",
        "gpgsig",
        "encoding",
        "[skip ci]",
        "#1",
        "@all",
    ] {
        assert!(!raw.contains(part), "{part} in {raw}");
    }
    assert!(raw.contains("author Cloud Code <bot@example.org>"));
}

#[tokio::test]
async fn a_history_that_does_not_begin_where_it_should_is_refused() {
    let case = Case::new().await;
    let who = "Somebody <some@body> 1700000100 +0000";
    let blob = case.agent.object("blob", b"x\n").await;
    let tree = case.agent.tree(&[("100644", b"x", &blob)]).await;
    let text = format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nRoot\n");
    let root = case.agent.object("commit", text.as_bytes()).await;
    let pack = case.agent.pack_of(&[&blob, &tree, &root]).await;
    assert_eq!(
        rules(case.check(&root, &pack).await),
        [Rule::ForeignHistory]
    );
    // A head that was not sent, and one that is no commit.
    let unsent = oid(&"3".repeat(40));
    assert_eq!(
        rules(case.check(&unsent, &pack).await),
        [Rule::ClosureViolation]
    );
    assert_eq!(
        rules(case.check(&tree, &pack).await),
        [Rule::ClosureViolation]
    );
}

#[tokio::test]
async fn the_agents_own_repository_runs_nothing_and_its_replacements_hide_nothing() {
    let case = Case::new().await;
    let marker = case.sandbox.root.path().join("ran");
    let agent = &case.agent;
    let attributes = "* filter=x diff=x\n";
    let head = agent
        .commit(
            &[
                ("evil.txt", Some("evil\n")),
                (".gitattributes", Some(attributes)),
            ],
            "Evil",
        )
        .await;
    let pack = agent.pack(&head, &case.base).await;
    // Planted where an agent can write; the host has no path to it.
    for (key, value) in [
        ("filter.x.clean", format!("touch {}", marker.display())),
        ("diff.x.textconv", format!("touch {}", marker.display())),
        ("core.fsmonitor", format!("touch {}", marker.display())),
    ] {
        agent.git(&["config", key, &value]).await;
    }
    let accepted = case.check(&head, &pack).await.unwrap();
    let (diff, _) = case
        .sandbox
        .mirror
        .diff(&case.base, &accepted.head, 1 << 20)
        .await
        .unwrap();
    assert!(diff.contains("+evil"));
    assert!(!marker.exists());
    // A replacement in our own repository is not followed either.
    let good = agent
        .commit_tree(
            &oid(&agent.git(&["rev-parse", "HEAD~1^{tree}"]).await),
            &case.base,
        )
        .await;
    let refs = case.sandbox.mirror.path().join("refs/replace");
    std::fs::create_dir_all(&refs).unwrap();
    std::fs::write(
        refs.join(accepted.head.as_str()),
        format!("{}\n", case.base),
    )
    .unwrap();
    let (diff, _) = case
        .sandbox
        .mirror
        .diff(&case.base, &accepted.head, 1 << 20)
        .await
        .unwrap();
    assert!(diff.contains("+evil"), "{good} was shown instead");
}
