//! Whose secret signed a delivery.

use axum::http::{HeaderMap, StatusCode};
use cloud_code_domain::id::ProjectName;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Rejected, only};

/// Why a secret cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "project {project}: the webhook secret is empty, so anybody could sign with it; put a random one into webhook_secret_file"
)]
pub struct UnusableSecret {
    /// The project.
    pub project: ProjectName,
}

/// The secrets of all projects, each of which may belong to several.
pub struct Secrets(Vec<Known>);

struct Known {
    secret: SecretString,
    /// Keyed once; cloned for each delivery.
    mac: Hmac<Sha256>,
    projects: Vec<ProjectName>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// The secrets, each with its project. A project may have two, for the time of a change.
    ///
    /// # Errors
    ///
    /// Where one is empty.
    pub fn new(
        secrets: impl IntoIterator<Item = (ProjectName, SecretString)>,
    ) -> Result<Self, UnusableSecret> {
        let mut known: Vec<Known> = Vec::new();
        for (project, secret) in secrets {
            let bytes = secret.expose_secret().as_bytes();
            let same = |known: &&mut Known| known.secret.expose_secret().as_bytes() == bytes;
            if let Some(known) = known.iter_mut().find(same) {
                known.projects.push(project);
                continue;
            }
            let mac = Hmac::<Sha256>::new_from_slice(bytes).ok();
            let Some(mac) = mac.filter(|_| !bytes.is_empty()) else {
                return Err(UnusableSecret { project });
            };
            known.push(Known {
                mac,
                secret,
                projects: vec![project],
            });
        }
        Ok(Self(known))
    }

    /// What takes the bytes of a delivery of this event.
    pub(super) fn verifier(&self, event: &str) -> Verifier {
        Verifier {
            macs: self.0.iter().map(|known| known.mac.clone()).collect(),
            digest: Sha256::new_with_prefix(event).chain_update([0]),
        }
    }

    /// The projects of these secrets whose repository this is; all of them, where none is named.
    pub(super) fn owners(&self, secrets: &[bool], repository: Option<&str>) -> Vec<ProjectName> {
        self.0
            .iter()
            .zip(secrets)
            .filter(|(_, matched)| **matched)
            .flat_map(|(known, _)| &known.projects)
            .filter(|project| {
                repository.is_none_or(|name| project.as_str().eq_ignore_ascii_case(name))
            })
            .cloned()
            .collect()
    }
}

/// Hashes a body as it comes, once for each secret and once for the digest.
#[derive(Debug)]
pub(super) struct Verifier {
    macs: Vec<Hmac<Sha256>>,
    digest: Sha256,
}

impl Verifier {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        for mac in &mut self.macs {
            Mac::update(mac, bytes);
        }
        Digest::update(&mut self.digest, bytes);
    }

    /// Compares with every secret, whether or not one matched before.
    pub(super) fn verify(self, signature: &[u8; 32]) -> Option<Verified> {
        let mut any = Choice::from(0);
        let matched = self.macs.into_iter().map(|mac| {
            let mac: [u8; 32] = mac.finalize().into_bytes().into();
            let same = mac.ct_eq(signature);
            any |= same;
            bool::from(same)
        });
        let secrets = matched.collect();
        bool::from(any).then(|| Verified {
            secrets,
            digest: self.digest.finalize().into(),
        })
    }
}

/// A delivery that was signed by one of ours.
#[derive(Debug)]
pub(super) struct Verified {
    /// Which secrets, in the order of [`Secrets`].
    secrets: Vec<bool>,
    digest: [u8; 32],
}

impl Verified {
    pub(super) fn secrets(&self) -> &[bool] {
        &self.secrets
    }

    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// `sha256=` and 64 lower-case hexadecimal digits, once.
pub(super) fn read(headers: &HeaderMap) -> Result<[u8; 32], Rejected> {
    let malformed = Rejected(
        StatusCode::UNAUTHORIZED,
        "X-Hub-Signature-256 must hold one sha256= signature",
    );
    let digits = only(headers, "x-hub-signature-256")
        .and_then(|value| value.strip_prefix("sha256="))
        .filter(|digits| {
            digits
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
        .ok_or(malformed)?;
    let mut signature = [0; 32];
    hex::decode_to_slice(digits, &mut signature).map_err(|_| malformed)?;
    Ok(signature)
}
