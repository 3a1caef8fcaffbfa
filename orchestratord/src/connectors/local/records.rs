//! The records: one JSON file per issue or pull request, replaced whole (temporary file, fsync,
//! rename, fsync of the directory), so that a crash leaves the old one or the new one.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cloud_code_domain::id::Oid;
use cloud_code_domain::issue::{PullRequestState, Trigger};
use cloud_code_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ports::Trouble;

/// Why the records cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system says no.
    #[error("the record {path} cannot be {verb}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// `read` or `written`.
        verb: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not one of ours.
    #[error("the record {path} is damaged; restore or remove it")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// A record that could not be written is as it was.
impl From<RecordError> for Trouble {
    fn from(error: RecordError) -> Self {
        let why = std::error::Error::source(&error).map(ToString::to_string);
        let what = format!("{error}: {}", why.unwrap_or_default());
        Self::Later { what, until: None }
    }
}

/// An issue or a pull request. They share their numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Grows with every change of any record.
    pub(super) change: u64,
    pub(super) title: String,
    pub(super) body: String,
    pub(super) comments: Vec<Comment>,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Issue {
        labels: Vec<String>,
        trigger: Option<Trigger>,
        open: bool,
        created_at: Timestamp,
    },
    PullRequest {
        branch: String,
        into: String,
        head: Oid,
        state: PullRequestState,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) text: String,
}

/// All records of a project.
#[derive(Debug)]
pub(super) struct Records {
    directory: PathBuf,
    all: BTreeMap<u64, Record>,
    change: u64,
}

impl Records {
    pub(super) fn open(directory: PathBuf) -> Result<Self, RecordError> {
        let fail = |source| RecordError::Io {
            path: directory.clone(),
            verb: "read",
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(fail)?;
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(&directory).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let number = name.and_then(|name| name.strip_suffix(".json")?.parse().ok());
            if let Some(number) = number {
                all.insert(number, read(&path)?);
            }
        }
        let change = all.values().map(|record| record.change).max().unwrap_or(0);
        Ok(Self {
            directory,
            all,
            change,
        })
    }

    pub(super) fn get(&self, number: u64) -> Option<&Record> {
        self.all.get(&number)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &Record)> {
        self.all.iter().map(|(number, record)| (*number, record))
    }

    pub(super) fn change(&self) -> u64 {
        self.change
    }

    pub(super) fn next_number(&self) -> u64 {
        self.all.keys().next_back().map_or(1, |last| last + 1)
    }

    /// A comment id that no record has.
    pub(super) fn next_comment(&self) -> u64 {
        let comments = self.all.values().flat_map(|record| &record.comments);
        comments.map(|comment| comment.id).max().unwrap_or(0) + 1
    }

    /// Writes a record, durably, and only then remembers it.
    pub(super) fn put(&mut self, number: u64, mut record: Record) -> Result<(), RecordError> {
        record.change = self.change + 1;
        let path = self.directory.join(format!("{number}.json"));
        write(&self.directory, &path, &record)?;
        self.change = record.change;
        self.all.insert(number, record);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Record, RecordError> {
    let bytes = std::fs::read(path).map_err(|source| RecordError::Io {
        path: path.to_owned(),
        verb: "read",
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|source| RecordError::Damaged {
        path: path.to_owned(),
        source,
    })
}

fn write(directory: &Path, path: &Path, record: &Record) -> Result<(), RecordError> {
    let fail = |source| RecordError::Io {
        path: path.to_owned(),
        verb: "written",
        source,
    };
    let bytes = serde_json::to_vec_pretty(record).map_err(|error| fail(error.into()))?;
    let new = path.with_extension("new");
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .map_err(fail)?;
    file.write_all(&bytes).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    std::fs::rename(&new, path).map_err(fail)?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(fail)
}
