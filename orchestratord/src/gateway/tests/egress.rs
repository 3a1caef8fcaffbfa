//! Tunnels.

use std::net::IpAddr;

use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A gateway with these entries and names.
fn world(egress: &[&str], names: &[(&str, &[&str])]) -> World {
    let engine = Arc::new(Engine::default());
    let names = names.iter().map(|(name, addresses)| {
        let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        ((*name).to_owned(), addresses)
    });
    let parts = Parts {
        egress: egress.iter().map(|entry| (*entry).to_owned()).collect(),
        resolver: Arc::new(Names(names.collect())),
        ..parts(&engine)
    };
    World::of(engine, parts)
}

fn connect(target: &str) -> http::Request<Body> {
    http::Request::connect(target).body(Body::empty()).unwrap()
}

/// Says "ping" through a tunnel and expects it back.
async fn ping(response: http::Response<hyper::body::Incoming>) {
    assert_eq!(response.status(), 200);
    let upgraded = hyper::upgrade::on(response).await.unwrap();
    let mut tunnel = TokioIo::new(upgraded);
    tunnel.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    tunnel.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"ping");
    tunnel.shutdown().await.unwrap();
    assert_eq!(tunnel.read(&mut answer).await.unwrap(), 0);
}

#[tokio::test]
async fn a_listed_target_is_reached_over_both_versions_and_recorded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let echo = tokio::spawn(async move {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        }
    });
    let (target, public) = (format!("echo.example:{port}"), "93.184.215.14");
    let world = world(&[&target], &[("echo.example", &[public])]);
    let peer: std::net::SocketAddr = format!("{public}:{port}").parse().unwrap();
    let io = TokioIo::new(world.connection());
    let (mut http1, running) = conn::http1::handshake(io).await.unwrap();
    tokio::spawn(running.with_upgrades());
    ping(http1.send_request(connect(&target)).await.unwrap()).await;
    let io = TokioIo::new(world.connection());
    let (mut http2, running) = conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(running);
    ping(http2.send_request(connect(&target)).await.unwrap()).await;
    echo.await.unwrap();
    for tunnel in world.engine.wait_for(&world.engine.tunnels, 2).await {
        assert_eq!((tunnel.target, tunnel.peer), (target.clone(), peer));
        assert_eq!((tunnel.sent, tunnel.received), (4, 4));
    }
}

async fn status(world: &World, target: &str) -> u16 {
    let mut stream = world.connection();
    let request = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut line = [0; 12];
    let read = stream.read_exact(&mut line);
    tokio::time::timeout(DEADLINE, read).await.unwrap().unwrap();
    std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_is_not_listed_is_refused_however_it_is_spelled() {
    let trap = Trap::new().await;
    let port = trap.address.port();
    let world = world(
        &["registry.example:443"],
        &[
            ("registry.example", &["93.184.215.14"]),
            ("localhost", &["127.0.0.1"]),
        ],
    );
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "127.0.0.1.nip.example",
        "registry.example",
        "registry.example.",
        "REGISTRY.example",
        "registry.example@127.0.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "metadata.google.internal",
        "github.com",
    ] {
        let refused = status(&world, &format!("{host}:{port}")).await;
        assert!(matches!(refused, 400 | 403), "{host}: {refused}");
    }
    assert!(trap.is_silent());
}

#[tokio::test]
async fn a_listed_name_that_leads_inside_is_refused() {
    let trap = Trap::new().await;
    let entry = format!("rebound.example:{}", trap.address.port());
    for addresses in [
        &["127.0.0.1"][..],
        &["93.184.215.14", "127.0.0.1"],
        &["127.0.0.1", "93.184.215.14"],
        &["::ffff:127.0.0.1"],
        &["::1"],
        &["64:ff9b::7f00:1"],
        &["10.0.0.1"],
        &["172.17.0.1"],
        &["192.168.0.1"],
        &["100.64.0.1"],
        &["169.254.169.254"],
        &["fd00::1"],
        &["fe80::1"],
        &["224.0.0.1"],
        &["0.0.0.0"],
    ] {
        let world = world(&[&entry], &[("rebound.example", addresses)]);
        assert_eq!(status(&world, &entry).await, 403, "{addresses:?}");
    }
    let unknown = world(&[&entry], &[]);
    assert_eq!(status(&unknown, &entry).await, 502);
    assert!(trap.is_silent());
}

#[tokio::test]
async fn a_used_up_budget_ends_tunnels_until_it_is_renewed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("sink.example:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                tokio::io::copy(&mut stream, &mut tokio::io::sink())
                    .await
                    .unwrap_or(0)
            });
        }
    });
    let world = world(&[&target], &[("sink.example", &["93.184.215.14"])]);
    let io = TokioIo::new(world.connection());
    let (mut http1, running) = conn::http1::handshake(io).await.unwrap();
    tokio::spawn(running.with_upgrades());
    let response = http1.send_request(connect(&target)).await.unwrap();
    let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let megabyte = vec![0; 1 << 20];
    let mut sent = 0;
    while tunnel.write_all(&megabyte).await.is_ok() {
        sent += 1;
        assert!(sent < 100, "the tunnel takes no end of bytes");
    }
    assert!(world.engine.wait_for(&world.engine.tunnels, 1).await[0].sent <= 5 << 20);
    assert_eq!(status(&world, &target).await, 429);
    world.door.renew_budget();
    assert_eq!(status(&world, &target).await, 200);
}

#[test]
fn an_entry_that_is_not_understood_is_told_with_the_forms_that_are() {
    let engine = Arc::new(Engine::default());
    let parts = Parts {
        egress: vec!["https://registry.example".to_owned()],
        ..parts(&engine)
    };
    let told = Gateway::new(parts).unwrap_err().to_string();
    assert!(told.contains("https://registry.example") && told.contains("host:port"));
}

#[test]
fn an_address_inside_is_no_entry() {
    for inside in [
        "127.0.0.1:4873",
        "10.0.0.5:443",
        "[::1]:443",
        "[fd00::1]:443",
    ] {
        let parts = Parts {
            egress: vec![inside.to_owned()],
            ..parts(&Arc::new(Engine::default()))
        };
        let told = Gateway::new(parts).unwrap_err().to_string();
        assert!(
            told.contains(inside) && told.contains("no agent reaches"),
            "{told}"
        );
    }
}
