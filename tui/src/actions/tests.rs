use std::collections::HashMap;

use super::*;
use crate::keymap::Key;

const SCOPES: [Scope; 7] = [
    Scope::Fleet,
    Scope::Tasks,
    Scope::Task,
    Scope::Logs,
    Scope::Costs,
    Scope::Approvals,
    Scope::Activity,
];

#[test]
fn every_key_means_one_thing_on_a_screen() {
    for scope in SCOPES {
        let mut meant: HashMap<&str, &str> = HashMap::new();
        for entry in ENTRIES.iter().filter(|entry| entry.counts_in(scope)) {
            for key in entry.keys {
                if let Some(other) = meant.insert(key, entry.name) {
                    panic!("{key} means {other} and {} in {scope:?}", entry.name);
                }
            }
        }
    }
}

#[test]
fn a_prefix_is_never_a_key_of_its_own() {
    let all: Vec<&str> = ENTRIES
        .iter()
        .flat_map(|entry| entry.keys)
        .copied()
        .collect();
    for key in &all {
        if let Some((prefix, _)) = key.split_once(' ') {
            assert!(!all.contains(&prefix), "{prefix} is a key and a prefix");
        }
    }
}

#[test]
fn every_key_can_be_read() {
    for entry in ENTRIES {
        for key in entry.keys {
            assert!(Key::sequence(key).is_some(), "{key}");
        }
    }
}

#[test]
fn what_asks_is_upper_case_and_never_on_a_key_hit_by_habit() {
    for entry in ENTRIES.iter().filter(|entry| entry.tier >= Tier::Ask) {
        for key in entry.keys {
            let deliberate = key.len() == 1 && key.bytes().all(|byte| byte.is_ascii_uppercase());
            // Approvals ask too, and have their own guard: nothing is selected at first.
            assert!(
                deliberate || entry.command == Command::Approve,
                "{key} {}",
                entry.name
            );
        }
    }
}

#[test]
fn only_five_control_keys_are_used() {
    for key in ENTRIES.iter().flat_map(|entry| entry.keys) {
        if let Some(letter) = key.strip_prefix("ctrl-") {
            assert!(["c", "d", "l", "u", "z"].contains(&letter), "{key}");
        }
    }
}

#[test]
fn every_action_of_the_domain_can_be_done_here() {
    let done: Vec<&str> = ENTRIES
        .iter()
        .filter_map(|entry| entry.subcommand)
        .filter_map(|subcommand| subcommand.split(' ').next_back())
        .collect();
    for name in [
        "new", "accept", "reject", "retry", "cancel", "reassign", "priority", "steer", "pass",
        "merge", "close", "grant", "approve", "deny", "halt", "resume",
    ] {
        assert!(done.contains(&name), "{name}");
    }
}

#[test]
fn rows_are_complete_and_named_once() {
    let mut names = std::collections::HashSet::new();
    for entry in ENTRIES {
        assert!(names.insert(entry.name), "{} twice", entry.name);
        assert!(
            !entry.label.is_empty() && !entry.help.ends_with('.'),
            "{}",
            entry.name
        );
        assert!(
            std::ptr::eq(entry.command.entry().expect("a row"), entry),
            "{}",
            entry.name
        );
    }
}
