//! What went wrong: what happened, why, and what to do.

use std::fmt;
use std::io;

use serde_json::json;

use crate::link::{LinkError, deepest};
use crate::safe_text::SafeText;

const FAILED: u8 = 1;
const MISUSE: u8 = 2;

/// A failure, for people and as JSON.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What happened.
    what: String,
    /// Why.
    why: String,
    /// What to do; or empty.
    fix: String,
    /// The exit code.
    pub(crate) code: u8,
}

impl Failure {
    /// A failure.
    pub(crate) fn new(what: &str, why: impl Into<String>, fix: &str) -> Self {
        Self {
            what: what.to_owned(),
            why: why.into(),
            fix: fix.to_owned(),
            code: FAILED,
        }
    }

    /// A mistake of the caller.
    pub(crate) fn misuse(what: &str, why: &str, fix: &str) -> Self {
        Self {
            code: MISUSE,
            ..Self::new(what, why, fix)
        }
    }

    /// There is no link.
    pub(crate) fn link(error: &LinkError) -> Self {
        let reason = deepest(error);
        let what = error.to_string();
        let why = if reason == what {
            String::new()
        } else {
            reason
        };
        let code = if matches!(error, LinkError::BadHost(_)) {
            MISUSE
        } else {
            FAILED
        };
        Self {
            what,
            why,
            fix: error.fix().to_owned(),
            code,
        }
    }

    /// The daemon refused.
    pub(crate) fn status(status: &tonic::Status) -> Self {
        use tonic::Code;
        let (what, fix, code) = match status.code() {
            Code::NotFound => (
                "there is no such thing",
                "see what there is: cloud-code tasks, approvals, agents or accounts",
                FAILED,
            ),
            Code::FailedPrecondition => (
                "it is not possible now",
                "cloud-code task show TASK",
                FAILED,
            ),
            Code::Aborted => (
                "it has changed since you looked",
                "look at it again",
                FAILED,
            ),
            Code::InvalidArgument => ("the daemon does not take that", "", MISUSE),
            Code::PermissionDenied | Code::Unauthenticated => (
                "you may not do that",
                "add your uid to [operator] users in the daemon's configuration",
                FAILED,
            ),
            Code::Unimplemented => (
                "this daemon cannot do that",
                "upgrade orchestratord",
                FAILED,
            ),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => (
                "the daemon did not answer; it may have been done",
                "look before you repeat it; cloud-code doctor",
                FAILED,
            ),
            Code::Ok
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::OutOfRange
            | Code::Internal
            | Code::DataLoss => ("the daemon refused", "", FAILED),
        };
        Self {
            what: what.to_owned(),
            why: status.message().to_owned(),
            fix: fix.to_owned(),
            code,
        }
    }

    /// Standard output cannot be written. Who closed a pipe has read enough: that is no failure.
    pub(crate) fn output(error: &io::Error) -> Self {
        let code = if error.kind() == io::ErrorKind::BrokenPipe {
            0
        } else {
            FAILED
        };
        Self {
            code,
            ..Self::new("the output cannot be written", error.to_string(), "")
        }
    }

    /// Whether there is nothing to say.
    pub(crate) fn is_silent(&self) -> bool {
        self.code == 0
    }

    /// As JSON.
    pub(crate) fn json(&self) -> String {
        let json = json!({ "error": self.what, "why": self.why, "fix": self.fix });
        super::harmless(&json.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", SafeText::new(&self.what))?;
        if !self.why.is_empty() {
            write!(f, "\n  why: {}", SafeText::new(&self.why))?;
        }
        if !self.fix.is_empty() {
            write!(f, "\n  fix: {}", SafeText::new(&self.fix))?;
        }
        Ok(())
    }
}
