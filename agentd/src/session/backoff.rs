//! How long to wait before the next link. Pure but for the drawing of the jitter.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const MOST: Duration = Duration::from_secs(5);

/// Doubles from 0.1 s to 5 s; `jitter` in 0..=255 takes away up to half of it.
pub(crate) fn delay(attempt: u32, jitter: u8) -> Duration {
    let doubled = FIRST.saturating_mul(1 << attempt.min(16));
    let delay = doubled.min(MOST);
    delay - delay / 2 * u32::from(jitter) / 255
}

/// A random byte.
pub(crate) fn jitter() -> u8 {
    let [byte, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    byte
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_to_its_bound_and_is_never_nothing() {
        assert_eq!(delay(0, 0), FIRST);
        assert_eq!(delay(1, 0), FIRST * 2);
        for attempt in [6, 17, u32::MAX] {
            assert_eq!(delay(attempt, 0), MOST);
            assert_eq!(delay(attempt, 255), MOST / 2);
        }
    }
}
