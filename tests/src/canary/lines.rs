//! The command lines of an installation, for as long as it is watched.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use tokio::task::JoinHandle;

use crate::cluster::processes_of;

/// Collects every command line of an installation until it is ended or dropped.
#[derive(Debug)]
pub struct Lines {
    on: Arc<AtomicBool>,
    lines: Option<JoinHandle<BTreeSet<String>>>,
}

impl Lines {
    /// Begins to look, again and again.
    #[must_use]
    pub fn watch(root: &Path) -> Self {
        let on = Arc::new(AtomicBool::new(true));
        let (root, watching) = (root.to_owned(), Arc::clone(&on));
        let lines = tokio::task::spawn_blocking(move || {
            let mut lines = BTreeSet::new();
            while watching.load(Ordering::Relaxed) {
                let found = processes_of(&root);
                lines.extend(found.into_iter().map(|(_, line)| line));
            }
            lines
        });
        Self {
            on,
            lines: Some(lines),
        }
    }

    /// Ends it; what was seen.
    ///
    /// # Errors
    /// Where looking failed.
    pub async fn end(mut self) -> Result<BTreeSet<String>> {
        self.on.store(false, Ordering::Relaxed);
        let lines = self.lines.take().context("it was ended before")?;
        Ok(lines.await?)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.on.store(false, Ordering::Relaxed);
    }
}
