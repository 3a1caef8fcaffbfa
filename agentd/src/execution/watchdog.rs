//! When a turn is ended from outside. Pure: the time is an argument.
//!
//! A coding CLI left alone can block for hours: it waits for a quota that resets tomorrow, repeats a
//! refused request, or hangs on a silent connection.

use tokio::time::Instant;

use super::job::Limits;
use crate::cli::{CliEvent, ErrorKind};

/// Watches one turn.
#[derive(Debug)]
pub(crate) struct Watchdog {
    limits: Limits,
    started: Instant,
    progress: Instant,
    traffic: u64,
    retries: u32,
}

/// Why a turn is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bite {
    /// It takes too long.
    WallClock,
    /// Neither an event nor a byte from a model for too long.
    Silence,
    /// It repeats what cannot succeed, or too often.
    Retries(ErrorKind),
}

impl Watchdog {
    pub(crate) fn new(limits: Limits, traffic: u64, now: Instant) -> Self {
        Self {
            limits,
            started: now,
            progress: now,
            traffic,
            retries: 0,
        }
    }

    /// An event of the coding CLI.
    pub(crate) fn event(&mut self, event: &CliEvent, now: Instant) -> Option<Bite> {
        let CliEvent::Retry { kind, delay, .. } = event else {
            self.progress = now;
            if !matches!(event, CliEvent::Line { .. } | CliEvent::Error { .. }) {
                self.retries = 0;
            }
            return None;
        };
        self.retries += 1;
        let hopeless = matches!(kind, ErrorKind::Auth | ErrorKind::Quota);
        let long = delay.is_some_and(|delay| delay > self.limits.silence);
        (hopeless || long || self.retries > self.limits.retries).then_some(Bite::Retries(*kind))
    }

    /// Bytes that came from models so far.
    pub(crate) fn traffic(&mut self, bytes: u64, now: Instant) {
        if bytes != self.traffic {
            self.traffic = bytes;
            self.progress = now;
        }
    }

    /// Whether a limit is passed.
    pub(crate) fn check(&self, now: Instant) -> Option<Bite> {
        if now.duration_since(self.started) > self.limits.wall_clock {
            Some(Bite::WallClock)
        } else if now.duration_since(self.progress) > self.limits.silence {
            Some(Bite::Silence)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const LIMITS: Limits = Limits {
        wall_clock: Duration::from_secs(100),
        silence: Duration::from_secs(10),
        retries: 2,
    };

    fn retry(kind: ErrorKind, delay: u64) -> CliEvent {
        CliEvent::Retry {
            status: None,
            kind,
            delay: Some(Duration::from_secs(delay)),
        }
    }

    fn message() -> CliEvent {
        CliEvent::Message { text: "x".into() }
    }

    #[test]
    fn silence_is_broken_by_events_and_by_model_traffic_but_the_wall_clock_is_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut dog = Watchdog::new(LIMITS, 0, start);
        assert_eq!(dog.check(at(10)), None);
        assert_eq!(dog.check(at(11)), Some(Bite::Silence));
        dog.event(&message(), at(9));
        dog.traffic(1, at(18));
        assert_eq!(dog.check(at(28)), None);
        dog.traffic(1, at(28));
        assert_eq!(dog.check(at(29)), Some(Bite::Silence));
        dog.event(&message(), at(101));
        assert_eq!(dog.check(at(101)), Some(Bite::WallClock));
    }

    #[test]
    fn retries_are_counted_between_progress_and_end_a_turn_at_once_where_they_cannot_help() {
        let now = Instant::now();
        let mut dog = Watchdog::new(LIMITS, 0, now);
        for _ in 0..2 {
            assert_eq!(dog.event(&retry(ErrorKind::Server, 1), now), None);
            assert_eq!(dog.event(&retry(ErrorKind::Server, 1), now), None);
            assert_eq!(dog.event(&message(), now), None);
        }
        assert_eq!(dog.event(&retry(ErrorKind::Server, 1), now), None);
        assert_eq!(dog.event(&retry(ErrorKind::Server, 1), now), None);
        let bite = Some(Bite::Retries(ErrorKind::Server));
        assert_eq!(dog.event(&retry(ErrorKind::Server, 1), now), bite);
        let mut dog = Watchdog::new(LIMITS, 0, now);
        for (kind, delay) in [
            (ErrorKind::Auth, 1),
            (ErrorKind::Quota, 1),
            (ErrorKind::RateLimit, 11),
        ] {
            assert_eq!(
                dog.event(&retry(kind, delay), now),
                Some(Bite::Retries(kind))
            );
        }
    }

    #[test]
    fn a_retry_is_no_sign_of_progress() {
        let start = Instant::now();
        let mut dog = Watchdog::new(LIMITS, 0, start);
        let later = start + Duration::from_secs(9);
        dog.event(&retry(ErrorKind::Server, 1), later);
        let bite = dog.check(start + Duration::from_secs(11));
        assert_eq!(bite, Some(Bite::Silence));
    }
}
