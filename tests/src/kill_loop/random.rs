//! Moments that differ from run to run, and can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

/// `SplitMix64`.
#[derive(Debug)]
pub(super) struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// With this seed, that of `CLOUD_CODE_SEED`, or the time.
    pub(super) fn seeded(seed: Option<u64>) -> Self {
        let given = std::env::var("CLOUD_CODE_SEED").ok();
        let given = seed.or_else(|| given.and_then(|seed| seed.parse().ok()));
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(0, |now| u64::from(now.subsec_nanos()))
        });
        Self { seed, state: seed }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// One of several.
    pub(super) fn one_of<'a, T, const N: usize>(&mut self, all: &'a [T; N]) -> &'a T {
        let at = usize::try_from(self.below(N as u64)).unwrap_or_default();
        &all[at % N]
    }
}
