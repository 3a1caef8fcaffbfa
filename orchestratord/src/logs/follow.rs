//! Following a log: what is there, then what comes.

use cloud_code_domain::id::ExecutionId;
use tokio::sync::watch;

use super::{Logs, LogsError, Page};

/// Lines of a page.
const PAGE: usize = 500;
/// A follower that was up to date and has fallen behind by more than this skips to here.
const BEHIND: u64 = 10_000;

/// Somebody who follows a log. It holds a number, not lines: being slow costs nobody else memory.
#[derive(Debug)]
pub struct Follower {
    logs: Logs,
    execution: ExecutionId,
    from: u64,
    changed: watch::Receiver<u64>,
    caught_up: bool,
}

impl Follower {
    pub(super) fn new(
        logs: Logs,
        execution: ExecutionId,
        from: u64,
        changed: watch::Receiver<u64>,
    ) -> Self {
        Self {
            logs,
            execution,
            from,
            changed,
            caught_up: false,
        }
    }

    /// The next lines, waiting for some; none when the log was removed. Lines that were skipped
    /// because this reader was too slow count as lost. Can be cancelled: nothing is missed.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub async fn next(&mut self) -> Result<Option<Page>, LogsError> {
        loop {
            let end = *self.changed.borrow_and_update();
            let skipped = self.skip(end);
            let mut page = self.read().await?;
            page.lost = page.lost.saturating_add(skipped);
            self.from = page.next;
            self.caught_up |= page.next >= end;
            if !page.is_empty() {
                return Ok(Some(page));
            }
            if self.changed.changed().await.is_err() {
                return Ok(None);
            }
        }
    }

    fn skip(&mut self, end: u64) -> u64 {
        let behind = end.saturating_sub(self.from);
        if !self.caught_up || behind <= BEHIND {
            return 0;
        }
        let skipped = behind - BEHIND;
        self.from += skipped;
        skipped
    }

    async fn read(&self) -> Result<Page, LogsError> {
        let (logs, execution, from) = (self.logs.clone(), self.execution.clone(), self.from);
        let read = tokio::task::spawn_blocking(move || logs.read(&execution, from, PAGE));
        read.await.unwrap_or_else(|_| {
            // The runtime is ending.
            Ok(Page {
                next: self.from,
                ..Page::default()
            })
        })
    }
}
