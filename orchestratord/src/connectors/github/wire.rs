//! What GitHub sends, as far as we read it. Lenient: a field we can do without is optional, one that
//! came later is ignored.

use jiff::Timestamp as Time;
use serde::Deserialize;
use serde::de::IgnoredAny;

#[derive(Debug, Clone, Deserialize)]
pub(super) struct User {
    pub(super) login: String,
    pub(super) id: u64,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    pub(super) number: u64,
    pub(super) title: String,
    pub(super) body: Option<String>,
    pub(super) state: String,
    pub(super) html_url: Option<String>,
    pub(super) repository_url: Option<String>,
    #[serde(default)]
    pub(super) labels: Vec<Label>,
    pub(super) created_at: Time,
    pub(super) updated_at: Time,
    pub(super) pull_request: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Label {
    Name(String),
    Whole { name: Option<String> },
}

impl Label {
    pub(super) fn into_name(self) -> Option<String> {
        match self {
            Self::Name(name) => Some(name),
            Self::Whole { name } => name,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct IssueEvent {
    #[serde(default)]
    pub(super) event: String,
    pub(super) actor: Option<User>,
    pub(super) created_at: Option<Time>,
    pub(super) label: Option<EventLabel>,
    pub(super) performed_via_github_app: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventLabel {
    pub(super) name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) user: Option<User>,
    pub(super) body: Option<String>,
    pub(super) created_at: Time,
    pub(super) updated_at: Option<Time>,
    pub(super) performed_via_github_app: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Review {
    pub(super) id: u64,
    pub(super) user: Option<User>,
    pub(super) body: Option<String>,
    pub(super) state: String,
    pub(super) submitted_at: Option<Time>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ReviewComment {
    pub(super) id: u64,
    pub(super) pull_request_review_id: Option<u64>,
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) path: String,
    pub(super) line: Option<u64>,
    pub(super) original_line: Option<u64>,
    pub(super) updated_at: Option<Time>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) html_url: Option<String>,
    pub(super) state: String,
    pub(super) merged_at: Option<Time>,
    pub(super) merged: Option<bool>,
    pub(super) head: Head,
}

#[derive(Debug, Deserialize)]
pub(super) struct Head {
    #[serde(rename = "ref")]
    pub(super) branch: String,
    pub(super) sha: Option<String>,
    /// None where the fork that it came from was deleted.
    pub(super) repo: Option<Repository>,
    /// Whose repository that is, or was.
    pub(super) user: Option<Owner>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Owner {
    pub(super) login: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Repository {
    pub(super) full_name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct CollaboratorPermission {
    pub(super) permission: String,
    pub(super) role_name: Option<String>,
    pub(super) user: Option<User>,
}

#[derive(Deserialize)]
pub(super) struct InstallationToken {
    pub(super) token: String,
    pub(super) expires_at: Time,
}

#[derive(Debug, Deserialize)]
pub(super) struct Graphql<T> {
    pub(super) data: Option<T>,
    #[serde(default)]
    pub(super) errors: Vec<GraphqlError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GraphqlError {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct EditedData {
    pub(super) repository: Option<EditedRepository>,
}

#[derive(Debug, Deserialize)]
pub(super) struct EditedRepository {
    pub(super) issue: Option<EditedIssue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EditedIssue {
    pub(super) last_edited_at: Option<Time>,
}
