//! The secret of an account: read from its file at start, and again when an operator says that the
//! account can be used again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::SecretString;

use super::files::Files;
use super::secret::{Unfit, token_in};

/// A secret and where it is kept. Clones share it: what one of them reads again, all have.
#[derive(Clone)]
pub struct AccountSecret {
    file: PathBuf,
    value: Arc<RwLock<SecretString>>,
}

impl AccountSecret {
    /// A secret that was read from this file.
    #[must_use]
    pub fn new(file: PathBuf, value: SecretString) -> Self {
        Self {
            file,
            value: Arc::new(RwLock::new(value)),
        }
    }

    /// What it is now.
    #[must_use]
    pub fn get(&self) -> SecretString {
        let value = self.value.read().unwrap_or_else(PoisonError::into_inner);
        value.clone()
    }

    /// Reads the file again. Where it cannot be used the secret stays as it was.
    ///
    /// # Errors
    /// What is wrong with the file, and the remedy.
    pub fn read_again(&self, state_dir: &Path, files: &dyn Files) -> Result<(), Unfit> {
        let fresh = token_in(&self.file, Some(state_dir), files)?;
        let mut value = self.value.write().unwrap_or_else(PoisonError::into_inner);
        *value = fresh;
        Ok(())
    }
}

impl fmt::Debug for AccountSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountSecret")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::super::RealFiles;
    use super::*;

    #[test]
    fn what_is_read_again_is_seen_by_every_clone_and_a_bad_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (file, state) = (dir.path().join("key"), dir.path().join("state"));
        let write = |text: &str, mode: u32| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        };
        let secret = AccountSecret::new(file.clone(), "old".into());
        let seen = secret.clone();
        let again = || secret.read_again(&state, &RealFiles);
        for (text, mode, wrong) in [
            ("new", 0o644, "mode 0644"),
            ("", 0o600, "is empty"),
            ("two words", 0o600, "more than one word"),
        ] {
            write(text, mode);
            let refused = again().unwrap_err().to_string();
            assert!(refused.contains(wrong), "{refused}");
            assert_eq!(seen.get().expose_secret(), "old");
        }
        write("new\n", 0o600);
        again().unwrap();
        assert_eq!(seen.get().expose_secret(), "new");
        assert!(!format!("{seen:?}").contains("new\""));
    }
}
