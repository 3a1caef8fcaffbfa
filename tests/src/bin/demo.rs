//! `cargo demo`, and every program of ours by its name: see [`cloud_code_tests::programs`].

use std::process::ExitCode;

fn main() -> ExitCode {
    cloud_code_tests::programs::main(std::env::args_os().collect(), cloud_code_tests::demo::main)
}
