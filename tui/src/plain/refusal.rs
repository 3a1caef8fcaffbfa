//! What a status of the daemon means to a person: what happened, and the command that helps. Why is
//! what the daemon says.

use tonic::{Code, Status};

use super::failure::{FAILED, MISUSE};

/// What a subcommand is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum About<'a> {
    /// A task, as it was named.
    Task(&'a str),
    /// A credential request.
    Request,
    /// An account.
    Account,
    /// A project, or the whole fleet.
    Fleet,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) what: &'static str,
    pub(super) fix: String,
    pub(super) code: u8,
}

impl Refusal {
    pub(super) fn of(status: &Status, about: About<'_>) -> Self {
        let failed = |what, fix: String| Self {
            what,
            fix,
            code: FAILED,
        };
        match status.code() {
            Code::NotFound => failed("what you named is not there", about.list()),
            Code::FailedPrecondition => failed("it is not possible now", about.look()),
            Code::Aborted => failed("it has changed since you looked", about.look()),
            Code::InvalidArgument => Self {
                what: "the daemon does not take that",
                fix: about.list(),
                code: MISUSE,
            },
            Code::PermissionDenied | Code::Unauthenticated => failed(
                "you may not do that",
                "add your uid (`id -u`) to `[operator] users` in the daemon's configuration"
                    .to_owned(),
            ),
            Code::Unimplemented => failed(
                "this daemon cannot do that: it is older than this cloud-code",
                "upgrade orchestratord; what it is: cloud-code doctor".to_owned(),
            ),
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => {
                Self::unanswered(status, about)
            }
            Code::Ok
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::OutOfRange
            | Code::Internal
            | Code::DataLoss => failed(
                "the daemon failed",
                "look at its log: journalctl -u orchestratord; cloud-code doctor".to_owned(),
            ),
        }
    }

    /// The daemon says by itself that it cannot; else the link broke, and nobody knows.
    fn unanswered(status: &Status, about: About<'_>) -> Self {
        let said =
            status.code() == Code::Unavailable && std::error::Error::source(status).is_none();
        if said {
            return Self {
                what: "the daemon cannot do that now",
                fix: "cloud-code doctor".to_owned(),
                code: FAILED,
            };
        }
        Self {
            what: "the daemon did not answer; what you asked for may have been done",
            fix: format!("look before you repeat it: {}", about.look()),
            code: FAILED,
        }
    }
}

impl About<'_> {
    /// The command that shows what there is.
    fn list(self) -> String {
        match self {
            Self::Task(_) => "see the ids: cloud-code tasks",
            Self::Request => "see the ids: cloud-code approvals",
            Self::Account => "see the names: cloud-code accounts",
            Self::Fleet => "see what there is: cloud-code tasks, agents or accounts",
        }
        .to_owned()
    }

    /// The command that shows how it is now.
    fn look(self) -> String {
        match self {
            Self::Task(task) if !task.is_empty() => {
                format!("cloud-code task show {}", quoted(task))
            }
            Self::Task(_) => "cloud-code tasks".to_owned(),
            Self::Request => "cloud-code approvals".to_owned(),
            Self::Account => "cloud-code accounts".to_owned(),
            Self::Fleet => "cloud-code doctor".to_owned(),
        }
    }
}

/// A word as a shell takes it: `#42` alone would be a comment.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: [About<'static>; 5] = [
        About::Task("#42"),
        About::Task(""),
        About::Request,
        About::Account,
        About::Fleet,
    ];

    #[test]
    fn every_refusal_names_a_command_that_helps() {
        for code in 0..=16 {
            let status = Status::new(Code::from_i32(code), "because");
            for about in ABOUT {
                let refusal = Refusal::of(&status, about);
                let command = ["cloud-code ", "id -u"];
                let named = command.iter().any(|command| refusal.fix.contains(command));
                assert!(named && !refusal.what.is_empty(), "{code} {refusal:?}");
            }
        }
    }

    #[test]
    fn only_where_nobody_knows_it_may_have_been_done() {
        let said = Refusal::of(&Status::unavailable("the disk is full"), About::Fleet);
        assert_eq!(said.what, "the daemon cannot do that now");
        let mut broken = Status::unavailable("transport error");
        broken.set_source(std::sync::Arc::new(std::io::Error::other("broken pipe")));
        let broken = Refusal::of(&broken, About::Task("#42"));
        assert!(broken.what.contains("may have been done"), "{broken:?}");
        assert!(
            broken.fix.ends_with("cloud-code task show '#42'"),
            "{broken:?}"
        );
    }
}
