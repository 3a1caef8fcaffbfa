//! What went wrong: what happened, why, and what to do.

use std::fmt;
use std::io;

use serde_json::json;

use super::refusal::{About, Refusal};
use crate::link::{LinkError, deepest};
use crate::safe_text::SafeText;

/// The exit code of what did not go well.
pub(super) const FAILED: u8 = 1;
/// The exit code of a mistake of the caller.
pub(super) const MISUSE: u8 = 2;

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
            fix: error.fix(),
            code,
        }
    }

    /// The daemon refused, or did not answer.
    pub(crate) fn status(status: &tonic::Status, about: About<'_>) -> Self {
        let refusal = Refusal::of(status, about);
        Self {
            what: refusal.what.to_owned(),
            why: status.message().to_owned(),
            fix: refusal.fix,
            code: refusal.code,
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
            ..Self::new(
                "the output cannot be written",
                error.to_string(),
                "look where the output goes: is there room?",
            )
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
