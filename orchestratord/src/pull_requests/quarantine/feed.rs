//! The scan of a pack feeds git: what it has accepted goes down a pipe, and nothing beyond.
//!
//! ```text
//!  pack ──▶ scan: sizes, secrets ──▶ git index-pack --strict
//!           (this thread)      pipe  (a process beside it)
//! ```

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::unix::fs::FileExt;

use crate::config::GateLimits;
use crate::pull_requests::scan::{Made, Onlooker, ScanError, scan};
use crate::pull_requests::secrets::{Hit, Secrets};

/// What is passed on at once.
const CHUNK: usize = 256 << 10;

/// What a scan saw.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) made: Made,
    /// By the offset of its entry, what each blob holds that is there whole.
    pub(super) blobs: HashMap<u64, Option<Hit>>,
}

/// Scans a pack from its beginning, and writes what it accepts into a pipe.
pub(super) fn look(
    pack: &File,
    pipe: PipeWriter,
    limits: &GateLimits,
    secrets: &Secrets,
) -> Result<Looked, ScanError> {
    let mut feed = Feed {
        pack,
        pipe: Some(pipe),
        passed: 0,
        secrets,
        blobs: HashMap::new(),
    };
    let made = scan(Positioned { pack, at: 0 }, limits, &mut feed)?;
    if made.objects > 0 {
        // The checksum, and whatever else there is: git judges it.
        let end = pack.metadata().map_err(ScanError::Io)?.len();
        feed.pass_on(end).map_err(ScanError::Io)?;
    }
    let blobs = feed.blobs;
    Ok(Looked { made, blobs })
}

/// A file that is read from the beginning, wherever its own position is.
struct Positioned<'a> {
    pack: &'a File,
    at: u64,
}

impl io::Read for Positioned<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.pack.read_at(into, self.at)?;
        self.at += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

struct Feed<'a> {
    pack: &'a File,
    /// None: git takes no more, and has its reason.
    pipe: Option<PipeWriter>,
    passed: u64,
    secrets: &'a Secrets,
    blobs: HashMap<u64, Option<Hit>>,
}

impl Feed<'_> {
    fn pass_on(&mut self, end: u64) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while let Some(pipe) = &mut self.pipe
            && self.passed < end
        {
            let most = usize::try_from(end - self.passed).map_or(CHUNK, |left| left.min(CHUNK));
            let count = self.pack.read_at(&mut chunk[..most], self.passed)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match pipe.write_all(&chunk[..count]) {
                Ok(()) => self.passed += u64::try_from(count).unwrap_or(u64::MAX),
                // Its exit code says more than the pipe.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.pipe = None,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Onlooker for Feed<'_> {
    fn blob(&mut self, offset: u64, content: &[u8]) {
        self.blobs.insert(offset, self.secrets.find(content));
    }

    fn accepted(&mut self, end: u64) -> io::Result<()> {
        let chunk = u64::try_from(CHUNK).unwrap_or(u64::MAX);
        if end - self.passed < chunk {
            return Ok(());
        }
        self.pass_on(end)
    }
}
