//! Sizes, names, and that every file says what it is.

use std::path::Path;

use crate::tree;

/// Lines of a file at most, and from where on it is a smell.
const MOST: usize = 600;
const SMELL: usize = 400;

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 8] = [
    "utils", "util", "helpers", "helper", "common", "types", "misc", "mod",
];

#[test]
fn no_file_has_more_than_600_lines() {
    let mut long: Vec<(usize, String)> = Vec::new();
    for path in tree::below("") {
        let code = path.extension().is_some_and(|extension| {
            ["rs", "proto", "py", "sh"]
                .iter()
                .any(|known| extension == *known)
        });
        if code {
            let lines = tree::text(&path).unwrap().lines().count();
            long.push((lines, path.display().to_string()));
        }
    }
    long.retain(|(lines, _)| *lines > SMELL);
    long.sort_by(|one, other| other.cmp(one));
    for (lines, path) in &long {
        println!("warning: {path} has {lines} lines: is it one thing?");
    }
    long.retain(|(lines, _)| *lines > MOST);
    assert!(long.is_empty(), "too long: {long:?}");
}

#[test]
fn a_name_says_what_is_inside() {
    for path in tree::sources() {
        for part in path.components() {
            let name = Path::new(part.as_os_str()).with_extension("");
            let name = name.to_string_lossy();
            assert!(
                !EMPTY_NAMES.contains(&name.as_ref()),
                "{}: \"{name}\" is no name for what is in it",
                path.display()
            );
        }
    }
}

#[test]
fn every_module_begins_with_what_it_is_for() {
    let silent: Vec<String> = tree::sources()
        .into_iter()
        .filter(|path| !path.ends_with("tests.rs"))
        .filter(|path| !tree::text(path).unwrap().starts_with("//!"))
        .map(|path| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "without a module doc: {silent:?}");
}
