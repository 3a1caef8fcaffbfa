//! What a call without a good answer means for the outbox: had it an effect, and is it worth coming
//! again? Pure; [`Trouble`] has the three answers.
//!
//! | answer | a read | a write |
//! | --- | --- | --- |
//! | not connected | later | later |
//! | timeout, connection lost, 5xx | later | unknown |
//! | 401 | later | later |
//! | 403 or 429 by a limit | later, with the time | later, with the time |
//! | 3xx | later | later |
//! | any other 4xx | later: a question without an answer is no answer | refused |
//! | 2xx that cannot be read | later | unknown |

use cloud_code_domain::time::Timestamp;
use http::StatusCode;

use super::limiter::Closed;
use crate::ports::Trouble;

/// Whether a call changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// It only asks.
    Read,
    /// It may change something.
    Write,
}

/// A call without a good answer, with what a caller may look at to make more of it.
#[derive(Debug)]
pub(super) struct Failure {
    /// The status, where there was an answer.
    pub(super) status: Option<StatusCode>,
    /// What it means.
    pub(super) trouble: Trouble,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        failure.trouble
    }
}

impl Failure {
    pub(super) fn is_absent(&self) -> bool {
        matches!(self.status, Some(StatusCode::NOT_FOUND | StatusCode::GONE))
    }

    /// The API has nothing of this name, or not for us.
    pub(super) fn is_not_understood(&self) -> bool {
        matches!(
            self.status,
            Some(
                StatusCode::BAD_REQUEST
                    | StatusCode::METHOD_NOT_ALLOWED
                    | StatusCode::UNPROCESSABLE_ENTITY
                    | StatusCode::NOT_IMPLEMENTED
            )
        )
    }

    /// GitHub stumbled, or the line did: the same call may succeed in a moment.
    pub(super) fn is_passing(&self) -> bool {
        let stumbled = self.status.is_none_or(|status| status.is_server_error());
        stumbled && matches!(self.trouble, Trouble::Later { until: None, .. })
    }

    /// The account pauses; the call was not made.
    pub(super) fn closed(closed: Closed) -> Self {
        Self::later(
            "GitHub's rate limit of this account is reached".to_owned(),
            Some(closed.wall),
        )
    }

    pub(super) fn later(what: String, until: Option<Timestamp>) -> Self {
        Self {
            status: None,
            trouble: Trouble::Later { what, until },
        }
    }

    pub(super) fn refused(what: String) -> Self {
        Self {
            status: None,
            trouble: Trouble::Refused { what },
        }
    }

    /// The call may have reached GitHub; the answer did not reach us, or could not be read.
    pub(super) fn lost(access: Access, what: String) -> Self {
        let trouble = match access {
            Access::Read => Trouble::Later { what, until: None },
            Access::Write => Trouble::Unknown { what },
        };
        Self {
            status: None,
            trouble,
        }
    }

    /// GitHub answered, and not with a success.
    pub(super) fn answered(
        access: Access,
        call: &str,
        status: StatusCode,
        body: &[u8],
        until: Option<Timestamp>,
    ) -> Self {
        let code = status.as_u16();
        let said = said(body);
        let mut failure = if let Some(until) = until {
            Self::later(
                format!("{call}: GitHub's rate limit ({code}): {said}"),
                Some(until),
            )
        } else if status == StatusCode::UNAUTHORIZED {
            let what = format!(
                "{call}: GitHub refused the token (401): {said}. Check token_file or app of the project"
            );
            Self::later(what, None)
        } else if status.is_redirection() {
            let what = format!(
                "{call}: it is elsewhere by now ({code}). If the repository was renamed or moved, \
                 give the project its new name and repository"
            );
            Self::later(what, None)
        } else if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            Self::lost(access, format!("{call}: GitHub failed ({code})"))
        } else {
            let what = format!("{call}: GitHub refused ({code}): {said}");
            match access {
                Access::Read => Self::later(what, None),
                Access::Write => Self::refused(what),
            }
        };
        failure.status = Some(status);
        failure
    }
}

impl Failure {
    /// Whether the owner has suspended the app: no request of its tokens is taken.
    pub(super) fn is_suspension(&self) -> bool {
        let what = self.trouble.to_string();
        self.status == Some(StatusCode::FORBIDDEN) && what.to_lowercase().contains("suspended")
    }

    /// The same for an app that gets no token: nothing of the work is wrong, so all of it waits until
    /// the owner, or the operator, has put it right; with what is to be put right.
    pub(super) fn of_installation(mut self, app: u64, installation: u64) -> Self {
        let remedy = match self.status {
            Some(StatusCode::UNAUTHORIZED) => "check id and private_key_file of the app".to_owned(),
            Some(StatusCode::FORBIDDEN) => format!(
                "installation {installation} of app {app} is suspended or may not do this: \
                 have it unsuspended under the owner's settings, Applications"
            ),
            Some(StatusCode::NOT_FOUND) => format!(
                "app {app} has no installation {installation}, perhaps it was uninstalled: \
                 install it for this repository, and set installation_id"
            ),
            Some(StatusCode::UNPROCESSABLE_ENTITY) => {
                "let the installation have this repository, and accept its new permissions"
                    .to_owned()
            }
            Some(_) | None => return self,
        };
        self.trouble = match self.trouble {
            Trouble::Later { what, until } => Trouble::Later {
                what: format!("{what}. {remedy}"),
                until,
            },
            Trouble::Refused { what } | Trouble::Unknown { what } => Trouble::Later {
                what: format!("{what}. {remedy}"),
                until: None,
            },
        };
        self
    }
}

/// What a refusal says: one line of at most 300 characters, nothing that moves a cursor. What stands
/// between GitHub and us answers in words of its own; a page for people says nothing to us.
pub(super) fn said(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(refusal) => in_one_line(&refusal),
        Err(_) if body.trim_ascii_start().starts_with(b"<") => String::new(),
        Err(_) => String::from_utf8_lossy(&body[..body.len().min(1_200)]).into_owned(),
    };
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect()
}

/// All that `{"message": …, "errors": [{"message": …} | "…"]}` says. Refusals come from more than one
/// hand: whatever has another shape is left out, and the rest is read.
fn in_one_line(refusal: &serde_json::Value) -> String {
    let errors = &refusal["errors"];
    let errors = match errors.as_array() {
        Some(errors) => errors.iter().collect(),
        None => vec![errors],
    };
    let detail = |error: &&serde_json::Value| {
        let text = error.as_str().or_else(|| error["message"].as_str());
        text.or_else(|| error["code"].as_str()).map(str::to_owned)
    };
    let message = refusal["message"].as_str().unwrap_or_default();
    std::iter::once(message.to_owned())
        .chain(errors.iter().filter_map(detail))
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(access: Access, status: u16, until: Option<Timestamp>) -> Trouble {
        let status = StatusCode::from_u16(status).unwrap();
        Failure::answered(access, "PATCH x", status, br#"{"message":"no"}"#, until).into()
    }

    #[test]
    fn only_a_write_that_may_have_happened_is_unknown() {
        for status in [500, 502, 503, 504, 408] {
            let write = judge(Access::Write, status, None);
            assert!(matches!(write, Trouble::Unknown { .. }), "{status}");
            let read = judge(Access::Read, status, None);
            assert!(
                matches!(read, Trouble::Later { until: None, .. }),
                "{status}"
            );
        }
        for status in [400, 403, 404, 405, 409, 410, 422] {
            let write = judge(Access::Write, status, None);
            assert!(matches!(write, Trouble::Refused { .. }), "{status}");
            let read = judge(Access::Read, status, None);
            assert!(matches!(read, Trouble::Later { .. }), "{status}");
        }
        assert!(matches!(
            judge(Access::Write, 401, None),
            Trouble::Later { .. }
        ));
    }

    #[test]
    fn an_app_without_a_token_waits_and_says_what_is_to_be_put_right() {
        for (status, remedy) in [
            (401, "private_key_file"),
            (403, "suspended"),
            (404, "uninstalled"),
            (422, "permissions"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let body = br#"{"message":"no"}"#;
            let failure = Failure::answered(Access::Read, "POST x", status, body, None);
            let trouble = Trouble::from(failure.of_installation(7, 9));
            assert!(matches!(trouble, Trouble::Later { until: None, .. }));
            assert!(trouble.to_string().contains(remedy), "{trouble}");
        }
        let suspended = br#"{"message":"This installation has been suspended"}"#;
        let forbidden = |body: &[u8]| {
            Failure::answered(Access::Write, "POST x", StatusCode::FORBIDDEN, body, None)
        };
        assert!(forbidden(suspended).is_suspension());
        assert!(!forbidden(br#"{"message":"Resource not accessible"}"#).is_suspension());
    }

    #[test]
    fn a_write_to_a_renamed_repository_says_what_to_do() {
        for status in [301, 307, 308] {
            let waits = judge(Access::Write, status, None);
            assert!(matches!(waits, Trouble::Later { until: None, .. }));
            let what = waits.to_string();
            assert!(what.contains("give the project its new name"), "{what}");
        }
    }

    #[test]
    fn only_what_may_pass_in_a_moment_is_passing() {
        let passing = |access, status: u16, until| {
            let status = StatusCode::from_u16(status).unwrap();
            Failure::answered(access, "GET x", status, b"", until).is_passing()
        };
        assert!(passing(Access::Read, 500, None) && passing(Access::Read, 502, None));
        assert!(Failure::lost(Access::Read, "cut off".into()).is_passing());
        assert!(!passing(Access::Write, 502, None));
        assert!(!passing(Access::Read, 503, Some(Timestamp(5))));
        for status in [301, 401, 403, 404, 422] {
            assert!(!passing(Access::Read, status, None), "{status}");
        }
    }

    #[test]
    fn a_limit_is_later_and_names_the_time() {
        let until = Some(Timestamp(5));
        for status in [403, 429] {
            let trouble = judge(Access::Write, status, until);
            assert!(matches!(
                trouble,
                Trouble::Later {
                    until: Some(Timestamp(5)),
                    ..
                }
            ));
        }
    }

    #[test]
    fn what_github_says_is_one_short_line() {
        let hostile = format!(
            r#"{{"message":"a\u001b]52;c\n","errors":["{}"]}}"#,
            "x".repeat(9_000)
        );
        let said = said(hostile.as_bytes());
        assert_eq!(said.chars().count(), 300);
        assert!(said.starts_with("a ]52;c ; xxx"), "{said}");
        for page in [&b"<html>"[..], b"  <!doctype html>"] {
            assert_eq!(super::said(page), "");
        }
    }

    #[test]
    fn a_refusal_of_another_shape_is_read_as_far_as_it_goes() {
        for (body, expected) in [
            (&br#"{"message":"no","errors":"taken"}"#[..], "no; taken"),
            (
                br#"{"message":"no","errors":[{"code":"custom"},7,null]}"#,
                "no; custom",
            ),
            (
                br#"{"message":"no","errors":{"message":"taken"}}"#,
                "no; taken",
            ),
            (br#"{"message":7}"#, ""),
            (b"rate limit exceeded\n", "rate limit exceeded "),
            (b"\xff{\"mess", "\u{fffd}{\"mess"),
            (b"", ""),
        ] {
            assert_eq!(said(body), expected);
        }
    }
}
