//! Polling: finds what no webhook told.

use std::time::Duration;

use cloud_code_domain::id::ProjectName;
use cloud_code_domain::time::Timestamp;

use super::{About, Hint};
use crate::ports::{IssueTracker, Trouble};

/// What a poll found. Commit the hints and the cursor together: then nothing is lost between two polls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    /// One for each issue or pull request that may have changed.
    pub hints: Vec<Hint>,
    /// Where to go on from.
    pub cursor: String,
}

/// Asks the tracker once. An empty cursor starts with all open issues that carry a trigger label.
///
/// # Errors
///
/// Where the tracker gives no answer; the cursor stays as it was.
pub async fn poll(
    tracker: &dyn IssueTracker,
    project: &ProjectName,
    cursor: &str,
) -> Result<Polled, Trouble> {
    let changed = tracker.changed(cursor).await?;
    let hints = changed.numbers.into_iter().map(|number| Hint {
        projects: vec![project.clone()],
        about: About::Either(number),
        digest: None,
        remark: None,
    });
    Ok(Polled {
        hints: hints.collect(),
        cursor: changed.cursor,
    })
}

/// How long to wait before the next poll: the interval, or longer where the tracker said so.
#[must_use]
pub fn pause(outcome: &Result<Polled, Trouble>, interval: Duration, now: Timestamp) -> Duration {
    match outcome {
        Err(Trouble::Later {
            until: Some(until), ..
        }) => interval.max(until.since(now)),
        Ok(_) | Err(Trouble::Later { .. } | Trouble::Unknown { .. } | Trouble::Refused { .. }) => {
            interval
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracker_that_names_a_time_is_left_alone_until_then() {
        let interval = Duration::from_secs(60);
        let limited = |until| {
            Err(Trouble::Later {
                what: String::new(),
                until,
            })
        };
        let now = Timestamp(1_000);
        let far = limited(Some(Timestamp(301_000)));
        assert_eq!(pause(&far, interval, now), Duration::from_secs(300));
        assert_eq!(
            pause(&limited(Some(Timestamp(2_000))), interval, now),
            interval
        );
        assert_eq!(pause(&limited(None), interval, now), interval);
    }
}
