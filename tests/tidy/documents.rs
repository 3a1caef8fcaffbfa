//! The documents name what is there.

use std::collections::BTreeSet;
use std::path::Path;

use crate::edges::CRATES;
use crate::tree;

const DOCUMENTS: [&str; 4] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
];

/// What stands between single backticks on the lines outside fences, with the line's number.
fn quoted(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut quoted = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let odd = line.split('`').skip(1).step_by(2);
            quoted.extend(odd.map(|quoted| (number + 1, quoted)));
        }
    }
    quoted
}

/// Whether this is one path, and not a pattern, a command or a piece of code.
fn is_path(word: &str) -> bool {
    word.contains(['/', '.'])
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ['/', '.', '_', '-'].contains(&c))
}

#[test]
fn every_path_in_a_document_exists() {
    let folders = tree::folders();
    let mut missing = Vec::new();
    for document in DOCUMENTS {
        let text = tree::text(Path::new(document)).unwrap();
        for (number, word) in quoted(&text) {
            let first = word.split('/').next().unwrap_or_default();
            let ours = word.contains('/') && folders.iter().any(|folder| folder == first);
            if ours && is_path(word) && !tree::root().join(word).exists() {
                missing.push(format!("{document}:{number}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "there is no {missing:#?}");
}

/// The rows of the table that has a heading with a folder in each column but the first: `noun |
/// rule `domain/src/` | …`. Each name in a column counts from its folder.
#[test]
fn every_file_in_the_table_of_nouns_exists() {
    let text = tree::text(Path::new("ARCHITECTURE.md")).unwrap();
    let mut folders: Vec<String> = Vec::new();
    let (mut missing, mut named) = (Vec::new(), 0);
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').skip(1).collect();
        if line.starts_with("| noun |") {
            let folder = |cell: &&str| cell.split('`').nth(1).unwrap_or_default().to_owned();
            folders = cells.iter().map(folder).collect();
            continue;
        }
        if !line.starts_with('|') {
            folders.clear();
        }
        for (folder, cell) in folders
            .iter()
            .zip(&cells)
            .filter(|(folder, _)| !folder.is_empty())
        {
            for name in cell
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|name| is_path(name))
            {
                named += 1;
                if !tree::root().join(folder).join(name).exists() {
                    missing.push(format!("{folder}{name}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "there is no {missing:#?}");
    assert!(named > 60, "the table is not found");
}

#[test]
fn the_map_in_the_readme_is_the_folders_that_there_are() {
    let text = tree::text(Path::new("README.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let map: BTreeSet<String> = rows
        .filter_map(|row| row.split('`').next()?.strip_suffix('/'))
        .map(ToOwned::to_owned)
        .collect();
    let folders: BTreeSet<String> = tree::folders().into_iter().collect();
    assert_eq!(map, folders);
}

#[test]
fn the_architecture_names_every_module_of_the_daemon() {
    let text = tree::text(Path::new("ARCHITECTURE.md")).unwrap();
    let lib = tree::text(Path::new("orchestratord/src/lib.rs")).unwrap();
    for module in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let module = module.trim_end_matches(';');
        assert!(
            text.contains(module),
            "ARCHITECTURE.md does not say where {module} is"
        );
    }
    for (folder, ..) in CRATES {
        assert!(text.contains(&format!("`{folder}/`")), "{folder}");
    }
}

#[test]
fn every_state_machine_of_the_architecture_has_its_table() {
    let text = tree::text(Path::new("ARCHITECTURE.md")).unwrap();
    for table in tree::below("domain/tables") {
        assert!(
            text.contains(&table.display().to_string()),
            "{}",
            table.display()
        );
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut dead = Vec::new();
    for document in DOCUMENTS {
        let text = tree::text(Path::new(document)).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = link.split('#').next().unwrap_or_default();
            let outside = link.contains("://") || file.is_empty();
            if !outside && !tree::root().join(file).exists() {
                dead.push(format!("{document}: {link}"));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:?}");
}

#[test]
fn every_test_that_a_document_names_can_be_run() {
    let manifest = tree::manifest("tests");
    let tests = manifest["test"].as_array().unwrap();
    let names: Vec<&str> = tests
        .iter()
        .filter_map(|test| test["name"].as_str())
        .collect();
    for document in DOCUMENTS {
        let text = tree::text(Path::new(document)).unwrap();
        for rest in text.split("--test ").skip(1) {
            let name = rest
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            assert!(
                names.contains(&name.unwrap_or_default()),
                "{document}: {name:?}"
            );
        }
    }
}

#[test]
fn every_input_and_effect_that_a_document_names_exists() {
    for (name, file) in [("Input", "input"), ("Effect", "effect")] {
        let code = tree::text(Path::new(&format!("orchestratord/src/engine/{file}.rs"))).unwrap();
        for document in DOCUMENTS {
            let text = tree::text(Path::new(document)).unwrap();
            let variants = quoted(&text)
                .into_iter()
                .filter_map(|(_, word)| word.strip_prefix(name)?.strip_prefix("::"));
            for variant in variants {
                let declared = [" {", "(", ","].iter().any(|end| {
                    let line = format!("    {variant}{end}");
                    code.lines().any(|code| code.starts_with(&line))
                });
                assert!(declared, "{document}: there is no {name}::{variant}");
            }
        }
    }
}
