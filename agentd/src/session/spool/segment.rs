//! One file of the spool and the index of its records.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use cloud_code_proto::v1;
use cloud_code_proto::v1::record::Body;

use super::{SpoolError, failed, frame};
use crate::failpoint::failpoint;

/// A file `<first number>.seg`. It is never empty but between its creation and its first record.
#[derive(Debug)]
pub(super) struct Segment {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
    bytes: u64,
    first: u64,
    ended: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    offset: u64,
    length: u64,
    logs: bool,
}

/// All segments in order; none where anything but the very end is damaged.
pub(super) fn load(dir: &Path) -> Result<Option<VecDeque<Segment>>, SpoolError> {
    let mut paths = paths(dir)?;
    paths.sort();
    let mut segments: VecDeque<Segment> = VecDeque::new();
    let count = paths.len();
    for (index, path) in paths.into_iter().enumerate() {
        let (segment, torn) = Segment::open(path)?;
        let contiguous = segments
            .back()
            .is_none_or(|before| before.last() + 1 == segment.first);
        if !contiguous || (torn && index + 1 != count) {
            return Ok(None);
        }
        if segment.entries.is_empty() {
            // A kill came between its creation and its first record.
            segment.remove()?;
        } else {
            segments.push_back(segment);
        }
    }
    Ok(Some(segments))
}

/// Removes every segment and what a kill left half made.
pub(super) fn remove_all(dir: &Path) -> Result<(), SpoolError> {
    for path in paths(dir)? {
        fs::remove_file(&path).map_err(failed("remove", &path))?;
    }
    Ok(())
}

fn paths(dir: &Path) -> Result<Vec<PathBuf>, SpoolError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let path = entry.map_err(failed("list", dir))?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("seg") => paths.push(path),
            Some("compacting") => fs::remove_file(&path).map_err(failed("remove", &path))?,
            Some(_) | None => {}
        }
    }
    Ok(paths)
}

impl Segment {
    pub(super) fn create(dir: &Path, first: u64) -> Result<Self, SpoolError> {
        let path = dir.join(format!("{first:020}.seg"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .map_err(failed("create", &path))?;
        sync_dir(dir)?;
        Ok(Self {
            path,
            file,
            entries: Vec::new(),
            bytes: 0,
            first,
            ended: None,
        })
    }

    /// Opens a segment and cuts off a torn end; says whether there was one.
    fn open(path: PathBuf) -> Result<(Self, bool), SpoolError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed("open", &path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(failed("read", &path))?;
        let first = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.parse().ok())
            .unwrap_or(0);
        let mut segment = Self {
            path,
            file,
            entries: Vec::new(),
            bytes: 0,
            first,
            ended: None,
        };
        let mut rest = bytes.as_slice();
        while let Some((record, length)) = frame::decode(rest)
            && record.seq == segment.last() + 1
        {
            segment.note(&record, length as u64);
            rest = &rest[length..];
        }
        let torn = !rest.is_empty();
        if torn {
            segment
                .file
                .set_len(segment.bytes)
                .and_then(|()| segment.file.sync_data())
                .map_err(failed("truncate", &segment.path))?;
        }
        Ok((segment, torn))
    }

    fn note(&mut self, record: &v1::Record, length: u64) {
        self.entries.push(Entry {
            offset: self.bytes,
            length,
            logs: matches!(record.body, Some(Body::Logs(_))),
        });
        self.bytes += length;
        if matches!(record.body, Some(Body::Ended(_))) {
            self.ended = Some(record.execution.clone());
        }
    }

    /// The number of its last record; one less than its first where it is empty.
    pub(super) fn last(&self) -> u64 {
        (self.first + self.entries.len() as u64).saturating_sub(1)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The execution of the last end in it.
    pub(super) fn last_ended(&self) -> Option<String> {
        self.ended.clone()
    }

    /// Writes a frame at the end and forces it to disk.
    pub(super) fn append(&mut self, record: &v1::Record, bytes: &[u8]) -> Result<(), SpoolError> {
        let end = self.bytes;
        let write = |file: &mut File| {
            file.seek(SeekFrom::Start(end))?;
            file.write_all(bytes)?;
            failpoint!("agentd::spool_write");
            file.sync_data()
        };
        write(&mut self.file).map_err(failed("append to", &self.path))?;
        self.note(record, bytes.len() as u64);
        Ok(())
    }

    /// Its records after `seq`, up to about `max_bytes` but at least one.
    pub(super) fn read_after(
        &self,
        seq: u64,
        max_bytes: usize,
    ) -> Result<Vec<v1::Record>, SpoolError> {
        let skip = usize::try_from((seq + 1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        let wanted = self.entries.get(skip..).unwrap_or_default();
        let Some(start) = wanted.first() else {
            return Ok(Vec::new());
        };
        let mut length = start.length;
        for entry in wanted.iter().skip(1) {
            if length + entry.length > max_bytes as u64 {
                break;
            }
            length += entry.length;
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(start.offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(failed("read", &self.path))?;
        let mut records = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((record, length)) = frame::decode(rest) {
            records.push(record);
            rest = &rest[length..];
        }
        Ok(records)
    }

    /// Replaces its logs by their counts; how many bytes that saved.
    pub(super) fn drop_logs(&mut self) -> Result<u64, SpoolError> {
        if !self.entries.iter().any(|entry| entry.logs) {
            return Ok(0);
        }
        let before = self.bytes;
        let records = self.read_after(self.first.saturating_sub(1), usize::MAX)?;
        let temporary = self.path.with_extension("compacting");
        let mut compacted = Self {
            path: self.path.clone(),
            file: OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&temporary)
                .map_err(failed("create", &temporary))?,
            entries: Vec::with_capacity(self.entries.len()),
            bytes: 0,
            first: self.first,
            ended: None,
        };
        let mut content = Vec::new();
        for record in &records {
            let record = frame::without_logs(record).unwrap_or_else(|| record.clone());
            let bytes = frame::encode(&record)?;
            compacted.note(&record, bytes.len() as u64);
            content.extend(bytes);
        }
        let write = |file: &mut File| {
            file.write_all(&content)?;
            file.sync_data()?;
            fs::rename(&temporary, &self.path)
        };
        write(&mut compacted.file).map_err(failed("compact", &self.path))?;
        if let Some(dir) = self.path.parent() {
            sync_dir(dir)?;
        }
        *self = compacted;
        Ok(before.saturating_sub(self.bytes))
    }

    pub(super) fn remove(&self) -> Result<(), SpoolError> {
        fs::remove_file(&self.path).map_err(failed("remove", &self.path))
    }
}

fn sync_dir(dir: &Path) -> Result<(), SpoolError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(failed("sync", dir))
}
