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

/// What the lock file of the fuzz targets says that a package of ours needs, if it knows the package.
fn fuzzed(package: &str) -> Option<BTreeSet<String>> {
    let lock: toml::Table = tree::text(Path::new("fuzz/Cargo.lock"))
        .unwrap()
        .parse()
        .unwrap();
    let mut packages = lock["package"].as_array().unwrap().iter();
    let found = packages.find(|entry| entry["name"].as_str() == Some(package))?;
    let needs = found["dependencies"].as_array().unwrap().iter();
    // A version stands behind a name only where two of them are locked.
    let name = |need: &toml::Value| need.as_str()?.split(' ').next().map(str::to_owned);
    needs.map(name).collect()
}

/// They are a workspace of their own, so `--locked` refuses them when a crate of ours has got a
/// dependency that only the other lock file knows.
#[test]
fn the_lock_file_of_the_fuzz_targets_knows_what_our_crates_need() {
    let known = CRATES
        .iter()
        .filter_map(|(folder, package, _)| Some((*folder, fuzzed(package)?)));
    let known: Vec<_> = known.collect();
    assert_eq!(known.len(), CRATES.len() - 1, "all but the tests");
    for (folder, locked) in known {
        let manifest = tree::manifest(folder);
        for (name, need) in manifest["dependencies"].as_table().unwrap() {
            let optional = need.get("optional").and_then(toml::Value::as_bool) == Some(true);
            assert!(
                optional || locked.contains(name),
                "{folder} needs {name}: cargo metadata --manifest-path fuzz/Cargo.toml adds it"
            );
        }
    }
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
