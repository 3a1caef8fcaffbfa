//! What a repository points at and a fetch of it does not bring: submodules, and files that LFS keeps
//! elsewhere. Read from objects; nothing is checked out.

use std::time::Duration;

use cloud_code_domain::id::Oid;

use super::branch::BranchName;
use super::git::Call;
use super::objects::{Found, ObjectKind, ObjectReader};
use super::{Mirror, MirrorError};

const DEADLINE: Duration = Duration::from_secs(20);
/// Bytes of a listing; a repository of a million files has fewer.
const LISTING: usize = 128 << 20;
/// Bytes of one `.gitmodules` or `.gitattributes`.
const FILE: u64 = 1 << 20;
/// Files with attributes that are read, those nearest to the root.
const FILES: usize = 200;

/// What agents find missing, as the repository names it: hostile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotFetched {
    /// Folders of submodules.
    pub submodules: Vec<String>,
    /// Those that `.gitmodules` does not name.
    pub unnamed: Vec<String>,
    /// Patterns of files in LFS.
    pub lfs: Vec<String>,
}

impl Mirror {
    /// What a fetch of this branch left out; none where the branch was not fetched yet.
    ///
    /// # Errors
    /// Where git cannot answer in time.
    pub async fn not_fetched(
        &self,
        branch: &BranchName,
    ) -> Result<Option<NotFetched>, MirrorError> {
        let Some(head) = self.head(branch).await? else {
            return Ok(None);
        };
        let args = ["ls-tree", "-r", "-z", "--full-tree", head.as_str()];
        let call = Call::new(&self.path, args)
            .deadline(DEADLINE)
            .max_output(LISTING);
        let listing = self.git.must(call).await?;
        let mut listed = Listed::of(&listing);
        listed
            .attributes
            .sort_by_key(|(path, _)| path.matches('/').count());
        let mut reader = ObjectReader::open(&self.git, &self.path, DEADLINE)?;
        let modules = match &listed.modules {
            Some(oid) => text(&mut reader, oid).await?,
            None => String::new(),
        };
        let mut lfs = Vec::new();
        for (path, oid) in listed.attributes.iter().take(FILES) {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            lfs.extend(patterns(folder, &text(&mut reader, oid).await?));
        }
        let named = |folder: &String| names(&modules, folder);
        let (submodules, unnamed) = listed.submodules.into_iter().partition(named);
        Ok(Some(NotFetched {
            submodules,
            unnamed,
            lfs,
        }))
    }
}

async fn text(reader: &mut ObjectReader, oid: &Oid) -> Result<String, MirrorError> {
    Ok(match reader.read(oid, FILE).await? {
        Found::Object(ObjectKind::Blob, data) => String::from_utf8_lossy(&data).into_owned(),
        Found::Object(ObjectKind::Commit | ObjectKind::Tree | ObjectKind::Tag, _)
        | Found::Missing
        | Found::TooLarge => String::new(),
    })
}

/// What is of interest in a listing.
#[derive(Debug, Default)]
struct Listed {
    submodules: Vec<String>,
    modules: Option<Oid>,
    attributes: Vec<(String, Oid)>,
}

impl Listed {
    /// Reads `<mode> <type> <oid>TAB<path>NUL …`.
    fn of(listing: &[u8]) -> Self {
        let mut found = Self::default();
        for entry in listing.split(|byte| *byte == 0) {
            let Some(tab) = entry.iter().position(|byte| *byte == b'\t') else {
                continue;
            };
            let (head, path) = entry.split_at(tab);
            let path = &path[1..];
            let head = String::from_utf8_lossy(head);
            let mut words = head.split(' ');
            let (mode, oid) = (words.next(), words.nth(1));
            let oid = oid.and_then(|oid| oid.parse::<Oid>().ok());
            if mode == Some("160000") {
                found.submodules.push(lossy(path));
            } else if path == b".gitmodules" {
                found.modules = oid;
            } else if (path == b".gitattributes" || path.ends_with(b"/.gitattributes"))
                && let Some(oid) = oid
            {
                found.attributes.push((lossy(path), oid));
            }
        }
        found
    }
}

fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// Whether a `.gitmodules` has a `path = <folder>`.
fn names(modules: &str, folder: &str) -> bool {
    let paths = modules
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| key.trim().eq_ignore_ascii_case("path"));
    paths
        .map(|(_, path)| path.trim().trim_matches('"'))
        .any(|path| path == folder)
}

/// The patterns that a `.gitattributes` gives to LFS, with the folder that they count from.
fn patterns(folder: &str, attributes: &str) -> Vec<String> {
    let pattern = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let pattern = words.next().filter(|word| !word.starts_with('#'))?;
        words.any(|word| word == "filter=lfs").then(|| {
            if folder.is_empty() {
                pattern.to_owned()
            } else {
                format!("{folder}/{pattern}")
            }
        })
    };
    attributes.lines().filter_map(pattern).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mirrors::testing::{Work, branch};
    use crate::mirrors::{Mirrors, testing};
    use crate::ports::GitAccess;

    #[test]
    fn only_a_whole_word_makes_a_pattern_one_of_lfs() {
        let text = "*.png filter=lfs diff=lfs -text\n# *.zip filter=lfs\n*.x filter=lfsx\n";
        assert_eq!(patterns("", text), ["*.png"]);
        assert_eq!(patterns("art/raw", text), ["art/raw/*.png"]);
    }

    #[test]
    fn a_submodule_is_named_by_its_path_and_by_nothing_else() {
        let modules = "[submodule \"a\"]\n\tpath = vendor/a\n\turl = ../path = b\n";
        assert!(names(modules, "vendor/a"));
        assert!(!names(modules, "a") && !names(modules, "b") && !names("", ""));
    }

    #[tokio::test]
    async fn what_a_fetch_does_not_bring_is_seen_in_the_mirror() {
        let dir = tempfile::tempdir().unwrap();
        let work = Work::init(dir.path().join("work")).await;
        let modules = "[submodule \"a\"]\n\tpath = vendor/a\n\turl = https://example.org/a\n";
        let files = [
            (".gitmodules", Some(modules)),
            (".gitattributes", Some("*.psd filter=lfs\n")),
            ("art/.gitattributes", Some("*.png filter=lfs\n")),
            ("art/not.gitattributes", Some("*.gif filter=lfs\n")),
        ];
        let commit = work.commit(&files, "Begin").await;
        for folder in ["vendor/a", "lost"] {
            let entry = format!("160000,{commit},{folder}");
            work.git(&["update-index", "--add", "--cacheinfo", &entry])
                .await;
        }
        work.git(&["commit", "--quiet", "-m", "Point elsewhere"])
            .await;
        let mirrors = Mirrors::new(dir.path());
        let mirror = mirrors.of(&"app".parse().unwrap()).await.unwrap();
        let main = branch("main");
        assert_eq!(mirror.not_fetched(&main).await.unwrap(), None);
        let access = GitAccess {
            url: work.path.to_str().unwrap().to_owned(),
            authorization: None,
        };
        mirror.fetch(&access, &[&main]).await.unwrap();
        let found = mirror.not_fetched(&main).await.unwrap().unwrap();
        assert_eq!(found.submodules, ["vendor/a"]);
        assert_eq!(found.unnamed, ["lost"]);
        assert_eq!(found.lfs, ["*.psd", "art/*.png"]);
        // Asking whether we may push leaves nothing behind.
        mirror
            .may_push(&access, &branch("cloud-code/doctor"))
            .await
            .unwrap();
        let refs = testing::git(&work.path, &["for-each-ref", "--format=%(refname)"]).await;
        assert_eq!(refs, "refs/heads/main");
        let nowhere = GitAccess {
            url: "/nowhere".to_owned(),
            authorization: None,
        };
        let refused = mirror
            .may_push(&nowhere, &branch("cloud-code/doctor"))
            .await;
        assert!(refused.is_err());
    }
}
