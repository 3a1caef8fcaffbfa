//! The host's clock, which anybody may set.
//!
//! Set forward, or a machine that slept: what is waited for is due sooner, and silences are forgiven
//! where they are counted ([`cloud_code_domain::silence`]). Set back: a pause that ends at a time would
//! last longer by as much as the clock lost, a year perhaps. So pauses move back with it.

use std::time::Duration;

use cloud_code_domain::account::Parking;
use cloud_code_domain::time::Timestamp;

use super::World;

/// A clock that goes back by less is being adjusted, not set.
const SET: Duration = Duration::from_secs(60);
/// Longer than any pause of a task after a failure.
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

impl World {
    /// What the clock shows now.
    pub(in crate::engine) fn clock_shows(&mut self, now: Timestamp) {
        let back = self.now.since(now);
        self.now = now;
        if back >= SET {
            tracing::warn!(seconds = back.as_secs(), "the clock was set back");
            self.move_back(back);
        }
    }

    fn move_back(&mut self, by: Duration) {
        let now = self.now;
        let end = |at: Timestamp| earlier(at, by).max(now);
        for (key, record) in &mut self.effects {
            if record.not_before > now {
                record.not_before = end(record.not_before);
            }
            for at in [&mut record.sent_at, &mut record.wanted_at] {
                *at = at.map(|at| if at > now { earlier(at, by) } else { at });
            }
            self.changes.effects.insert(key.clone());
        }
        for (id, task) in &mut self.tasks {
            if let Some(at) = &mut task.not_before
                && *at > now
            {
                *at = end(*at);
                self.changes.tasks.insert(id.clone());
            }
        }
        for (name, account) in &mut self.accounts {
            if let Some(Parking::UsageLimit { until } | Parking::NoAnswer { until }) =
                &mut account.parking
                && *until > now
            {
                *until = end(*until);
                self.changes.accounts.insert(name.clone());
            }
        }
    }

    /// The clock may have been set back while nobody ran: by how much is not known, only that no task
    /// pauses that long.
    pub(super) fn bound_pauses(&mut self) {
        let latest = self.now.after(LONGEST_PAUSE);
        for (id, task) in &mut self.tasks {
            if task.not_before.is_some_and(|at| at > latest) {
                task.not_before = Some(latest);
                self.changes.tasks.insert(id.clone());
            }
        }
    }
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    Timestamp(at.0.saturating_sub(millis))
}
