//! The adapters with the real programs, against the scripted model server.
//!
//! `CLOUD_CODE_CODING_CLIS` names the directory that `tests/coding_clis/install.sh` installed them
//! into. Without it all are reported as ignored; with `CLOUD_CODE_REQUIRE_CODING_CLIS=1` they fail.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cloud_code_tests::coding_cli_cases::cases;
use cloud_code_tests::trials::{Demand, Found, trial};
use libtest_mimic::{Arguments, Trial};

const DIRECTORY: &str = "CLOUD_CODE_CODING_CLIS";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let directory = std::env::var_os(DIRECTORY).map(PathBuf::from);
    libtest_mimic::run(&arguments, trials(directory.as_deref())).exit_code()
}

fn trials(directory: Option<&Path>) -> Vec<Trial> {
    let demand = Demand::of_variable("CLOUD_CODE_REQUIRE_CODING_CLIS");
    let missing = missing(directory);
    let cases = cases(directory.unwrap_or(Path::new("")));
    let trials = cases.into_iter().map(|case| {
        let missing = missing.clone();
        let look = async move || missing.map_or(Found::There(()), Found::Missing);
        trial(case.name.clone(), demand, look, async move |()| {
            case.run().await
        })
    });
    trials.collect()
}

/// Why there are no coding CLIs to test with.
fn missing(directory: Option<&Path>) -> Option<String> {
    const INSTALL: &str = "tests/coding_clis/install.sh DIRECTORY installs the coding CLIs";
    let Some(directory) = directory else {
        return Some(format!("${DIRECTORY} is not set; {INSTALL}"));
    };
    let bin = directory.join("bin");
    let absent = ["claude", "codex", "aider"]
        .into_iter()
        .find(|program| !bin.join(program).exists())?;
    Some(format!(
        "there is no {}; {INSTALL}",
        bin.join(absent).display()
    ))
}
