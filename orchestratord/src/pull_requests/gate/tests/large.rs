//! A pack that is moved to the mirror instead of being made anew.

use std::path::Path;

use cloud_code_domain::id::Oid;

use super::{Case, rules};
use crate::pull_requests::finding::Rule;
use crate::pull_requests::gate::{Gate, MOVED_WHOLE};
use crate::pull_requests::quarantine::Received;

/// A case in which every pack is large.
async fn large() -> Case {
    let mut case = Case::new().await;
    case.gate.whole_from = 1;
    case
}

async fn result(case: &Case) -> Oid {
    let files = [("data.txt", Some("1\n2\n3\n")), ("link/a", Some("a\n"))];
    case.agent.commit(&files, "Data").await
}

impl Case {
    async fn has(&self, oid: &Oid) -> bool {
        self.sandbox.mirror.contains(oid).await.unwrap()
    }
}

#[tokio::test]
async fn a_result_moves_as_it_is_and_is_the_same_when_it_is_repeated() {
    let case = large().await;
    let head = result(&case).await;
    let accepted = case.check_head().await.unwrap();
    assert_eq!((accepted.commits, accepted.files), (1, 2));
    assert!(case.has(&head).await, "it was made anew");
    let ours = accepted.head.as_str();
    case.mirror(&["fsck", "--strict", ours]).await;
    assert_eq!(case.check_head().await.unwrap().head, accepted.head);
    case.mirror(&["fsck", "--strict", ours]).await;
}

#[tokio::test]
async fn commits_that_came_along_are_nobodys_history() {
    let case = large().await;
    let theirs = result(&case).await;
    case.check_head().await.unwrap();
    assert!(case.has(&theirs).await);
    // On top of the commit that was not rebuilt, which is not sent again.
    let head = case.agent.commit(&[("b.txt", Some("b\n"))], "B").await;
    let pack = case.agent.pack(&head, &theirs).await;
    assert_eq!(
        rules(case.check(&head, &pack).await),
        [Rule::ClosureViolation]
    );
}

#[tokio::test]
async fn what_was_not_looked_at_does_not_move() {
    let case = large().await;
    let head = result(&case).await;
    let stowaway = case.agent.object("blob", b"nobody names this\n").await;
    let tag = format!("object {head}\ntype commit\ntag v\ntagger A <a@b> 1 +0000\n\nv\n");
    let tag = case.agent.object("tag", tag.as_bytes()).await;
    for extra in [stowaway, tag] {
        let listed = case
            .agent
            .git(&["rev-list", "--objects", "--no-object-names", head.as_str()])
            .await;
        let mut objects: Vec<Oid> = listed.lines().map(|line| line.parse().unwrap()).collect();
        objects.push(extra.clone());
        let objects: Vec<&Oid> = objects.iter().collect();
        let pack = case.agent.pack_of(&objects).await;
        let accepted = case.check(&head, &pack).await.unwrap();
        assert!(!case.has(&extra).await, "{extra} is in the mirror");
        assert!(case.has(&accepted.head).await);
    }
}

#[test]
fn a_small_pack_and_one_with_long_chains_of_deltas_do_not_move() {
    let gate = Gate::new(Path::new("/nowhere"));
    let mut received = Received::default();
    for (bytes, deepest, moves) in [
        (MOVED_WHOLE - 1, Some(0), false),
        (MOVED_WHOLE, Some(0), true),
        (MOVED_WHOLE, Some(50), true),
        (MOVED_WHOLE, Some(51), false),
        (MOVED_WHOLE, None, false),
    ] {
        (received.bytes, received.deepest) = (bytes, deepest);
        assert_eq!(gate.may_move(&received), moves, "{bytes} {deepest:?}");
    }
}

#[tokio::test]
async fn a_secret_in_a_blob_is_found_on_its_way_in_or_as_a_delta() {
    let mut case = large().await;
    case.secrets = vec!["CCCANARY-0123456789".into()];
    let mut text: String = (0..2_000).map(|line| format!("line {line}\n")).collect();
    text.push_str("CCCANARY-0123456789\n");
    let files = [("data.txt", Some(text.as_str()))];
    case.agent.commit(&files, "Data").await;
    assert_eq!(rules(case.check_head().await), [Rule::KnownSecret]);
    // One of the two is a delta of the other.
    text.push_str("and more\n");
    let files = [("more.txt", Some(text.as_str()))];
    case.agent.commit(&files, "Data again").await;
    let found = rules(case.check_head().await);
    assert_eq!(found, [Rule::KnownSecret, Rule::KnownSecret]);
}
