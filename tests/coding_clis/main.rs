//! The adapters with the real programs, against the scripted model server.
//!
//! `CLOUD_CODE_CODING_CLIS` names the directory that `tests/coding_clis/install.sh` installed them
//! into. Without it all are reported as ignored; with `CLOUD_CODE_REQUIRE_CODING_CLIS=1` they fail.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cloud_code_domain::account::Provider;
use cloud_code_tests::coding_cli_cases::{cases, limit, whole};
use cloud_code_tests::coding_cli_run::CodingCli;
use cloud_code_tests::trials::{Demand, Found, trial};
use libtest_mimic::{Arguments, Trial};

const DIRECTORY: &str = "CLOUD_CODE_CODING_CLIS";
/// All programs in one.
const PROGRAMS: &str = env!("CARGO_BIN_EXE_demo");

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let directory = std::env::var_os(DIRECTORY).map(PathBuf::from);
    libtest_mimic::run(&arguments, trials(directory.as_deref())).exit_code()
}

fn trials(directory: Option<&Path>) -> Vec<Trial> {
    let demand = Demand::of_variable("CLOUD_CODE_REQUIRE_CODING_CLIS");
    let missing = missing(directory);
    let directory = directory.unwrap_or(Path::new(""));
    let look = move || {
        let missing = missing.clone();
        async move || missing.map_or(Found::There(()), Found::Missing)
    };
    let cases = cases(directory).into_iter().map(|case| {
        trial(case.name.clone(), demand, look(), async move |()| {
            case.run().await
        })
    });
    // The others do this in containers.
    let wholes = [
        CodingCli::opencode(directory, Provider::Openai),
        CodingCli::qwen(directory),
        CodingCli::copilot(directory),
        CodingCli::gemini(directory),
    ];
    let wholes = wholes.into_iter().map(|cli| {
        let name = format!("{}_makes_a_change_in_a_whole_installation", cli.adapter);
        trial(name, demand, look(), async move |()| {
            whole::makes_a_change(cli, Path::new(PROGRAMS)).await
        })
    });
    let claude_code = CodingCli::claude_code(directory);
    let name = "claude_code_begins_a_session_that_never_was";
    let never_was = trial(name.to_owned(), demand, look(), async move |()| {
        whole::begins_what_never_was(claude_code, Path::new(PROGRAMS)).await
    });
    let openai = Provider::Openai;
    let limits = [
        (
            "two_tasks_each_of_claude_code_codex_and_aider_sleep_through_a_limit",
            vec![
                CodingCli::claude_code(directory),
                CodingCli::codex(directory),
                CodingCli::aider(directory, openai),
            ],
            2,
        ),
        (
            "opencode_sleeps_through_a_limit",
            vec![CodingCli::opencode(directory, openai)],
            1,
        ),
        (
            "qwen_sleeps_through_a_limit",
            vec![CodingCli::qwen(directory)],
            1,
        ),
        (
            "copilot_sleeps_through_a_limit",
            vec![CodingCli::copilot(directory)],
            1,
        ),
    ];
    let limits = limits.into_iter().map(|(name, clis, each)| {
        trial(name.to_owned(), demand, look(), async move |()| {
            limit::is_slept_through(clis, each, Path::new(PROGRAMS)).await
        })
    });
    cases
        .chain(wholes)
        .chain([never_was])
        .chain(limits)
        .collect()
}

/// Why there are no coding CLIs to test with.
fn missing(directory: Option<&Path>) -> Option<String> {
    const INSTALL: &str = "tests/coding_clis/install.sh DIRECTORY installs the coding CLIs";
    let Some(directory) = directory else {
        return Some(format!("${DIRECTORY} is not set; {INSTALL}"));
    };
    let bin = directory.join("bin");
    let absent = [
        "claude", "codex", "aider", "opencode", "qwen", "copilot", "gemini",
    ]
    .into_iter()
    .find(|program| !bin.join(program).exists())?;
    Some(format!(
        "there is no {}; {INSTALL}",
        bin.join(absent).display()
    ))
}
