//! Conversions of `session.proto`.

use cloud_code_domain::account::{Authorisation, Provider};
use cloud_code_domain::execution::FailureCause;
use cloud_code_domain::task::{Message, MessageKind};
use cloud_code_domain::time::Timestamp;

use super::{Malformed, malformed};
use crate::v1;

impl From<&FailureCause> for v1::FailureCause {
    fn from(cause: &FailureCause) -> Self {
        match cause {
            FailureCause::CodingCli { .. } => Self::CodingCli,
            FailureCause::TimedOut => Self::TimedOut,
            FailureCause::Stalled => Self::Stalled,
            FailureCause::AgentLost => Self::AgentLost,
            FailureCause::InvalidReport => Self::InvalidReport,
            FailureCause::CheckFailed => Self::CheckFailed,
            FailureCause::WorkspaceUnavailable => Self::WorkspaceUnavailable,
            FailureCause::WorktreeDamaged => Self::WorktreeDamaged,
            FailureCause::RateLimited => Self::RateLimited,
            FailureCause::AccountParked => Self::AccountParked,
            FailureCause::Authentication => Self::Authentication,
            FailureCause::BadRequest => Self::BadRequest,
            FailureCause::CodingCliUnavailable => Self::CodingCliUnavailable,
            FailureCause::Halted => Self::Halted,
        }
    }
}

impl v1::Ended {
    /// An execution that failed.
    #[must_use]
    pub fn failed(cause: &FailureCause, last_words: String) -> Self {
        let exit = match cause {
            FailureCause::CodingCli { exit } => *exit,
            FailureCause::TimedOut
            | FailureCause::Stalled
            | FailureCause::AgentLost
            | FailureCause::InvalidReport
            | FailureCause::CheckFailed
            | FailureCause::WorkspaceUnavailable
            | FailureCause::WorktreeDamaged
            | FailureCause::RateLimited
            | FailureCause::AccountParked
            | FailureCause::Authentication
            | FailureCause::BadRequest
            | FailureCause::CodingCliUnavailable
            | FailureCause::Halted => None,
        };
        Self {
            kind: v1::EndKind::Failed.into(),
            cause: v1::FailureCause::from(cause).into(),
            exit,
            last_words,
            ..Self::default()
        }
    }

    /// Why it failed.
    ///
    /// # Errors
    /// Where the cause is unknown or missing.
    pub fn failure_cause(&self) -> Result<FailureCause, Malformed> {
        let cause = v1::FailureCause::try_from(self.cause)
            .map_err(|_| malformed("Ended.cause", format!("{} is no cause", self.cause)))?;
        Ok(match cause {
            v1::FailureCause::Unspecified => {
                return Err(malformed("Ended.cause", "a failure has a cause"));
            }
            v1::FailureCause::CodingCli => FailureCause::CodingCli { exit: self.exit },
            v1::FailureCause::TimedOut => FailureCause::TimedOut,
            v1::FailureCause::Stalled => FailureCause::Stalled,
            v1::FailureCause::AgentLost => FailureCause::AgentLost,
            v1::FailureCause::InvalidReport => FailureCause::InvalidReport,
            v1::FailureCause::CheckFailed => FailureCause::CheckFailed,
            v1::FailureCause::WorkspaceUnavailable => FailureCause::WorkspaceUnavailable,
            v1::FailureCause::WorktreeDamaged => FailureCause::WorktreeDamaged,
            v1::FailureCause::RateLimited => FailureCause::RateLimited,
            v1::FailureCause::AccountParked => FailureCause::AccountParked,
            v1::FailureCause::Authentication => FailureCause::Authentication,
            v1::FailureCause::BadRequest => FailureCause::BadRequest,
            v1::FailureCause::CodingCliUnavailable => FailureCause::CodingCliUnavailable,
            v1::FailureCause::Halted => FailureCause::Halted,
        })
    }
}

/// The word for a kind of message on the wire.
fn kind_word(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Steer => "steer",
        MessageKind::Review => "review",
        MessageKind::Answer => "answer",
        MessageKind::Gate => "gate",
        MessageKind::Pushed => "pushed",
    }
}

impl From<&Message> for v1::Message {
    fn from(message: &Message) -> Self {
        Self {
            kind: kind_word(message.kind).to_owned(),
            author: message.author.clone(),
            text: message.text.clone(),
            at_ms: message.at.0,
        }
    }
}

impl TryFrom<v1::Message> for Message {
    type Error = Malformed;

    /// The wire does not carry where a message came from: `source` is none.
    fn try_from(message: v1::Message) -> Result<Self, Malformed> {
        let kind = [
            MessageKind::Steer,
            MessageKind::Review,
            MessageKind::Answer,
            MessageKind::Gate,
            MessageKind::Pushed,
        ]
        .into_iter()
        .find(|kind| kind_word(*kind) == message.kind)
        .ok_or_else(|| malformed("Message.kind", "one of steer, review, answer, gate, pushed"))?;
        Ok(Self {
            kind,
            author: message.author,
            text: message.text,
            source: None,
            at: Timestamp(message.at_ms),
        })
    }
}

impl v1::CodingCli {
    /// Names the account that it spends from, on the wire.
    pub fn set_account(&mut self, provider: Provider, authorisation: Authorisation) {
        provider.as_str().clone_into(&mut self.provider);
        self.authorisation = match authorisation {
            Authorisation::ApiKey => "api_key",
            Authorisation::ClaudeToken => "claude_token",
        }
        .to_owned();
    }

    /// The account that it spends from; none where it has none.
    ///
    /// # Errors
    /// Where a word is unknown.
    pub fn account(&self) -> Result<Option<(Provider, Authorisation)>, Malformed> {
        if self.provider.is_empty() {
            return Ok(None);
        }
        let named = |provider: &Provider| provider.as_str() == self.provider;
        let provider = Provider::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| malformed("CodingCli.provider", "anthropic, openai or google"))?;
        let authorisation = match self.authorisation.as_str() {
            "api_key" => Authorisation::ApiKey,
            "claude_token" => Authorisation::ClaudeToken,
            _ => {
                return Err(malformed(
                    "CodingCli.authorisation",
                    "api_key or claude_token",
                ));
            }
        };
        Ok(Some((provider, authorisation)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_cause_comes_back_as_it_went() {
        for cause in [
            FailureCause::CodingCli { exit: Some(3) },
            FailureCause::CodingCli { exit: None },
            FailureCause::TimedOut,
            FailureCause::Stalled,
            FailureCause::AgentLost,
            FailureCause::InvalidReport,
            FailureCause::CheckFailed,
            FailureCause::WorkspaceUnavailable,
            FailureCause::WorktreeDamaged,
            FailureCause::RateLimited,
            FailureCause::AccountParked,
            FailureCause::Authentication,
            FailureCause::BadRequest,
            FailureCause::CodingCliUnavailable,
        ] {
            let ended = v1::Ended::failed(&cause, String::new());
            assert_eq!(ended.failure_cause(), Ok(cause));
        }
    }

    #[test]
    fn an_unknown_cause_is_refused_and_not_defaulted() {
        for cause in [0, 99, -1] {
            let ended = v1::Ended {
                cause,
                ..v1::Ended::default()
            };
            assert!(ended.failure_cause().is_err(), "{cause}");
        }
    }

    #[test]
    fn a_message_of_unknown_kind_is_refused() {
        let message = v1::Message {
            kind: "order".into(),
            ..v1::Message::default()
        };
        assert!(Message::try_from(message).is_err());
    }

    #[test]
    fn an_account_comes_back_as_it_went() {
        let mut cli = v1::CodingCli::default();
        assert_eq!(cli.account(), Ok(None));
        cli.set_account(Provider::Anthropic, Authorisation::ClaudeToken);
        let account = Some((Provider::Anthropic, Authorisation::ClaudeToken));
        assert_eq!(cli.account(), Ok(account));
        cli.provider = "acme".into();
        assert!(cli.account().is_err());
    }
}
