//! The program that carries the link, in most cases ssh. It ends with the link.

use std::ffi::OsString;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::heard::{FarEnd, First, Heard, listen};

/// Characters of a complaint that are kept.
const COMPLAINT: usize = 300;

/// The program's standard input and output as one stream.
pub(super) struct Pipe {
    // Killed when the link is dropped.
    _child: Child,
    _reader: Arc<AbortOnDrop>,
    input: ChildStdin,
    output: ChildStdout,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is known of the far end.
pub(super) struct Far {
    complaints: Arc<Mutex<Option<String>>>,
    // What the program complains of is read to its end, also where the link is given up.
    _reader: Arc<AbortOnDrop>,
    end: FarEnd,
}

impl Far {
    /// Waits until the far end says something; an error says why it never will. What is sent to it
    /// goes nowhere before ssh is through, and gRPC takes that for a link.
    pub(super) async fn speaks(self, timeout: Duration) -> Result<(), String> {
        match self.end.first(timeout).await {
            First::Spoke => Ok(()),
            First::HungUp => Err(self.complaints.last_line().await),
            First::Silent => Err(format!("nothing was heard in {} s", timeout.as_secs())),
        }
    }
}

/// The last line of what the program wrote to its standard error; it may come a moment after the
/// end of its output.
trait LastLine {
    async fn last_line(&self) -> String;
}

impl LastLine for Mutex<Option<String>> {
    async fn last_line(&self) -> String {
        let said = async {
            loop {
                if let Some(line) = self.lock().await.clone() {
                    return line;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let said = tokio::time::timeout(Duration::from_secs(2), said).await;
        said.unwrap_or_else(|_| "it ended without a word".to_owned())
    }
}

/// Starts the program.
pub(super) fn start(command: &[OsString]) -> io::Result<(Heard<Pipe>, Far)> {
    let (program, arguments) = command
        .split_first()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
    let input = child.stdin.take().ok_or_else(missing)?;
    let output = child.stdout.take().ok_or_else(missing)?;
    let errors = child.stderr.take().ok_or_else(missing)?;
    let complaints: Arc<Mutex<Option<String>>> = Arc::default();
    let kept = Arc::clone(&complaints);
    let reader = tokio::spawn(async move {
        let mut lines = BufReader::new(errors).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if !line.trim().is_empty() {
                *kept.lock().await = Some(line.trim().chars().take(COMPLAINT).collect());
            }
        }
    });
    let reader = Arc::new(AbortOnDrop(reader));
    let pipe = Pipe {
        _child: child,
        _reader: Arc::clone(&reader),
        input,
        output,
    };
    let (pipe, end) = listen(pipe);
    let far = Far {
        complaints,
        _reader: reader,
        end,
    };
    Ok((pipe, far))
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}
