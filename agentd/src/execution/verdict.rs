//! What a turn's end means for its execution. Pure.

use cloud_code_domain::execution::FailureCause;
use cloud_code_proto::v1;

use super::watchdog::Bite;
use crate::cli::{ErrorKind, Exit};

/// Why agentd ended a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// orchestratord wants it.
    Cancel(v1::CancelReason),
    /// Another execution takes its place.
    Superseded,
    /// agentd itself is asked to end.
    Shutdown,
    /// The watchdog.
    Bitten(Bite),
}

/// How a turn ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TurnEnd {
    /// The coding CLI says that it succeeded.
    pub(crate) ok: bool,
    /// Why not.
    pub(crate) kind: Option<ErrorKind>,
    /// Its last words.
    pub(crate) text: String,
    /// How its process ended; none while it lives.
    pub(crate) exit: Option<Exit>,
    /// Why agentd ended it, if it did.
    pub(crate) stop: Option<Stop>,
    /// Tools that its own permissions refused.
    pub(crate) denied: Vec<String>,
}

impl TurnEnd {
    /// Terminal event and exit status (or a session at rest) agree that it went well.
    pub(crate) fn went_well(&self) -> bool {
        self.stop.is_none() && self.ok && self.exit.is_none_or(Exit::is_success)
    }

    /// How the execution ends because of this turn alone; none where it went well.
    pub(crate) fn ended(&self) -> Option<v1::Ended> {
        if let Some(stop) = self.stop {
            return Some(stop_ended(stop, &self.text));
        }
        (!self.went_well()).then(|| v1::Ended::failed(&cause(self.kind, self.exit), self.words()))
    }

    /// The last words, and what was refused.
    pub(crate) fn words(&self) -> String {
        let mut text = self.text.clone();
        if !self.denied.is_empty() {
            let denied = self.denied.join(", ");
            text.push_str(&format!("\nIts own permissions refused: {denied}."));
        }
        text
    }
}

/// How an execution ends that agentd stopped.
pub(crate) fn stop_ended(stop: Stop, words: &str) -> v1::Ended {
    let failed = |cause: FailureCause, text: &str| {
        let words = if words.is_empty() { text } else { words };
        v1::Ended::failed(&cause, words.to_owned())
    };
    match stop {
        Stop::Superseded => cancelled(words),
        Stop::Cancel(reason) => match reason {
            v1::CancelReason::AccountParked => {
                failed(FailureCause::AccountParked, "its account is parked")
            }
            v1::CancelReason::Authentication => {
                failed(FailureCause::Authentication, "its account was refused")
            }
            v1::CancelReason::RetryStorm => {
                failed(FailureCause::RateLimited, "its model calls kept failing")
            }
            v1::CancelReason::Unspecified
            | v1::CancelReason::Cancelled
            | v1::CancelReason::CostLimit
            | v1::CancelReason::Halted => cancelled(words),
        },
        Stop::Shutdown => failed(FailureCause::AgentLost, "agentd was asked to end"),
        Stop::Bitten(Bite::WallClock) => failed(FailureCause::TimedOut, "it took too long"),
        Stop::Bitten(Bite::Silence) => failed(FailureCause::Stalled, "it was silent for too long"),
        Stop::Bitten(Bite::Retries(kind)) => failed(
            cause(Some(kind), None),
            "it kept repeating a failed request",
        ),
    }
}

fn cancelled(words: &str) -> v1::Ended {
    v1::Ended {
        kind: v1::EndKind::Cancelled.into(),
        last_words: words.to_owned(),
        ..v1::Ended::default()
    }
}

/// The cause for an error kind. What passes by itself keeps worktree and session and counts no
/// attempt; what a retry cannot help says so.
pub(crate) fn cause(kind: Option<ErrorKind>, exit: Option<Exit>) -> FailureCause {
    let cli = FailureCause::CodingCli {
        exit: exit.map(|exit| match exit {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }),
    };
    let Some(kind) = kind else {
        return cli;
    };
    match kind {
        ErrorKind::Auth => FailureCause::Authentication,
        ErrorKind::Quota => FailureCause::AccountParked,
        ErrorKind::RateLimit
        | ErrorKind::Overloaded
        | ErrorKind::Server
        | ErrorKind::Network
        | ErrorKind::Timeout => FailureCause::RateLimited,
        ErrorKind::BadRequest | ErrorKind::ContextLength | ErrorKind::ModelNotFound => {
            FailureCause::BadRequest
        }
        ErrorKind::Usage => FailureCause::CodingCliUnavailable,
        ErrorKind::MaxTokens
        | ErrorKind::MaxTurns
        | ErrorKind::Interrupted
        | ErrorKind::Killed
        | ErrorKind::Protocol
        | ErrorKind::Unknown => cli,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(ok: bool, exit: Option<Exit>) -> TurnEnd {
        TurnEnd {
            ok,
            exit,
            ..TurnEnd::default()
        }
    }

    #[test]
    fn success_needs_the_terminal_event_and_the_exit_status_or_a_session_at_rest() {
        assert!(end(true, Some(Exit::Code(0))).went_well());
        assert!(end(true, None).went_well());
        assert!(!end(true, Some(Exit::Code(1))).went_well());
        assert!(!end(true, Some(Exit::Signal(9))).went_well());
        assert!(!end(false, Some(Exit::Code(0))).went_well());
        let stopped = TurnEnd {
            stop: Some(Stop::Shutdown),
            ..end(true, Some(Exit::Code(0)))
        };
        assert!(!stopped.went_well());
    }

    #[test]
    fn an_account_that_cannot_be_used_is_a_failure_and_an_operators_cancel_is_none() {
        let kind = |reason| stop_ended(Stop::Cancel(reason), "").kind();
        assert_eq!(kind(v1::CancelReason::Cancelled), v1::EndKind::Cancelled);
        assert_eq!(kind(v1::CancelReason::CostLimit), v1::EndKind::Cancelled);
        assert_eq!(kind(v1::CancelReason::Halted), v1::EndKind::Cancelled);
        let cause = |reason| stop_ended(Stop::Cancel(reason), "").failure_cause();
        assert_eq!(
            cause(v1::CancelReason::AccountParked),
            Ok(FailureCause::AccountParked)
        );
        assert_eq!(
            cause(v1::CancelReason::Authentication),
            Ok(FailureCause::Authentication)
        );
    }

    #[test]
    fn what_was_refused_is_among_the_last_words() {
        let end = TurnEnd {
            text: "done".into(),
            denied: vec!["Edit".into()],
            ..TurnEnd::default()
        };
        assert!(end.words().contains("Edit"));
    }
}
