//! A repository that lives for one check: it sees the mirror's objects, the mirror never sees its.

use std::collections::HashSet;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud_code_domain::id::Oid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::config::GateLimits;
use crate::mirrors::git::{Call, Git, GitError, Input};
use crate::mirrors::remote::later;
use crate::mirrors::{Mirror, MirrorError, bare_repository};
use crate::ports::Trouble;

use super::finding::{Finding, Rule};
use super::gate::GateError;
use super::scan::{ScanError, scan};

const INDEX_DEADLINE: Duration = Duration::from_secs(120);

/// A directory that is removed when this value goes.
#[derive(Debug)]
pub(crate) struct Quarantine {
    directory: PathBuf,
    git: Git,
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(directory = %self.directory.display(), %error,
                "a quarantine could not be removed; it is removed at the next start");
        }
    }
}

impl Quarantine {
    /// A new one under `root`, with the mirror as its alternate.
    pub(crate) async fn make(root: &Path, mirror: &Mirror) -> Result<Self, Trouble> {
        let directory = root.join(uuid::Uuid::new_v4().to_string());
        let fail = |error| later(format!("a quarantine cannot be made: {error}"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(fail)?;
        let quarantine = Self {
            directory,
            git: mirror.git().clone(),
        };
        let path = quarantine.repository();
        bare_repository(&quarantine.git, &path).await?;
        let info = path.join("objects/info");
        std::fs::create_dir_all(&info).map_err(fail)?;
        let objects = mirror.path().join("objects");
        std::fs::write(info.join("alternates"), format!("{}\n", objects.display()))
            .map_err(fail)?;
        Ok(quarantine)
    }

    /// The repository's directory.
    pub(crate) fn repository(&self) -> PathBuf {
        self.directory.join("repository.git")
    }

    /// Its git.
    pub(crate) fn git(&self) -> &Git {
        &self.git
    }

    /// Takes a pack in: to disk under its bound, scanned, indexed. The ids of its objects.
    pub(crate) async fn receive(
        &self,
        pack: impl AsyncRead + Unpin,
        limits: &GateLimits,
    ) -> Result<HashSet<Oid>, GateError> {
        let path = self.directory.join("received.pack");
        let bytes = spool(pack, &path, limits.pack_bytes).await?;
        if bytes == 0 {
            return Ok(HashSet::new());
        }
        let file = open(&path)?;
        let bounds = limits.clone();
        let scanned = tokio::task::spawn_blocking(move || scan(file, &bounds)).await;
        match scanned {
            Ok(Ok(0)) => return Ok(HashSet::new()),
            Ok(Ok(_)) => {}
            Ok(Err(ScanError::Finding(finding))) => return Err(finding.into()),
            Ok(Err(ScanError::Io(error))) => {
                return Err(later(format!("the received pack cannot be read: {error}")).into());
            }
            Err(_) => return Err(later("the scan of the pack was stopped").into()),
        }
        self.index(&path, limits).await?;
        self.received().await
    }

    /// `--strict`, never `--fix-thin`: a delta against an object that the agent does not have would
    /// otherwise give it that object's content.
    async fn index(&self, pack: &Path, limits: &GateLimits) -> Result<(), GateError> {
        let repository = self.repository();
        let most = format!("--max-input-size={}", limits.pack_bytes);
        let args = ["index-pack", "--stdin", "--strict", "--threads=1", &most];
        let call = Call::new(&repository, args)
            .input(Input::File(open(pack)?))
            .deadline(INDEX_DEADLINE);
        match self.git.must(call).await {
            Ok(_) => Ok(()),
            Err(GitError::Failed { stderr, .. }) if stderr.contains("No space left") => {
                Err(later(format!("the disk is full: {stderr}")).into())
            }
            Err(GitError::Failed { stderr, .. }) => {
                let what = format!("git does not take the pack: {stderr}");
                Err(Finding::whole(Rule::MalformedPack, cut(&what)).into())
            }
            Err(error @ GitError::Deadline { .. }) => {
                Err(Finding::whole(Rule::TooLarge, error.to_string()).into())
            }
            Err(error) => Err(Trouble::from(MirrorError::from(error)).into()),
        }
    }

    async fn received(&self) -> Result<HashSet<Oid>, GateError> {
        let repository = self.repository();
        let packs = repository.join("objects/pack");
        let fail = |error| later(format!("the quarantine cannot be read: {error}"));
        let mut received = HashSet::new();
        for entry in std::fs::read_dir(&packs).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.extension().is_some_and(|extension| extension == "idx") {
                let call = Call::new(&repository, ["show-index"])
                    .input(Input::File(open(&path)?))
                    .max_output(256 << 20);
                let listing = self.git.must(call).await.map_err(MirrorError::from)?;
                let text = String::from_utf8_lossy(&listing);
                let ids = text.lines().filter_map(|line| line.split(' ').nth(1));
                received.extend(ids.filter_map(|id| id.parse::<Oid>().ok()));
            }
        }
        Ok(received)
    }

    /// Puts the history of `head`, without that of `known`, into the mirror.
    pub(crate) async fn promote(
        &self,
        mirror: &Mirror,
        head: &Oid,
        known: &[Oid],
    ) -> Result<(), Trouble> {
        let repository = self.repository();
        let mut revisions = format!("{head}\n");
        for commit in known {
            revisions.push_str(&format!("^{commit}\n"));
        }
        let target = mirror.path().join("objects/pack/pack");
        let target = target.to_string_lossy().into_owned();
        let args = [
            "pack-objects",
            "--revs",
            "--quiet",
            "--delta-base-offset",
            &target,
        ];
        let call = Call::new(&repository, args)
            .input(Input::Bytes(revisions.into_bytes()))
            .deadline(INDEX_DEADLINE);
        self.git.must(call).await.map_err(MirrorError::from)?;
        if mirror.contains(head).await? {
            Ok(())
        } else {
            Err(later("the mirror does not have what was put into it"))
        }
    }
}

async fn spool(pack: impl AsyncRead + Unpin, path: &Path, most: u64) -> Result<u64, GateError> {
    let fail = |error| later(format!("the pack cannot be received: {error}"));
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(fail)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut bounded = pack.take(most.saturating_add(1));
    let bytes = tokio::io::copy(&mut bounded, &mut file)
        .await
        .map_err(fail)?;
    file.flush().await.map_err(fail)?;
    if bytes > most {
        let what = format!("the pack has more than the {most} bytes that are accepted");
        return Err(Finding::whole(Rule::TooLarge, what).into());
    }
    Ok(bytes)
}

fn open(path: &Path) -> Result<File, Trouble> {
    File::open(path).map_err(|error| later(format!("{} cannot be read: {error}", path.display())))
}

fn cut(text: &str) -> String {
    text.chars()
        .filter(|c| !super::names::hidden(*c))
        .take(400)
        .collect()
}
