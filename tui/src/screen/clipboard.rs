//! The terminal's clipboard, by OSC 52: it works through ssh, and only on our own terminal.

/// Bytes that terminals take at most, encoded.
const LIMIT: usize = 74_994;

/// The sequence that copies a text; none where it is too long. tmux wants it wrapped.
#[must_use]
pub(crate) fn copy(text: &str, in_tmux: bool) -> Option<Vec<u8>> {
    let encoded = base64_of(text.as_bytes());
    if encoded.len() > LIMIT {
        return None;
    }
    let sequence = format!("\x1b]52;c;{encoded}\x07");
    let sequence = if in_tmux {
        format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b"))
    } else {
        sequence
    };
    Some(sequence.into_bytes())
}

fn base64_of(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let part = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let letter = usize::try_from(bits >> shift & 63).unwrap_or(0);
            let letter = ALPHABET.get(letter).copied().unwrap_or(b'=');
            text.push(if index <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_encoded() {
        let encoded: Vec<String> = ["", "f", "fo", "foo", "foob"]
            .map(|s| base64_of(s.as_bytes()))
            .into();
        assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn tmux_gets_it_wrapped_and_long_texts_are_refused() {
        assert_eq!(
            copy("f", false).as_deref(),
            Some(&b"\x1b]52;c;Zg==\x07"[..])
        );
        let wrapped = copy("f", true).expect("short");
        assert!(wrapped.starts_with(b"\x1bPtmux;\x1b\x1b]52") && wrapped.ends_with(b"\x1b\\"));
        assert_eq!(copy(&"x".repeat(60_000), false), None);
    }
}
