//! One call: authorised, in its place in the queue, with a deadline, its answer bounded and judged.
//!
//! octocrab carries it and repeats nothing; a read that failed in passing is repeated here. Page
//! addresses are built here: of those that an answer offers only the place in the list is taken, never
//! where to ask. A read is followed to where its answer says that something is by now, as long as that
//! is at the same server; a write is not: it would arrive there as a question.

use std::sync::Arc;
use std::time::Duration;

use cloud_code_domain::id::ProjectName;
use cloud_code_domain::time::Timestamp;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::Unconnected;
use super::auth::{App, Auth, Kept};
use super::call::{Call, Reply, decode, encode, encoded, moved, page_query, request, tag};
use super::limiter::{Limiter, Pause, Resource};
use super::trouble::{Access, Failure};
use super::wire::{InstallationToken, User};

/// From the first byte sent to the last one read.
const DEADLINE: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// A page of a hundred comments of the greatest size is 6.5 MB, as JSON at worst six times that.
const LARGEST_ANSWER: usize = 48 << 20;
/// Bytes of a refusal in which the words of a limit are looked for.
const SEARCHED: usize = 4_096;
/// Times that a read follows to where GitHub says that something is by now.
const FOLLOWED: usize = 3;
/// Pages of one list, and of one poll.
pub(super) const MOST_PAGES: usize = 100;
/// The pauses before a read that failed is made again.
const READ_AGAIN: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
/// Only what failed as fast as this is repeated: patience is for the outbox.
const QUICKLY: Duration = Duration::from_secs(5);

/// A project's way to GitHub.
pub(super) struct Client {
    crab: Octocrab,
    base: http::Uri,
    auth: Auth,
    limiter: Arc<Limiter>,
    owner: String,
    repository: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({}/{})", self.owner, self.repository)
    }
}

/// All pages of a list, or that it did not change.
#[derive(Debug)]
pub(super) enum Listed<T> {
    /// It is as it was when it had the given tag.
    Same,
    /// All of it.
    Items {
        /// The items, in GitHub's order.
        items: Vec<T>,
        /// The tag of the first page, where there is no other.
        etag: Option<String>,
        /// GitHub's clock at the first page, in seconds.
        date: i64,
    },
}

impl Client {
    pub(super) fn new(
        project: &ProjectName,
        owner: &str,
        repository: &str,
        api_url: &str,
        auth: Auth,
        limiter: Arc<Limiter>,
    ) -> Result<Self, Unconnected> {
        let address: http::Uri = api_url
            .parse()
            .ok()
            .filter(|uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https")))
            .ok_or_else(|| Unconnected::Address {
                project: project.clone(),
                url: api_url.to_owned(),
            })?;
        let crab = Octocrab::builder()
            .add_retry_config(RetryConfig::None)
            .set_connect_timeout(Some(CONNECT))
            .set_read_timeout(Some(DEADLINE))
            .set_write_timeout(Some(DEADLINE))
            .base_uri(address.clone())
            .and_then(|builder| builder.build())
            .map_err(|source| Unconnected::Http {
                project: project.clone(),
                source: Box::new(source),
            })?;
        Ok(Self {
            crab,
            base: address,
            auth,
            limiter,
            owner: owner.to_owned(),
            repository: repository.to_owned(),
        })
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }

    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// `owner/repository` names this project's repository.
    pub(super) fn is_ours(&self, full_name: &str) -> bool {
        full_name
            .split_once('/')
            .is_some_and(|(owner, repository)| {
                owner.eq_ignore_ascii_case(&self.owner)
                    && repository.eq_ignore_ascii_case(&self.repository)
            })
    }

    /// Reads `/repos/<owner>/<repository>/<rest>`.
    pub(super) async fn get<T: DeserializeOwned>(&self, rest: &str) -> Result<T, Failure> {
        let call = self.read_call(self.path(rest), None);
        let reply = self.call(&call).await?;
        decode(&call, &reply)
    }

    /// GitHub's clock in seconds, when it answered `/repos/<owner>/<repository>/<rest>`.
    pub(super) async fn date(&self, rest: &str) -> Result<i64, Failure> {
        let call = self.read_call(self.path(rest), None);
        Ok(self.call(&call).await?.date())
    }

    /// Writes to `/repos/<owner>/<repository>/<rest>`.
    pub(super) async fn write<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        rest: &str,
        body: &B,
    ) -> Result<T, Failure> {
        let (call, reply) = self.written(method, rest, body).await?;
        decode(&call, &reply)
    }

    /// The same where the answer says nothing new: that it is a success is all there is to know, with
    /// whatever it came.
    pub(super) async fn set<B: Serialize + Sync>(
        &self,
        method: Method,
        rest: &str,
        body: &B,
    ) -> Result<(), Failure> {
        self.written(method, rest, body).await.map(|_answered| ())
    }

    async fn written<B: Serialize + Sync>(
        &self,
        method: Method,
        rest: &str,
        body: &B,
    ) -> Result<(Call<'_>, Reply), Failure> {
        let call = Call {
            method,
            path: self.path(rest),
            body: Some(encode(body)?),
            if_none_match: None,
            resource: Resource::Core,
            access: Access::Write,
        };
        let reply = self.call(&call).await?;
        Ok((call, reply))
    }

    /// Who has this login now.
    pub(super) async fn user(&self, login: &str) -> Result<User, Failure> {
        let call = self.read_call(format!("/users/{}", encoded(login)), None);
        let reply = self.call(&call).await?;
        decode(&call, &reply)
    }

    /// Asks GraphQL, for reading.
    pub(super) async fn query<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        body: &B,
    ) -> Result<T, Failure> {
        let call = Call {
            method: Method::POST,
            path: "/graphql".to_owned(),
            body: Some(encode(body)?),
            if_none_match: None,
            resource: Resource::Graphql,
            access: Access::Read,
        };
        let reply = self.call(&call).await?;
        decode(&call, &reply)
    }

    /// All pages of `/repos/<owner>/<repository>/<rest>`.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        rest: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, Failure> {
        match self.list_unless(rest, query, None).await? {
            Listed::Items { items, .. } => Ok(items),
            Listed::Same => Ok(Vec::new()),
        }
    }

    /// All pages, unless the first one still has this tag.
    pub(super) async fn list_unless<T: DeserializeOwned>(
        &self,
        rest: &str,
        query: &[(&str, &str)],
        etag: Option<&str>,
    ) -> Result<Listed<T>, Failure> {
        let listed = self.list_short(rest, query, etag).await?;
        listed.ok_or_else(|| {
            Failure::refused(format!(
                "GET {rest}: the list has more than {MOST_PAGES} pages"
            ))
        })
    }

    /// One page, whether another one follows, and GitHub's clock in seconds.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        rest: &str,
        query: &[(&str, &str)],
        page: usize,
    ) -> Result<(Vec<T>, bool, i64), Failure> {
        let place = format!("page={page}");
        let path = format!("{}?{}", self.path(rest), page_query(query, &place));
        let call = self.read_call(path, None);
        let reply = self.call(&call).await?;
        let items: Vec<T> = decode(&call, &reply)?;
        let more = reply.next_place(query, page, items.len()).is_some();
        Ok((items, more, reply.date()))
    }

    /// All pages, unless the first one still has this tag; none where there are too many.
    pub(super) async fn list_short<T: DeserializeOwned>(
        &self,
        rest: &str,
        query: &[(&str, &str)],
        etag: Option<&str>,
    ) -> Result<Option<Listed<T>>, Failure> {
        let mut items = Vec::new();
        let mut first = None;
        let mut place = "page=1".to_owned();
        for page in 1..=MOST_PAGES {
            let path = format!("{}?{}", self.path(rest), page_query(query, &place));
            let call = self.read_call(path, etag.filter(|_| page == 1));
            let reply = self.call(&call).await?;
            if reply.status == StatusCode::NOT_MODIFIED {
                return Ok(Some(Listed::Same));
            }
            let of_page: Vec<T> = decode(&call, &reply)?;
            let next = reply.next_place(query, page, of_page.len());
            items.extend(of_page);
            let (first_tag, date) = first.take().unwrap_or_else(|| (tag(&reply), reply.date()));
            let Some(next) = next else {
                let etag = first_tag.filter(|_| page == 1);
                return Ok(Some(Listed::Items { items, etag, date }));
            };
            place = next;
            first = Some((first_tag, date));
        }
        Ok(None)
    }

    /// The value of an `Authorization` header for git.
    pub(super) async fn git_authorization(&self) -> Result<SecretString, Failure> {
        use base64::Engine;
        let token = self.token().await?;
        let pair = zeroize::Zeroizing::new(format!("x-access-token:{}", token.expose_secret()));
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair.as_bytes());
        Ok(format!("Basic {encoded}").into())
    }

    fn path(&self, rest: &str) -> String {
        let (owner, repository) = (encoded(&self.owner), encoded(&self.repository));
        format!("/repos/{owner}/{repository}/{rest}")
    }

    fn read_call<'a>(&self, path: String, if_none_match: Option<&'a str>) -> Call<'a> {
        Call {
            method: Method::GET,
            path,
            body: None,
            if_none_match,
            resource: Resource::Core,
            access: Access::Read,
        }
    }

    async fn call(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let token = self.token().await?;
        let answer = self.attempt(call, &token).await;
        let Err(failure) = answer else {
            return answer;
        };
        if failure.status == Some(StatusCode::UNAUTHORIZED) {
            self.forget(&token).await;
        } else if let Auth::App(app) = &self.auth
            && failure.is_suspension()
        {
            // Asking for a new token says what is wrong, until it is right again.
            self.forget(&token).await;
            return Err(failure.of_installation(app.id(), app.installation));
        }
        Err(failure)
    }

    /// A look at an issue is a dozen reads: were each allowed one failure, it would seldom succeed on
    /// a bad day. A write is made once; the outbox alone decides what becomes of it.
    async fn attempt(&self, call: &Call<'_>, token: &SecretString) -> Result<Reply, Failure> {
        let mut begun = Instant::now();
        let mut answer = self.once(call, token).await;
        for pause in READ_AGAIN {
            let passing = answer.as_ref().is_err_and(Failure::is_passing);
            if !passing || call.access != Access::Read || begun.elapsed() > QUICKLY {
                break;
            }
            tokio::time::sleep(pause).await;
            begun = Instant::now();
            answer = self.once(call, token).await;
        }
        answer
    }

    async fn once(&self, call: &Call<'_>, token: &SecretString) -> Result<Reply, Failure> {
        let place = match call.access {
            Access::Read => self.limiter.read(call.resource).await,
            Access::Write => self.limiter.write(call.resource).await,
        };
        let place = place.map_err(Failure::closed)?;
        let answer = tokio::time::timeout(DEADLINE, self.exchange(call, token));
        match place.call(answer).await {
            Ok(reply) => self.judge(call, reply?),
            Err(_elapsed) => Err(Failure::lost(
                call.access,
                format!(
                    "{}: no answer within {} s",
                    call.named(),
                    DEADLINE.as_secs()
                ),
            )),
        }
    }

    async fn exchange(&self, call: &Call<'_>, token: &SecretString) -> Result<Reply, Failure> {
        let mut call = call.clone();
        let mut reply = self.send(&call, request(&call, token)?).await?;
        for _ in 0..FOLLOWED {
            let Some(path) = moved(&call, &reply, &self.base) else {
                break;
            };
            call.path = path;
            reply = self.send(&call, request(&call, token)?).await?;
        }
        Ok(reply)
    }

    async fn send(
        &self,
        call: &Call<'_>,
        request: Request<octocrab::OctoBody>,
    ) -> Result<Reply, Failure> {
        let answer = self.crab.send(request).await;
        let (head, body) = answer.map_err(|error| not_sent(call, &error))?.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await;
        let body = body.map_err(|error| {
            Failure::lost(
                call.access,
                format!("{}: answer cut off: {error}", call.named()),
            )
        })?;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }

    fn judge(&self, call: &Call<'_>, reply: Reply) -> Result<Reply, Failure> {
        let good = reply.status.is_success() || reply.status == StatusCode::NOT_MODIFIED;
        // Whoever stands before GitHub may say it in words of their own.
        let message = if good {
            String::new()
        } else {
            String::from_utf8_lossy(&reply.body[..reply.body.len().min(SEARCHED)]).into_owned()
        };
        let pause = Pause::from_answer(
            call.resource,
            reply.status,
            &reply.headers,
            &message,
            reply.date(),
        );
        let wall = now();
        if let Some(pause) = pause {
            self.limiter.pause(pause, wall);
        }
        if good {
            return Ok(reply);
        }
        let until = pause
            .filter(|pause| pause.refused)
            .map(|pause| wall.after(pause.wait));
        Err(Failure::answered(
            call.access,
            &call.named(),
            reply.status,
            &reply.body,
            until,
        ))
    }

    async fn token(&self) -> Result<SecretString, Failure> {
        match &self.auth {
            Auth::Token(token) => Ok(token.clone()),
            Auth::App(app) => {
                let mut kept = app.kept.lock().await;
                if let Some(kept) = kept.as_ref()
                    && kept.is_good(Instant::now())
                {
                    return Ok(kept.token.clone());
                }
                let fresh = self.installation_token(app).await?;
                Ok(kept.insert(fresh).token.clone())
            }
        }
    }

    /// Fetches an installation token. It changes nothing that anybody sees, so it may be repeated.
    async fn installation_token(&self, app: &App) -> Result<Kept, Failure> {
        let signed = app
            .sign()
            .map_err(|error| Failure::refused(format!("the app's key does not sign: {error}")))?;
        let call = Call {
            method: Method::POST,
            path: format!("/app/installations/{}/access_tokens", app.installation),
            body: Some(encode(&app.request())?),
            if_none_match: None,
            resource: Resource::Core,
            access: Access::Read,
        };
        let reply = self.attempt(&call, &signed).await;
        let reply = reply.map_err(|failure| failure.of_installation(app.id(), app.installation))?;
        let answer: InstallationToken = decode(&call, &reply)?;
        let seconds = answer.expires_at.as_second().saturating_sub(reply.date());
        let lifetime = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        Ok(Kept::new(answer.token.into(), lifetime, Instant::now()))
    }

    /// A refused installation token is not used again.
    async fn forget(&self, refused: &SecretString) {
        if let Auth::App(app) = &self.auth {
            let mut kept = app.kept.lock().await;
            if kept
                .as_ref()
                .is_some_and(|kept| kept.token.expose_secret() == refused.expose_secret())
            {
                *kept = None;
            }
        }
    }
}

/// Whether it is certain that nothing was sent: the error of the connection itself says so.
fn not_sent(call: &Call<'_>, error: &octocrab::Error) -> Failure {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut innermost = String::new();
    let mut unconnected = false;
    while let Some(cause) = source {
        if let Some(client) = cause.downcast_ref::<hyper_util::client::legacy::Error>() {
            unconnected = client.is_connect();
        }
        innermost = cause.to_string();
        source = cause.source();
    }
    let what = format!("{}: {innermost}", call.named());
    if unconnected {
        Failure::later(format!("GitHub cannot be reached: {what}"), None)
    } else {
        Failure::lost(call.access, what)
    }
}

pub(super) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}
