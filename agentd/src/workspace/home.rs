//! HOME of a task: filled from the project's home seed, which never holds secrets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use cloud_code_proto::v1;

use super::{WorkspaceError, failed};

/// Writes the files below `home`, over those of an earlier execution.
pub(crate) fn fill(home: &Path, files: &[v1::HomeFile]) -> Result<(), WorkspaceError> {
    for file in files {
        let path = home.join(harmless(&file.path)?);
        write(home, &path, &file.content)?;
        if file.executable {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700))
                .map_err(failed("make executable", &path))?;
        }
    }
    Ok(())
}

/// Writes one file below `home` without following a link that an earlier run left in its place.
pub(crate) fn write(home: &Path, path: &Path, content: &[u8]) -> Result<(), WorkspaceError> {
    let mut dir = home.to_owned();
    let below = path.strip_prefix(home).unwrap_or(path);
    for part in below.parent().into_iter().flat_map(Path::components) {
        dir.push(part);
        if !fs::symlink_metadata(&dir).is_ok_and(|meta| meta.is_dir()) {
            remove(&dir)?;
            fs::create_dir(&dir).map_err(failed("create", &dir))?;
        }
    }
    remove(path)?;
    fs::write(path, content).map_err(failed("write", path))
}

fn remove(path: &Path) -> Result<(), WorkspaceError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => super::remove_tree(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.map_err(failed("replace", path))
}

/// A relative path without `..`, or the refusal.
fn harmless(path: &str) -> Result<PathBuf, WorkspaceError> {
    let parts: Vec<Component<'_>> = Path::new(path).components().collect();
    let plain = parts
        .iter()
        .all(|part| matches!(part, Component::Normal(_)));
    if plain && !parts.is_empty() && !path.contains('\0') {
        Ok(parts.iter().collect())
    } else {
        Err(WorkspaceError::BadHomePath(
            path.chars().take(200).collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> v1::HomeFile {
        v1::HomeFile {
            path: path.into(),
            content: b"x".to_vec(),
            executable: false,
        }
    }

    #[test]
    fn a_path_that_leaves_home_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            ".",
            "./../x",
            "a\0b",
        ] {
            assert!(fill(dir.path(), &[file(path)]).is_err(), "{path:?}");
        }
        fill(dir.path(), &[file(".claude/skills/a.md")]).unwrap();
        assert!(dir.path().join(".claude/skills/a.md").is_file());
    }

    #[test]
    fn a_link_in_the_way_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("conf")).unwrap();
        let target = outside.path().join("target");
        fs::write(&target, "kept").unwrap();
        std::os::unix::fs::symlink(&target, dir.path().join("plain")).unwrap();
        fill(dir.path(), &[file("conf/a"), file("plain")]).unwrap();
        assert!(!outside.path().join("a").exists());
        assert_eq!(fs::read_to_string(target).unwrap(), "kept");
    }
}
