//! GitHub: one project's issues and pull requests behind the two ports.
//!
//! ```text
//!   IssueTracker, CodeHost
//!        │
//!     Github ── issue, remarks, comments, pulls, changes     what to ask, and what the answer means
//!        │
//!     client ── auth, call, trouble                          one call: authorised, bounded, judged
//!        │
//!     limiter                                                one queue per account: GitHub's limits are
//!        │                                                   the account's, not the project's
//!     octocrab                                               one attempt; a write is never repeated here
//! ```
//!
//! Nothing is believed because of a name: people are compared by number, permissions are asked of the
//! API, and a question that gets no answer is [`Trouble::Later`], never a guess.

mod auth;
mod call;
mod changes;
mod client;
mod comments;
mod issue;
mod limiter;
mod marker;
mod people;
mod pulls;
mod remarks;
mod trouble;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cloud_code_domain::id::{Oid, ProjectName};
use cloud_code_domain::issue::{IssueSnapshot, PullRequestSnapshot, Remark};
use cloud_code_domain::time::Timestamp;
use sha2::{Digest, Sha256};

pub use self::limiter::Pace;
pub use self::marker::MarkerKey;

use self::auth::Auth;
use self::client::Client;
use self::comments::OwnComments;
use self::issue::Absences;
use self::limiter::Limiter;
use crate::config::{GithubAuthorisation, GithubConfig, ProjectConfig};
use crate::ports::{Answer, Changed, CodeHost, GitAccess, IssueTracker, NewPullRequest, Trouble};

/// Why a project cannot be connected.
#[derive(Debug, thiserror::Error)]
pub enum Unconnected {
    /// The name does not say where the repository is.
    #[error("project {0}: a GitHub project is named `owner/repository`")]
    Name(ProjectName),
    /// `api_url` is no address.
    #[error("project {project}: api_url {url:?} is not an http or https address")]
    Address {
        /// The project.
        project: ProjectName,
        /// What was given.
        url: String,
    },
    /// The app's key cannot be read.
    #[error("project {project}: the app's private key is not an RSA key in PEM form")]
    Key {
        /// The project.
        project: ProjectName,
        /// What the parser says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The HTTP client cannot be built, for example without certificate authorities.
    #[error("project {project}: the HTTP client cannot be built")]
    Http {
        /// The project.
        project: ProjectName,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Connects projects, giving those of one account one queue.
#[derive(Debug)]
pub struct Connector {
    pace: Pace,
    marker: Arc<MarkerKey>,
    queues: Mutex<HashMap<[u8; 32], Arc<Limiter>>>,
}

impl Connector {
    /// A connector that keeps this pace and signs our comments with this key.
    #[must_use]
    pub fn new(pace: Pace, marker: Arc<MarkerKey>) -> Self {
        Self {
            pace,
            marker,
            queues: Mutex::default(),
        }
    }

    /// The project's tracker and code host. Opens no connection.
    ///
    /// # Errors
    ///
    /// Where the configuration does not say where the repository is or how we are authorised.
    pub fn connect(
        &self,
        project: &ProjectConfig,
        github: &GithubConfig,
    ) -> Result<Github, Unconnected> {
        let (owner, repository) = project
            .name
            .as_str()
            .split_once('/')
            .ok_or_else(|| Unconnected::Name(project.name.clone()))?;
        let auth =
            Auth::new(&github.authorisation, repository).map_err(|source| Unconnected::Key {
                project: project.name.clone(),
                source,
            })?;
        let limiter = self.queue(github);
        let client = Client::new(
            &project.name,
            owner,
            repository,
            &github.api_url,
            auth,
            limiter,
        )?;
        Ok(Github {
            client,
            project: project.name.clone(),
            repository_url: project.repository.clone(),
            trigger_labels: project.trigger_labels.clone(),
            own: OwnComments::new(Arc::clone(&self.marker)),
            absences: Absences::default(),
        })
    }

    fn queue(&self, github: &GithubConfig) -> Arc<Limiter> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues
            .entry(account(github))
            .or_insert_with(|| Arc::new(Limiter::new(self.pace)));
        Arc::clone(queue)
    }
}

/// What GitHub counts requests by: the token, or the installation of an app.
fn account(github: &GithubConfig) -> [u8; 32] {
    use secrecy::ExposeSecret;
    let hash = Sha256::new_with_prefix(github.api_url.as_bytes());
    let hash = match &github.authorisation {
        GithubAuthorisation::Token(token) => hash
            .chain_update(b"\0token\0")
            .chain_update(token.expose_secret()),
        GithubAuthorisation::App {
            id,
            private_key: _,
            installation_id,
        } => hash
            .chain_update(b"\0app\0")
            .chain_update(id.to_be_bytes())
            .chain_update(installation_id.to_be_bytes()),
    };
    hash.finalize().into()
}

/// A project at GitHub.
#[derive(Debug)]
pub struct Github {
    client: Client,
    project: ProjectName,
    repository_url: String,
    trigger_labels: Vec<String>,
    own: OwnComments,
    absences: Absences,
}

impl Github {
    /// What git needs. The token goes into a header and nowhere else; a repository that is not
    /// reached over HTTP gets none.
    async fn access(&self) -> Result<GitAccess, Trouble> {
        let http = ["https://", "http://"]
            .iter()
            .any(|scheme| self.repository_url.starts_with(scheme));
        let authorization = if http {
            Some(self.client.git_authorization().await?)
        } else {
            None
        };
        Ok(GitAccess {
            url: self.repository_url.clone(),
            authorization,
        })
    }
}

impl IssueTracker for Github {
    fn changed<'a>(&'a self, cursor: &'a str) -> Answer<'a, Changed> {
        Box::pin(changes::changed(&self.client, &self.trigger_labels, cursor))
    }

    fn issue(&self, number: u64) -> Answer<'_, Option<IssueSnapshot>> {
        Box::pin(issue::read(
            &self.client,
            &self.project,
            &self.trigger_labels,
            &self.absences,
            number,
        ))
    }

    fn remarks(&self, number: u64, since: Timestamp) -> Answer<'_, Vec<Remark>> {
        Box::pin(remarks::read(
            &self.client,
            &self.project,
            &self.own,
            number,
            since,
        ))
    }

    fn find_comment<'a>(&'a self, issue: u64, marker: &'a str) -> Answer<'a, Option<u64>> {
        Box::pin(comments::find(&self.client, issue, marker))
    }

    fn create_comment<'a>(&'a self, issue: u64, text: &'a str) -> Answer<'a, u64> {
        Box::pin(comments::create(&self.client, &self.own, issue, text))
    }

    fn edit_comment<'a>(&'a self, comment: u64, text: &'a str) -> Answer<'a, ()> {
        Box::pin(comments::edit(&self.client, comment, text))
    }

    fn clock(&self) -> Answer<'_, Option<Timestamp>> {
        Box::pin(async {
            let seconds = self.client.date("issues?per_page=1").await?;
            Ok(Some(Timestamp(seconds.saturating_mul(1_000))))
        })
    }
}

impl CodeHost for Github {
    fn find_pull_request<'a>(&'a self, branch: &'a str) -> Answer<'a, Option<PullRequestSnapshot>> {
        Box::pin(pulls::find(&self.client, &self.project, branch))
    }

    fn pull_request(&self, number: u64) -> Answer<'_, Option<PullRequestSnapshot>> {
        Box::pin(pulls::read(&self.client, &self.project, number))
    }

    fn open_pull_request<'a>(&'a self, new: &'a NewPullRequest) -> Answer<'a, PullRequestSnapshot> {
        Box::pin(pulls::open(&self.client, &self.project, new))
    }

    fn edit_pull_request<'a>(&'a self, number: u64, new: &'a NewPullRequest) -> Answer<'a, ()> {
        Box::pin(pulls::edit(&self.client, number, new))
    }

    fn merge<'a>(&'a self, number: u64, head: &'a Oid) -> Answer<'a, ()> {
        Box::pin(pulls::merge(&self.client, &self.project, number, head))
    }

    fn close(&self, number: u64) -> Answer<'_, ()> {
        Box::pin(pulls::close(&self.client, number))
    }

    fn git_access(&self) -> Answer<'_, GitAccess> {
        Box::pin(self.access())
    }
}
