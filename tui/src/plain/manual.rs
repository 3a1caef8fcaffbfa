//! What an installation has besides the program, made from the command line as it is: completion
//! scripts and manual pages. No daemon is asked.

use std::path::Path;

use clap::CommandFactory;

use super::{Failure, Out};
use crate::args::Args;

const NAME: &str = "cloud-code";

/// Writes the completion script of a shell.
pub(super) fn completions(shell: clap_complete::Shell, out: Out) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), NAME, &mut script);
    let script = String::from_utf8_lossy(&script);
    // For bash a hyphen in the program's name is written in two ways, so that nothing below a
    // subcommand would be found.
    let script = script.replace("cloud__subcmd__code", "cloud__code");
    out.whole(script.as_bytes())
}

/// Writes a manual page for the program and one for each subcommand that is not hidden.
pub(super) fn pages(directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Args::command(), directory))
        .map_err(|error| {
            Failure::new(
                &format!("the manual cannot be written to {}", directory.display()),
                error.to_string(),
                "cloud-code man DIRECTORY, one that you may write",
            )
        })
}
