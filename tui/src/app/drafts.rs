//! Drafts on disk, so that what was typed outlives the program and its terminal.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::ui::Drafts;

/// Where they are kept: `$XDG_STATE_HOME/cloud-code/drafts.json`, else below `~/.local/state`.
pub(super) fn place(get: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let set = |name: &str| {
        get(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")))?;
    Some(state.join("cloud-code/drafts.json"))
}

/// Reads them. A file that is not there or not ours to read holds none.
pub(super) fn load(path: &Path) -> Drafts {
    let text = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Writes them, for nobody else to read; the file is there as a whole or not at all.
pub(super) fn save(path: &Path, drafts: &Drafts) -> io::Result<()> {
    if drafts.is_empty() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        };
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(&serde_json::to_vec(drafts)?)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::DraftKey;

    #[test]
    fn what_was_typed_is_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state/cloud-code/drafts.json");
        let mut drafts = Drafts::default();
        drafts.keep(
            DraftKey::Steer("s6y9v7mn".to_owned()),
            vec!["use a cookie".to_owned()],
        );
        save(&path, &drafts).expect("saved");
        assert_eq!(load(&path), drafts);
        drafts.forget(&DraftKey::Steer("s6y9v7mn".to_owned()));
        save(&path, &drafts).expect("removed");
        assert!(!path.exists());
        save(&path, &drafts).expect("nothing to remove");
    }

    #[test]
    fn a_file_that_makes_no_sense_holds_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("drafts.json");
        fs::write(&path, b"\xff{").expect("written");
        assert_eq!(load(&path), Drafts::default());
    }
}
