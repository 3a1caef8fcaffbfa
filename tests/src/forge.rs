//! A GitHub of our own, for tests: stateful, over HTTP, with real git behind it.
//!
//! ```text
//!   http://127.0.0.1:PORT/api/…              REST and GraphQL
//!   http://127.0.0.1:PORT/OWNER/REPO.git     git's smart HTTP
//!   signed webhooks  ──▶  wherever a test wants them
//! ```
//!
//! Tests act as people with its methods and look at what is there. Faults are planned per request.
//! Where GitHub's own description is at hand, every request is held against it: see
//! [`Forge::violations`]. Its clock moves a second with each change, so that no two happen at once.

mod access;
mod acts;
mod contract;
mod faults;
mod git;
mod hooks;
mod pulls;
mod rest;
mod server;
mod shapes;
mod state;
mod telling;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use axum::http::HeaderMap;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub use self::access::{APP_ID, APP_KEY, INSTALLATION_ID, Installation};
pub use self::contract::shared_data;
pub use self::faults::Fault;
pub use self::hooks::{Delivery, signature};

use self::access::Access;
use self::contract::Contract;
use self::faults::Faults;
use self::git::Repository;
use self::hooks::Target;
use self::state::State;

/// The account that an orchestrator uses.
pub const OWN_LOGIN: &str = "cloud-code-account";
/// Its token.
pub const TOKEN: &str = "ghp_forgeforgeforgeforgeforgeforgeforge1";
/// GitHub's largest page.
const LARGEST_PAGE: usize = 100;
/// What is kept of requests and deliveries.
const KEPT: usize = 100_000;

/// A running forge with one repository. Its end ends all of it.
#[derive(Debug)]
pub struct Forge {
    shared: Arc<Shared>,
    base_url: String,
    full_name: String,
    _running: JoinSet<()>,
    _folder: tempfile::TempDir,
}

#[derive(Debug)]
struct Shared {
    git: Repository,
    state: Mutex<State>,
    access: Mutex<Access>,
    faults: Mutex<Faults>,
    log: Mutex<Log>,
    hook: Mutex<Option<Target>>,
    contract: Contract,
    woken: Notify,
}

#[derive(Debug)]
struct Log {
    requests: Vec<String>,
    violations: Vec<String>,
    deliveries: Vec<Delivery>,
    page_limit: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn access(&self) -> MutexGuard<'_, Access> {
        lock(&self.access)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    fn page_limit(&self) -> usize {
        lock(&self.log).page_limit
    }

    fn note(&self, method: &str, path: &str) {
        let mut log = lock(&self.log);
        if log.requests.len() < KEPT {
            log.requests.push(format!("{method} {path}"));
        }
    }

    fn check(&self, method: &str, path: &str, query: &str, body: &Value, headers: &HeaderMap) {
        let mut wrong = self.contract.violations(method, path, query, body);
        for name in ["user-agent", "x-github-api-version"] {
            if headers.get_all(name).iter().count() != 1 {
                wrong.push(format!(
                    "{method} {path}: the header {name} must be there once"
                ));
            }
        }
        lock(&self.log).violations.extend(wrong);
    }

    /// Looks which branches there are now.
    async fn refresh(&self, by: &str) -> Result<()> {
        let branches = self.git.branches().await?;
        self.state().set_branches(by, branches);
        self.wake();
        Ok(())
    }

    fn wake(&self) {
        self.woken.notify_one();
    }

    /// Sends what happened, one after the other, as long as there is a target.
    async fn send_hooks(&self) {
        let http = reqwest::Client::new();
        loop {
            let next = self.state().outgoing.pop_front();
            let Some(outgoing) = next else {
                self.woken.notified().await;
                continue;
            };
            let target = lock(&self.hook).clone();
            let status = match target {
                Some(target) => hooks::send(&http, &target, outgoing.event, &outgoing.body).await,
                None => None,
            };
            let mut log = lock(&self.log);
            if log.deliveries.len() < KEPT {
                log.deliveries.push(Delivery {
                    event: outgoing.event.to_owned(),
                    body: outgoing.body,
                    status,
                });
            }
        }
    }
}

/// A pull request, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub body: String,
    /// Its head branch.
    pub branch: String,
    /// Its head commit.
    pub head: String,
    /// Whether it is open.
    pub open: bool,
    /// Whether it was merged.
    pub merged: bool,
}

/// A comment, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Its id.
    pub id: u64,
    /// Who wrote it.
    pub author: String,
    /// What it says.
    pub body: String,
}

impl Forge {
    /// Starts a forge with the repository `owner/name`, which has one commit on `main`.
    ///
    /// # Errors
    ///
    /// Where git is missing, or no port or folder is to be had.
    pub async fn start(full_name: &str) -> Result<Self> {
        let (owner, repository) = full_name.split_once('/').context("owner/name")?;
        let folder = tempfile::tempdir().context("a folder for repositories")?;
        let git = Repository::create(folder.path(), full_name).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("a port")?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let mut state = State::new(&base_url, owner, repository);
        state.person(OWN_LOGIN, "User", "write");
        let mut access = Access::default();
        access.add(TOKEN, OWN_LOGIN);
        let shared = Arc::new(Shared {
            git,
            state: Mutex::new(state),
            access: Mutex::new(access),
            faults: Mutex::default(),
            log: Mutex::new(Log {
                requests: Vec::new(),
                violations: Vec::new(),
                deliveries: Vec::new(),
                page_limit: LARGEST_PAGE,
            }),
            hook: Mutex::default(),
            contract: Contract::load(),
            woken: Notify::new(),
        });
        shared.refresh(OWN_LOGIN).await?;
        shared.state().outgoing.clear();
        let mut running = JoinSet::new();
        running.spawn(server::serve(listener, Arc::clone(&shared)));
        let hooks = Arc::clone(&shared);
        running.spawn(async move { hooks.send_hooks().await });
        Ok(Self {
            shared,
            base_url,
            full_name: full_name.to_owned(),
            _running: running,
            _folder: folder,
        })
    }

    /// What `api_url` is.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api", self.base_url)
    }

    /// What `repository` is.
    #[must_use]
    pub fn git_url(&self) -> String {
        format!("{}/{}.git", self.base_url, self.full_name)
    }

    /// A file of a branch.
    ///
    /// # Errors
    ///
    /// Where there is no such branch or file.
    pub async fn read_file(&self, branch: &str, path: &str) -> Result<String> {
        self.shared
            .git
            .git(&["show", &format!("{branch}:{path}")])
            .await
    }

    /// What git says in the repository.
    ///
    /// # Errors
    ///
    /// Where git fails.
    pub async fn git(&self, args: &[&str]) -> Result<String> {
        self.shared.git.git(args).await
    }

    /// All branches with their commits.
    #[must_use]
    pub fn branches(&self) -> BTreeMap<String, String> {
        self.shared.state().branches.clone()
    }

    /// All pull requests, oldest first.
    #[must_use]
    pub fn pull_requests(&self) -> Vec<PullRequest> {
        let state = self.shared.state();
        let pulls = state.issues.values().filter_map(|issue| {
            let pull = issue.pull.as_ref()?;
            Some(PullRequest {
                number: issue.number,
                title: issue.title.clone(),
                body: issue.body.clone(),
                branch: pull.head.clone(),
                head: pull.head_sha.clone(),
                open: issue.open,
                merged: pull.merged.is_some(),
            })
        });
        pulls.collect()
    }

    /// The comments on an issue or pull request, oldest first.
    #[must_use]
    pub fn comments(&self, number: u64) -> Vec<Comment> {
        let state = self.shared.state();
        let comments = state
            .comments
            .values()
            .filter(|comment| comment.issue == number);
        let comments = comments.map(|comment| Comment {
            id: comment.id,
            author: comment.author.clone(),
            body: comment.body.clone(),
        });
        comments.collect()
    }

    /// Whether an issue is open.
    #[must_use]
    pub fn is_open(&self, number: u64) -> bool {
        self.shared
            .state()
            .issues
            .get(&number)
            .is_some_and(|issue| issue.open)
    }

    /// From now on every request with `part` in its path has this fault, until [`Forge::mend`].
    pub fn out_of_order(&self, part: &str, fault: Fault) {
        self.shared.faults().plan("*", part, fault, u32::MAX);
    }

    /// All faults that are still to come do not.
    pub fn mend(&self) {
        self.shared.faults().clear();
    }

    /// The next `times` requests with this method (`*`: any) and with `part` in their path, at its end
    /// where it closes with a `$`, have this fault.
    pub fn fault(&self, method: &str, part: &str, fault: Fault, times: u32) {
        self.shared.faults().plan(method, part, fault, times);
    }

    /// Pages hold this many items at most.
    pub fn limit_pages(&self, items: usize) {
        lock(&self.shared.log).page_limit = items;
    }

    /// Time passes here.
    pub fn pass(&self, seconds: i64) {
        self.act(|state| state.pass(seconds));
    }

    /// Ends all installation tokens.
    pub fn revoke_installation_tokens(&self) {
        self.shared.access().revoke_installations();
    }

    /// From now on installation tokens live so many seconds.
    pub fn limit_installation_tokens(&self, seconds: i64) {
        self.shared.access().limit_lifetime(seconds);
    }

    /// The owner suspends, deletes or restores the app's installation; a webhook tells of it.
    pub fn set_installation(&self, to: Installation) {
        let action = match to {
            Installation::Active => "unsuspend",
            Installation::Suspended => "suspend",
            Installation::Deleted => "deleted",
        };
        self.shared.access().installation = to;
        if to == Installation::Deleted {
            self.shared.access().revoke_installations();
        }
        self.act(|state| state.tell_installation(action, INSTALLATION_ID));
    }

    /// How many installation tokens were made.
    #[must_use]
    pub fn installation_tokens(&self) -> u32 {
        self.shared.access().minted()
    }

    /// From now on what happens is sent there; none: it is lost.
    pub fn send_webhooks(&self, target: Option<(&str, &str)>) {
        *lock(&self.shared.hook) = target.map(|(url, secret)| Target {
            url: url.to_owned(),
            secret: secret.to_owned(),
        });
    }

    /// What was sent or lost, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.shared.log).deliveries.clone()
    }

    /// Sends everything that was ever sent or lost: the newest first, and each twice.
    pub async fn deliver_backwards(&self) {
        let http = reqwest::Client::new();
        let target = lock(&self.shared.hook).clone();
        let Some(target) = target else {
            return;
        };
        for delivery in self.deliveries().iter().rev() {
            for _ in 0..2 {
                // What is not taken is lost.
                let _status = hooks::send(&http, &target, &delivery.event, &delivery.body).await;
            }
        }
    }

    /// All requests, as `METHOD path`, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.log).requests.clone()
    }

    /// Where requests were not as GitHub describes them.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        lock(&self.shared.log).violations.clone()
    }
}
