//! A delivery: lines of headers, an empty line, a body; signed by us where the first byte is odd.

#![no_main]

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request};
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use orchestratord::issues::webhook::{Limits, Secrets, router};
use orchestratord::issues::{Hint, Intake, Taken, Unavailable};
use tower::ServiceExt;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[derive(Debug)]
struct Nowhere;

impl Intake for Nowhere {
    fn hint(&self, hint: Hint) -> BoxFuture<'_, Result<Taken, Unavailable>> {
        assert!(!hint.projects.is_empty(), "nobody's hint");
        Box::pin(async { Err(Unavailable) })
    }
}

static EDGE: LazyLock<axum::Router> = LazyLock::new(|| {
    let project = "acme/app".parse().expect("a project");
    let secrets = Secrets::new([(project, SECRET.to_owned().into())]).expect("a secret");
    router(secrets, Arc::new(Nowhere), Limits::default())
});

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime")
});

fn request(data: &[u8]) -> (Request<Body>, bool) {
    let (head, body) = match data.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (data, &[][..]),
    };
    let mut request = Request::post("/webhooks/github")
        .body(Body::from(body.to_vec()))
        .expect("a request");
    let signed = head.first().is_some_and(|byte| byte % 2 == 1);
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    if signed {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
        mac.update(body);
        let digits: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let value = HeaderValue::from_str(&format!("sha256={digits}")).expect("digits");
        request.headers_mut().insert("x-hub-signature-256", value);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert("content-type", json);
    }
    (request, signed)
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (request, signed) = request(data);
    let answered = RUNTIME
        .block_on(EDGE.clone().oneshot(request))
        .expect("it always answers");
    let status = answered.status().as_u16();
    // Nothing can be recorded here, so that what would be taken is 503.
    let expected: &[u16] = if signed {
        &[400, 401, 413, 503]
    } else {
        &[400, 401, 413, 415]
    };
    assert!(expected.contains(&status), "{status}, signed {signed}");
});
