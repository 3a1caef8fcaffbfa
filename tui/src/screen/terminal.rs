//! The terminal is borrowed: it is given back on every way out.

use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the terminal is ours now. It is one per process.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Alternate screen, bracketed paste, no cursor. No mouse and no keyboard protocol: when ssh drops
/// they would stay on and make the shell unusable.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?25l";

/// The opposite, from any state that a frame can have been cut in.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[m\x1b[?25h\x1b[?2004l\x1b[?1049l";

/// Holds the terminal; gives it back when dropped.
#[derive(Debug)]
pub(crate) struct Guard(());

impl Guard {
    /// Takes the terminal.
    ///
    /// # Errors
    /// Where standard input is no terminal.
    pub(crate) fn take() -> io::Result<Self> {
        let guard = Self(());
        guard.enter()?;
        Ok(guard)
    }

    /// Takes it again after it was given back for a while.
    ///
    /// # Errors
    /// As the terminal.
    pub(crate) fn enter(&self) -> io::Result<()> {
        crossterm::terminal::enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let mut out = io::stdout().lock();
        out.write_all(ENTER)?;
        out.flush()
    }

    /// Gives it back for a while.
    pub(crate) fn leave(&self) {
        restore();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back; once, whoever asks first. Every step is tried, whatever the others do.
fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout().lock();
    let written = out.write_all(LEAVE).and_then(|()| out.flush());
    let raw = crossterm::terminal::disable_raw_mode();
    // There is nobody left to tell: the terminal is gone.
    drop((written, raw));
}

/// A panic gives the terminal back before it is printed.
pub(crate) fn restore_on_panic() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}
