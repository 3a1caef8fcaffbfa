//! The doors for the fuzz targets; there only where they are built.

use crate::config::GateLimits;
use crate::pull_requests::{names, scan, tree};

/// Follows a scan: what may be unpacked only grows, and was looked at before.
struct Follower {
    length: u64,
    accepted: u64,
}

impl scan::Onlooker for Follower {
    fn blob(&mut self, offset: u64, _content: &[u8]) {
        assert!(
            (self.accepted..self.length).contains(&offset),
            "a blob at {offset}"
        );
    }

    fn accepted(&mut self, end: u64) -> std::io::Result<()> {
        assert!(
            (self.accepted..=self.length).contains(&end),
            "accepted up to {end}"
        );
        self.accepted = end;
        Ok(())
    }
}

/// Looks through bytes as through a pack.
///
/// # Panics
/// Where more is accepted than there is, or less than before.
pub fn pack(data: &[u8]) {
    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let mut follower = Follower {
        length,
        accepted: 0,
    };
    drop(scan::scan(data, &GateLimits::default(), &mut follower));
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
