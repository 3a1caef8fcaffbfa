//! Packs out: the history of one commit, for one agent.

use bytes::Bytes;
use cloud_code_domain::id::Oid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdout;

use super::git::{Call, Input, Running};
use super::{LONG, Mirror, MirrorError};

/// The most that one chunk holds: what a session sends at once.
const CHUNK: usize = 256 << 10;
/// More claims than this are not looked at.
const MAX_HAVES: usize = 256;

/// A pack that is being made.
#[derive(Debug)]
pub struct BasePack {
    running: Option<Running>,
    stdout: ChildStdout,
}

impl BasePack {
    /// The next piece, at most 256 KiB; none after the last. The end is given only when git has
    /// ended well, so a pack that broke off is never taken for a whole one.
    ///
    /// # Errors
    /// Where git failed or was killed at its deadline.
    pub async fn next(&mut self) -> Result<Option<Bytes>, MirrorError> {
        let Self { running, stdout } = self;
        let Some(alive) = running else {
            return Ok(None);
        };
        let mut chunk = Vec::with_capacity(CHUNK);
        let limit = u64::try_from(CHUNK).unwrap_or(u64::MAX);
        let mut part = (&mut *stdout).take(limit);
        alive.within(part.read_to_end(&mut chunk)).await?;
        if !chunk.is_empty() {
            return Ok(Some(chunk.into()));
        }
        if let Some(alive) = running.take() {
            alive.finish().await?;
        }
        Ok(None)
    }
}

impl Mirror {
    /// The history of `base` without that of the commits in `have`, as a pack that stands alone. No
    /// other ref, nothing of another task. Claims that the mirror does not know are ignored: they
    /// are the agent's words and can only make the pack smaller.
    ///
    /// # Errors
    /// Where the mirror lacks the commit or git cannot be started.
    pub async fn pack_for(&self, base: &Oid, have: &[Oid]) -> Result<BasePack, MirrorError> {
        if !self.contains(base).await? {
            return Err(MirrorError::Lacks(base.clone()));
        }
        let mut revisions = format!("{base}\n");
        for known in self.known_commits(have).await? {
            revisions.push_str(&format!("^{known}\n"));
        }
        let args = [
            "pack-objects",
            "--revs",
            "--stdout",
            "--quiet",
            "--delta-base-offset",
        ];
        let call = Call::new(&self.path, args)
            .config("pack.useBitmaps", "false")
            .deadline(LONG);
        let mut running = self.git.start(&call)?;
        if let Some(mut stdin) = running.take_stdin() {
            let feed = async {
                stdin.write_all(revisions.as_bytes()).await?;
                stdin.shutdown().await
            };
            running.within(feed).await?;
        }
        let stdout = running.take_stdout().ok_or_else(|| {
            MirrorError::Git(super::git::GitError::Nonsense {
                command: "pack-objects".to_owned(),
                what: "it has no output".to_owned(),
            })
        })?;
        Ok(BasePack {
            running: Some(running),
            stdout,
        })
    }

    async fn known_commits(&self, claims: &[Oid]) -> Result<Vec<Oid>, MirrorError> {
        let mut questions = String::new();
        for claim in claims.iter().take(MAX_HAVES) {
            questions.push_str(&format!("{claim}\n"));
        }
        let args = ["cat-file", "--batch-check=%(objectname) %(objecttype)"];
        let call = Call::new(&self.path, args).input(Input::Bytes(questions.into_bytes()));
        let answers = self.git.must(call).await?;
        Ok(String::from_utf8_lossy(&answers)
            .lines()
            .filter_map(|line| line.strip_suffix(" commit"))
            .filter_map(|oid| oid.parse().ok())
            .collect())
    }
}
