//! No file is forgotten: each is reached from a root of its crate by `mod`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::edges::CRATES;
use crate::tree;

/// The files that Cargo starts from: those it finds by itself, and those that a manifest names.
fn roots(folder: &str) -> Vec<PathBuf> {
    let mut roots = Vec::new();
    for path in tree::below(folder) {
        let inside = path.strip_prefix(folder).unwrap();
        let parts: Vec<String> = inside
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let is_root = match parts.as_slice() {
            ["build.rs"] | ["src", "lib.rs" | "main.rs"] => true,
            ["src", "bin", file] | ["tests" | "examples" | "benches", file] => {
                file.ends_with(".rs")
            }
            ["tests" | "examples" | "benches", _, "main.rs"] | ["src", "bin", _, "main.rs"] => true,
            _ => false,
        };
        if is_root {
            roots.push(path);
        }
    }
    for kind in ["lib", "bin", "test", "bench", "example"] {
        let named = tree::manifest(folder);
        let Some(targets) = named.get(kind).and_then(toml::Value::as_array) else {
            continue;
        };
        for target in targets {
            if let Some(path) = target.get("path").and_then(toml::Value::as_str) {
                roots.push(Path::new(folder).join(path));
            }
        }
    }
    roots
}

/// The files that a file's `mod` lines lead to. The code is formatted, so that a block ends with a
/// brace as far to the right as it began.
fn children(path: &Path, is_root: bool) -> Vec<PathBuf> {
    let dir = path.parent().unwrap();
    let own = match is_root || path.ends_with("mod.rs") {
        true => dir.to_owned(),
        false => path.with_extension(""),
    };
    let mut inline: Vec<(usize, String)> = Vec::new();
    let mut named: Option<PathBuf> = None;
    let mut children = Vec::new();
    for line in tree::text(path).unwrap().lines() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if inline.last().is_some_and(|(from, _)| *from == indent) && code == "}" {
            inline.pop();
        }
        if let Some(rest) = code.strip_prefix("#[path = \"") {
            named = rest.split('"').next().map(|file| dir.join(file));
        }
        let Some(name) = module(code) else { continue };
        if let Some(name) = name.strip_suffix(" {") {
            inline.push((indent, name.to_owned()));
        } else if let Some(name) = name.strip_suffix(';') {
            let folder = inline
                .iter()
                .fold(own.clone(), |at, (_, part)| at.join(part));
            let usual = folder.join(format!("{name}.rs"));
            let file = named
                .take()
                .unwrap_or_else(|| match tree::root().join(&usual).exists() {
                    true => usual,
                    false => folder.join(name).join("mod.rs"),
                });
            children.push(plain(&file));
        }
    }
    children
}

/// What stands behind `mod`, whoever may see it.
fn module(code: &str) -> Option<&str> {
    let code = match code.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.trim_start(),
        None => code,
    };
    code.strip_prefix("mod ")
}

/// The path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part.as_os_str() == ".." {
            true => drop(plain.pop()),
            false => plain.push(part),
        }
    }
    plain
}

#[test]
fn every_source_file_is_part_of_a_crate() {
    let mut reached = BTreeSet::new();
    // The fuzz targets are a workspace of their own.
    let folders = CRATES.map(|(folder, ..)| folder);
    for folder in folders.into_iter().chain(["fuzz"]) {
        let mut open: Vec<(PathBuf, bool)> =
            roots(folder).into_iter().map(|root| (root, true)).collect();
        while let Some((path, is_root)) = open.pop() {
            assert!(
                tree::root().join(&path).is_file(),
                "{} is named and not there",
                path.display()
            );
            if reached.insert(path.clone()) {
                open.extend(
                    children(&path, is_root)
                        .into_iter()
                        .map(|child| (child, false)),
                );
            }
        }
    }
    let forgotten: Vec<PathBuf> = tree::sources()
        .into_iter()
        .filter(|path| !reached.contains(path))
        .collect();
    assert!(forgotten.is_empty(), "no crate holds {forgotten:?}");
}

#[test]
fn a_module_is_found_however_it_is_declared() {
    assert_eq!(module("mod a;"), Some("a;"));
    assert_eq!(module("pub mod a {"), Some("a {"));
    assert_eq!(module("pub(crate) mod a;"), Some("a;"));
    assert_eq!(module("pub(in crate::b) mod a;"), Some("a;"));
    assert_eq!(module("model.start();"), None);
    assert_eq!(
        plain(Path::new("tui/src/../tests/a.rs")),
        Path::new("tui/tests/a.rs")
    );
}
