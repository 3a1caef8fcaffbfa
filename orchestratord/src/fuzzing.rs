//! The doors for the fuzz targets; there only where they are built.

use crate::config::GateLimits;
use crate::pull_requests::{names, scan, tree};

/// Looks through bytes as through a pack.
pub fn pack(data: &[u8]) {
    drop(scan::scan(data, &GateLimits::default()));
}

/// Reads bytes as a tree, and judges its names.
///
/// # Panics
/// Where what is shown of a name could be obeyed.
pub fn tree(data: &[u8]) {
    for length in [20, 32] {
        for entry in tree::parse(data, length).unwrap_or_default() {
            let _rule = names::broken_rule(&entry.name);
            let _target = names::broken_target(&entry.name, 3);
            let _key = names::collision_key(&entry.name);
            let shown = names::visible(&entry.name);
            assert!(!shown.contains(names::hidden), "{shown:?}");
        }
    }
}
