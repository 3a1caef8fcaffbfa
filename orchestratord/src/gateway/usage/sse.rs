//! Server-sent events: the `data` of each, however the bytes are cut.

/// Bytes of one event; a longer one is skipped.
const MAX_EVENT: usize = 16 << 20;

/// Collects events out of bytes.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    too_long: bool,
}

impl Events {
    /// Takes bytes; gives the data of the events that they complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len().saturating_add(piece.len()) > MAX_EVENT {
                self.too_long = true;
                self.line.clear();
            }
            self.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end_of_line(&mut events);
            }
        }
        events
    }

    fn end_of_line(&mut self, events: &mut Vec<Vec<u8>>) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_ascii_end();
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            if !std::mem::take(&mut self.too_long) && !data.is_empty() {
                events.push(data);
            }
        } else if let Some(data) = line.strip_prefix(b"data:") {
            if self.data.len().saturating_add(data.len()) > MAX_EVENT {
                self.too_long = true;
                self.data.clear();
            }
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(data.trim_ascii_start());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let stream =
            b": hi\r\nevent: a\r\ndata: {\"x\":\r\ndata: 1}\r\n\r\ndata:[DONE]\n\n\ndata: cut";
        for size in 1..stream.len() {
            let mut events = Events::default();
            let found: Vec<Vec<u8>> = stream
                .chunks(size)
                .flat_map(|piece| events.take(piece))
                .collect();
            assert_eq!(found, [b"{\"x\":\n1}".to_vec(), b"[DONE]".to_vec()]);
        }
    }

    #[test]
    fn an_event_beyond_all_bounds_is_skipped_and_the_next_one_found() {
        let mut events = Events::default();
        assert!(events.take(b"data: ").is_empty());
        for _ in 0..40 {
            assert!(events.take(&[b'x'; 1 << 20]).is_empty());
            assert!(events.line.len() <= MAX_EVENT);
        }
        assert!(events.take(b"\n\n").is_empty());
        assert_eq!(events.take(b"data: 1\n\n"), [b"1".to_vec()]);
    }
}
