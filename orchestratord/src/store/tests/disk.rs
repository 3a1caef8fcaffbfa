//! A disk that keeps what was written apart from what was synced.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

/// What a disk writes whole or not at all, bytes.
const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Unsynced {
    Length(usize),
    Bytes(usize, Vec<u8>),
}

#[derive(Debug, Default)]
struct Platter {
    /// What is there after any loss of power.
    synced: Vec<u8>,
    /// What is read.
    seen: Vec<u8>,
    unsynced: Vec<Unsynced>,
    /// Operations that still work.
    works: Option<u64>,
    why: Option<io::ErrorKind>,
    /// Operations that were asked for.
    asked: u64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    /// After so many more writes and syncs, each fails.
    pub(super) fn fails_after(&self, operations: u64, why: io::ErrorKind) {
        let mut platter = self.0.lock().unwrap();
        platter.works = Some(operations);
        platter.why = Some(why);
    }

    pub(super) fn works_again(&self) {
        self.0.lock().unwrap().works = None;
    }

    /// Writes and syncs so far.
    pub(super) fn asked(&self) -> u64 {
        self.0.lock().unwrap().asked
    }

    /// The disk after a loss of power: of what was not synced, any sectors are there. They are drawn
    /// from `random`.
    pub(super) fn after_power_loss(&self, random: &mut impl FnMut() -> u64) -> Self {
        let platter = self.0.lock().unwrap();
        let mut left = platter.synced.clone();
        for operation in &platter.unsynced {
            match operation {
                Unsynced::Length(length) => {
                    if random().is_multiple_of(2) {
                        left.resize(*length, 0);
                    }
                }
                Unsynced::Bytes(offset, bytes) => write_some(&mut left, *offset, bytes, random),
            }
        }
        Self(Arc::new(Mutex::new(Platter {
            seen: left.clone(),
            synced: left,
            ..Platter::default()
        })))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Platter) -> T) -> io::Result<T> {
        let mut platter = self.0.lock().unwrap();
        platter.asked += 1;
        match platter.works.as_mut() {
            Some(0) => return Err(platter.why.unwrap_or(io::ErrorKind::Other).into()),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(change(&mut platter))
    }
}

/// Any sectors of a write. One beyond the end of the file is there only where its growth is.
fn write_some(disk: &mut [u8], offset: usize, bytes: &[u8], random: &mut impl FnMut() -> u64) {
    let end = (offset + bytes.len()).min(disk.len());
    let mut at = offset;
    while at < end {
        let next = ((at / SECTOR + 1) * SECTOR).min(end);
        if random().is_multiple_of(2) {
            disk[at..next].copy_from_slice(&bytes[at - offset..next - offset]);
        }
        at = next;
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.0.lock().unwrap().seen.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.0.lock().unwrap();
        let bytes = platter.seen.get(index(offset)..index(offset) + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.write(|platter| {
            platter.seen.resize(index(length), 0);
            platter.unsynced.push(Unsynced::Length(index(length)));
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.write(|platter| {
            for operation in std::mem::take(&mut platter.unsynced) {
                match operation {
                    Unsynced::Length(length) => platter.synced.resize(length, 0),
                    Unsynced::Bytes(offset, bytes) => {
                        platter.synced[offset..offset + bytes.len()].copy_from_slice(&bytes);
                    }
                }
            }
        })
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        Self::write(self, |platter| {
            let at = index(offset);
            platter.seen[at..at + bytes.len()].copy_from_slice(bytes);
            platter.unsynced.push(Unsynced::Bytes(at, bytes.to_vec()));
        })
    }
}
