//! Secrets in files: what keeps a file from being a place for one, and its content.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::files::{FileKind, Files};
use super::read::Field;

/// The most bytes of a secret file.
const SECRET_MOST: usize = 64 << 10;

/// Why a file cannot be used for a secret; never what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {remedy}")]
pub struct Unfit {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Unfit {
    fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

impl Field<'_, '_> {
    /// The content of a secret file: mode 0600, ours, outside the state. Never in a message.
    pub(super) fn secret(
        &self,
        base: &Path,
        state_dir: Option<&Path>,
        files: &dyn Files,
    ) -> Option<SecretString> {
        let path = self.path(base)?;
        if !self.is_private(&path, state_dir, files) {
            return None;
        }
        self.noting(secret_in(&path, files))
    }

    /// A secret that goes into one header: no white space, no control characters.
    pub(super) fn token(
        &self,
        base: &Path,
        state_dir: Option<&Path>,
        files: &dyn Files,
    ) -> Option<SecretString> {
        let secret = self.secret(base, state_dir, files)?;
        self.noting(one_word(secret))
    }

    /// Notes what keeps the file from being a place for a secret.
    pub(super) fn is_private(
        &self,
        path: &Path,
        state_dir: Option<&Path>,
        files: &dyn Files,
    ) -> bool {
        let wrong = unfit(path, state_dir, files);
        for one in &wrong {
            self.note(one.what.clone(), one.remedy.clone());
        }
        wrong.is_empty()
    }

    fn noting<T>(&self, read: Result<T, Unfit>) -> Option<T> {
        read.map_err(|unfit| self.note(unfit.what, unfit.remedy))
            .ok()
    }
}

/// The token in a file that is a place for one.
pub(super) fn token_in(
    path: &Path,
    state_dir: Option<&Path>,
    files: &dyn Files,
) -> Result<SecretString, Unfit> {
    match unfit(path, state_dir, files).into_iter().next() {
        Some(unfit) => Err(unfit),
        None => one_word(secret_in(path, files)?),
    }
}

fn one_word(secret: SecretString) -> Result<SecretString, Unfit> {
    if secret.expose_secret().bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(secret);
    }
    Err(Unfit::new(
        "its file holds more than one word",
        "put only the key or token into the file, on one line",
    ))
}

fn secret_in(path: &Path, files: &dyn Files) -> Result<SecretString, Unfit> {
    let shown = path.display();
    let bytes = files.read(path, SECRET_MOST + 1).map_err(|error| {
        Unfit::new(
            format!("{shown} cannot be read: {error}"),
            "give the daemon's user the right to read it",
        )
    })?;
    let bytes = Zeroizing::new(bytes);
    match std::str::from_utf8(&bytes).ok().map(str::trim) {
        Some(text) if !text.is_empty() && bytes.len() <= SECRET_MOST => {
            Ok(SecretString::from(text))
        }
        Some("") => Err(Unfit::new(
            format!("{shown} is empty"),
            "put the secret into it",
        )),
        Some(_) | None => Err(Unfit::new(
            format!("{shown} is no secret that we can use"),
            format!("put one UTF-8 text of at most {SECRET_MOST} bytes into it"),
        )),
    }
}

/// All that keeps a file from being a place for a secret.
fn unfit(path: &Path, state_dir: Option<&Path>, files: &dyn Files) -> Vec<Unfit> {
    let shown = path.display();
    let Some(facts) = files.facts(path) else {
        return vec![Unfit::new(
            format!("there is no file {shown}"),
            format!("make it with mode 0600: install -m 600 /dev/stdin {shown}"),
        )];
    };
    if facts.kind != FileKind::File {
        return vec![Unfit::new(
            format!("{shown} is no regular file"),
            "name a regular file of mode 0600",
        )];
    }
    let mut wrong = Vec::new();
    if facts.mode & 0o077 != 0 {
        wrong.push(Unfit::new(
            format!("{shown} has mode {:04o}: others can read it", facts.mode),
            format!("chmod 600 {shown}"),
        ));
    }
    let us = files.surroundings().uid;
    if facts.uid != us && facts.uid != 0 {
        wrong.push(Unfit::new(
            format!("{shown} belongs to user {}", facts.uid),
            format!("chown it to the daemon's user: chown {us} {shown}"),
        ));
    }
    if let Some(state) = state_dir
        && files.resolve(path).starts_with(files.resolve(state))
    {
        wrong.push(Unfit::new(
            format!("{shown} is inside state_dir, and would be in every copy of it"),
            "move it elsewhere, for example to /etc/cloud-code",
        ));
    }
    wrong
}
