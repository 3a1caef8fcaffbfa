//! What reaches the terminal: two buffers of our own, and one write per frame.
//!
//! ```text
//!  views ──▶ next ──┐
//!                   ├─▶ encoder ──▶ ESC[?2026h … ESC[?2026l ──▶ one write
//!          shown ◀──┘
//! ```
//!
//! Nothing is written where nothing changed: a fleet that rests costs no byte.

mod clipboard;
mod encoder;
mod scroll;
mod terminal;

pub(crate) use clipboard::copy;
pub(crate) use encoder::Capabilities;
pub(crate) use terminal::{Guard, restore_on_panic};

use std::io::{self, Write};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use encoder::Encoder;

/// The screen.
#[derive(Debug)]
pub(crate) struct Screen<W> {
    out: W,
    shown: Buffer,
    next: Buffer,
    capabilities: Capabilities,
    cursor: Cursor,
    clear: bool,
    written: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Cursor {
    at: Option<(u16, u16)>,
    seen: bool,
}

impl<W: Write> Screen<W> {
    /// A screen of this size. The first frame draws all of it.
    pub(crate) fn new(out: W, columns: u16, rows: u16, capabilities: Capabilities) -> Self {
        let area = Rect::new(0, 0, columns, rows);
        Self {
            out,
            shown: Buffer::empty(area),
            next: Buffer::empty(area),
            capabilities,
            cursor: Cursor::default(),
            clear: true,
            written: 0,
        }
    }

    /// The terminal has another size.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        let area = Rect::new(0, 0, columns, rows);
        if area != self.next.area {
            self.next = Buffer::empty(area);
            self.repaint();
        }
    }

    /// Draws everything with the next frame.
    pub(crate) fn repaint(&mut self) {
        self.shown = Buffer::empty(self.next.area);
        self.clear = true;
    }

    /// The buffer of the next frame.
    pub(crate) fn next(&mut self) -> &mut Buffer {
        &mut self.next
    }

    /// Bytes that were written since the start.
    #[cfg(test)]
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes what changed, at once; nothing where nothing did.
    ///
    /// # Errors
    /// As the terminal.
    pub(crate) fn flush(&mut self, at: Option<(u16, u16)>, seen: bool) -> io::Result<()> {
        let cursor = Cursor { at, seen };
        let mut encoder = Encoder::new(self.capabilities);
        if self.clear {
            encoder.clear();
        }
        encoder.difference(&self.shown, &self.next);
        let body = encoder.finish();
        if body.is_empty() && cursor == self.cursor {
            return Ok(());
        }
        let mut frame = Vec::with_capacity(body.len() + 64);
        frame.extend_from_slice(b"\x1b[?2026h");
        if self.cursor.seen && !(seen && body.is_empty()) {
            frame.extend_from_slice(b"\x1b[?25l");
            self.cursor.seen = false;
        }
        frame.extend_from_slice(&body);
        if let Some((x, y)) = at {
            frame.extend_from_slice(format!("\x1b[{};{}H", y + 1, x + 1).as_bytes());
        }
        if seen && !self.cursor.seen {
            frame.extend_from_slice(b"\x1b[?25h");
        }
        frame.extend_from_slice(b"\x1b[?2026l");
        self.out.write_all(&frame)?;
        self.out.flush()?;
        self.written += u64::try_from(frame.len()).unwrap_or(0);
        self.cursor = cursor;
        self.clear = false;
        self.shown.clone_from(&self.next);
        Ok(())
    }

    /// Writes a sequence that shows nothing, such as the clipboard's.
    ///
    /// # Errors
    /// As the terminal.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.flush()
    }

    /// Gives back what it writes to.
    pub(crate) fn into_out(self) -> W {
        self.out
    }
}

#[cfg(test)]
mod tests;
