//! Hostile and honest deliveries against the router, without a network.

use std::sync::Mutex;

use axum::body::to_bytes;
use axum::http::request::Builder;
use cloud_code_domain::id::ProjectName;
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tower::ServiceExt;

use super::*;
use crate::issues::{Taken, Unavailable};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHERS: &str = "fedcba9876543210fedcba9876543210";

/// Records hints; a digest once. Unavailable while it is told to be.
#[derive(Debug, Default)]
struct Recorder {
    hints: Mutex<Vec<Hint>>,
    down: bool,
}

impl Intake for Recorder {
    fn hint(&self, hint: Hint) -> BoxFuture<'_, Result<Taken, Unavailable>> {
        Box::pin(async move {
            if self.down {
                return Err(Unavailable);
            }
            let mut hints = self.hints.lock().unwrap();
            if hints.iter().any(|known| known.digest == hint.digest) {
                return Ok(Taken::Duplicate);
            }
            hints.push(hint);
            Ok(Taken::Accepted)
        })
    }
}

struct Fixture {
    router: Router,
    recorder: Arc<Recorder>,
}

fn name(text: &str) -> ProjectName {
    text.parse().unwrap()
}

fn fixture_with(recorder: Recorder) -> Fixture {
    let secrets = Secrets::new([
        (name("acme/app"), SECRET.into()),
        (name("other/thing"), OTHERS.into()),
    ]);
    let recorder = Arc::new(recorder);
    Fixture {
        router: router(secrets.unwrap(), recorder.clone(), Limits::default()),
        recorder,
    }
}

fn fixture() -> Fixture {
    fixture_with(Recorder::default())
}

fn sign(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let mac = mac.chain_update(body).finalize().into_bytes();
    format!("sha256={}", hex::encode(mac))
}

fn post_to() -> Builder {
    Request::post("/webhooks/github").header("content-type", "application/json")
}

fn delivery(event: &str, body: &[u8]) -> Request<Body> {
    post_to()
        .header("x-github-event", event)
        .header("x-hub-signature-256", sign(SECRET, body))
        .body(Body::from(body.to_vec()))
        .unwrap()
}

impl Fixture {
    async fn send(&self, request: Request<Body>) -> u16 {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 1_000).await.unwrap();
        assert_eq!(body.iter().filter(|b| **b == b'\n').count(), 1, "one line");
        status
    }

    fn hints(&self) -> Vec<Hint> {
        self.recorder.hints.lock().unwrap().clone()
    }
}

const LABELED: &[u8] = include_bytes!("fixtures/issues.labeled.json");

#[tokio::test]
async fn a_signed_delivery_becomes_a_hint_and_a_replay_becomes_none() {
    let it = fixture();
    for _ in 0..3 {
        assert_eq!(it.send(delivery("issues", LABELED)).await, 202);
    }
    let hints = it.hints();
    assert_eq!(hints.len(), 1);
    assert_eq!(hints[0].about, About::Issue(7));
    assert_eq!(hints[0].projects, [name("acme/app")]);
}

#[tokio::test]
async fn a_delivery_that_is_not_signed_right_is_refused() {
    let it = fixture();
    let good = sign(SECRET, LABELED);
    let reserialised: serde_json::Value = serde_json::from_slice(LABELED).unwrap();
    let mut flipped = LABELED.to_vec();
    flipped[20] ^= 1;
    for signature in [
        String::new(),
        good.replace("sha256=", "sha1="),
        good.replace("sha256=", ""),
        good[..good.len() - 1].to_owned(),
        format!("{good}0"),
        good.to_uppercase().replace("SHA256", "sha256"),
        sign("", LABELED),
        sign("another secret", LABELED),
        sign(SECRET, reserialised.to_string().as_bytes()),
        sign(SECRET, &flipped),
        format!("sha256={}", "0".repeat(64)),
    ] {
        let request = post_to()
            .header("x-github-event", "issues")
            .header("x-hub-signature-256", &signature)
            .body(Body::from(LABELED));
        assert_eq!(it.send(request.unwrap()).await, 401, "{signature}");
    }
    let unsigned = post_to()
        .header("x-github-event", "issues")
        .body(Body::from(LABELED));
    assert_eq!(it.send(unsigned.unwrap()).await, 401);
    let twice = post_to()
        .header("x-github-event", "issues")
        .header("x-hub-signature-256", &good)
        .header("x-hub-signature-256", &good)
        .body(Body::from(LABELED));
    assert_eq!(it.send(twice.unwrap()).await, 401);
    assert!(it.hints().is_empty());
}

#[tokio::test]
async fn a_secret_speaks_only_for_its_own_repository() {
    let it = fixture();
    let request = post_to()
        .header("x-github-event", "issues")
        .header("x-hub-signature-256", sign(OTHERS, LABELED))
        .body(Body::from(LABELED));
    assert_eq!(it.send(request.unwrap()).await, 401);
    assert!(it.hints().is_empty());
}

#[tokio::test]
async fn a_body_with_the_name_of_another_event_is_refused() {
    let it = fixture();
    for event in [
        "installation",
        "issue_comment",
        "pull_request",
        "pull_request_review",
        "ping",
    ] {
        assert_eq!(it.send(delivery(event, LABELED)).await, 400, "{event}");
    }
    let comment = br#"{"action":"created","issue":{"number":7},"comment":{"id":1},
        "repository":{"full_name":"acme/app"}}"#;
    assert_eq!(it.send(delivery("issues", comment)).await, 400);
    assert!(it.hints().is_empty());
}

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let it = fixture();
    let deep = format!(r#"{{"action":"x","ignored":{}"#, "[".repeat(200_000));
    let cases: [&[u8]; 9] = [
        b"",
        b"[]",
        b"null",
        &LABELED[..LABELED.len() - 5],
        br#"{"action":"closed","action":"labeled","issue":{"number":7},"repository":{"full_name":"acme/app"}}"#,
        br#"{"action":"labeled","issue":{"number":"7"},"repository":{"full_name":"acme/app"}}"#,
        br#"{"action":"labeled","issue":{"number":-7},"repository":{"full_name":"acme/app"}}"#,
        b"{\"action\":\"labeled\",\"x\":\"\xff\",\"issue\":{\"number\":7},\"repository\":{\"full_name\":\"acme/app\"}}",
        deep.as_bytes(),
    ];
    for body in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(it.send(delivery("issues", body)).await, 400, "{shown}");
    }
    assert!(it.hints().is_empty());
}

#[tokio::test]
async fn wrong_types_and_names_are_refused_before_the_body_is_read() {
    let it = fixture();
    let with = |media: &str, event: &str| {
        Request::post("/webhooks/github")
            .header("content-type", media)
            .header("x-github-event", event)
            .header("x-hub-signature-256", sign(SECRET, LABELED))
            .body(Body::from_stream(futures_util::stream::pending::<
                Result<Vec<u8>, std::io::Error>,
            >()))
            .unwrap()
    };
    assert_eq!(
        it.send(with("application/x-www-form-urlencoded", "issues"))
            .await,
        415
    );
    assert_eq!(it.send(with("text/plain", "issues")).await, 415);
    assert_eq!(it.send(with("application/json", "")).await, 400);
    assert_eq!(it.send(with("application/json", "Issues; drop")).await, 400);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_cut_off_announced_or_not() {
    let it = fixture();
    let announced = post_to()
        .header("x-github-event", "issues")
        .header("x-hub-signature-256", format!("sha256={}", "0".repeat(64)))
        .header("content-length", "27262976")
        .body(Body::from_stream(futures_util::stream::pending::<
            Result<Vec<u8>, std::io::Error>,
        >()));
    assert_eq!(it.send(announced.unwrap()).await, 413);
    let endless =
        futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
    let endless = post_to()
        .header("x-github-event", "issues")
        .header("x-hub-signature-256", format!("sha256={}", "0".repeat(64)))
        .body(Body::from_stream(endless));
    assert_eq!(it.send(endless.unwrap()).await, 413);
}

#[tokio::test]
async fn bodies_beyond_the_room_of_all_are_put_off() {
    let limits = Limits {
        bodies: 4 << 10,
        ..Limits::default()
    };
    let recorder = Arc::new(Recorder::default());
    let secrets = Secrets::new([(name("acme/app"), SECRET.into())]).unwrap();
    let it = Fixture {
        router: router(secrets, recorder.clone(), limits),
        recorder,
    };
    let mut padded = LABELED.to_vec();
    padded.extend([b' '; 64 << 10]);
    assert_eq!(it.send(delivery("issues", &padded)).await, 503);
    assert_eq!(
        it.send(delivery("issues", LABELED)).await,
        202,
        "the room is given back"
    );
}

#[tokio::test]
async fn what_is_not_recorded_is_not_acknowledged() {
    let it = fixture_with(Recorder {
        down: true,
        ..Recorder::default()
    });
    assert_eq!(it.send(delivery("issues", LABELED)).await, 503);
}

#[tokio::test]
async fn a_ping_is_answered_and_health_needs_no_signature() {
    let it = fixture();
    let ping = br#"{"zen":"Keep it logically awesome.","hook_id":1,"repository":{"full_name":"acme/app"}}"#;
    assert_eq!(it.send(delivery("ping", ping)).await, 200);
    assert_eq!(it.hints()[0].about, About::Ping);
    let health = Request::get("/healthz").body(Body::empty()).unwrap();
    assert_eq!(it.send(health).await, 200);
}

#[test]
fn an_empty_secret_is_refused_and_a_shared_one_speaks_for_all_its_projects() {
    let empty = Secrets::new([(name("acme/app"), "".into())]);
    assert_eq!(empty.unwrap_err().project, name("acme/app"));
    let shared = [
        (name("acme/app"), SECRET.into()),
        (name("acme/lib"), SECRET.into()),
    ];
    let shared = Secrets::new(shared).unwrap();
    assert_eq!(shared.owners(&[true], None).len(), 2);
    assert_eq!(shared.owners(&[true], Some("ACME/lib")), [name("acme/lib")]);
    assert!(shared.owners(&[false], None).is_empty());
}

#[test]
fn comments_on_pull_requests_are_about_the_pull_request() {
    let body = br#"{"action":"created","issue":{"number":9,"pull_request":{"url":"u"}},
        "comment":{"id":1},"repository":{"full_name":"acme/app"}}"#;
    assert_eq!(
        parse("issue_comment", body).unwrap().about,
        About::PullRequest(9)
    );
    let review = br#"{"action":"submitted","review":{"id":2},"pull_request":{"number":9},
        "repository":{"full_name":"acme/app"}}"#;
    assert_eq!(
        parse("pull_request_review", review).unwrap().about,
        About::PullRequest(9)
    );
}

/// GitHub's own example payloads, where they are at hand: each `<event>.json` holds one per action.
#[test]
fn every_real_payload_is_understood_under_its_own_name_only() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("CLOUD_CODE_SHARED_DATA")
        .map_or_else(|| root.join("../../shared/data"), std::path::PathBuf::from)
        .join("webhooks");
    let Ok(files) = std::fs::read_dir(folder) else {
        return;
    };
    for file in files {
        let path = file.unwrap().path();
        let event = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if event.starts_with('_') {
            continue;
        }
        let text = std::fs::read(&path).unwrap();
        let actions: std::collections::BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(&text).unwrap();
        for (action, body) in actions {
            let body = body.to_string();
            let body = body.as_bytes();
            let parsed = parse(&event, body).unwrap_or_else(|e| panic!("{event}.{action}: {e}"));
            let recorded = matches!(&parsed.about, About::Recorded(name) if *name == event);
            let handled = ["ping", "installation", "issue", "pull_request"];
            let handled = handled.iter().any(|start| event.starts_with(start));
            assert_ne!(recorded, handled, "{event}.{action}: {parsed:?}");
            if event != "installation" && event != "installation_repositories" {
                let wrong = parse("installation", body);
                assert!(wrong.is_err(), "{event}.{action} as installation");
            }
        }
    }
}
