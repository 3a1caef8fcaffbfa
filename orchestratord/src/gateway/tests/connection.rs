//! Connections of an agent.

use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::*;

impl World {
    /// An agent's end of a connection that is being served.
    pub(super) fn connection(&self) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let rest = Router::new().fallback(|| async { "rest" });
        let service = self.door.service(rest);
        tokio::spawn(serve_connection(theirs, service, CancellationToken::new()));
        ours
    }

    /// What a raw request is answered before the connection ends, in whatever way it does.
    async fn raw(&self, request: &str) -> String {
        let mut stream = self.connection();
        let mut answer = Vec::new();
        let exchange = async {
            stream.write_all(request.as_bytes()).await?;
            stream.read_to_end(&mut answer).await
        };
        let ended = tokio::time::timeout(DEADLINE, exchange).await;
        drop(ended.expect("the connection ended in time"));
        String::from_utf8(answer).unwrap()
    }
}

fn world() -> World {
    World::new(account(Provider::Anthropic, "http://127.0.0.1:1"))
}

#[tokio::test]
async fn both_versions_of_http_reach_the_session_and_the_models_on_one_socket() {
    let world = world();
    let request = |path: &str| {
        let request = http::Request::get(format!("http://local{path}"));
        request.body(Body::empty()).unwrap()
    };
    let io = TokioIo::new(world.connection());
    let (mut http2, running) = conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(running);
    for (path, expected) in [
        ("/cloudcode.v1.Session/Open", "rest"),
        ("/model/openai/models", "data"),
    ] {
        let answer = http2.send_request(request(path)).await.unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&body).contains(expected));
        let origin = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert!(world.raw(&origin).await.contains(expected));
    }
}

#[tokio::test]
async fn plain_requests_to_a_proxy_are_refused_with_the_way_that_works() {
    let trap = Trap::new().await;
    let request = format!(
        "GET http://{}/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        trap.address
    );
    let answer = world().raw(&request).await;
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("CONNECT"),
        "{answer}"
    );
    assert!(trap.is_silent());
}

#[tokio::test]
async fn headers_beyond_the_bound_end_the_connection() {
    let world = world();
    let many: String = (0..65).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x: {}\r\n", "x".repeat(70 << 10));
    for headers in [many, long] {
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        assert!(world.raw(&request).await.starts_with("HTTP/1.1 431"));
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_are_dropped_and_others_go_on() {
    let world = world();
    let mut held = world.connection();
    held.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    held.read_u8().await.unwrap();
    let free = world.door.connections.available_permits();
    let full = Arc::clone(&world.door.connections)
        .acquire_many_owned(u32::try_from(free).unwrap())
        .await
        .unwrap();
    assert_eq!(world.raw("").await, "");
    held.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    held.read_u8().await.unwrap();
    drop(full);
    let request = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(world.raw(request).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn closing_ends_a_connection_after_its_request() {
    let world = world();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let closing = CancellationToken::new();
    let service = world.door.service(Router::new());
    let served = tokio::spawn(serve_connection(theirs, service, closing.clone()));
    ours.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    ours.read_u8().await.unwrap();
    closing.cancel();
    tokio::time::timeout(DEADLINE, served)
        .await
        .unwrap()
        .unwrap();
}
