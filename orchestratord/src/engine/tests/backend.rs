//! A store in memory that writes down what is done to it, and fails when it is told to.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

#[derive(Debug, Clone, Default)]
pub(super) struct Recorder {
    bytes: Arc<Mutex<Vec<u8>>>,
    steps: Arc<Mutex<Vec<String>>>,
    failing: Arc<AtomicBool>,
}

impl Recorder {
    pub(super) fn note(&self, step: &str) {
        self.steps.lock().unwrap().push(step.to_owned());
    }

    pub(super) fn clear(&self) {
        self.steps.lock().unwrap().clear();
    }

    pub(super) fn taken(&self) -> Vec<String> {
        self.steps.lock().unwrap().clone()
    }

    pub(super) fn fail(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    fn works(&self) -> io::Result<()> {
        if self.failing.load(Ordering::SeqCst) {
            Err(io::Error::from(io::ErrorKind::StorageFull))
        } else {
            Ok(())
        }
    }
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Recorder {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.bytes.lock().unwrap().len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.lock().unwrap();
        out.copy_from_slice(&bytes[index(offset)..index(offset) + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.works()?;
        self.bytes.lock().unwrap().resize(index(len), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.works()?;
        self.note("sync");
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.works()?;
        self.note("write");
        let mut bytes = self.bytes.lock().unwrap();
        bytes[index(offset)..index(offset) + data.len()].copy_from_slice(data);
        Ok(())
    }
}
