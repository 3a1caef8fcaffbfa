//! What follows a failed execution.
//!
//! | cause | counts as an attempt | keeps worktree and session | waits |
//! | --- | --- | --- | --- |
//! | coding CLI, timed out, check, report, workspace | yes | no | 10 s, doubled, to 15 min |
//! | stalled | yes | yes | the same |
//! | agent lost | as an interruption | yes | 5 s, doubled, to 15 min |
//! | rate limited | as an interruption | yes | 60 s, doubled, to 15 min |
//! | account parked, authentication | no | yes | until the account can be used |
//! | bad request, coding CLI unavailable | no | yes | for a person |
//!
//! Attempts are bounded by the task, interruptions by [`MAX_INTERRUPTIONS`]; both start at 0 again
//! with every human input.

use std::time::Duration;

use crate::execution::FailureCause;
use crate::task::{AfterFailure, BlockedReason};

/// Interruptions in a row that a task survives without a person.
pub const MAX_INTERRUPTIONS: u32 = 20;

const LONGEST: Duration = Duration::from_secs(15 * 60);

/// What was counted so far, without the failure that is decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Failed executions since the last human input.
    pub attempts: u32,
    /// The bound of `attempts`.
    pub max_attempts: u32,
    /// Executions since the last human input that ended without fault of the task.
    pub interruptions: u32,
    /// The first pause after a failure; it doubles with each.
    pub pause: Duration,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// What becomes of the task.
    pub after: AfterFailure,
    /// Whether the failure counts as an attempt.
    pub counts: bool,
    /// Whether it counts as an interruption.
    pub interrupts: bool,
    /// How long the task is not placed; zero where something else holds it back.
    pub delay: Duration,
    /// Whether worktree and session are kept.
    pub keep: bool,
}

/// How often in a row somebody else may push to a task's branch before its result can be.
pub const MAX_OVERTAKEN: u32 = 5;

/// Decides what follows when somebody else pushed to a task's branch first. None: the agent brings
/// its work on top of theirs; else what a person has to know. `rounds` is how often in a row it
/// happened before. Nobody's fault, so that it counts neither as an attempt nor as an interruption.
#[must_use]
pub fn overtaken(rounds: u32, branch: &str) -> Option<BlockedReason> {
    let now = rounds.saturating_add(1);
    (now >= MAX_OVERTAKEN).then(|| {
        BlockedReason::NeedsHuman(format!(
            "somebody else pushed to {branch} {now} times in a row before the result could be \
             pushed; nothing of theirs was replaced. Retry when they are done"
        ))
    })
}

/// Decides what follows a failure. `jitter` is a random number from 0 to 1 that spreads the delay
/// by a fifth to either side, so that tasks that failed together do not come back together.
#[must_use]
pub fn decide(cause: &FailureCause, tally: Tally, jitter: f64) -> Retry {
    match cause {
        FailureCause::CodingCli { .. }
        | FailureCause::TimedOut
        | FailureCause::CheckFailed
        | FailureCause::InvalidReport
        | FailureCause::WorkspaceUnavailable
        | FailureCause::WorktreeDamaged => failed(tally, jitter, false),
        FailureCause::Stalled => failed(tally, jitter, true),
        FailureCause::AgentLost => interrupted(tally, Duration::from_secs(5), jitter),
        FailureCause::RateLimited => interrupted(tally, Duration::from_secs(60), jitter),
        // The account's parking holds the task back, for as long as it lasts.
        FailureCause::AccountParked | FailureCause::Authentication | FailureCause::Halted => {
            uncounted(AfterFailure::Retry)
        }
        FailureCause::BadRequest | FailureCause::CodingCliUnavailable => uncounted(
            AfterFailure::Block(BlockedReason::NeedsHuman(cause.to_string())),
        ),
    }
}

fn failed(tally: Tally, jitter: f64, keep: bool) -> Retry {
    let last = tally.attempts.saturating_add(1) >= tally.max_attempts;
    Retry {
        after: if last {
            AfterFailure::GiveUp
        } else {
            AfterFailure::Retry
        },
        counts: true,
        interrupts: false,
        delay: if last {
            Duration::ZERO
        } else {
            backoff(tally.pause, tally.attempts, jitter)
        },
        keep,
    }
}

fn interrupted(tally: Tally, base: Duration, jitter: f64) -> Retry {
    let last = tally.interruptions.saturating_add(1) >= MAX_INTERRUPTIONS;
    Retry {
        after: if last {
            AfterFailure::Block(BlockedReason::KeepsBeingInterrupted)
        } else {
            AfterFailure::Retry
        },
        counts: false,
        interrupts: true,
        delay: if last {
            Duration::ZERO
        } else {
            backoff(base, tally.interruptions, jitter)
        },
        keep: true,
    }
}

fn uncounted(after: AfterFailure) -> Retry {
    Retry {
        after,
        counts: false,
        interrupts: false,
        delay: Duration::ZERO,
        keep: true,
    }
}

/// `base` doubled `times` times, at most [`LONGEST`], times 0.8 to 1.2.
fn backoff(base: Duration, times: u32, jitter: f64) -> Duration {
    let factor = 2_u32.saturating_pow(times.min(16));
    let jitter = if jitter.is_finite() {
        jitter.clamp(0.0, 1.0)
    } else {
        0.5
    };
    base.saturating_mul(factor)
        .min(LONGEST)
        .mul_f64(0.8 + 0.4 * jitter)
}

#[cfg(test)]
mod tests;
