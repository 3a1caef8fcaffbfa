//! Packs over the session: bases come in, results go out.
//!
//! A base is asked for by `NeedBase` and arrives in chunks, which are written to a file. The number
//! of the execution tells which request a chunk belongs to; a broken link begins it anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use cloud_code_domain::id::Oid;
use cloud_code_proto::v1::from_agent::Message as Outgoing;
use cloud_code_proto::{PACK_CHUNK, v1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::{Workspace, WorkspaceError, git};
use crate::execution::process::Owned;
use crate::session::answers::Answers;

/// Bytes of a base at most: more than any repository that is worked on this way.
const LARGEST: u64 = 8 << 30;

/// The requests for bases that wait for an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Requests(Arc<Mutex<BTreeMap<String, Request>>>);

#[derive(Debug)]
struct Request {
    message: v1::NeedBase,
    file: File,
    length: u64,
    done: oneshot::Sender<Result<File, String>>,
}

impl Requests {
    /// Asks the host for `commit` and waits for the pack, across links.
    pub(crate) async fn ask(
        &self,
        workspace: &Workspace,
        answers: &Answers,
        execution: &str,
        commit: &Oid,
    ) -> Result<File, WorkspaceError> {
        let no_base = |reason: String| WorkspaceError::NoBase {
            commit: commit.to_string(),
            reason,
        };
        let incoming = workspace.own().join("incoming");
        let file = tempfile::tempfile_in(&incoming).map_err(super::failed("write", &incoming))?;
        let message = v1::NeedBase {
            execution: execution.to_owned(),
            commit: commit.to_string(),
            have: workspace.bases().await?,
        };
        let (done, answer) = oneshot::channel();
        let request = Request {
            message: message.clone(),
            file,
            length: 0,
            done,
        };
        self.with(|requests| requests.insert(execution.to_owned(), request));
        answers.send(Outgoing::NeedBase(message)).await;
        answer
            .await
            .unwrap_or_else(|_| Err("another request took its place".to_owned()))
            .map_err(no_base)
    }

    /// A new link: what was asked on the one before is asked again, from its beginning.
    pub(crate) async fn ask_again(&self, answers: &Answers) {
        let messages: Vec<v1::NeedBase> = self.with(|requests| {
            requests
                .values_mut()
                .filter_map(|request| {
                    request.length = 0;
                    request.file.set_len(0).ok()?;
                    request.file.seek(SeekFrom::Start(0)).ok()?;
                    Some(request.message.clone())
                })
                .collect()
        });
        for message in messages {
            answers.send(Outgoing::NeedBase(message)).await;
        }
    }

    /// A piece of a pack.
    pub(crate) fn feed(&self, chunk: &v1::PackChunk) {
        self.with(|requests| {
            let Some(request) = requests.get_mut(&chunk.execution) else {
                return;
            };
            request.length += chunk.data.len() as u64;
            let written = if request.length > LARGEST {
                Err("the pack is too large".to_owned())
            } else {
                request
                    .file
                    .write_all(&chunk.data)
                    .map_err(|error| format!("the pack cannot be written: {error}"))
            };
            if written.is_ok() && !chunk.last {
                return;
            }
            if let Some(request) = requests.remove(&chunk.execution) {
                request.answer(written);
            }
        });
    }

    /// The host cannot send it.
    pub(crate) fn fail(&self, failed: v1::BaseFailed) {
        self.with(|requests| {
            if let Some(request) = requests.remove(&failed.execution) {
                request.answer(Err(failed.reason));
            }
        });
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&self, execution: &str) {
        self.with(|requests| requests.remove(execution));
    }

    fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Request>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Request {
    fn answer(mut self, outcome: Result<(), String>) {
        let outcome = outcome.and_then(|()| {
            self.file
                .seek(SeekFrom::Start(0))
                .map_err(|error| format!("the pack cannot be read: {error}"))?;
            Ok(self.file)
        });
        if self.done.send(outcome).is_err() {
            tracing::debug!("nobody waits for a base any more");
        }
    }
}

/// Streams the objects of `head` that `base` does not reach, as one pack, on the present link.
pub(crate) async fn send_result(
    repository: &Path,
    answers: &Answers,
    (execution, ask): (&str, u64),
    head: &Oid,
    base: &Oid,
) -> Result<(), String> {
    let link = answers.link();
    let args = [
        "pack-objects",
        "--revs",
        "--stdout",
        "--quiet",
        "--delta-base-offset",
    ];
    let mut command = git::command(repository, &args);
    command.stdin(Stdio::piped());
    let mut child = Owned::spawn(command).map_err(|error| error.to_string())?;
    let (stdin, stdout) = child.take_pipes();
    let mut stdin = stdin.ok_or("git has no standard input")?;
    let mut stdout = stdout.ok_or("git has no standard output")?;
    stdin
        .write_all(format!("{head}\n^{base}\n").as_bytes())
        .await
        .map_err(|error| error.to_string())?;
    drop(stdin);
    let chunk = |data: Vec<u8>, last| {
        Outgoing::Result(v1::PackChunk {
            execution: execution.to_owned(),
            data,
            last,
            ask,
        })
    };
    let mut buffer = vec![0; PACK_CHUNK];
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = stdout
                .read(&mut buffer[filled..])
                .await
                .map_err(|error| error.to_string())?;
            if read == 0 {
                break;
            }
            filled += read;
        }
        if filled == 0 {
            break;
        }
        let data = buffer[..filled].to_vec();
        if answers.send_on(link, chunk(data, false)).await.is_err() {
            return Ok(()); // the host asks again on the next link
        }
    }
    let output = child.output().await.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(git::complaint("pack-objects", &output).to_string());
    }
    // Only a whole pack is ended: a failure after the last chunk must not look like success.
    if answers
        .send_on(link, chunk(Vec::new(), true))
        .await
        .is_err()
    {
        tracing::debug!("the link broke at the end of a result");
    }
    Ok(())
}
