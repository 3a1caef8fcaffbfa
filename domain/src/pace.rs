//! How often an agent may begin anew.
//!
//! Each link of an agent is a commit and an event. One that dials again and again, or two that take
//! turns at one socket, would fill the store; so links begin a second apart, and those for which too
//! many others wait are turned away.

use std::time::Duration;

/// Between the beginnings of two links.
pub const APART: Duration = Duration::from_secs(1);
/// Links that wait for their turn.
const MOST_WAITING: u32 = 4;

/// When the next link may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    next: Duration,
}

impl Pace {
    /// The turn of a link that asks now: how long it waits; none where it is turned away. `now` is what
    /// a clock showed since some fixed moment.
    pub fn turn(&mut self, now: Duration) -> Option<Duration> {
        let wait = self.next.saturating_sub(now);
        if wait > APART * MOST_WAITING {
            return None;
        }
        self.next = now + wait + APART;
        Some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn whoever_comes_seldom_does_not_wait() {
        let mut pace = Pace::default();
        for second in [0, 1, 2, 100, 101] {
            assert_eq!(pace.turn(SECOND * second), Some(Duration::ZERO), "{second}");
        }
    }

    #[test]
    fn whoever_comes_often_waits_and_then_is_turned_away() {
        let mut pace = Pace::default();
        let turns: Vec<_> = (0..7).map(|_| pace.turn(SECOND)).collect();
        let waits = [0, 1, 2, 3, 4].map(|seconds| Some(SECOND * seconds));
        assert_eq!(turns, [&waits[..], &[None, None]].concat());
        // Being turned away costs no turn.
        assert_eq!(pace.turn(SECOND * 3), Some(SECOND * 3));
    }
}
