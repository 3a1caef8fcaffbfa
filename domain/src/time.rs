//! Points in time. Domain code never reads a clock: `now` is an argument.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, by the host's clock.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This much later; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How long ago `earlier` was; zero where it lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0).max(0);
        Duration::from_millis(millis.unsigned_abs())
    }

    /// Since 1970; zero before.
    #[must_use]
    pub fn since_epoch(self) -> Duration {
        self.since(Self(0))
    }

    /// The day, counted from 1970-01-01 (UTC). Daily limits are kept by it.
    #[must_use]
    pub fn day(self) -> i64 {
        self.0.div_euclid(86_400_000)
    }

    /// When the next day begins (UTC).
    #[must_use]
    pub fn next_day(self) -> Self {
        Self(self.day().saturating_add(1).saturating_mul(86_400_000))
    }

    /// The date and time to the minute, for people: `2026-01-31 04:05 UTC`. Years are cut to 0 to
    /// 9999: a time from outside may be anything.
    #[must_use]
    pub fn utc(self) -> String {
        let minutes = self.0.div_euclid(60_000).rem_euclid(24 * 60);
        format!(
            "{} {:02}:{:02} UTC",
            self.date(),
            minutes / 60,
            minutes % 60
        )
    }

    /// The date in UTC: `2026-01-31`.
    #[must_use]
    pub fn date(self) -> String {
        // Days since 0000-03-01 in a calendar whose years begin in March, so that the leap day is
        // the last of its year; 146,097 days are 400 years.
        let days = self.day().clamp(-719_528, 2_932_896) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = (from_march + 2) % 12 + 1;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc() {
        for (millis, shown) in [
            (0, "1970-01-01 00:00 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (951_868_799_999, "2000-02-29 23:59 UTC"),
            (1_767_225_540_000, "2025-12-31 23:59 UTC"),
            (1_772_323_200_000, "2026-03-01 00:00 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(Timestamp(millis).utc(), shown);
        }
    }

    #[test]
    fn a_time_from_outside_may_be_anything() {
        assert_eq!(Timestamp(i64::MIN).date(), "0000-01-01");
        assert_eq!(Timestamp(i64::MAX).date(), "9999-12-31");
        for millis in [i64::MIN, i64::MAX, i64::MIN + 1, 7] {
            assert!(Timestamp(millis).utc().ends_with(" UTC"));
        }
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(
            Timestamp(i64::MAX).after(Duration::MAX),
            Timestamp(i64::MAX)
        );
    }
}
