//! Effects: work for the outside, done after commit, at least once.
//!
//! ```text
//!            started                       done
//!  pending ─────────────────────▶ sending ──────▶ (gone)
//!     ▲          later, refused      │ │
//!     ├──────────────────────────────┘ │ outcome unknown, or found after a restart
//!     │   observed: absent, settled    ▼
//!     └──────────────────────────── unknown ──────▶ (gone)   observed: it is there
//! ```
//!
//! That something was started is committed before it is made where making it twice would show.
//!
//! Each has a key by which there is only one of it, and by which it finds what it may already have
//! done. An unknown outcome is observed at once; only an absence waits until the call must have
//! settled, is observed again, and is made again.
//!
//! A refusal of what has to be there in the end is not believed at once either: a tracker that is out
//! of order refuses as well.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use cloud_code_domain::id::{ExecutionId, Oid, ProjectName, RequestId, TaskId};
use cloud_code_domain::time::Timestamp;

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Reads an issue or pull request that may have changed.
    Inspect {
        /// The project.
        project: ProjectName,
        /// The number of the issue or pull request.
        number: u64,
    },
    /// Fetches what the next execution starts from.
    Prepare {
        /// The task.
        task: TaskId,
    },
    /// Fetches what an agent committed that the task leaves, checks it, and keeps it on the host.
    Bring {
        /// The execution whose commits they are.
        execution: ExecutionId,
    },
    /// Fetches the result from the agent, checks it, and pushes it.
    Publish {
        /// The execution whose result it is.
        execution: ExecutionId,
        /// The commit that the agent claims.
        head: Oid,
        /// Whether an operator passed what the gate found.
        passed: bool,
    },
    /// Opens the pull request, or brings title and body of the open one up to date.
    OpenPullRequest {
        /// The task.
        task: TaskId,
    },
    /// Writes or edits the one progress comment.
    Comment {
        /// The task.
        task: TaskId,
    },
    /// Merges the pull request.
    Merge {
        /// The task.
        task: TaskId,
    },
    /// Closes the pull request.
    Close {
        /// The task.
        task: TaskId,
    },
    /// Runs the `notify_command`: a task waits for a person.
    NotifyTask {
        /// The task.
        task: TaskId,
        /// The version it had when it began to wait.
        version: u64,
    },
    /// Runs the `notify_command`: a credential request waits for a person.
    NotifyRequest {
        /// The request.
        request: RequestId,
    },
}

impl Effect {
    /// The key by which there is only one of it.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Inspect { project, number } => format!("inspect/{project}/{number}"),
            Self::Prepare { task } => format!("prepare/{task}"),
            Self::Bring { execution } => format!("bring/{}", execution.task),
            Self::Publish { execution, .. } => format!("publish/{}", execution.task),
            Self::OpenPullRequest { task } => format!("open/{task}"),
            Self::Comment { task } => format!("comment/{task}"),
            Self::Merge { task } => format!("merge/{task}"),
            Self::Close { task } => format!("close/{task}"),
            Self::NotifyTask { task, version } => format!("notify/{task}/{version}"),
            Self::NotifyRequest { request } => format!("notify/{request}"),
        }
    }

    /// The task it serves, if it serves one.
    #[must_use]
    pub fn task(&self) -> Option<&TaskId> {
        match self {
            Self::Inspect { .. } => None,
            Self::Bring { execution } | Self::Publish { execution, .. } => Some(&execution.task),
            Self::NotifyRequest { request } => Some(&request.task),
            Self::Prepare { task }
            | Self::OpenPullRequest { task }
            | Self::Comment { task }
            | Self::Merge { task }
            | Self::Close { task }
            | Self::NotifyTask { task, .. } => Some(task),
        }
    }

    /// Whether making it twice would show. The others only read, or set what is to be so.
    #[must_use]
    pub fn creates(&self) -> bool {
        match self {
            Self::OpenPullRequest { .. } | Self::Comment { .. } => true,
            Self::Inspect { .. }
            | Self::Prepare { .. }
            | Self::Bring { .. }
            | Self::Publish { .. }
            | Self::Merge { .. }
            | Self::Close { .. }
            | Self::NotifyTask { .. }
            | Self::NotifyRequest { .. } => false,
        }
    }
}

/// Longer than any pause of an effect: a tracker's limit ends within the hour.
const LONGEST_PAUSE: Duration = Duration::from_secs(2 * 60 * 60);
/// How long a tracker may refuse what has to be there in the end, before a person is asked.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// How far an effect is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectState {
    /// It waits to be made.
    Pending,
    /// It is being made, or was when we died.
    Sending,
    /// It may have been made.
    Unknown,
}

impl Effect {
    /// Whether it is calls of a tracker's API, and nothing else.
    fn calls_tracker(&self) -> bool {
        match self {
            Self::Inspect { .. }
            | Self::OpenPullRequest { .. }
            | Self::Comment { .. }
            | Self::Merge { .. }
            | Self::Close { .. } => true,
            Self::Prepare { .. }
            | Self::Bring { .. }
            | Self::Publish { .. }
            | Self::NotifyTask { .. }
            | Self::NotifyRequest { .. } => false,
        }
    }

    /// A tracker may be away for a day, and its calls are counted; when it is there again, its polls find
    /// out. What waits for an agent or for git is looked at every minute.
    fn longest_backoff(&self) -> Duration {
        if self.calls_tracker() {
            Duration::from_secs(15 * 60)
        } else {
            Duration::from_secs(60)
        }
    }
}

/// An effect in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectRecord {
    /// What.
    pub effect: Effect,
    /// How far.
    pub state: EffectState,
    /// It was wanted again while it was being made.
    pub again: bool,
    /// Calls made, and looks taken for what they did.
    pub attempts: u32,
    /// It is not tried before this time.
    pub not_before: Timestamp,
    /// Since when it is wanted; none in a record of an older program.
    #[serde(default)]
    pub wanted_at: Option<Timestamp>,
    /// When the last call was made.
    pub sent_at: Option<Timestamp>,
    /// Why the last call had no good answer.
    pub last_error: Option<String>,
}

/// What one call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It is done.
    Done(T),
    /// It was looked for after an unknown outcome, and is not there.
    Absent,
    /// It certainly had no effect; later.
    Later {
        /// Why.
        why: String,
        /// Not before.
        until: Option<Timestamp>,
    },
    /// It may have had an effect.
    Unknown {
        /// Why.
        why: String,
    },
    /// It never will be done.
    Refused {
        /// Why.
        why: String,
    },
}

/// How the outbox goes on with an effect after a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// It is done with, for good or bad.
    Gone,
    /// It is tried as this record says.
    Kept(EffectRecord),
}

impl EffectRecord {
    /// A fresh one.
    #[must_use]
    pub fn new(effect: Effect, not_before: Timestamp) -> Self {
        Self {
            effect,
            state: EffectState::Pending,
            again: false,
            attempts: 0,
            not_before,
            wanted_at: None,
            sent_at: None,
            last_error: None,
        }
    }

    /// The record while a call is made. An unknown one stays unknown: it is only looked for.
    #[must_use]
    pub fn started(&self, now: Timestamp) -> Self {
        let mut next = self.clone();
        next.again = false;
        match self.state {
            EffectState::Pending => {
                next.state = EffectState::Sending;
                next.sent_at = Some(now);
                next.attempts = next.attempts.saturating_add(1);
            }
            EffectState::Sending | EffectState::Unknown => {
                next.state = EffectState::Unknown;
                // A look that gets no answer is taken again less and less often.
                next.attempts = next.attempts.saturating_add(1);
            }
        }
        next
    }

    /// The record as it is found at start: what was being sent has an unknown outcome.
    #[must_use]
    pub fn found_at_start(&self, now: Timestamp) -> Self {
        let mut next = self.clone();
        if next.state == EffectState::Sending {
            next.state = if next.effect.creates() {
                EffectState::Unknown
            } else {
                EffectState::Pending
            };
            next.not_before = now;
        }
        // The clock may have been set back meanwhile.
        next.not_before = next.not_before.min(now.after(LONGEST_PAUSE));
        next.sent_at = next.sent_at.map(|at| at.min(now));
        next.wanted_at = next.wanted_at.map(|at| at.min(now));
        next
    }

    /// A tracker's answer as far as it is believed: where it refuses what has to be there in the end,
    /// it is asked again for a while.
    #[must_use]
    pub fn believed<T>(&self, outcome: Outcome<T>, now: Timestamp) -> Outcome<T> {
        let young = |wanted_at| now.since(wanted_at) < PATIENCE;
        match outcome {
            Outcome::Refused { why }
                if self.effect.creates() && self.wanted_at.is_some_and(young) =>
            {
                Outcome::Later { why, until: None }
            }
            Outcome::Refused { .. }
            | Outcome::Done(_)
            | Outcome::Absent
            | Outcome::Later { .. }
            | Outcome::Unknown { .. } => outcome,
        }
    }

    /// What follows from a call. `settle` is how long a call may go on having effects after we
    /// stopped waiting for it; `jitter` is from 0 to 1.
    #[must_use]
    pub fn after<T>(
        &self,
        outcome: &Outcome<T>,
        now: Timestamp,
        settle: Duration,
        jitter: f64,
    ) -> Next {
        let mut next = self.clone();
        match outcome {
            Outcome::Done(_) | Outcome::Refused { .. } if !self.again => return Next::Gone,
            Outcome::Done(_) | Outcome::Refused { .. } => {
                let mut again = Self::new(self.effect.clone(), now);
                again.wanted_at = Some(now);
                return Next::Kept(again);
            }
            Outcome::Later { why, until } => {
                // It had no effect: what was unknown before stays so, the rest starts again.
                if next.state == EffectState::Sending {
                    next.state = EffectState::Pending;
                }
                next.not_before = until.unwrap_or_else(|| now.after(self.backoff(jitter)));
                next.last_error = Some(why.clone());
            }
            Outcome::Unknown { why } => {
                next.state = if self.effect.creates() {
                    EffectState::Unknown
                } else {
                    EffectState::Pending
                };
                next.not_before = if self.effect.creates() {
                    now
                } else {
                    now.after(self.backoff(jitter))
                };
                next.last_error = Some(why.clone());
            }
            Outcome::Absent => {
                let settled = self.sent_at.unwrap_or(now).after(settle);
                if now >= settled {
                    next.state = EffectState::Pending;
                    next.not_before = now;
                } else {
                    next.state = EffectState::Unknown;
                    next.not_before = settled;
                }
            }
        }
        Next::Kept(next)
    }

    fn backoff(&self, jitter: f64) -> Duration {
        let doubled = Duration::from_millis(500_u64.saturating_mul(1 << self.attempts.min(11)));
        let pause = doubled.min(self.effect.longest_backoff());
        pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0))
    }

    /// Whether it waits because its tracker gave no good answer.
    pub(crate) fn is_held_up_by_a_tracker(&self, now: Timestamp) -> bool {
        self.effect.calls_tracker() && self.last_error.is_some() && self.not_before > now
    }
}

#[cfg(test)]
mod tests;
