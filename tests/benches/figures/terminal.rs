//! A terminal that nobody looks at: it counts what is written to it.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use cloud_code_tests::cluster::Cluster;
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::unistd::Pid;

/// The control room in a terminal of its own; ended with this value.
#[derive(Debug)]
pub(crate) struct ControlRoom {
    child: Child,
    written: Arc<AtomicU64>,
    /// The terminal's other end, open as long as it is read.
    _reader: std::thread::JoinHandle<()>,
}

impl ControlRoom {
    pub(crate) fn open(cluster: &Cluster) -> Result<Self> {
        let size = Winsize {
            ws_row: 50,
            ws_col: 160,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let OpenptyResult { master, slave } = openpty(&size, None).context("no terminal")?;
        let end = || slave.try_clone().map(Stdio::from);
        #[expect(
            clippy::disallowed_methods,
            reason = "the program is started as a user does"
        )]
        let child = Command::new(cluster.root().join("bin/cloud-code"))
            .arg("--socket")
            .arg(cluster.root().join("operator.sock"))
            .env_clear()
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8")
            .env("HOME", cluster.root())
            .stdin(end()?)
            .stdout(end()?)
            .stderr(end()?)
            .spawn()?;
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let reader = std::thread::spawn(move || {
            let (mut screen, mut bytes) = (File::from(master), [0; 4_096]);
            // It fails when the program has ended.
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                count.fetch_add(read as u64, Ordering::Relaxed);
            }
        });
        Ok(Self {
            child,
            written,
            _reader: reader,
        })
    }

    /// Bytes that were written to the terminal so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?))
    }
}

impl Drop for ControlRoom {
    fn drop(&mut self) {
        // One that has ended by itself cannot be killed.
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}
