//! How long to wait before the next attempt.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_secs(8);

/// The wait before attempt `failures + 1`: 0.25 s, doubled up to 8 s, each up to a fifth shorter
/// or longer. `jitter` is any number.
#[must_use]
pub(crate) fn delay(failures: u32, jitter: u64) -> Duration {
    let doubled = FIRST.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)));
    let base = doubled.min(LAST);
    let percent = 80 + u32::try_from(jitter % 41).unwrap_or(20);
    base * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_eight_seconds_and_never_further() {
        let middle = 20;
        let waits: Vec<u128> = (1..=8).map(|n| delay(n, middle).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
        assert_eq!(delay(u32::MAX, middle), LAST);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        for jitter in 0..100 {
            let wait = delay(3, jitter).as_millis();
            assert!((800..=1_200).contains(&wait), "{wait}");
        }
    }
}
