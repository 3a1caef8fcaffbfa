//! `orchestratord`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    orchestratord::cli::run(std::env::args_os())
}
