//! The repository as a list of files, without what is built.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Folders at the root that are not ours to keep in order.
const HIDDEN: [&str; 2] = [".git", "target"];

/// Every file below a folder, relative to the root, sorted. What tools build is left out: a folder
/// with a `CACHEDIR.TAG` says so itself.
pub(crate) fn below(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let name = entry.file_name();
        if HIDDEN.iter().any(|hidden| name == *hidden) {
            continue;
        }
        if kind.is_dir() && !path.join("CACHEDIR.TAG").exists() {
            collect(&path, found);
        } else if kind.is_file() {
            found.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
}

/// Every source file in Rust.
pub(crate) fn sources() -> Vec<PathBuf> {
    let rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    below("").into_iter().filter(rust).collect()
}

/// The text of a file; none where it is no text.
pub(crate) fn text(path: &Path) -> Option<String> {
    let bytes = std::fs::read(root().join(path)).unwrap();
    String::from_utf8(bytes).ok()
}

/// The folders at the root that hold something of ours, without hidden ones.
pub(crate) fn folders() -> Vec<String> {
    let mut folders: Vec<String> = below("")
        .iter()
        .filter(|path| path.components().count() > 1)
        .filter_map(|path| path.components().next())
        .map(|first| first.as_os_str().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    folders.dedup();
    folders
}

/// The manifest of a folder.
pub(crate) fn manifest(folder: &str) -> toml::Table {
    let path = Path::new(folder).join("Cargo.toml");
    text(&path).unwrap().parse().unwrap()
}
