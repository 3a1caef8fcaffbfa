//! The encrypted secrets file.
//!
//! ```text
//!  cloud-code secrets 1
//!  counter 7                                     grows with every change
//!  record <identity> <nonce> <ciphertext>        XChaCha20-Poly1305, the identity as associated data
//!  …
//!  seal <nonce> <tag>                            the same cipher over nothing, all lines above as
//!                                                associated data
//! ```
//!
//! A record that is moved to another identity does not open; a record that is dropped, a byte that is
//! changed, a line that is written in another way breaks the seal. An older copy of the whole file is
//! sound in itself: it is told by the counter, whose last value the caller keeps elsewhere.
//!
//! Values are decrypted when they are asked for, and wiped when they are dropped.

mod error;
mod format;

pub use error::SecretsError;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use cloud_code_domain::credential::CredentialType;
use cloud_code_domain::id::ProjectName;
use cloud_code_domain::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::read_key;
use format::Sealed;

/// The most bytes of a value.
const VALUE_MOST: usize = 64 << 10;
/// The most bytes of the file.
const FILE_MOST: u64 = 64 << 20;

/// Which secret it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretIdentity {
    /// Its kind, as agents ask for it.
    pub kind: String,
    /// Its exact scope.
    pub scope: String,
    /// The project that it is for; none: every project without one of its own.
    pub project: Option<ProjectName>,
}

impl SecretIdentity {
    /// A secret of this kind and scope, for one project or for all.
    #[must_use]
    pub fn new(kind: CredentialType, scope: &str, project: Option<&ProjectName>) -> Self {
        Self {
            kind: kind.as_str().to_owned(),
            scope: scope.to_owned(),
            project: project.cloned(),
        }
    }
}

/// A secret without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretEntry {
    /// Which one.
    pub identity: SecretIdentity,
    /// Grows with every change of its value.
    pub version: u64,
    /// When it was set.
    pub updated_at: Timestamp,
}

/// The open file. No value is in its `Debug`: they are all sealed.
#[derive(Debug)]
pub struct SecretsFile {
    path: PathBuf,
    cipher: Cipher,
    counter: u64,
    records: Vec<Record>,
}

/// The cipher with its key, which is wiped when it is dropped.
struct Cipher(XChaCha20Poly1305);

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

#[derive(Debug, Clone)]
struct Record {
    entry: SecretEntry,
    sealed: Sealed,
}

impl Cipher {
    fn seal(&self, value: &[u8], associated: &[u8]) -> Result<Sealed, SecretsError> {
        let nonce = XNonce::generate();
        let payload = Payload {
            msg: value,
            aad: associated,
        };
        let unfit = |_| SecretsError::Unfit {
            rule: "cannot be encrypted",
        };
        let ciphertext = self.0.encrypt(&nonce, payload).map_err(unfit)?;
        Ok(Sealed {
            nonce: nonce.into(),
            ciphertext,
        })
    }

    fn open(&self, sealed: &Sealed, associated: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload {
            msg: &sealed.ciphertext,
            aad: associated,
        };
        let nonce = XNonce::from(sealed.nonce);
        self.0.decrypt(&nonce, payload).ok().map(Zeroizing::new)
    }
}

impl SecretsFile {
    /// Opens the file, or begins an empty one. `seen` is the [`counter`](Self::counter) after the
    /// last change that the caller has recorded, 0 for none. A higher one in the file is right: the
    /// caller was interrupted before it could record it.
    ///
    /// # Errors
    /// [`SecretsError`]; nothing of a broken file is used.
    pub fn open(path: &Path, key_file: &Path, seen: u64) -> Result<Self, SecretsError> {
        let key = read_key(key_file)?;
        let mut file = Self {
            path: path.to_owned(),
            cipher: Cipher(XChaCha20Poly1305::new((&*key).into())),
            counter: 0,
            records: Vec::new(),
        };
        if let Some(text) = read(path)? {
            file.load(&text)?;
        }
        if file.counter < seen {
            return Err(SecretsError::RolledBack {
                path: path.to_owned(),
                found: file.counter,
                seen,
            });
        }
        Ok(file)
    }

    fn load(&mut self, text: &str) -> Result<(), SecretsError> {
        let broken = || SecretsError::Broken {
            path: self.path.clone(),
        };
        let parsed = format::parse(text).ok_or_else(broken)?;
        self.cipher
            .open(&parsed.seal, parsed.sealed_text.as_bytes())
            .filter(|nothing| nothing.is_empty())
            .ok_or_else(broken)?;
        // What can be written in two ways could be changed without breaking the seal of its own line.
        if format::render(&parsed.sealed_text, &parsed.seal) != text {
            return Err(broken());
        }
        for record in &parsed.records {
            self.cipher
                .open(&record.sealed, &associated(&record.entry))
                .ok_or_else(broken)?;
        }
        self.counter = parsed.counter;
        self.records = parsed.records;
        Ok(())
    }

    /// Grows with every change. Record it after each, and give it to the next [`open`](Self::open).
    #[must_use]
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Keeps a value, in the place of an earlier one.
    ///
    /// # Errors
    /// [`SecretsError`]; then nothing has changed.
    pub fn set(
        &mut self,
        identity: SecretIdentity,
        value: &SecretString,
        now: Timestamp,
    ) -> Result<(), SecretsError> {
        check(&identity, value.expose_secret())?;
        let earlier = self.records.iter().find(|r| r.entry.identity == identity);
        let version = earlier.map_or(0, |record| record.entry.version) + 1;
        let entry = SecretEntry {
            identity,
            version,
            updated_at: now,
        };
        let sealed = self
            .cipher
            .seal(value.expose_secret().as_bytes(), &associated(&entry))?;
        let mut records = self.records.clone();
        records.retain(|record| record.entry.identity != entry.identity);
        records.push(Record { entry, sealed });
        records.sort_by(|a, b| a.entry.identity.cmp(&b.entry.identity));
        self.write(records)
    }

    /// The value for a project: its own, else the one for all.
    ///
    /// # Errors
    /// [`SecretsError::Broken`]
    pub fn get(
        &self,
        kind: CredentialType,
        scope: &str,
        project: &ProjectName,
    ) -> Result<Option<SecretString>, SecretsError> {
        let Some(record) = self.find(kind, scope, project) else {
            return Ok(None);
        };
        let broken = || SecretsError::Broken {
            path: self.path.clone(),
        };
        let opened = self.cipher.open(&record.sealed, &associated(&record.entry));
        let value = opened.ok_or_else(broken)?;
        let value = std::str::from_utf8(&value).map_err(|_| broken())?;
        Ok(Some(SecretString::from(value)))
    }

    /// Every value that opens, for the gate.
    #[must_use]
    pub fn values(&self) -> Vec<SecretString> {
        let open = |record: &Record| {
            let value = self
                .cipher
                .open(&record.sealed, &associated(&record.entry))?;
            std::str::from_utf8(&value).ok().map(SecretString::from)
        };
        self.records.iter().filter_map(open).collect()
    }

    /// Whether [`get`](Self::get) has a value.
    #[must_use]
    pub fn has(&self, kind: CredentialType, scope: &str, project: &ProjectName) -> bool {
        self.find(kind, scope, project).is_some()
    }

    fn find(&self, kind: CredentialType, scope: &str, project: &ProjectName) -> Option<&Record> {
        let of = |project| {
            let wanted = SecretIdentity::new(kind, scope, project);
            self.records
                .iter()
                .find(move |record| record.entry.identity == wanted)
        };
        of(Some(project)).or_else(|| of(None))
    }

    /// What there is, in a fixed order; never a value.
    pub fn list(&self) -> impl Iterator<Item = &SecretEntry> {
        self.records.iter().map(|record| &record.entry)
    }

    /// Forgets a secret; false where there was none.
    ///
    /// # Errors
    /// [`SecretsError`]; then nothing has changed.
    pub fn remove(&mut self, identity: &SecretIdentity) -> Result<bool, SecretsError> {
        let mut records = self.records.clone();
        records.retain(|record| record.entry.identity != *identity);
        if records.len() == self.records.len() {
            return Ok(false);
        }
        self.write(records)?;
        Ok(true)
    }

    /// Puts a new file in the place of the old one: written, synced, renamed, the folder synced.
    fn write(&mut self, records: Vec<Record>) -> Result<(), SecretsError> {
        let counter = self.counter + 1;
        let body = format::body(counter, &records);
        let seal = self.cipher.seal(b"", body.as_bytes())?;
        let text = format::render(&body, &seal);
        let failed = |source| SecretsError::Io {
            path: self.path.clone(),
            operation: "written",
            source,
        };
        replace(&self.path, text.as_bytes()).map_err(failed)?;
        self.counter = counter;
        self.records = records;
        Ok(())
    }
}

fn check(identity: &SecretIdentity, value: &str) -> Result<(), SecretsError> {
    let scope = &identity.scope;
    let rule = if scope.is_empty() || scope.len() > 200 || scope.contains(char::is_control) {
        "has a scope of 1 to 200 characters on one line"
    } else if value.is_empty() || value.len() > VALUE_MOST {
        "has a value of 1 to 65536 bytes"
    } else {
        return Ok(());
    };
    Err(SecretsError::Unfit { rule })
}

/// What a record's ciphertext belongs to, with the length of each part before it.
fn associated(entry: &SecretEntry) -> Vec<u8> {
    let project = entry.identity.project.as_ref().map(ProjectName::as_str);
    let mut bytes = b"cloud-code secret 1".to_vec();
    for part in [
        Some(entry.identity.kind.as_str()),
        Some(entry.identity.scope.as_str()),
        project,
    ] {
        let length = part.map_or(u64::MAX, |part| part.len() as u64);
        bytes.extend(length.to_be_bytes());
        bytes.extend(part.unwrap_or_default().as_bytes());
    }
    bytes.extend(entry.version.to_be_bytes());
    bytes.extend(entry.updated_at.0.to_be_bytes());
    bytes
}

/// The file's text; none where there is no file.
fn read(path: &Path) -> Result<Option<String>, SecretsError> {
    let failed = |source| SecretsError::Io {
        path: path.to_owned(),
        operation: "read",
        source,
    };
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata.map_err(failed)?,
    };
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretsError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let broken = || SecretsError::Broken {
        path: path.to_owned(),
    };
    if metadata.len() > FILE_MOST {
        return Err(broken());
    }
    let bytes = fs::read(path).map_err(failed)?;
    String::from_utf8(bytes).map(Some).map_err(|_| broken())
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
