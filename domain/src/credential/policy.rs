//! What is granted without a person. Everything else waits in Approvals.

use super::CredentialType;

/// What policy says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Granted without a person.
    Grant,
    /// An operator has to answer; why, in a sentence.
    Ask(&'static str),
    /// Never granted; why, in a sentence.
    Refuse(&'static str),
}

/// Decides on a request by its kind and exact scope.
#[must_use]
pub fn decide(kind: CredentialType, scope: &str) -> Decision {
    match kind {
        CredentialType::NpmToken if scope == "publish" => {
            Decision::Ask("a token that can publish packages is given by a person")
        }
        CredentialType::NpmToken => Decision::Grant,
        CredentialType::DatabaseUrl if scope == "read_only" => Decision::Grant,
        CredentialType::DatabaseUrl => {
            Decision::Ask("a database that can be written to is given by a person")
        }
        CredentialType::GithubToken if scope == "read_only" => Decision::Grant,
        CredentialType::GithubToken => {
            Decision::Refuse("a token that could push is never given to an agent")
        }
        CredentialType::ApiKey => Decision::Ask("keys of services are given by a person"),
        CredentialType::SshKey => Decision::Ask("SSH keys are given by a person"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reading_is_granted_without_a_person() {
        let granted = |kind, scope| decide(kind, scope) == Decision::Grant;
        assert!(granted(CredentialType::NpmToken, "@acme:registry"));
        assert!(granted(CredentialType::DatabaseUrl, "read_only"));
        assert!(granted(CredentialType::GithubToken, "read_only"));
        for (kind, scope) in [
            (CredentialType::NpmToken, "publish"),
            (CredentialType::DatabaseUrl, "read_write"),
            (CredentialType::DatabaseUrl, "READ_ONLY"),
            (CredentialType::DatabaseUrl, "read_only "),
            (CredentialType::GithubToken, "repo"),
            (CredentialType::GithubToken, ""),
            (CredentialType::ApiKey, "read_only"),
            (CredentialType::SshKey, "read_only"),
        ] {
            assert!(!granted(kind, scope), "{kind:?} {scope:?}");
        }
    }

    #[test]
    fn a_token_that_could_push_is_never_given() {
        for scope in ["repo", "actions", "", "write"] {
            assert!(matches!(
                decide(CredentialType::GithubToken, scope),
                Decision::Refuse(_)
            ));
        }
    }
}
