//! The operator's client: the control room, and its actions as subcommands.

fn main() -> std::process::ExitCode {
    cloud_code::run(std::env::args_os())
}
