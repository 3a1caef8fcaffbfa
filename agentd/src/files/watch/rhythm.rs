//! When a report is read. Pure: the time is an argument.
//!
//! ```text
//!  renamed into place   ──▶ at once: it is whole
//!  written and closed   ──▶ when it was quiet for a moment, since more may follow
//!  written, still open  ──▶ not yet: it is half of something
//!  nothing heard        ──▶ from time to time all the same
//! ```
//!
//! Whoever changes it all the time cannot keep us busy: reading is followed by a rest of several times
//! as long.

use std::time::Duration;

use tokio::time::Instant;

/// It is read at least this often.
const SLOW: Duration = Duration::from_secs(3);
/// What was written in place is read when nothing more came for this long,
const QUIET: Duration = Duration::from_millis(50);
/// or at the latest this long after the first of several writes.
const LATEST: Duration = Duration::from_millis(250);
/// The shortest rest after a reading.
const REST: Duration = Duration::from_millis(10);
/// A rest is so many times as long as the reading took.
const REST_TIMES: u32 = 4;

/// What was heard of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hint {
    /// A file was renamed to its name.
    Placed,
    /// Somebody writes into it.
    Written,
    /// Whoever wrote closed it; or it is gone, or anything may be.
    Closed,
}

/// Writes in place that were not read yet.
#[derive(Debug, Default)]
struct Writes {
    /// Somebody has not closed it.
    open: bool,
    /// When it was closed first, and last.
    closed: Option<(Instant, Instant)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Rhythm {
    read_at: Instant,
    rest: Duration,
    placed: bool,
    writes: Writes,
}

impl Rhythm {
    /// What is there at the start was not read yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            read_at: now,
            rest: Duration::ZERO,
            placed: true,
            writes: Writes::default(),
        }
    }

    /// Something was heard.
    pub(super) fn hear(&mut self, hint: Hint, now: Instant) {
        match hint {
            Hint::Placed => {
                self.placed = true;
                // What was written before went with the file that is replaced.
                self.writes = Writes::default();
            }
            Hint::Written => self.writes.open = true,
            Hint::Closed => {
                self.writes.open = false;
                let first = self.writes.closed.map_or(now, |(first, _)| first);
                self.writes.closed = Some((first, now));
            }
        }
    }

    /// When it is to be read next.
    pub(super) fn due(&self) -> Instant {
        let slow = self.read_at + SLOW;
        let closed = self.writes.closed.filter(|_| !self.writes.open);
        let written = closed.map(|(first, last)| (last + QUIET).min(first + LATEST));
        let heard = if self.placed {
            Some(self.read_at)
        } else {
            written
        };
        heard.map_or(slow, |at| at.max(self.read_at + self.rest).min(slow))
    }

    /// It is read now. Whoever has it open goes on writing.
    pub(super) fn begin(&mut self, now: Instant) {
        self.placed = false;
        self.writes.closed = None;
        self.read_at = now;
        self.rest = REST;
    }

    /// It was read, and what it says is on its way.
    pub(super) fn end(&mut self, now: Instant) {
        let took = now.saturating_duration_since(self.read_at);
        self.read_at = now;
        self.rest = (took * REST_TIMES).clamp(REST, SLOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        start: Instant,
        rhythm: Rhythm,
    }

    /// Read at 0, which took no time.
    fn case() -> Case {
        let start = Instant::now();
        let mut rhythm = Rhythm::new(start);
        rhythm.begin(start);
        rhythm.end(start);
        Case { start, rhythm }
    }

    impl Case {
        fn at(&self, millis: u64) -> Instant {
            self.start + Duration::from_millis(millis)
        }

        fn hear(&mut self, hint: Hint, millis: u64) {
            let now = self.at(millis);
            self.rhythm.hear(hint, now);
        }

        fn due(&self) -> u128 {
            let due = self.rhythm.due().saturating_duration_since(self.start);
            due.as_millis()
        }
    }

    #[test]
    fn what_is_there_at_the_start_is_read_at_once() {
        let now = Instant::now();
        assert_eq!(Rhythm::new(now).due(), now);
    }

    #[test]
    fn a_file_that_nothing_is_heard_of_is_read_from_time_to_time() {
        assert_eq!(case().due(), 3_000);
    }

    #[test]
    fn a_file_that_is_renamed_into_place_is_read_at_once() {
        let mut case = case();
        case.hear(Hint::Placed, 500);
        assert!(case.due() <= 500);
    }

    #[test]
    fn a_rename_that_follows_a_reading_waits_for_the_rest_to_end() {
        let mut case = case();
        case.hear(Hint::Placed, 2);
        assert_eq!(case.due(), 10);
    }

    #[test]
    fn what_is_written_in_place_is_read_only_when_it_was_closed_and_quiet() {
        let mut case = case();
        case.hear(Hint::Written, 100);
        assert_eq!(case.due(), 3_000, "half of it");
        case.hear(Hint::Closed, 140);
        assert_eq!(case.due(), 190);
        case.hear(Hint::Written, 160);
        assert_eq!(case.due(), 3_000, "more of it");
        case.hear(Hint::Closed, 170);
        assert_eq!(case.due(), 220);
    }

    #[test]
    fn who_writes_again_and_again_does_not_put_the_reading_off_for_ever() {
        let mut case = case();
        for millis in (100..1_000).step_by(20) {
            case.hear(Hint::Closed, millis);
        }
        assert_eq!(case.due(), 350);
    }

    #[test]
    fn a_rename_over_a_file_that_somebody_has_open_is_read_at_once() {
        let mut case = case();
        case.hear(Hint::Written, 100);
        case.hear(Hint::Placed, 110);
        assert!(case.due() <= 110);
    }

    #[test]
    fn a_reading_is_followed_by_a_rest_of_several_times_as_long() {
        let mut case = case();
        case.hear(Hint::Placed, 1_000);
        let (began, ended) = (case.at(1_000), case.at(1_050));
        case.rhythm.begin(began);
        case.hear(Hint::Placed, 1_020);
        case.rhythm.end(ended);
        assert_eq!(case.due(), 1_250, "what came meanwhile is not lost");
    }

    #[test]
    fn a_reading_in_between_does_not_take_an_open_file_for_a_finished_one() {
        let mut case = case();
        case.hear(Hint::Written, 100);
        let slow = case.at(3_000);
        case.rhythm.begin(slow);
        case.rhythm.end(slow);
        assert_eq!(case.due(), 6_000);
        case.hear(Hint::Closed, 3_100);
        assert_eq!(case.due(), 3_150);
    }
}
