//! A code host over HTTP: git's own `http-backend` behind one `Authorization` header.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinHandle;

/// Serves the repositories below a directory until it is dropped.
#[derive(Debug)]
pub(crate) struct HttpHost {
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

impl Drop for HttpHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl HttpHost {
    pub(crate) async fn serve(root: &Path, authorization: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let root = root.to_owned();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that goes away is no fault of this server.
                answer(stream, &root, authorization).await.ok();
            }
        });
        Self { port, task }
    }
}

#[derive(Debug, Default)]
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map_or("", |(_, value)| value.as_str())
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut words = line.split(' ').map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        ..Request::default()
    };
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((key, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        request
            .headers
            .push((key.to_ascii_lowercase(), value.to_owned()));
    }
    let length = request.header("content-length").parse().unwrap_or(0);
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).await?;
    Ok(request)
}

async fn answer(stream: TcpStream, root: &PathBuf, authorization: &str) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await?;
    let close = "Connection: close\r\n";
    if request.header("authorization") != authorization {
        let denied = format!("HTTP/1.1 401 No\r\nContent-Length: 0\r\n{close}\r\n");
        return stream.write_all(denied.as_bytes()).await;
    }
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", request.header("git-protocol"))
        .env("HTTP_CONTENT_ENCODING", request.header("content-encoding"))
        .env("REMOTE_USER", "somebody")
        .env("REQUEST_METHOD", &request.method)
        .env("CONTENT_TYPE", request.header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&request.body).await?;
    }
    let output = child.wait_with_output().await?.stdout;
    let text = String::from_utf8_lossy(&output[..output.len().min(100)]).into_owned();
    let status = match text.strip_prefix("Status: ") {
        Some(rest) => rest.lines().next().unwrap_or_default().to_owned(),
        None => "200 OK".to_owned(),
    };
    stream
        .write_all(format!("HTTP/1.1 {status}\r\n{close}").as_bytes())
        .await?;
    stream.write_all(&output).await?;
    stream.shutdown().await
}
