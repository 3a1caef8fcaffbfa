//! One pack of many. Every fetch and every result adds a pack to a mirror; with hundreds of them git
//! takes longer to find anything.
//!
//! What no ref reaches stays: the base of a task, a result that passed the gate, what a quarantine
//! builds on. It is done only while nothing comes in, and given up at once when something does: git
//! puts the new pack in its place before it takes the old ones away, so being killed costs nothing.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, RwLock, RwLockReadGuard};
use tokio_util::sync::CancellationToken;

use super::git::Call;
use super::{LONG, Mirror, MirrorError, Mirrors, remove_leftovers};

/// Packs, or loose objects, that make it worth while.
const PACKS: usize = 50;
const LOOSE: usize = 2_000;
/// Between two looks.
const PAUSE: Duration = Duration::from_mins(30);

/// Who changes what objects there are.
#[derive(Debug, Default)]
pub(super) struct Objects {
    moving: RwLock<()>,
    wanted: Notify,
}

/// Looks after all mirrors until `stop`.
pub async fn keep(mirrors: Arc<Mirrors>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        for mirror in mirrors.opened().await {
            let repacked = stop.run_until_cancelled(mirror.repack(PACKS, LOOSE));
            if let Some(Err(error)) = repacked.await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a mirror cannot be repacked; it is tried again");
            }
        }
    }
}

impl Mirror {
    /// Held by who adds objects, or reads them through a quarantine. A repacking is given up.
    pub(crate) async fn moving(&self) -> RwLockReadGuard<'_, ()> {
        if let Ok(guard) = self.objects.moving.try_read() {
            return guard;
        }
        self.objects.wanted.notify_one();
        self.objects.moving.read().await
    }

    /// Makes one pack of all where there are more packs or loose objects than this, and nobody
    /// moves any; whether it did.
    pub(super) async fn repack(&self, packs: usize, loose: usize) -> Result<bool, MirrorError> {
        let Ok(_alone) = self.objects.moving.try_write() else {
            return Ok(false);
        };
        let setup = |source| MirrorError::Setup {
            path: self.path.clone(),
            source,
        };
        let (has_packs, has_loose) = count(&self.path.join("objects")).map_err(setup)?;
        if has_packs <= packs && has_loose <= loose {
            return Ok(false);
        }
        let args = ["repack", "-a", "-d", "-k", "--quiet", "--threads=1"];
        let call = Call::new(&self.path, args).deadline(LONG);
        let done = tokio::select! {
            biased;
            () = self.objects.wanted.notified() => false,
            done = self.git.must(call) => {
                done?;
                true
            }
        };
        // Nobody else writes there now.
        remove_leftovers(&self.path).map_err(setup)?;
        tracing::info!(path = %self.path.display(), has_packs, has_loose, done, "a mirror was repacked");
        Ok(done)
    }
}

/// How many packs and loose objects there are.
fn count(objects: &Path) -> io::Result<(usize, usize)> {
    let (mut packs, mut loose) = (0, 0);
    for entry in std::fs::read_dir(objects)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_pack = |entry: &io::Result<std::fs::DirEntry>| {
            let path = entry.as_ref().map(std::fs::DirEntry::path);
            path.is_ok_and(|path| path.extension().is_some_and(|kind| kind == "pack"))
        };
        if name == "pack" {
            packs += std::fs::read_dir(entry.path())?.filter(is_pack).count();
        } else if name.len() == 2 {
            loose += std::fs::read_dir(entry.path())?.count();
        }
    }
    Ok((packs, loose))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sandbox, branch, git};
    use super::*;

    /// A mirror with some packs: a fetch for each commit of a person.
    async fn fetched() -> Sandbox {
        let sandbox = Sandbox::new().await;
        for number in 0..4 {
            let text = format!("{number}\n");
            sandbox
                .person
                .commit(&[("file.txt", Some(text.as_str()))], "More")
                .await;
            sandbox
                .person
                .git(&["push", "--quiet", "origin", "HEAD:main"])
                .await;
            sandbox.fetch(&["main"]).await;
        }
        sandbox
    }

    #[tokio::test]
    async fn many_become_one_and_what_no_ref_reaches_stays() {
        let sandbox = fetched().await;
        let mirror = &sandbox.mirror;
        // As a result that passed the gate and whose branch is gone.
        let blob = git(mirror.path(), &["hash-object", "-w", "--stdin"]).await;
        let head = mirror.head(&branch("main")).await.unwrap().unwrap();
        git(mirror.path(), &["update-ref", "-d", "refs/heads/main"]).await;
        assert!(mirror.repack(0, 0).await.unwrap());
        assert_eq!(count(&mirror.path().join("objects")).unwrap(), (1, 0));
        assert!(mirror.contains(&head).await.unwrap());
        git(mirror.path(), &["cat-file", "-e", &blob]).await;
        git(mirror.path(), &["fsck", "--strict"]).await;
        assert!(!mirror.repack(1, 0).await.unwrap(), "once is enough");
    }

    #[tokio::test]
    async fn nothing_is_repacked_while_objects_come_in() {
        let sandbox = fetched().await;
        let moving = sandbox.mirror.moving().await;
        assert!(!sandbox.mirror.repack(0, 0).await.unwrap());
        drop(moving);
        assert!(sandbox.mirror.repack(0, 0).await.unwrap());
    }

    #[tokio::test]
    async fn who_brings_objects_does_not_wait_for_a_repacking() {
        let sandbox = fetched().await;
        let mirror = &sandbox.mirror;
        // It was asked for while it was being begun.
        mirror.objects.wanted.notify_one();
        assert!(!mirror.repack(0, 0).await.unwrap(), "it is given up");
        let head = mirror.head(&branch("main")).await.unwrap().unwrap();
        assert!(mirror.contains(&head).await.unwrap());
        sandbox.fetch(&["main"]).await;
        assert!(mirror.repack(0, 0).await.unwrap());
    }

    #[tokio::test]
    async fn what_a_killed_repacking_left_behind_is_cleared() {
        let sandbox = fetched().await;
        let left = sandbox
            .mirror
            .path()
            .join("objects/pack/.tmp-7-pack-1.pack");
        std::fs::write(&left, "half").unwrap();
        assert!(sandbox.mirror.repack(0, 0).await.unwrap());
        assert!(!left.exists());
        let head = sandbox.mirror.head(&branch("main")).await.unwrap().unwrap();
        assert!(sandbox.mirror.contains(&head).await.unwrap());
    }
}
