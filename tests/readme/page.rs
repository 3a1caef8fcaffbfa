//! The README as a text.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where the README is.
pub(crate) fn path() -> PathBuf {
    root().join("README.md")
}

/// The whole text.
pub(crate) fn text() -> String {
    std::fs::read_to_string(path()).unwrap()
}

/// What stands in fences of this language, one after the other.
pub(crate) fn fences(language: &str) -> Vec<String> {
    let (mut fences, mut open): (Vec<String>, Option<bool>) = (Vec::new(), None);
    for line in text().lines() {
        match (line.strip_prefix("```"), open) {
            (Some(_), Some(_)) => open = None,
            (Some(found), None) => {
                open = Some(found == language);
                if found == language {
                    fences.push(String::new());
                }
            }
            (None, Some(true)) => {
                let fence = fences.last_mut().unwrap();
                fence.push_str(line);
                fence.push('\n');
            }
            (None, Some(false) | None) => {}
        }
    }
    fences
}
