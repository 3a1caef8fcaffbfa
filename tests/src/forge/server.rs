//! The forge's HTTP: connections, faults, pages, tags, git.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Result;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_TYPE, DATE, ETAG, IF_NONE_MATCH, LINK, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request as HttpRequest, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Shared;
use super::faults::Fault;
use super::git::Cgi;
use super::rest::{self, Answer, Request};

/// The largest request: packs are the largest.
const LARGEST: usize = 256 << 20;

/// The connection ends here, as if the answer had got lost.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost, as planned")]
struct Lost;

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            Some(_ended) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _from)) = accepted else {
            continue;
        };
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = tower::service_fn(move |request: HttpRequest<Incoming>| {
                let shared = Arc::clone(&shared);
                async move { handle(&shared, request.map(Body::new)).await }
            });
            let server = auto::Builder::new(TokioExecutor::new()).http1_only();
            let service = TowerToHyperService::new(service);
            // A connection that ends early is the caller's business.
            let _ended = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn handle(shared: &Shared, request: HttpRequest<Body>) -> Result<Response<Body>, Lost> {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return Err(Lost);
    };
    let path = head.uri.path().to_owned();
    let fault = shared.faults().take(head.method.as_str(), &path);
    if let Some(refusal) = fault.and_then(|fault| before(shared, fault)) {
        shared.note(head.method.as_str(), &path);
        return Ok(refusal);
    }
    if fault == Some(Fault::Reset) {
        return Err(Lost);
    }
    let stale = fault == Some(Fault::StaleList);
    let Ok(response) = dispatch(shared, &head, &body, stale).await;
    match fault {
        Some(fault) => after(fault, response).await,
        None => Ok(response),
    }
}

/// What arrives of the answer to a request that took effect.
async fn after(fault: Fault, mut response: Response<Body>) -> Result<Response<Body>, Lost> {
    match fault {
        Fault::LoseAnswer => return Err(Lost),
        Fault::FailAfter(status) => return Ok(failure(status)),
        Fault::Slow(time) => tokio::time::sleep(time).await,
        // Ends with the connection, which the caller gives up.
        Fault::Hang => std::future::pending().await,
        Fault::HalfAnswer => {
            let whole = std::mem::take(response.body_mut());
            let whole = to_bytes(whole, LARGEST).await.map_err(|_| Lost)?;
            *response.body_mut() = Body::from(whole.slice(..whole.len() / 2));
        }
        Fault::Page => {
            *response.body_mut() = Body::from("<html><body>All is well.</body></html>");
            insert(&mut response, CONTENT_TYPE.as_str(), "text/html");
        }
        Fault::Bare => response.headers_mut().clear(),
        Fault::FailBefore(_)
        | Fault::Limited(_)
        | Fault::Spent(_)
        | Fault::Reset
        | Fault::StaleList => {}
    }
    Ok(response)
}

/// The answer of a fault that keeps the request from having an effect.
fn before(shared: &Shared, fault: Fault) -> Option<Response<Body>> {
    match fault {
        Fault::FailBefore(status) => Some(failure(status)),
        Fault::Limited(seconds) => {
            let mut response = failure(429);
            let value = HeaderValue::from(seconds);
            response.headers_mut().insert("retry-after", value);
            Some(response)
        }
        Fault::Spent(seconds) => {
            let mut response = failure(403);
            let reset = shared.state().now().as_second().unsigned_abs() + seconds;
            let headers = response.headers_mut();
            headers.insert("x-ratelimit-remaining", HeaderValue::from_static("0"));
            headers.insert("x-ratelimit-reset", HeaderValue::from(reset));
            Some(response)
        }
        Fault::LoseAnswer
        | Fault::FailAfter(_)
        | Fault::Slow(_)
        | Fault::Reset
        | Fault::Hang
        | Fault::HalfAnswer
        | Fault::Page
        | Fault::Bare
        | Fault::StaleList => None,
    }
}

fn failure(status: u16) -> Response<Body> {
    let mut response = Response::new(Body::from(r#"{"message":"planned"}"#));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response
}

async fn dispatch(
    shared: &Shared,
    head: &Parts,
    body: &Bytes,
    stale: bool,
) -> Result<Response<Body>, Infallible> {
    let path = head.uri.path();
    shared.note(head.method.as_str(), path);
    Ok(match path.strip_prefix("/api") {
        Some(below) => api(shared, head, below, body, stale).await,
        None => git(shared, head, body).await,
    })
}

async fn api(
    shared: &Shared,
    head: &Parts,
    path: &str,
    body: &Bytes,
    stale: bool,
) -> Response<Body> {
    let query = head.uri.query().unwrap_or_default();
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let method = head.method.as_str();
    shared.check(method, path, query, &json, &head.headers);
    let request = Request {
        method,
        path: path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(decoded)
            .collect(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(decoded_pair)
            .collect(),
        headers: &head.headers,
        body: &json,
        stale,
    };
    let answer = rest::answer(shared, &request).await;
    shared.wake();
    render(shared, head, &request, answer)
}

fn decoded_pair((name, value): (&str, &str)) -> (String, String) {
    (decoded(name), decoded(value))
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits: Vec<u8> = rest.by_ref().take(2).collect();
            let digits = std::str::from_utf8(&digits).unwrap_or_default();
            bytes.push(u8::from_str_radix(digits, 16).unwrap_or(b'?'));
        } else {
            bytes.push(if byte == b'+' { b' ' } else { byte });
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn render(shared: &Shared, head: &Parts, request: &Request<'_>, answer: Answer) -> Response<Body> {
    let number = |name: &str, or: usize| {
        let given = request.query.get(name).and_then(|value| value.parse().ok());
        given.unwrap_or(or).max(1)
    };
    let (page, per_page) = (
        number("page", 1),
        number("per_page", 30).min(shared.page_limit()),
    );
    let mut response = Response::new(Body::empty());
    let mut json = answer.json;
    if let Value::Array(items) = json {
        let total = items.len();
        let cut: Vec<Value> = items
            .into_iter()
            .skip((page - 1) * per_page)
            .take(per_page)
            .collect();
        if total > page * per_page {
            let link = format!(
                "<http://elsewhere.invalid{}?page={}>; rel=\"next\"",
                head.uri.path(),
                page + 1
            );
            insert(&mut response, LINK.as_str(), &link);
        }
        json = cut.into();
    }
    let text = json.to_string();
    let tag = format!("W/\"{}\"", hex::encode(Sha256::digest(text.as_bytes())));
    let asked = head
        .headers
        .get(IF_NONE_MATCH)
        .and_then(|tag| tag.to_str().ok());
    let same = request.method == "GET" && answer.status.is_success() && asked == Some(tag.as_str());
    *response.status_mut() = if same {
        StatusCode::NOT_MODIFIED
    } else {
        answer.status
    };
    if !same {
        *response.body_mut() = Body::from(text);
    }
    let now = shared.state().now();
    insert(
        &mut response,
        CONTENT_TYPE.as_str(),
        "application/json; charset=utf-8",
    );
    insert(&mut response, ETAG.as_str(), &tag);
    insert(
        &mut response,
        DATE.as_str(),
        &now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
    );
    insert(&mut response, "x-ratelimit-remaining", "4999");
    insert(
        &mut response,
        "x-ratelimit-reset",
        &(now.as_second() + 3_600).to_string(),
    );
    response
}

fn insert(response: &mut Response<Body>, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// git's own requests, for who has a token.
async fn git(shared: &Shared, head: &Parts, body: &Bytes) -> Response<Body> {
    let now = shared.state().now();
    if shared.access().is_suspended(&head.headers) {
        return failure(403);
    }
    let Some(user) = shared.access().login(&head.headers, now) else {
        let mut response = failure(401);
        insert(
            &mut response,
            WWW_AUTHENTICATE.as_str(),
            "Basic realm=\"forge\"",
        );
        return response;
    };
    let request = Cgi {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        headers: &head.headers,
        user: &user,
    };
    let served = shared.git.serve(&request, body).await;
    let refreshed = shared.refresh(&user).await;
    match (served, refreshed) {
        (Ok(response), Ok(())) => response,
        (Err(error), _) | (_, Err(error)) => {
            let mut response = failure(500);
            *response.body_mut() = Body::from(format!("{error:#}"));
            response
        }
    }
}
