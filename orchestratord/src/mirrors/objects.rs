//! Objects, one at a time, from one `git cat-file --batch` that lives as long as the reader.

use std::path::Path;

use cloud_code_domain::id::Oid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

use super::git::{Call, Git, GitError, Running};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Commit,
    Tree,
    Blob,
    Tag,
}

/// The answer for an object id.
#[derive(Debug)]
pub(crate) enum Found {
    /// No such object.
    Missing,
    /// It is larger than wanted.
    TooLarge,
    /// Here it is.
    Object(ObjectKind, Vec<u8>),
}

/// Reads objects of one repository.
#[derive(Debug)]
pub(crate) struct ObjectReader {
    running: Running,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl ObjectReader {
    /// Starts reading in a repository of ours. All reads together have `deadline`.
    pub(crate) fn open(
        git: &Git,
        git_dir: &Path,
        deadline: std::time::Duration,
    ) -> Result<Self, GitError> {
        let call = Call::new(git_dir, ["cat-file", "--batch"]).deadline(deadline);
        let mut running = git.start(&call)?;
        match (running.take_stdin(), running.take_stdout()) {
            (Some(stdin), Some(stdout)) => Ok(Self {
                running,
                stdin,
                stdout: BufReader::with_capacity(64 << 10, stdout),
            }),
            (_, _) => Err(nonsense("it has no pipes".to_owned())),
        }
    }

    /// The object with this id, if it has at most `max` bytes.
    pub(crate) async fn read(&mut self, oid: &Oid, max: u64) -> Result<Found, GitError> {
        let Self {
            running,
            stdin,
            stdout,
        } = self;
        let ask = async {
            stdin.write_all(format!("{oid}\n").as_bytes()).await?;
            stdin.flush().await?;
            let mut header = String::new();
            (&mut *stdout).take(256).read_line(&mut header).await?;
            Ok(header)
        };
        let header = running.within(ask).await?;
        let words: Vec<&str> = header.split_whitespace().collect();
        let (kind, size) = match words.as_slice() {
            [_, "missing"] => return Ok(Found::Missing),
            [_, kind, size] => (object_kind(kind), size.parse::<u64>().ok()),
            _ => (None, None),
        };
        let (Some(kind), Some(size)) = (kind, size) else {
            return Err(nonsense(header));
        };
        let take = async {
            let mut data = Vec::new();
            if size <= max {
                (&mut *stdout).take(size).read_to_end(&mut data).await?;
            } else {
                let mut rest = (&mut *stdout).take(size);
                tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
            }
            stdout.read_u8().await?;
            Ok(data)
        };
        let data = running.within(take).await?;
        Ok(if size <= max {
            Found::Object(kind, data)
        } else {
            Found::TooLarge
        })
    }
}

fn object_kind(word: &str) -> Option<ObjectKind> {
    match word {
        "commit" => Some(ObjectKind::Commit),
        "tree" => Some(ObjectKind::Tree),
        "blob" => Some(ObjectKind::Blob),
        "tag" => Some(ObjectKind::Tag),
        _ => None,
    }
}

fn nonsense(what: String) -> GitError {
    GitError::Nonsense {
        command: "cat-file".to_owned(),
        what,
    }
}
