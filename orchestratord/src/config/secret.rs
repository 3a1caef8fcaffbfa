//! Secrets in files: what keeps a file from being a place for one, and its content.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::files::{FileKind, Files};
use super::read::Field;

/// The most bytes of a secret file.
const SECRET_MOST: usize = 64 << 10;

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
        let bytes = match files.read(&path, SECRET_MOST + 1) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) => {
                self.note(
                    format!("{} cannot be read: {error}", path.display()),
                    "give the daemon's user the right to read it",
                );
                return None;
            }
        };
        let text = std::str::from_utf8(&bytes).ok().map(str::trim);
        match text {
            Some(text) if !text.is_empty() && bytes.len() <= SECRET_MOST => {
                Some(SecretString::from(text))
            }
            Some("") => {
                self.note(
                    format!("{} is empty", path.display()),
                    "put the secret into it",
                );
                None
            }
            Some(_) | None => {
                self.note(
                    format!("{} is no secret that we can use", path.display()),
                    format!("put one UTF-8 text of at most {SECRET_MOST} bytes into it"),
                );
                None
            }
        }
    }

    /// A secret that goes into one header: no white space, no control characters.
    pub(super) fn token(
        &self,
        base: &Path,
        state_dir: Option<&Path>,
        files: &dyn Files,
    ) -> Option<SecretString> {
        let secret = self.secret(base, state_dir, files)?;
        let good = secret.expose_secret().bytes().all(|b| b.is_ascii_graphic());
        if !good {
            self.note(
                "its file holds more than one word",
                "put only the key or token into the file, on one line",
            );
        }
        good.then_some(secret)
    }

    /// Notes what keeps the file from being a place for a secret.
    pub(super) fn is_private(
        &self,
        path: &Path,
        state_dir: Option<&Path>,
        files: &dyn Files,
    ) -> bool {
        let shown = path.display();
        let Some(facts) = files.facts(path) else {
            self.note(
                format!("there is no file {shown}"),
                format!("make it with mode 0600: install -m 600 /dev/stdin {shown}"),
            );
            return false;
        };
        if facts.kind != FileKind::File {
            self.note(
                format!("{shown} is no regular file"),
                "name a regular file of mode 0600",
            );
            return false;
        }
        let mut good = true;
        if facts.mode & 0o077 != 0 {
            self.note(
                format!("{shown} has mode {:04o}: others can read it", facts.mode),
                format!("chmod 600 {shown}"),
            );
            good = false;
        }
        let us = files.surroundings().uid;
        if facts.uid != us && facts.uid != 0 {
            self.note(
                format!("{shown} belongs to user {}", facts.uid),
                format!("chown it to the daemon's user: chown {us} {shown}"),
            );
            good = false;
        }
        if let Some(state) = state_dir
            && files.resolve(path).starts_with(files.resolve(state))
        {
            self.note(
                format!("{shown} is inside state_dir, and would be in every copy of it"),
                "move it elsewhere, for example to /etc/cloud-code",
            );
            good = false;
        }
        good
    }
}
