//! Which crate may use which, of ours and of others.

use std::collections::BTreeSet;
use std::path::Path;

use crate::tree;

/// Our crates: folder, package, and the packages of ours that it may use.
pub(crate) const CRATES: [(&str, &str, &[&str]); 6] = [
    ("domain", "cloud-code-domain", &[]),
    ("proto", "cloud-code-proto", &["cloud-code-domain"]),
    (
        "orchestratord",
        "orchestratord",
        &["cloud-code-domain", "cloud-code-proto"],
    ),
    (
        "agentd",
        "agentd",
        &["cloud-code-domain", "cloud-code-proto"],
    ),
    (
        "tui",
        "cloud-code",
        &["cloud-code-domain", "cloud-code-proto"],
    ),
    (
        "tests",
        "cloud-code-tests",
        &[
            "cloud-code-domain",
            "cloud-code-proto",
            "orchestratord",
            "agentd",
            "cloud-code",
        ],
    ),
];

/// Everything that a package names as a dependency, for whatever purpose.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let manifest = tree::manifest(folder);
    let tables = manifest
        .iter()
        .filter(|(name, _)| name.ends_with("dependencies"));
    tables
        .filter_map(|(_, table)| table.as_table())
        .flat_map(|table| table.keys().cloned())
        .collect()
}

#[test]
fn the_workspace_is_these_six_crates() {
    let workspace: toml::Table = tree::text(Path::new("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let members: Vec<&str> = members.iter().filter_map(toml::Value::as_str).collect();
    assert_eq!(members, CRATES.map(|(folder, ..)| folder));
    for (folder, package, _) in CRATES {
        let manifest = tree::manifest(folder);
        assert_eq!(manifest["package"]["name"].as_str(), Some(package));
        assert_eq!(
            manifest["lints"]["workspace"].as_bool(),
            Some(true),
            "{folder}"
        );
    }
}

#[test]
fn a_crate_uses_only_the_crates_below_it() {
    for (folder, package, allowed) in CRATES {
        for (_, other, _) in CRATES {
            let uses = dependencies(folder).contains(other);
            assert!(
                !uses || allowed.contains(&other),
                "{package} may not use {other}"
            );
        }
    }
}

#[test]
fn a_library_that_belongs_to_one_crate_is_used_there_only() {
    let deny: toml::Table = tree::text(Path::new("deny.toml")).unwrap().parse().unwrap();
    for rule in deny["bans"]["deny"].as_array().unwrap() {
        let library = rule["crate"].as_str().unwrap();
        let wrappers: Vec<&str> = match rule.get("wrappers").and_then(toml::Value::as_array) {
            Some(wrappers) => wrappers.iter().filter_map(toml::Value::as_str).collect(),
            None => Vec::new(),
        };
        for (folder, package, _) in CRATES {
            assert!(
                !dependencies(folder).contains(library) || wrappers.contains(&package),
                "{package} may not use {library}: deny.toml"
            );
        }
    }
}

#[test]
fn every_version_stands_in_the_workspace() {
    for (folder, ..) in CRATES {
        let manifest = tree::manifest(folder);
        for (name, table) in manifest
            .iter()
            .filter(|(name, _)| name.ends_with("dependencies"))
        {
            for (library, how) in table.as_table().unwrap() {
                let inherited = how.get("workspace").and_then(toml::Value::as_bool);
                assert_eq!(inherited, Some(true), "{folder}: [{name}] {library}");
            }
        }
    }
}
