//! Credential requests of agents, and who may answer them.
//!
//! ```text
//!  pending ──▶ approved(grant) ──▶ injected ──▶ revoked
//!     │ denied(by, note)
//!     └─▶ denied            any open ──▶ withdrawn (the task ended)
//! ```
//!
//! A grant is made only by policy or by an operator, and a secret is delivered only for a grant.

mod machine;
mod policy;

pub use machine::{CredentialEvent, CredentialState, GrantedBy};
pub use policy::{Decision, decide};

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, BadName, ProjectName, RequestId};
use crate::time::Timestamp;

/// The kinds of credential that an agent can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialType {
    /// A GitHub token; never one that could push.
    GithubToken,
    /// A token of a package registry.
    NpmToken,
    /// A database's address with its password.
    DatabaseUrl,
    /// A key of some service.
    ApiKey,
    /// A private SSH key.
    SshKey,
}

impl CredentialType {
    /// All.
    pub const ALL: [Self; 5] = [
        Self::GithubToken,
        Self::NpmToken,
        Self::DatabaseUrl,
        Self::ApiKey,
        Self::SshKey,
    ];

    /// The snake_case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GithubToken => "github_token",
            Self::NpmToken => "npm_token",
            Self::DatabaseUrl => "database_url",
            Self::ApiKey => "api_key",
            Self::SshKey => "ssh_key",
        }
    }

    /// The environment variable that the next turn finds it in.
    #[must_use]
    pub fn env_name(self) -> &'static str {
        match self {
            Self::GithubToken => "GITHUB_TOKEN",
            Self::NpmToken => "NPM_TOKEN",
            Self::DatabaseUrl => "DATABASE_URL",
            Self::ApiKey => "API_KEY",
            Self::SshKey => "SSH_KEY",
        }
    }
}

impl std::str::FromStr for CredentialType {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| BadName {
                kind: "credential type",
                text: text.chars().take(80).collect(),
                rule: "one of github_token, npm_token, database_url, api_key, ssh_key",
            })
    }
}

/// A credential request as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRequest {
    /// Ours.
    pub id: RequestId,
    /// Grows by one with every change; an answer names the version it was decided on.
    pub version: u64,
    /// What the agent calls it in its report: a label, nothing more.
    pub label: String,
    /// The project of the task.
    pub project: ProjectName,
    /// The agent that asked.
    pub agent: AgentId,
    /// What kind of credential.
    pub kind: CredentialType,
    /// For what exactly: `read_only`, `@acme:registry`, … ; visible text, at most 200 characters.
    pub scope: String,
    /// Why, in the agent's words: hostile text, at most 400 characters.
    pub reason: String,
    /// Where it stands.
    pub state: CredentialState,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}
