//! A scripted model server: what stands in for Anthropic, OpenAI and Google in every test.
//!
//! It speaks Anthropic Messages, OpenAI Responses and Chat Completions, and Google's Generative Language
//! API, whole and streaming, below any path prefix. What it answers is a [`Script`]: steps of a turn, in words and actions, turned
//! into calls of whatever tools the client offers. Its memory is the conversation it is sent, so one
//! server serves many clients, and retries and resumed sessions find their place.
//!
//! ```text
//!  request ──ask──▶ Ask ──(fault due? ──▶ refusal, cut, silence)
//!                    │
//!                    └─answer─▶ Answer ──anthropic | responses | chat | google──▶ JSON or events
//! ```
//!
//! It keeps every request with its headers, and the truth of what it counted: what a gateway's
//! accounting is held against.

mod answer;
mod anthropic;
mod ask;
mod chat;
mod google;
mod refusal;
mod responses;
mod script;
mod sse;
mod tools;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use cloud_code_domain::cost::Usage;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use ask::Protocol;
pub use script::{Action, Fault, Script, Step};

use answer::Answer;
use ask::Ask;

/// A running server; it ends with this value.
#[derive(Debug)]
pub struct ModelServer {
    url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<io::Result<()>>,
    open: watch::Sender<bool>,
}

/// One request as it arrived, and what became of it.
#[derive(Debug, Clone)]
pub struct Request {
    /// GET, POST, …
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body; null if there was none.
    pub body: Value,
    /// Of a model call: its protocol.
    pub protocol: Option<Protocol>,
    /// Of a model call: what a person said in this turn.
    pub prompt: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A model call was answered and counted.
    Answered {
        /// By this model.
        model: String,
        /// As this.
        usage: Usage,
    },
    /// It was answered with an HTTP error.
    Refused {
        /// The status.
        status: u16,
    },
    /// It was taken and not answered to the end.
    Broken,
    /// It was no model call.
    Other,
}

impl Request {
    /// The secret it came with, whichever header held it.
    #[must_use]
    pub fn key(&self) -> &str {
        let header = |name| self.headers.get(name).map(String::as_str);
        header("x-api-key")
            .or_else(|| header("x-goog-api-key"))
            .or_else(|| header("authorization")?.strip_prefix("Bearer "))
            .unwrap_or_default()
    }
}

#[derive(Debug)]
struct Shared {
    script: Mutex<Script>,
    requests: Mutex<Vec<Request>>,
    /// Model calls so far.
    calls: watch::Sender<usize>,
    open: watch::Receiver<bool>,
}

/// A poisoned lock only means that some test failed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ModelServer {
    /// Starts a server on a free port of the loopback address.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (open, watched) = watch::channel(true);
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            requests: Mutex::default(),
            calls: watch::Sender::default(),
            open: watched,
        });
        let router = Router::new()
            .fallback(handle)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            url,
            shared,
            serving,
            open,
        })
    }

    /// `http://127.0.0.1:PORT`: the API's root. Any path prefix may follow.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on this script is played.
    pub fn play(&self, script: Script) {
        *lock(&self.shared.script) = script;
    }

    /// Everything that was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// The model calls so far, with whatever outcome.
    #[must_use]
    pub fn calls(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.protocol.is_some());
        requests
    }

    /// Resolves when there were this many model calls, with whatever outcome.
    pub async fn wait_for_calls(&self, count: usize) {
        let mut calls = self.shared.calls.subscribe();
        // An error means that the server is gone; then nobody waits for it.
        calls.wait_for(|calls| *calls >= count).await.ok();
    }

    /// What was counted, per model.
    #[must_use]
    pub fn usage(&self) -> BTreeMap<String, Usage> {
        let mut counted: BTreeMap<String, Usage> = BTreeMap::new();
        for request in self.requests() {
            if let Outcome::Answered { model, usage } = request.outcome {
                let sum = counted.entry(model).or_default();
                *sum = sum.plus(usage);
            }
        }
        counted
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        // Ends what hangs or stalls on purpose; whether anything listens does not matter.
        self.open.send_replace(false);
        self.serving.abort();
    }
}

impl Shared {
    fn record(&self, request: Request, outcome: Outcome) {
        let call = usize::from(request.protocol.is_some());
        lock(&self.requests).push(Request { outcome, ..request });
        self.calls.send_modify(|calls| *calls += call);
    }

    /// Resolves when the server ends.
    async fn ended(&self) {
        let mut open = self.open.clone();
        // An error means that the server is gone, which is what is waited for.
        open.wait_for(|open| !open).await.ok();
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let protocol = Protocol::of(uri.path()).filter(|_| method == Method::POST);
    let request = Request {
        method: method.to_string(),
        path: uri.to_string(),
        headers: headers
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into(),
                )
            })
            .collect(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        protocol,
        prompt: String::new(),
        outcome: Outcome::Other,
    };
    match protocol {
        Some(protocol) => model_call(&shared, request, protocol).await,
        None => aside(&shared, request, &uri, body.len()),
    }
}

/// Requests that ask for no answer of a model.
fn aside(shared: &Shared, request: Request, uri: &Uri, bytes: usize) -> Response {
    let path = uri.path().trim_end_matches('/');
    let upgrade = request.headers.contains_key("upgrade");
    shared.record(request, Outcome::Other);
    if upgrade {
        return StatusCode::UPGRADE_REQUIRED.into_response();
    }
    let body = if path.ends_with("/v1/models") {
        let model = json!({ "id": "scripted-model", "object": "model", "type": "model" });
        json!({ "object": "list", "has_more": false, "data": [model] })
    } else if path.ends_with("/count_tokens") {
        json!({ "input_tokens": bytes / 4 })
    } else if path.ends_with(":countTokens") {
        json!({ "totalTokens": bytes / 4 })
    } else {
        json!({})
    };
    axum::Json(body).into_response()
}

async fn model_call(shared: &Arc<Shared>, mut request: Request, protocol: Protocol) -> Response {
    let ask = Ask::read(protocol, &request.path, &request.body);
    request.prompt.clone_from(&ask.prompt);
    let (fault, answer) = {
        let mut script = lock(&shared.script);
        let answer = Answer::compose(&script, &ask);
        let fault = if script.accepts(request.key()) {
            script.take_fault(answer.ends_turn())
        } else {
            Some(Fault::status(401))
        };
        (fault, answer)
    };
    match fault {
        Some(Fault::Status {
            status,
            code,
            message,
            headers,
        }) => {
            shared.record(request, Outcome::Refused { status });
            let body = refusal::body(protocol, status, (&code, &message), &headers);
            let in_array = ask.stream && ask.as_array;
            let body = if in_array { json!([body]) } else { body };
            refused(status, &headers, &body)
        }
        Some(Fault::Hang) => {
            shared.record(request, Outcome::Broken);
            shared.ended().await;
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Some(Fault::Cut { after }) => {
            shared.record(request, Outcome::Broken);
            let cut = stream::once(async {
                // What came before is written out while this waits.
                tokio::task::yield_now().await;
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            });
            streamed(&ask, first_events(&ask, &answer, after).chain(cut))
        }
        Some(Fault::Stall { after }) => {
            shared.record(request, Outcome::Broken);
            let shared = Arc::clone(shared);
            let silence = stream::once(async move {
                shared.ended().await;
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            });
            streamed(&ask, first_events(&ask, &answer, after).chain(silence))
        }
        None => {
            let outcome = Outcome::Answered {
                model: ask.model.clone(),
                usage: match protocol {
                    Protocol::Messages | Protocol::Responses | Protocol::Chat => answer.usage,
                    Protocol::Google => google::counted(answer.usage),
                },
            };
            shared.record(request, outcome);
            answered(&ask, &answer)
        }
    }
}

fn answered(ask: &Ask, answer: &Answer) -> Response {
    if ask.stream {
        return streamed(ask, first_events(ask, answer, usize::MAX));
    }
    let body = match ask.protocol {
        Protocol::Messages => anthropic::message(&ask.model, answer),
        Protocol::Responses => responses::response(&ask.model, answer),
        Protocol::Chat => chat::completion(&ask.model, answer),
        Protocol::Google => google::answer(&ask.model, answer),
    };
    axum::Json(body).into_response()
}

/// The first events of the answer as a stream of bytes.
fn first_events(
    ask: &Ask,
    answer: &Answer,
    count: usize,
) -> impl Stream<Item = io::Result<String>> + Send + use<> {
    let events = match ask.protocol {
        Protocol::Messages => anthropic::events(&ask.model, answer),
        Protocol::Responses => responses::events(&ask.model, answer),
        Protocol::Chat => chat::events(&ask.model, answer, ask.usage_in_stream),
        Protocol::Google => google::events(&ask.model, answer),
    };
    let pieces: Vec<String> = if ask.as_array {
        google::array(events)
    } else {
        events.iter().map(sse::bytes).collect()
    };
    stream::iter(pieces.into_iter().take(count).map(Ok))
}

fn streamed(
    ask: &Ask,
    events: impl Stream<Item = io::Result<String>> + Send + 'static,
) -> Response {
    let kind = if ask.as_array {
        "application/json; charset=UTF-8"
    } else {
        "text/event-stream"
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

fn refused(status: u16, headers: &[(String, String)], body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, axum::Json(body)).into_response();
    for (name, value) in headers {
        let name = HeaderName::try_from(name.as_str());
        let value = HeaderValue::try_from(value.as_str());
        if let (Ok(name), Ok(value)) = (name, value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
