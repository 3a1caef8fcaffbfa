//! A repository of a task's own: a copy of the hot clone, so that whatever the coding CLI does to its
//! `.git` touches no other task, and the next one starts from what the host sent.
//!
//! ```text
//!  repo.git/objects ──▶ spares/<n>/work/.git, files of the base ──▶ renamed to tasks/<task>/work
//! ```
//!
//! Objects are copied file by file: reflinked where the file system can, so that a large history costs
//! neither time nor room until it is changed; else written once more. A hard link would be one file
//! under two names, and whoever writes to it breaks both. Nothing else comes along: configuration,
//! refs, hooks and alternates are the repository's own, and new.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use cloud_code_domain::id::Oid;

use super::clone::{BASES, exclude};
use super::spare::Origin;
use super::worktree::Worktree;
use super::{Workspace, WorkspaceError, failed, git, remove_tree};

/// What a pack consists of; what else lies beside packs is half a pack, or a lock.
const PACK: [&str; 5] = ["pack", "idx", "rev", "bitmap", "mtimes"];

impl Workspace {
    /// A worktree with a repository of its own in its place, at `base` and on its branch. Nothing may
    /// be there. The rename is last: what is in a task's folder is whole, whenever agentd is killed.
    pub(super) async fn copy_in_place(
        &self,
        worktree: &Worktree,
        base: &Oid,
    ) -> Result<Origin, WorkspaceError> {
        let root = self.spare_folder()?;
        let made = self.make_copy(&root.join("work"), worktree, base).await;
        if let Err(error) = remove_tree(&root) {
            tracing::debug!(%error, "what a worktree was made with stays until the agent is idle");
        }
        made.map(|()| Origin::Copy)
    }

    async fn make_copy(
        &self,
        work: &Path,
        worktree: &Worktree,
        base: &Oid,
    ) -> Result<(), WorkspaceError> {
        fs::create_dir(work).map_err(failed("create", work))?;
        // No template: hooks and the like are nobody's wish.
        git::run(work, &["init", "--quiet", "--template="]).await?;
        let repository = work.join(".git");
        let (from, to) = (
            self.repository().join("objects"),
            repository.join("objects"),
        );
        let packs = self.packs().await;
        // Many files: not on a thread that others wait for.
        let copied = tokio::task::spawn_blocking(move || Copying::default().objects(&from, &to));
        let copied = copied.await.unwrap_or_else(|error| {
            let path = repository.join("objects");
            Err(failed("copy", &path)(io::Error::other(error)))
        })?;
        drop(packs);
        tracing::info!(
            files = copied.files,
            shared = copied.shared,
            "the clone was copied"
        );
        let branch = format!("refs/heads/{}", worktree.branch);
        let kept = format!("{BASES}/{base}");
        for name in [&branch, &kept] {
            git::run(work, &["update-ref", name, base.as_str()]).await?;
        }
        git::run(work, &["symbolic-ref", "HEAD", &branch]).await?;
        exclude(&work.join(".git"), &[])?;
        git::run(work, &["read-tree", "-m", "-u", base.as_str()]).await?;
        let place = &worktree.path;
        fs::rename(work, place).map_err(failed("move a worktree to", place))
    }
}

/// What was copied so far.
#[derive(Debug, Default)]
struct Copying {
    files: u64,
    /// Of those: files that share their blocks with what they were copied from.
    shared: u64,
    /// The file system cannot; it is not asked for every file.
    cannot_share: bool,
}

impl Copying {
    /// Packs and loose objects, and nothing else of the folder.
    fn objects(mut self, from: &Path, to: &Path) -> Result<Self, WorkspaceError> {
        for name in names(from)? {
            let (from, to) = (from.join(&name), to.join(&name));
            if name == "pack" {
                self.folder(&from, &to, |name| {
                    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
                    name.starts_with("pack-") && PACK.contains(&ending)
                })?;
            } else if name.len() == 2 && is_hex(&name) {
                self.folder(&from, &to, is_hex)?;
            }
        }
        Ok(self)
    }

    fn folder(
        &mut self,
        from: &Path,
        to: &Path,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), WorkspaceError> {
        if !fs::symlink_metadata(from).is_ok_and(|found| found.is_dir()) {
            return Ok(());
        }
        fs::create_dir_all(to).map_err(failed("create", to))?;
        for name in names(from)?.into_iter().filter(|name| wanted(name)) {
            let (from, to) = (from.join(&name), to.join(&name));
            // A link that a task left leads out of the clone.
            if fs::symlink_metadata(&from).is_ok_and(|found| found.is_file()) {
                self.file(&from, &to).map_err(failed("copy", &from))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let mut source = File::open(from)?;
        let mode = source.metadata()?.permissions().mode() & 0o777;
        let mut options = OpenOptions::new();
        let mut copy = options.write(true).create_new(true).mode(mode).open(to)?;
        self.files += 1;
        if !self.cannot_share {
            if rustix::fs::ioctl_ficlone(&copy, &source).is_ok() {
                self.shared += 1;
                return Ok(());
            }
            self.cannot_share = true;
        }
        io::copy(&mut source, &mut copy).map(drop)
    }
}

fn is_hex(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn names(folder: &Path) -> Result<Vec<String>, WorkspaceError> {
    let entries = fs::read_dir(folder).map_err(failed("read", folder))?;
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    let names: io::Result<Vec<Option<String>>> = names.collect();
    let names = names.map_err(failed("read", folder))?;
    Ok(names.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::PathBuf;

    use super::*;

    fn put(path: &Path, text: &str) -> PathBuf {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        path.to_owned()
    }

    #[test]
    fn objects_are_copied_as_files_of_their_own_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let loose = format!("ab/{}", "c".repeat(38));
        let objects = [
            "pack/pack-1.pack",
            "pack/pack-1.idx",
            "pack/pack-1.rev",
            &loose,
        ];
        for name in objects {
            let path = put(&from.join(name), name);
            fs::set_permissions(path, fs::Permissions::from_mode(0o444)).unwrap();
        }
        let secret = put(&dir.path().join("secret"), "secret");
        for other in [
            "info/alternates",
            "pack/tmp_pack_x",
            "pack/pack-1.keep",
            "ab/tmp_obj_x",
            "x",
        ] {
            put(&from.join(other), "other");
        }
        symlink(&secret, from.join("pack/pack-2.pack")).unwrap();
        symlink(dir.path(), from.join("cd")).unwrap();
        let copied = Copying::default().objects(&from, &to).unwrap();
        assert_eq!(copied.files, 4);
        assert!(copied.shared == 4 || copied.cannot_share);
        for name in objects {
            let (old, new) = (from.join(name), to.join(name));
            assert_eq!(fs::read_to_string(&new).unwrap(), name);
            let (old, new) = (fs::metadata(old).unwrap(), fs::metadata(new).unwrap());
            assert_ne!(old.ino(), new.ino(), "{name} is one file under two names");
            assert_eq!(new.mode() & 0o777, 0o444);
        }
        let mut there: Vec<String> = names(&to.join("pack")).unwrap();
        there.sort();
        assert_eq!(there, ["pack-1.idx", "pack-1.pack", "pack-1.rev"]);
        assert!(!to.join("info").exists() && !to.join("cd").exists() && !to.join("x").exists());
    }

    #[test]
    fn a_copy_never_writes_over_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let from = put(&dir.path().join("from"), "new");
        let to = put(&dir.path().join("to"), "old");
        assert!(Copying::default().file(&from, &to).is_err());
        assert_eq!(fs::read_to_string(to).unwrap(), "old");
    }
}
