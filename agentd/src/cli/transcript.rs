//! What coding CLIs leave below HOME about a session: JSON lines, written while it runs. They hold
//! the exact tokens of a turn that was killed before it reported any.
//!
//! The CLI writes these files, so they are looked for by name, never followed as links, and read
//! under a bound.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Nothing past this is read.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The records of the first file below `folder`, at most `depth` folders down, whose name ends like
/// this. Lines that are no JSON are left out. Blocks.
pub(super) fn records(
    folder: &Path,
    depth: usize,
    ends_with: &str,
) -> impl Iterator<Item = Value> + use<> {
    let file = find(folder, depth, ends_with).and_then(|path| File::open(path).ok());
    let lines = file.map(|file| BufReader::new(file.take(MAX_BYTES)).lines());
    let lines = lines.into_iter().flatten().map_while(Result::ok);
    lines.filter_map(|line| serde_json::from_str(&line).ok())
}

fn find(folder: &Path, depth: usize, ends_with: &str) -> Option<PathBuf> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).ok()?.flatten() {
        // The type of the entry itself: a link is neither file nor folder.
        let kind = entry.file_type().ok()?;
        let name = entry.file_name();
        if kind.is_file() && name.to_string_lossy().ends_with(ends_with) {
            return Some(entry.path());
        }
        if kind.is_dir() && depth > 0 {
            folders.push(entry.path());
        }
    }
    folders
        .iter()
        .find_map(|folder| find(folder, depth - 1, ends_with))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_by_its_name_and_a_link_is_not_followed() {
        let home = tempfile::tempdir().expect("a directory");
        let folder = home.path().join("a/b");
        fs::create_dir_all(&folder).expect("folders");
        fs::write(folder.join("x-one.jsonl"), "{\"n\":1}\nbroken\n{\"n\":2}\n").expect("a file");
        std::os::unix::fs::symlink(folder.join("x-one.jsonl"), folder.join("two.jsonl"))
            .expect("a link");
        let found = |depth, name| records(home.path(), depth, name).count();
        assert_eq!(found(2, "one.jsonl"), 2);
        assert_eq!(found(1, "one.jsonl"), 0, "too deep");
        assert_eq!(found(2, "two.jsonl"), 0, "a link");
        assert_eq!(
            records(&home.path().join("none"), 2, "one.jsonl").count(),
            0
        );
    }
}
