//! Small things that become large.

use std::io::Write;

use cloud_code_domain::id::Oid;
use flate2::{Compress, Compression, FlushCompress};

use super::{Case, rules};
use crate::pull_requests::finding::Rule;

/// A pack of 2 MB with one file of 2 GiB of zeros: the deflated form of one MiB, 2048 times.
fn zeros() -> Vec<u8> {
    let mib = vec![0; 1 << 20];
    let mut block = Vec::with_capacity(64 << 10);
    let mut deflater = Compress::new(Compression::best(), false);
    deflater
        .compress_vec(&mib, &mut block, FlushCompress::Full)
        .unwrap();
    let mut pack = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
    // A blob of 2^31 bytes: four bits, then seven at a time.
    pack.extend([0xb0, 0x80, 0x80, 0x80, 0x40]);
    pack.extend([0x78, 0xda]);
    for _ in 0..2048 {
        pack.write_all(&block).unwrap();
    }
    pack.extend([0x03, 0x00]);
    pack
}

#[tokio::test]
async fn two_gib_of_zeros_in_two_mb_are_too_large_by_their_header() {
    let case = Case::new().await;
    let pack = zeros();
    assert!(pack.len() < 5 << 20);
    assert_eq!(rules(case.check(&case.base, &pack).await), [Rule::TooLarge]);
}

#[tokio::test]
async fn a_tree_bomb_has_too_many_paths() {
    let case = Case::new().await;
    let mut tree = case.agent.object("blob", b"x").await;
    let mut objects = vec![tree.clone()];
    for level in 0..10 {
        let mode = if level == 0 { "100644" } else { "40000" };
        let names: Vec<[u8; 1]> = (b'0'..=b'9').map(|name| [name]).collect();
        let entries: Vec<(&str, &[u8], &Oid)> =
            names.iter().map(|name| (mode, &name[..], &tree)).collect();
        tree = case.agent.tree(&entries).await;
        objects.push(tree.clone());
    }
    let head = case.agent.commit_tree(&tree, &case.base).await;
    objects.push(head.clone());
    let pack = case
        .agent
        .pack_of(&objects.iter().collect::<Vec<_>>())
        .await;
    assert!(pack.len() < 2_000, "{}", pack.len());
    assert_eq!(rules(case.check(&head, &pack).await), [Rule::TooManyPaths]);
}

#[tokio::test]
async fn what_the_agent_was_given_counts_as_often_as_it_is_named() {
    let mut case = Case::new().await;
    case.limits.paths = 20;
    let given = case.agent.git(&["rev-parse", "HEAD^{tree}"]).await;
    let given: Oid = given.parse().unwrap();
    let names: Vec<[u8; 1]> = (b'0'..=b'9').map(|name| [name]).collect();
    let entries: Vec<(&str, &[u8], &Oid)> = names
        .iter()
        .map(|name| ("40000", &name[..], &given))
        .collect();
    assert_eq!(case.check_tree(&entries, &[]).await, [Rule::TooManyPaths]);
}

#[tokio::test]
async fn a_tree_that_is_too_deep_is_refused() {
    let mut case = Case::new().await;
    case.limits.depth = 16;
    let deep = |levels: usize| format!("{}x", "d/".repeat(levels));
    case.agent.commit(&[(&deep(16), Some("x"))], "Deep").await;
    assert!(case.check_head().await.is_ok());
    case.agent.commit(&[(&deep(17), Some("x"))], "Deeper").await;
    assert_eq!(rules(case.check_head().await), [Rule::TooDeep]);
}

#[tokio::test]
async fn each_limit_of_the_project_holds() {
    let mut case = Case::new().await;
    let text: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    case.agent
        .commit(&[("numbers.txt", Some(&text))], "Numbers")
        .await;
    assert!(case.check_head().await.is_ok());
    case.limits.blob_bytes = 50_000;
    assert_eq!(rules(case.check_head().await), [Rule::TooLarge]);
    case.limits = crate::config::GateLimits {
        pack_bytes: 1000,
        ..Default::default()
    };
    assert_eq!(rules(case.check_head().await), [Rule::TooLarge]);
    case.limits = crate::config::GateLimits {
        inflated_bytes: 1000,
        ..Default::default()
    };
    assert_eq!(rules(case.check_head().await), [Rule::TooLarge]);
    case.limits = crate::config::GateLimits {
        paths: 3,
        ..Default::default()
    };
    assert_eq!(rules(case.check_head().await), [Rule::TooManyPaths]);
}

#[tokio::test]
async fn half_a_pack_or_none_at_all_is_refused_whole() {
    let case = Case::new().await;
    let head = case.agent.commit(&[("a.txt", Some("a\n"))], "A").await;
    let pack = case.agent.pack(&head, &case.base).await;
    for length in [
        1,
        11,
        12,
        20,
        pack.len() / 2,
        pack.len() - 21,
        pack.len() - 1,
    ] {
        assert_eq!(
            rules(case.check(&head, &pack[..length]).await),
            [Rule::MalformedPack],
            "{length}"
        );
    }
    let mut flipped = pack.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    assert_eq!(
        rules(case.check(&head, &flipped).await),
        [Rule::MalformedPack]
    );
    assert_eq!(
        rules(case.check(&head, b"").await),
        [Rule::ClosureViolation]
    );
}
