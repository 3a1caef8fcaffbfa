//! A handle to the secrets file that all parts of the daemon share.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloud_code_domain::credential::CredentialType;
use cloud_code_domain::id::ProjectName;
use cloud_code_proto::v1;
use secrecy::{ExposeSecret, SecretString};
use tonic::Status;

use crate::config::Config;
use crate::engine::SecretId;

use super::{SecretIdentity, SecretsError, SecretsFile};

/// See the module. Without `[secrets]` there is no file: nothing is known, nothing can be stored.
#[derive(Debug, Clone)]
pub struct Secrets(Option<Arc<Mutex<SecretsFile>>>);

/// The most bytes that a secret has.
const MAX_VALUE: usize = 64 << 10;

impl Secrets {
    /// Opens the configured file. `seen` is how often it had been written when the store last knew:
    /// an older copy of it is refused.
    ///
    /// # Errors
    /// [`SecretsError`] where it cannot be opened, is broken, or is an older copy.
    pub fn open(config: &Config, seen: u64) -> Result<Self, SecretsError> {
        let Some(secrets) = &config.secrets else {
            return Ok(Self(None));
        };
        let path = config.state_dir.join("secrets");
        let file = SecretsFile::open(&path, &secrets.key_file, seen)?;
        Ok(Self(Some(Arc::new(Mutex::new(file)))))
    }

    fn file(&self) -> Option<MutexGuard<'_, SecretsFile>> {
        self.0
            .as_ref()
            .map(|file| file.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn writable(&self) -> Result<MutexGuard<'_, SecretsFile>, Status> {
        self.file().ok_or_else(|| {
            Status::failed_precondition(
                "no secrets file is configured; make a key with `orchestratord secrets-key FILE`, \
                 name it in [secrets] key_file, and start orchestratord again",
            )
        })
    }

    /// Which secrets are stored, and how often the file was written.
    #[must_use]
    pub fn known(&self) -> (BTreeSet<SecretId>, u64) {
        let Some(file) = self.file() else {
            return (BTreeSet::new(), 0);
        };
        let ids = file.list().filter_map(|entry| {
            let of = &entry.identity;
            Some((of.kind.parse().ok()?, of.scope.clone(), of.project.clone()))
        });
        (ids.collect(), file.counter())
    }

    /// The value for a project, to be sent to an agent that holds a grant.
    #[must_use]
    pub fn reveal(
        &self,
        kind: CredentialType,
        scope: &str,
        project: &ProjectName,
    ) -> Option<Vec<u8>> {
        match self.file()?.get(kind, scope, project) {
            Ok(value) => value.map(|value| value.expose_secret().as_bytes().to_vec()),
            Err(error) => {
                tracing::error!(%error, "a secret cannot be read");
                None
            }
        }
    }

    /// Every value, for the gate: none of them may be in what is pushed.
    #[must_use]
    pub fn reveal_all(&self) -> Vec<SecretString> {
        let Some(file) = self.file() else {
            return Vec::new();
        };
        file.values()
    }

    /// Stores a secret.
    ///
    /// # Errors
    /// As an answer to the operator: what is wrong with it, or why it cannot be stored.
    pub fn set(
        &self,
        kind: CredentialType,
        scope: &str,
        project: Option<&ProjectName>,
        value: Vec<u8>,
    ) -> Result<(), Status> {
        let text = String::from_utf8(value)
            .map_err(|_| Status::invalid_argument("a secret has to be text (UTF-8)"))?;
        let text = SecretString::from(text);
        let trimmed = text.expose_secret().trim();
        if trimmed.is_empty() || trimmed.len() > MAX_VALUE {
            return Err(Status::invalid_argument(format!(
                "a secret has from 1 to {MAX_VALUE} bytes"
            )));
        }
        let identity = SecretIdentity::new(kind, scope, project);
        let value = SecretString::from(trimmed.to_owned());
        self.writable()?
            .set(identity, &value, crate::app::now())
            .map_err(unavailable)
    }

    /// What there is, never a value.
    #[must_use]
    pub fn list(&self) -> Vec<v1::Secret> {
        let Some(file) = self.file() else {
            return Vec::new();
        };
        file.list()
            .map(|entry| v1::Secret {
                kind: entry.identity.kind.clone(),
                scope: entry.identity.scope.clone(),
                project: entry
                    .identity
                    .project
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                updated_at_ms: entry.updated_at.0,
            })
            .collect()
    }

    /// Forgets a secret; false where there was none.
    ///
    /// # Errors
    /// As [`Secrets::set`].
    pub fn remove(
        &self,
        kind: CredentialType,
        scope: &str,
        project: Option<&ProjectName>,
    ) -> Result<bool, Status> {
        self.writable()?
            .remove(&SecretIdentity::new(kind, scope, project))
            .map_err(unavailable)
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that map_err wants"
)]
fn unavailable(error: SecretsError) -> Status {
    tracing::error!(error = &error as &dyn std::error::Error, "the secrets file");
    Status::unavailable(error.to_string())
}
