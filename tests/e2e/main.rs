//! From an issue to a pull request, with the real programs, as processes.

mod daemon;
mod doctor;
mod github;
mod hostile;
mod kills;
mod local;
mod metrics;

use cloud_code_tests::cluster::Setting;

/// All programs in one.
const PROGRAMS: &str = env!("CARGO_BIN_EXE_demo");

/// A setting with these projects.
fn projects(rest: String) -> Setting {
    Setting {
        rest,
        ..Setting::default()
    }
}

/// An issue's text with a script for the scripted coding CLI.
fn script(words: &str, steps: &str) -> String {
    format!("{words}\n\n```script\n{steps}\n```\n")
}
