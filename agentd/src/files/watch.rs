//! Says when reporting.yaml may have changed.
//!
//! The folder is watched, not the file: renames and deletions keep the watch. Some mounts report
//! nothing and the folder itself may be replaced, so that the rhythm says "maybe" as well.

mod rhythm;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, CreateKind, DataChange, ModifyKind, RenameMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::reporting;
use rhythm::{Hint, Rhythm};

/// A watched folder.
#[derive(Debug)]
pub(crate) struct Watch {
    heard: Arc<Heard>,
    /// What was said to have changed is being read.
    reading: bool,
    _watcher: Option<RecommendedWatcher>,
}

/// What the watcher's thread hears.
#[derive(Debug)]
struct Heard {
    rhythm: Mutex<Rhythm>,
    news: Notify,
}

impl Heard {
    fn rhythm(&self) -> MutexGuard<'_, Rhythm> {
        self.rhythm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, hint: Hint) {
        self.rhythm().hear(hint, Instant::now());
        self.news.notify_one();
    }
}

impl Watch {
    pub(crate) fn new(dir: &Path) -> Self {
        let heard = Arc::new(Heard {
            rhythm: Mutex::new(Rhythm::new(Instant::now())),
            news: Notify::new(),
        });
        let watcher = watcher(dir, Arc::clone(&heard))
            .inspect_err(|error| tracing::warn!(%error, "reporting.yaml is read by timer only"))
            .ok();
        Self {
            heard,
            reading: false,
            _watcher: watcher,
        }
    }

    /// Waits until the file is to be read. Nothing is lost where this is dropped; who calls it again
    /// has read it.
    pub(crate) async fn changed(&mut self) {
        if std::mem::take(&mut self.reading) {
            self.heard.rhythm().end(Instant::now());
        }
        loop {
            let due = self.heard.rhythm().due();
            tokio::select! {
                () = tokio::time::sleep_until(due) => {
                    self.heard.rhythm().begin(Instant::now());
                    self.reading = true;
                    return;
                }
                () = self.heard.news.notified() => {}
            }
        }
    }
}

fn watcher(dir: &Path, heard: Arc<Heard>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        if let Some(hint) = hint(&event) {
            heard.hear(hint);
        }
    })?;
    watcher.watch(dir, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}

/// What an event says of the file. An error or an overflow means that anything may be.
fn hint(event: &notify::Result<Event>) -> Option<Hint> {
    let Ok(event) = event else {
        return Some(Hint::Closed);
    };
    if event.need_rescan() {
        return Some(Hint::Closed);
    }
    // Of a rename with two names the last one is the new.
    let ours =
        |path: &std::path::PathBuf| path.file_name().is_some_and(|name| name == reporting::NAME);
    if !event.paths.last().is_some_and(ours) {
        return None;
    }
    match event.kind {
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => {
            Some(Hint::Placed)
        }
        EventKind::Create(CreateKind::File)
        | EventKind::Modify(ModifyKind::Data(DataChange::Any)) => Some(Hint::Written),
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Hint::Closed),
        // Our own reading is an access.
        EventKind::Access(_) => None,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => Some(Hint::Closed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;
    use std::time::Duration;

    /// What a change of a folder makes the watcher say of the file.
    async fn hints(change: impl FnOnce(&Path)) -> Vec<Hint> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(reporting::NAME), "old").unwrap();
        let (sender, mut said) = tokio::sync::mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let end = event
                .as_ref()
                .is_ok_and(|event| event.paths[0].ends_with("end"));
            // The test may be over.
            let _over = sender.send((hint(&event), end));
        })
        .unwrap();
        watcher
            .watch(dir.path(), RecursiveMode::NonRecursive)
            .unwrap();
        change(dir.path());
        fs::create_dir(dir.path().join("end")).unwrap();
        let mut hints = Vec::new();
        let listen = async {
            while let Some((hint, false)) = said.recv().await {
                hints.extend(hint);
            }
        };
        tokio::time::timeout(Duration::from_secs(30), listen)
            .await
            .unwrap();
        hints.dedup();
        hints
    }

    #[tokio::test]
    async fn a_rename_into_place_is_told_from_a_write_in_place() {
        let renamed = hints(|dir| {
            fs::write(dir.join("new"), "new").unwrap();
            fs::rename(dir.join("new"), dir.join(reporting::NAME)).unwrap();
        });
        assert_eq!(renamed.await, [Hint::Placed]);
        let written = hints(|dir| fs::write(dir.join(reporting::NAME), "new").unwrap());
        assert_eq!(written.await, [Hint::Written, Hint::Closed]);
    }

    #[tokio::test]
    async fn a_file_that_is_still_open_is_not_said_to_be_closed() {
        let mut open = None;
        let hints = hints(|dir| {
            let mut file = fs::File::create(dir.join(reporting::NAME)).unwrap();
            file.write_all(b"half").unwrap();
            open = Some(file);
        });
        assert_eq!(hints.await, [Hint::Written]);
        drop(open);
    }

    #[tokio::test]
    async fn reading_it_and_changing_other_files_says_nothing() {
        let hints = hints(|dir| {
            fs::read(dir.join(reporting::NAME)).unwrap();
            fs::write(dir.join("tasking.yaml"), "x").unwrap();
        });
        assert_eq!(hints.await, []);
    }
}
