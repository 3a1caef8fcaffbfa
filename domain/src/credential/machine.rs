//! The transitions of a credential request.

use serde::{Deserialize, Serialize};

use crate::machine::{Denied, Outcome, Step};

/// Where a request stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialState {
    /// It waits for an answer.
    Pending,
    /// It was granted; the secret has not reached the agent.
    Approved(GrantedBy),
    /// The secret has reached the agent.
    Injected(GrantedBy),
    /// It was denied, with a note to the agent.
    Denied {
        /// Who denied it: an operator's name, or `policy`.
        by: String,
        /// What the agent is told.
        note: String,
    },
    /// The secret was taken back.
    Revoked,
    /// The task ended before it was answered.
    Withdrawn,
}

/// Who granted a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantedBy {
    /// The policy, without a person.
    Policy,
    /// An operator, this once.
    Operator(String),
    /// An operator, for every request of the task with the same kind and scope.
    OperatorForTask(String),
}

/// Something that happened to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialEvent {
    /// Policy or an operator granted it.
    Approved(GrantedBy),
    /// It was denied.
    Denied {
        /// Who.
        by: String,
        /// What the agent is told.
        note: String,
    },
    /// The agent has the secret.
    Delivered,
    /// The task ended.
    TaskEnded,
}

impl CredentialState {
    /// Whether the agent may hold the secret now.
    #[must_use]
    pub fn is_granted(&self) -> bool {
        match self {
            Self::Approved(_) | Self::Injected(_) => true,
            Self::Pending | Self::Denied { .. } | Self::Revoked | Self::Withdrawn => false,
        }
    }

    /// The state after `event`, or why it cannot be.
    ///
    /// # Errors
    /// [`Denied::Finished`] where it was answered otherwise, [`Denied::NotPossible`] for a delivery
    /// without a grant.
    pub fn on(&self, event: &CredentialEvent) -> Step<Self> {
        match (self, event) {
            (Self::Pending, CredentialEvent::Approved(by)) => {
                Ok(Outcome::Moved(Self::Approved(by.clone())))
            }
            (Self::Pending, CredentialEvent::Denied { by, note }) => {
                Ok(Outcome::Moved(Self::Denied {
                    by: by.clone(),
                    note: note.clone(),
                }))
            }
            (Self::Approved(by), CredentialEvent::Delivered) => {
                Ok(Outcome::Moved(Self::Injected(by.clone())))
            }
            (Self::Injected(_), CredentialEvent::Delivered)
            | (Self::Denied { .. } | Self::Revoked | Self::Withdrawn, CredentialEvent::TaskEnded) => {
                Ok(Outcome::Unchanged)
            }
            (Self::Approved(_) | Self::Injected(_), CredentialEvent::TaskEnded) => {
                Ok(Outcome::Moved(Self::Revoked))
            }
            (Self::Pending, CredentialEvent::TaskEnded) => Ok(Outcome::Moved(Self::Withdrawn)),
            (Self::Approved(old) | Self::Injected(old), CredentialEvent::Approved(new))
                if old == new =>
            {
                Ok(Outcome::Unchanged)
            }
            (Self::Denied { .. }, CredentialEvent::Denied { by, note })
                if *self
                    == (Self::Denied {
                        by: by.clone(),
                        note: note.clone(),
                    }) =>
            {
                Ok(Outcome::Unchanged)
            }
            (
                Self::Approved(_)
                | Self::Injected(_)
                | Self::Denied { .. }
                | Self::Revoked
                | Self::Withdrawn,
                CredentialEvent::Approved(_) | CredentialEvent::Denied { .. },
            ) => Err(Denied::Finished),
            (
                Self::Pending | Self::Denied { .. } | Self::Revoked | Self::Withdrawn,
                CredentialEvent::Delivered,
            ) => Err(Denied::NotPossible),
        }
    }

    /// The snake_case word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved(_) => "approved",
            Self::Injected(_) => "injected",
            Self::Denied { .. } => "denied",
            Self::Revoked => "revoked",
            Self::Withdrawn => "withdrawn",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::laws;

    fn denied(by: &str) -> CredentialState {
        CredentialState::Denied {
            by: by.to_owned(),
            note: "no".to_owned(),
        }
    }

    fn states() -> Vec<CredentialState> {
        let mona = || GrantedBy::Operator("mona".to_owned());
        vec![
            CredentialState::Pending,
            CredentialState::Approved(GrantedBy::Policy),
            CredentialState::Approved(mona()),
            CredentialState::Injected(mona()),
            denied("mona"),
            CredentialState::Revoked,
            CredentialState::Withdrawn,
        ]
    }

    fn events() -> Vec<CredentialEvent> {
        let denied = |by: &str| CredentialEvent::Denied {
            by: by.to_owned(),
            note: "no".to_owned(),
        };
        vec![
            CredentialEvent::Approved(GrantedBy::Policy),
            CredentialEvent::Approved(GrantedBy::Operator("mona".to_owned())),
            denied("mona"),
            denied("policy"),
            CredentialEvent::Delivered,
            CredentialEvent::TaskEnded,
        ]
    }

    #[test]
    fn the_table_of_a_credential_request() {
        let table = laws::table(&states(), &events(), CredentialState::on);
        insta::with_settings!({snapshot_path => "../../tables", prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("credential", table);
        });
    }

    #[test]
    fn the_laws_of_every_machine() {
        laws::the_same_event_twice_moves_once(&states(), &events(), CredentialState::on);
        for ended in [
            denied("mona"),
            CredentialState::Revoked,
            CredentialState::Withdrawn,
        ] {
            laws::nothing_moves(&ended, &events(), CredentialState::on);
        }
    }

    #[test]
    fn a_secret_reaches_an_agent_only_through_a_grant() {
        for state in states() {
            for event in events() {
                let Ok(Outcome::Moved(next)) = state.on(&event) else {
                    continue;
                };
                if next.is_granted() && !state.is_granted() {
                    assert!(matches!(event, CredentialEvent::Approved(_)));
                }
                if matches!(next, CredentialState::Injected(_)) {
                    assert!(matches!(state, CredentialState::Approved(_)));
                }
            }
        }
    }

    #[test]
    fn the_end_of_the_task_takes_every_grant_back() {
        for state in states() {
            let next = match state.on(&CredentialEvent::TaskEnded) {
                Ok(Outcome::Moved(next)) => next,
                Ok(Outcome::Unchanged) => state,
                Err(denied) => panic!("{state:?}: {denied}"),
            };
            assert!(!next.is_granted());
        }
    }
}
