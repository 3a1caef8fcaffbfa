//! Words that do not belong into a repository. They are put together here, so that this file is
//! not the first to break the rule.

use crate::tree;

/// Files whose words are not ours.
const NOT_OURS: [&str; 1] = ["Cargo.lock"];

/// Words that are nowhere, each with the reason.
fn nowhere() -> Vec<(String, &'static str)> {
    let registry = "whoever builds this chooses the registry, by the tool's own configuration";
    let machine = "a path of one machine";
    [
        (["crates", "io"].join("."), registry),
        (["npmjs", "org"].join("."), registry),
        (["npmjs", "com"].join("."), registry),
        (["pypi", "org"].join("."), registry),
        (["pythonhosted", "org"].join("."), registry),
        (["docker", "io/"].join("."), registry),
        (["ghcr", "io"].join("."), registry),
        (["quay", "io"].join("."), registry),
        (["", "work", ""].join("/"), machine),
        (["", "home", "user", ""].join("/"), machine),
    ]
    .into()
}

/// Words that no source file holds.
fn not_in_code() -> Vec<(String, &'static str)> {
    [
        (["todo", "!("].concat(), "it is done, or it is an issue"),
        (
            ["unimplemented", "!("].concat(),
            "it is done, or it is an issue",
        ),
        (
            ["#[", "ignore"].concat(),
            "a test runs, or says why it was skipped",
        ),
        (
            ["#![", "allow("].concat(),
            "a lint is turned off where it hurts, with its reason",
        ),
    ]
    .into()
}

#[test]
fn forbidden_words_are_nowhere() {
    let (nowhere, not_in_code) = (nowhere(), not_in_code());
    let mut found = Vec::new();
    for path in tree::below("") {
        let Some(text) = tree::text(&path) else {
            continue;
        };
        if NOT_OURS.iter().any(|other| path.ends_with(other)) {
            continue;
        }
        let code = path.extension().is_some_and(|extension| extension == "rs");
        let words = nowhere.iter().chain(not_in_code.iter().filter(|_| code));
        for (word, why) in words {
            for (number, line) in text.lines().enumerate() {
                if line.contains(word.as_str()) {
                    found.push(format!("{}:{}: {word}: {why}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
