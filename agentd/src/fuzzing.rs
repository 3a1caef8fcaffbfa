//! The doors for the fuzz targets; there only where they are built.

use cloud_code_domain::id::TaskId;

use crate::files::reporting;

/// Reads a file as reporting.yaml, and every claim in it.
///
/// # Panics
/// Where a complaint about it is empty, or has more than one line.
pub fn reporting(bytes: &[u8]) {
    let task = "k3f9x2ab".parse::<TaskId>();
    let task = task.unwrap_or_else(|error| unreachable!("a task of ours: {error}"));
    match reporting::parse(bytes, &task) {
        Ok(Some(claim)) => drop((claim.files(), claim.criteria(), claim.asks())),
        Ok(None) => {}
        Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
    }
}
