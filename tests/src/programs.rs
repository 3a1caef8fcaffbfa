//! All programs in one binary. Cargo builds no other package's programs for a test or a run, so this
//! package has one that is each of them by the name it is started under, as busybox is.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The programs, by name.
pub const NAMES: [&str; 4] = ["orchestratord", "agentd", "cloud-code", "scripted"];

/// Runs the program of the name that we were started under; `own` under any other.
pub fn main(arguments: Vec<OsString>, own: fn(Vec<OsString>) -> ExitCode) -> ExitCode {
    let name = arguments.first().map(PathBuf::from).unwrap_or_default();
    match name.file_name().and_then(OsStr::to_str) {
        Some("orchestratord") => orchestratord::cli::run(arguments),
        Some("agentd") => agentd::run(arguments),
        Some("cloud-code") => cloud_code::run(arguments.into_iter()),
        Some("scripted") => crate::scripted::run(arguments),
        Some(_) | None => own(arguments),
    }
}

/// Makes links to `binary` under all names in `dir`.
///
/// # Errors
/// Where they cannot be made.
pub fn install(binary: &Path, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for name in NAMES {
        std::os::unix::fs::symlink(binary, dir.join(name))?;
    }
    Ok(())
}
