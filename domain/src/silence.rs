//! How long something that ought to be heard was not.
//!
//! Times are what a clock showed since some fixed moment. Whoever looks may himself have been stopped: a
//! suspended machine, a host that swaps, a clock that was set. What was said meanwhile is then still on
//! its way, so a look that comes too late forgives the silence instead of counting it.
//!
//! ```text
//!  heard   look   look   look                     look    look … look
//!  ──┴──────┴──────┴──────┴─── nobody looked ──────┴───────┴──────┴──▶
//!                                                  └─ silence counts from here
//! ```

use std::time::Duration;

/// What a look finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// It was heard, or may be heard yet.
    Awaited,
    /// It was silent for this long: longer than it may be.
    Silent(Duration),
}

/// The silence of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    limit: Duration,
    late: Duration,
    since: Duration,
    looked: Duration,
}

impl Silence {
    /// It was heard now, and may be silent for `limit`. A look that comes `late` after the one before
    /// says more about the looker.
    #[must_use]
    pub fn new(limit: Duration, late: Duration, now: Duration) -> Self {
        Self {
            limit,
            late,
            since: now,
            looked: now,
        }
    }

    /// It was heard.
    pub fn heard(&mut self, now: Duration) {
        self.since = now;
        self.looked = now;
    }

    /// Looks at the clock.
    pub fn look(&mut self, now: Duration) -> Sound {
        let looked = std::mem::replace(&mut self.looked, now);
        // A clock that was set back would hold its silence back too.
        if now < looked || now.saturating_sub(looked) >= self.late {
            self.since = now;
        }
        let silent = now.saturating_sub(self.since);
        if silent >= self.limit {
            Sound::Silent(silent)
        } else {
            Sound::Awaited
        }
    }

    /// When the limit is reached if nothing is heard.
    #[must_use]
    pub fn ends(&self) -> Duration {
        self.since.saturating_add(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: [u64; 0] = [];

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Looks at these seconds; where it was found silent.
    fn found(silence: &mut Silence, looks: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let silent = |second: &u64| silence.look(at(*second)) != Sound::Awaited;
        looks.into_iter().filter(silent).collect()
    }

    fn silence() -> Silence {
        Silence::new(at(15), at(6), at(100))
    }

    #[test]
    fn a_silence_counts_when_its_limit_is_reached_and_not_before() {
        let mut silence = silence();
        assert_eq!(silence.ends(), at(115));
        assert_eq!(found(&mut silence, (100..115).step_by(3)), NEVER);
        assert_eq!(silence.look(at(115)), Sound::Silent(at(15)));
        assert_eq!(silence.look(at(118)), Sound::Silent(at(18)));
    }

    #[test]
    fn whoever_is_heard_begins_anew() {
        let mut silence = silence();
        assert_eq!(found(&mut silence, [103, 106, 109, 112]), NEVER);
        silence.heard(at(114));
        assert_eq!(found(&mut silence, (117..129).step_by(3)), NEVER);
        assert_eq!(found(&mut silence, [129]), [129]);
    }

    #[test]
    fn after_a_suspension_nobody_is_silent_at_once() {
        let mut silence = silence();
        assert_eq!(found(&mut silence, [103, 106]), NEVER);
        // Eight hours later, by a clock that counts them.
        let woken = 106 + 8 * 3_600;
        let looks = (woken..woken + 15).step_by(3);
        assert_eq!(found(&mut silence, looks), NEVER);
        assert_eq!(found(&mut silence, [woken + 15]), [woken + 15]);
    }

    #[test]
    fn a_clock_that_is_set_moves_no_silence() {
        let mut silence = silence();
        assert_eq!(found(&mut silence, [103, 50, 53, 56, 59, 62]), NEVER);
        assert_eq!(found(&mut silence, [65, 1_000_000]), [65]);
    }
}
