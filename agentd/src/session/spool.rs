//! The spool: what must reach orchestratord, on disk until it is acknowledged.
//!
//! ```text
//!  spool/  id            a fresh UUID made with the spool
//!          acked         JSON: what was acknowledged last, which execution ended last
//!          000…001.seg   frames: length, CRC-32, Record (protobuf); numbers contiguous from 1
//! ```
//!
//! A record is fsynced before anybody can read it, so nothing is sent that a kill could take back.
//! A torn frame at the very end is what a kill leaves: it is cut off. Where the spool is full, log
//! records are replaced by their count, oldest first; everything else waits for acknowledgements.

mod frame;
mod segment;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use segment::Segment;

use crate::failpoint::failpoint;

/// Bytes of records that are kept at most.
pub const CAPACITY: u64 = 64 << 20;

/// Bytes after which a new segment is begun.
const SEGMENT: u64 = 1 << 20;

/// Why the spool failed.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The disk refused.
    #[error("the spool cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A record is too large for any spool.
    #[error("a record of {0} bytes is larger than a session accepts")]
    TooLarge(usize),
    /// The writer did not survive.
    #[error("the spool's writer was stopped")]
    Stopped,
}

pub(super) fn failed<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> SpoolError + 'a {
    move |source| SpoolError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

/// What is kept of records that are gone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Acked {
    /// Every record up to this one is committed by orchestratord.
    seq: u64,
    /// The execution whose end was acknowledged last.
    ended: Option<String>,
}

/// A handle of the spool; clones share it.
#[derive(Debug, Clone)]
pub struct Spool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    appended: Notify,
    trimmed: Notify,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    id: String,
    acked: Acked,
    segments: VecDeque<Segment>,
    next: u64,
    bytes: u64,
    capacity: u64,
    /// The execution whose end is on disk and not acknowledged.
    ended: Option<String>,
}

impl Spool {
    /// Opens the spool in `dir`, or makes one.
    ///
    /// # Errors
    /// Where the disk refuses. A damaged spool is replaced by a new one with another id.
    pub fn open(dir: &Path, capacity: u64) -> Result<Self, SpoolError> {
        fs::create_dir_all(dir).map_err(failed("create", dir))?;
        let inner = match Inner::load(dir, capacity)? {
            Some(inner) => inner,
            None => Inner::create(dir, capacity)?,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                inner: Mutex::new(inner),
                appended: Notify::new(),
                trimmed: Notify::new(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared
            .inner
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The id made with the spool.
    #[must_use]
    pub fn id(&self) -> String {
        self.lock().id.clone()
    }

    /// The last acknowledgement on disk.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.lock().acked.seq
    }

    /// The number of the last record.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.lock().next.saturating_sub(1)
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// Whether there is room for more than the most needful records.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let inner = self.lock();
        inner.bytes < inner.capacity - inner.capacity / 16
    }

    /// Whether the end of this execution is, or was, in the spool.
    #[must_use]
    pub fn has_ended(&self, execution: &str) -> bool {
        let inner = self.lock();
        inner.ended.as_deref() == Some(execution) || inner.acked.ended.as_deref() == Some(execution)
    }

    /// Appends a record and returns its number once it is on disk. Logs are counted instead where
    /// there is no room; everything else waits for room.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub async fn append(&self, execution: &str, body: Body) -> Result<u64, SpoolError> {
        loop {
            let room = self.shared.trimmed.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            let spool = self.clone();
            let (execution, attempt) = (execution.to_owned(), body.clone());
            let seq = tokio::task::spawn_blocking(move || spool.lock().append(execution, attempt))
                .await
                .map_err(|_| SpoolError::Stopped)??;
            if let Some(seq) = seq {
                self.shared.appended.notify_waiters();
                return Ok(seq);
            }
            room.await;
        }
    }

    /// Records after `seq`, oldest first, up to about `max_bytes` but at least one; waits for one.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub async fn after(&self, seq: u64, max_bytes: usize) -> Result<Vec<v1::Record>, SpoolError> {
        loop {
            let more = self.shared.appended.notified();
            tokio::pin!(more);
            more.as_mut().enable();
            let spool = self.clone();
            let records = tokio::task::spawn_blocking(move || spool.lock().after(seq, max_bytes))
                .await
                .map_err(|_| SpoolError::Stopped)??;
            if !records.is_empty() {
                return Ok(records);
            }
            more.await;
        }
    }

    /// Forgets the records up to `seq`: orchestratord has committed them.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub async fn acknowledge(&self, seq: u64) -> Result<(), SpoolError> {
        failpoint!("agentd::spool_ack");
        let spool = self.clone();
        tokio::task::spawn_blocking(move || spool.lock().acknowledge(seq))
            .await
            .map_err(|_| SpoolError::Stopped)??;
        self.shared.trimmed.notify_waiters();
        Ok(())
    }

    /// Begins anew with another id: orchestratord has committed what this disk does not know.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn begin_anew(&self) -> Result<(), SpoolError> {
        let mut inner = self.lock();
        *inner = Inner::create(&inner.dir.clone(), inner.capacity)?;
        drop(inner);
        self.shared.trimmed.notify_waiters();
        Ok(())
    }
}

impl Inner {
    /// The spool as it is on disk; none where there is none or it is damaged beyond its tail.
    fn load(dir: &Path, capacity: u64) -> Result<Option<Self>, SpoolError> {
        let id_path = dir.join("id");
        let id = match fs::read_to_string(&id_path) {
            Ok(id) if !id.is_empty() => id,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &id_path)(error)),
        };
        let acked: Acked = fs::read(dir.join("acked"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let Some(segments) = segment::load(dir)? else {
            tracing::error!(spool = %dir.display(), "the spool is damaged; a new one is begun");
            return Ok(None);
        };
        let ended = segments.iter().rev().find_map(Segment::last_ended);
        let last = segments.back().map_or(0, Segment::last);
        Ok(Some(Self {
            dir: dir.to_owned(),
            id,
            next: last.max(acked.seq) + 1,
            bytes: segments.iter().map(Segment::bytes).sum(),
            acked,
            segments,
            capacity,
            ended,
        }))
    }

    fn create(dir: &Path, capacity: u64) -> Result<Self, SpoolError> {
        segment::remove_all(dir)?;
        let inner = Self {
            dir: dir.to_owned(),
            id: uuid::Uuid::new_v4().to_string(),
            acked: Acked::default(),
            segments: VecDeque::new(),
            next: 1,
            bytes: 0,
            capacity,
            ended: None,
        };
        inner.save_acked()?;
        replace(dir, "id", inner.id.as_bytes())?;
        Ok(inner)
    }

    fn save_acked(&self) -> Result<(), SpoolError> {
        let bytes = serde_json::to_vec(&self.acked).unwrap_or_default();
        replace(&self.dir, "acked", &bytes)
    }

    /// None where there is no room for it.
    fn append(&mut self, execution: String, body: Body) -> Result<Option<u64>, SpoolError> {
        let mut record = v1::Record {
            seq: self.next,
            execution,
            body: Some(body),
        };
        let mut bytes = frame::encode(&record)?;
        if !self.has_room(bytes.len()) {
            self.drop_logs(bytes.len())?;
        }
        if !self.has_room(bytes.len()) {
            let Some(dropped) = frame::without_logs(&record) else {
                return Ok(None);
            };
            record = dropped;
            bytes = frame::encode(&record)?;
        }
        self.write(&record, &bytes)?;
        Ok(Some(record.seq))
    }

    fn has_room(&self, more: usize) -> bool {
        self.bytes.saturating_add(more as u64) <= self.capacity
    }

    fn write(&mut self, record: &v1::Record, bytes: &[u8]) -> Result<(), SpoolError> {
        let full = self.segments.back().is_none_or(|s| s.bytes() >= SEGMENT);
        if full {
            self.segments
                .push_back(Segment::create(&self.dir, record.seq)?);
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.append(record, bytes)?;
        }
        self.bytes += bytes.len() as u64;
        self.next = record.seq + 1;
        if matches!(record.body, Some(Body::Ended(_))) {
            self.ended = Some(record.execution.clone());
        }
        Ok(())
    }

    /// Replaces logs by their count, oldest segment first, until `more` bytes fit.
    fn drop_logs(&mut self, more: usize) -> Result<(), SpoolError> {
        for index in 0..self.segments.len() {
            if self.has_room(more) {
                break;
            }
            if let Some(segment) = self.segments.get_mut(index) {
                let saved = segment.drop_logs()?;
                self.bytes = self.bytes.saturating_sub(saved);
            }
        }
        Ok(())
    }

    fn after(&self, seq: u64, max_bytes: usize) -> Result<Vec<v1::Record>, SpoolError> {
        let from = seq.max(self.acked.seq);
        for segment in &self.segments {
            if segment.last() > from {
                return segment.read_after(from, max_bytes);
            }
        }
        Ok(Vec::new())
    }

    fn acknowledge(&mut self, seq: u64) -> Result<(), SpoolError> {
        let seq = seq.min(self.next.saturating_sub(1));
        if seq <= self.acked.seq {
            return Ok(());
        }
        self.acked.seq = seq;
        while let Some(segment) = self.segments.front()
            && segment.last() <= seq
        {
            // What it says of an end is kept before it goes.
            if let Some(ended) = segment.last_ended() {
                self.acked.ended = Some(ended);
            }
            self.save_acked()?;
            failpoint!("agentd::spool_trim");
            self.bytes = self.bytes.saturating_sub(segment.bytes());
            segment.remove()?;
            self.segments.pop_front();
        }
        self.save_acked()
    }
}

/// Writes a small file so that either the old or the new content survives.
fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), SpoolError> {
    let path = dir.join(name);
    let temporary = dir.join(format!("{name}.new"));
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        io::Write::write_all(&mut file, bytes)?;
        file.sync_data()?;
        fs::rename(&temporary, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(failed("write", &path))
}

#[cfg(test)]
mod tests;
