//! Why secrets cannot be read or written, and what the operator can do.

use std::io;
use std::path::PathBuf;

use super::super::key::BadKey;

/// Why secrets cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The key is no key.
    #[error("the secrets file cannot be opened without its key")]
    Key(#[from] BadKey),
    /// A file operation failed.
    #[error("the secrets file {path} cannot be {operation}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: read, written.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Others may read or write it.
    #[error("the secrets file {path} has mode {mode:04o}; it must be 0600: chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It was changed by somebody else, damaged, or sealed with another key.
    #[error(
        "the secrets file {path} is not as we wrote it: it was changed, damaged, or belongs to another key; restore it with its key, or move it away and set the secrets again"
    )]
    Broken {
        /// The file.
        path: PathBuf,
    },
    /// It is older than what was seen before.
    #[error(
        "the secrets file {path} is an older one (change {found}, but {seen} was seen); restore the newest, or move it away and set the secrets again"
    )]
    RolledBack {
        /// The file.
        path: PathBuf,
        /// The file's counter; 0 where there is no file.
        found: u64,
        /// The counter that was seen before.
        seen: u64,
    },
    /// What is to be kept is not possible.
    #[error("a secret {rule}")]
    Unfit {
        /// The rule it breaks.
        rule: &'static str,
    },
}
