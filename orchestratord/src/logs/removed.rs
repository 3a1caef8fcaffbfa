//! What stands in the place of lines that were removed.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use cloud_code_domain::log::retention::{self, Why};
use cloud_code_domain::log::{LogCategory, LogLevel, LogLine};
use cloud_code_domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::LogsError;
use super::tail::sync_above;

/// Lines that were removed from the beginning of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Removed {
    /// The number of the first line that is not removed.
    pub(super) end: u64,
    /// How many lines there were; lines that had been lost before do not count.
    pub(super) lines: u64,
    /// The last record among them.
    pub(super) record: u64,
    /// When.
    pub(super) at: Timestamp,
    /// Why.
    pub(super) why: Why,
}

fn path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number}.removed"))
}

impl Removed {
    /// What was removed of an execution's log, if anything.
    pub(super) fn read(dir: &Path, number: u32) -> Result<Option<Self>, LogsError> {
        let path = path(dir, number);
        match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogsError::at("cannot read", &path)(error)),
            Ok(json) => {
                let read = serde_json::from_slice(&json).map_err(io::Error::from);
                read.map(Some).map_err(LogsError::at("cannot read", &path))
            }
        }
    }

    /// Says it, so that a power cut does not take it back.
    pub(super) fn write(&self, dir: &Path, number: u32) -> Result<(), LogsError> {
        let path = path(dir, number);
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            serde_json::to_writer(&mut file, self)?;
            file.flush()?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            sync_above(&path)
        };
        write().map_err(LogsError::at("cannot write", &path))
    }

    /// The line in their place.
    pub(super) fn line(&self) -> LogLine {
        notice(self.at, retention::removed(self.lines, self.why))
    }
}

/// A line of the host's own in a log.
pub(super) fn notice(at: Timestamp, text: String) -> LogLine {
    LogLine {
        at,
        level: LogLevel::Warning,
        category: LogCategory::System,
        text,
    }
}
