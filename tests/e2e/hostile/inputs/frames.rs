//! Frames of HTTP/2 that no library would send, at an agent's own socket: H20 to H23.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// The call that agentd makes.
const CALL: &str = "/cloudcode.v1.Session/Open";
/// How long the other side may take to end it.
const PATIENCE: Duration = Duration::from_secs(30);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block: POST, http, the path, an authority; everything literal.
fn block() -> Vec<u8> {
    let mut block = vec![0x83, 0x86, 0x04, u8::try_from(CALL.len()).unwrap_or(0)];
    block.extend(CALL.as_bytes());
    block.extend([0x01, 1, b'a']);
    block
}

/// How a flood ended: the bytes that were taken before the other side had enough, and the error of
/// its GOAWAY, where it said one.
struct Ended {
    taken: usize,
    error: Option<u32>,
}

/// Writes one piece after the other until the other side ends it, or all were taken.
async fn flood(socket: &Path, pieces: impl Iterator<Item = Vec<u8>>) -> Result<Ended> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(PREFACE).await?;
    let (mut from, mut to) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut said = Vec::new();
        let _reset = from.read_to_end(&mut said).await;
        said
    });
    let mut taken = 0;
    for piece in pieces {
        if reading.is_finished() || to.write_all(&piece).await.is_err() {
            break;
        }
        taken += piece.len();
        tokio::task::yield_now().await;
    }
    let said = tokio::time::timeout(PATIENCE, reading).await;
    let said = said.context("the other side never ended it")??;
    Ok(Ended {
        taken,
        error: goaway(&said),
    })
}

/// The error of the GOAWAY among frames.
fn goaway(mut said: &[u8]) -> Option<u32> {
    while let [a, b, c, kind, _flags, _, _, _, _, rest @ ..] = said {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).ok()?;
        let payload = rest.get(..length)?;
        if *kind == GOAWAY {
            let error = payload.get(4..8)?;
            return Some(u32::from_be_bytes(error.try_into().ok()?));
        }
        said = &rest[length..];
    }
    None
}

/// H20: a header block that never ends, in 20,000 pieces.
async fn endless_headers(socket: &Path) -> Result<()> {
    let field = [0x00, 1, b'a', 1, b'b'].repeat(22);
    let first = std::iter::once(frame(HEADERS, 0, 1, &block()));
    let more = (0..20_000).map(|_| frame(CONTINUATION, 0, 1, &field));
    let ended = flood(socket, first.chain(more)).await?;
    ensure!(ended.taken < 1 << 20, "it took {} bytes", ended.taken);
    Ok(())
}

/// H21: 50,000 calls, each taken back at once.
async fn rapid_resets(socket: &Path) -> Result<()> {
    const ENHANCE_YOUR_CALM: u32 = 11;
    let pairs = (0..50_000_u32).map(|index| {
        let stream = 2 * index + 1;
        let mut pair = frame(HEADERS, 4, stream, &block());
        pair.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        pair
    });
    let ended = flood(socket, pairs).await?;
    ensure!(ended.taken < 2 << 20, "it took {} bytes", ended.taken);
    let calm = ended.error.is_none_or(|error| error == ENHANCE_YOUR_CALM);
    ensure!(calm, "it ended with {:?}", ended.error);
    Ok(())
}

/// A call with this body and these headers; the status that ended it.
async fn call(socket: &Path, headers: &[(&str, &str)], body: Vec<u8>) -> Result<String> {
    let stream = UnixStream::connect(socket).await?;
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
    let connection = tokio::spawn(connection);
    let mut request = Request::post(format!("http://agentd{CALL}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = async {
        let answer = sender
            .send_request(request.body(Full::new(Bytes::from(body)))?)
            .await?;
        let first = answer.headers().get("grpc-status").cloned();
        let trailers = answer.into_body().collect().await?.trailers().cloned();
        let last = trailers.and_then(|trailers| trailers.get("grpc-status").cloned());
        let status = first.or(last).context("no status")?;
        anyhow::Ok(status.to_str()?.to_owned())
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await;
    connection.abort();
    answer.context("it was never answered")?
}

/// H22: a message of 4 GiB, from somebody who says that they are somebody else.
async fn a_length_that_cannot_be(socket: &Path) -> Result<()> {
    let lies = [
        ("agent_id", "2"),
        ("x-agent-id", "acme-app.backend-9"),
        ("x-task-id", "other"),
    ];
    let status = call(socket, &lies, vec![0, 0xff, 0xff, 0xff, 0xff]).await?;
    match status.as_str() {
        // RESOURCE_EXHAUSTED, OUT_OF_RANGE
        "8" | "11" => Ok(()),
        other => bail!("a message of 4 GiB was answered with {other}"),
    }
}

/// H23: 4 KB that would become 4 MiB.
async fn a_compressed_message(socket: &Path) -> Result<()> {
    let body = [&[1, 0, 0, 16, 0][..], &[0x1f; 4096]].concat();
    let status = call(socket, &[("grpc-encoding", "gzip")], body).await?;
    ensure!(status == "12", "compression was answered with {status}");
    Ok(())
}

/// All of them, some at the same time.
pub(super) async fn send_all(socket: &Path) -> Result<()> {
    let (endless, rapid) = tokio::join!(endless_headers(socket), rapid_resets(socket));
    endless.context("H20")?;
    rapid.context("H21")?;
    a_length_that_cannot_be(socket).await.context("H22")?;
    a_compressed_message(socket).await.context("H23")
}
