//! A repository that lives for one check: it sees the mirror's objects, the mirror never sees its.

mod feed;
mod received;

pub(crate) use received::{Received, Seen};

use std::fs::{DirBuilder, File};
use std::io::PipeReader;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloud_code_domain::id::Oid;

use crate::config::GateLimits;
use crate::mirrors::git::{Call, Git, GitError, Input};
use crate::mirrors::remote::later;
use crate::mirrors::{Mirror, MirrorError, bare_repository};
use crate::ports::Trouble;

use super::finding::{Finding, Rule};
use super::gate::GateError;
use super::scan::ScanError;
use super::secrets::Secrets;
use feed::Looked;

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

    /// Takes a pack in: scanned, and indexed by git no further than the scan has come.
    pub(crate) async fn receive(
        &self,
        pack: File,
        limits: &GateLimits,
        secrets: &Arc<Secrets>,
    ) -> Result<Received, GateError> {
        let unreadable = |error| later(format!("the received pack cannot be read: {error}"));
        let bytes = pack.metadata().map_err(unreadable)?.len();
        let most = limits.pack_bytes;
        if bytes > most {
            let what = format!("the pack has more than the {most} bytes that are accepted");
            return Err(Finding::whole(Rule::TooLarge, what).into());
        }
        if bytes == 0 {
            return Ok(Received::default());
        }
        let (end, feed) = std::io::pipe().map_err(unreadable)?;
        let (bounds, secrets) = (limits.clone(), Arc::clone(secrets));
        let look = tokio::task::spawn_blocking(move || feed::look(&pack, feed, &bounds, &secrets));
        let (looked, indexed) = tokio::join!(look, self.index(end, limits));
        let looked = match looked {
            Ok(Ok(looked)) => looked,
            Ok(Err(ScanError::Finding(finding))) => return Err(finding.into()),
            Ok(Err(ScanError::Io(error))) => return Err(unreadable(error).into()),
            Err(_) => return Err(later("the scan of the pack was stopped").into()),
        };
        if looked.made.objects == 0 {
            return Ok(Received::default());
        }
        indexed?;
        self.received(&looked, bytes).await
    }

    /// `--strict`, never `--fix-thin`: a delta against an object that the agent does not have would
    /// otherwise give it that object's content.
    async fn index(&self, pack: PipeReader, limits: &GateLimits) -> Result<(), GateError> {
        let repository = self.repository();
        let most = format!("--max-input-size={}", limits.pack_bytes);
        let args = ["index-pack", "--stdin", "--strict", "--threads=1", &most];
        let call = Call::new(&repository, args)
            .input(Input::Pipe(pack))
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

    /// The ids of what was indexed, beside what was seen of it. git leaves a pack that it indexes as
    /// it came, so that an offset means the same object to both.
    async fn received(&self, looked: &Looked, bytes: u64) -> Result<Received, GateError> {
        let repository = self.repository();
        let packs = repository.join("objects/pack");
        let fail = |error| later(format!("the quarantine cannot be read: {error}"));
        let mut received = Received::of(bytes, looked);
        for entry in std::fs::read_dir(&packs).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.extension().is_some_and(|extension| extension == "idx") {
                let call = Call::new(&repository, ["show-index"])
                    .input(Input::File(open(&path)?))
                    .max_output(256 << 20);
                let listing = self.git.must(call).await.map_err(MirrorError::from)?;
                received.take(&String::from_utf8_lossy(&listing), looked);
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
        let mut revisions = format!("{head}\n");
        for commit in known {
            revisions.push_str(&format!("^{commit}\n"));
        }
        self.pack_into(mirror, &["--revs"], revisions).await?;
        arrived(mirror, head).await
    }

    /// As `promote`, for a result whose every object was judged: the pack itself moves, and is not
    /// made anew. The mirror gets the agent's own commits with it, which nothing leads to: what counts
    /// as known is what a branch reaches, never what is merely there.
    pub(crate) async fn promote_whole(
        &self,
        mirror: &Mirror,
        rebuilt: &[Oid],
    ) -> Result<(), Trouble> {
        let from = self.repository().join("objects/pack");
        let to = mirror.path().join("objects/pack");
        let fail = |error| later(format!("the pack cannot be moved to the mirror: {error}"));
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&from).map_err(fail)? {
            files.push(entry.map_err(fail)?.path());
        }
        // git sees a pack by its index, which therefore comes last.
        files.sort_by_key(|path| path.extension().is_some_and(|extension| extension == "idx"));
        for file in &files {
            let name = file.file_name().unwrap_or_default();
            std::fs::rename(file, to.join(name)).map_err(fail)?;
        }
        File::open(&to)
            .and_then(|directory| directory.sync_all())
            .map_err(fail)?;
        let commits: String = rebuilt.iter().map(|commit| format!("{commit}\n")).collect();
        self.pack_into(mirror, &[], commits).await?;
        match rebuilt.last() {
            Some(head) => arrived(mirror, head).await,
            None => Ok(()),
        }
    }

    /// Makes a pack in the mirror of what git is told on its standard input.
    async fn pack_into(&self, mirror: &Mirror, more: &[&str], told: String) -> Result<(), Trouble> {
        let repository = self.repository();
        let target = mirror.path().join("objects/pack/pack");
        let target = target.to_string_lossy();
        let mut args = vec!["pack-objects", "--quiet", "--delta-base-offset"];
        args.extend(more);
        args.push(&target);
        let call = Call::new(&repository, args)
            .input(Input::Bytes(told.into_bytes()))
            .deadline(INDEX_DEADLINE);
        self.git.must(call).await.map_err(MirrorError::from)?;
        Ok(())
    }
}

async fn arrived(mirror: &Mirror, head: &Oid) -> Result<(), Trouble> {
    if mirror.contains(head).await? {
        Ok(())
    } else {
        Err(later("the mirror does not have what was put into it"))
    }
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
