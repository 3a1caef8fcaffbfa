//! The agentd program.

use std::process::ExitCode;

fn main() -> ExitCode {
    agentd::run(std::env::args_os())
}
