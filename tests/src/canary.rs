//! Secrets, searched for wherever they do not belong: as they are, and in every form that a program
//! writes bytes in.
//!
//! ```text
//!  secret ──▶ raw, base64 (3 offsets, 2 alphabets), hex, URL, \u, \x, reversed, UTF-16 ──▶ needles
//!  place  ──▶ its bytes, and what is compressed in them (gzip, zlib, zstd) ──▶ searched
//! ```
//!
//! Places are folders with all their files, the objects of git repositories, the command lines of an
//! installation while it works ([`Lines`]), and whatever text a test has at hand.

mod lines;

pub use lines::Lines;

use std::fs;
use std::io::Read;
use std::path::Path;

use aho_corasick::AhoCorasick;
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use crate::sample;

/// Bytes that are unpacked from one place at most.
const UNPACKED: u64 = 64 << 20;

/// Secrets to search for.
#[derive(Debug)]
pub struct Canary(AhoCorasick);

impl Canary {
    /// Looks for these, and for each as git's authorisation carries it.
    ///
    /// # Errors
    /// Where there are too many.
    pub fn of(secrets: &[&str]) -> Result<Self> {
        let mut needles = Vec::new();
        for secret in secrets {
            needles.extend(forms(secret));
            needles.extend(forms(&format!("x-access-token:{secret}")));
        }
        Ok(Self(AhoCorasick::new(needles)?))
    }

    /// Whether one of them is in there, also compressed.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.0.is_match(bytes) || unpacked(bytes).iter().any(|plain| self.0.is_match(plain))
    }

    /// The files below a folder that hold one, or are named by one.
    #[must_use]
    pub fn files_below(&self, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        self.walk(folder, &mut found);
        found
    }

    fn walk(&self, folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let named = self.is_in(path.as_os_str().as_encoded_bytes());
            let held = kind.is_file() && fs::read(&path).is_ok_and(|bytes| self.is_in(&bytes));
            if named || held {
                found.push(path.display().to_string());
            }
            if kind.is_dir() {
                self.walk(&path, found);
            }
        }
    }

    /// Whether an object of a repository holds one, whether or not a ref reaches it. Packs compress
    /// each object by itself, so that git has to unpack them.
    ///
    /// # Errors
    /// Where git cannot read the repository.
    pub fn is_in_an_object_of(&self, repository: &Path) -> Result<bool> {
        let all = ["cat-file", "--batch-all-objects", "--batch"];
        Ok(self.is_in(&sample::git_bytes(repository, &all)?))
    }
}

/// The forms of a secret.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let each = |form: fn(u8) -> String| bytes.iter().map(|byte| form(*byte)).collect::<String>();
    let mut texts = vec![
        secret.to_owned(),
        secret.chars().rev().collect(),
        hex::encode(bytes),
        hex::encode_upper(bytes),
        each(|byte| format!("%{byte:02X}")),
        each(|byte| format!("%{byte:02x}")),
        // As a URL has it: only what may not stand there is encoded.
        each(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        }),
        // As JSON may have it, and as what prints bytes does.
        each(|byte| format!("\\u{byte:04x}")),
        each(|byte| format!("\\x{byte:02x}")),
        bytes
            .iter()
            .map(u8::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    ];
    texts.extend(in_base64(bytes));
    let mut forms: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    // UTF-16, as some tools write logs.
    forms.push(secret.encode_utf16().flat_map(u16::to_le_bytes).collect());
    forms
}

/// Base64 in both alphabets, wherever the secret begins within a larger text: what its first and
/// last characters share with their neighbours is left out.
fn in_base64(secret: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    for before in 0..3 {
        let mut text = vec![b' '; before];
        text.extend(secret);
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let encoded = alphabet.encode(&text);
            let from = (before * 8).div_ceil(6);
            let to = text.len() * 8 / 6;
            all.push(encoded[from..to].to_owned());
        }
    }
    all
}

/// What is compressed in a file: blocks of logs anywhere in it, or the whole of it as gzip or as
/// one of git's objects. Of what is cut off, what comes before counts.
fn unpacked(bytes: &[u8]) -> Vec<Vec<u8>> {
    const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let plain = |packed: Box<dyn Read + '_>| {
        let mut plain = Vec::new();
        // What is not compressed after all holds nothing besides.
        let _cut_off = packed.take(UNPACKED).read_to_end(&mut plain);
        plain
    };
    let frames = bytes.windows(FRAME.len()).enumerate();
    let frames = frames.filter(|(_, window)| *window == FRAME);
    let frames = frames.filter_map(|(at, _)| zstd::Decoder::new(&bytes[at..]).ok());
    let mut all: Vec<Vec<u8>> = frames
        .map(|frame| plain(Box::new(frame.single_frame())))
        .collect();
    match bytes {
        [0x1f, 0x8b, ..] => all.push(plain(Box::new(MultiGzDecoder::new(bytes)))),
        [0x78, ..] => all.push(plain(Box::new(ZlibDecoder::new(bytes)))),
        _neither => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const SECRET: &str = "npm_canary_grant_0123456789abcdef";

    #[test]
    fn a_secret_is_found_in_every_form() -> Result<()> {
        let canary = Canary::of(&[SECRET])?;
        let quoted = format!("{{\"key\": \"{SECRET}\"}}");
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(quoted.as_bytes())?;
        for hay in [
            quoted.clone().into_bytes(),
            STANDARD_NO_PAD.encode(&quoted).into_bytes(),
            URL_SAFE_NO_PAD.encode(format!("x{quoted}")).into_bytes(),
            STANDARD_NO_PAD.encode(format!("xx{quoted}")).into_bytes(),
            hex::encode(&quoted).into_bytes(),
            quoted.chars().rev().collect::<String>().into_bytes(),
            packed.finish()?,
            [
                b"block",
                &*zstd::encode_all(quoted.as_bytes(), 0)?,
                b"block",
            ]
            .concat(),
        ] {
            assert!(canary.is_in(&hay), "{}", String::from_utf8_lossy(&hay));
        }
        assert!(!canary.is_in(b"npm_canary_grant_0123456789"));
        Ok(())
    }

    #[test]
    fn a_secret_is_found_in_the_history_of_a_repository() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let bare = folder.path().join("r.git");
        sample::bare_repository(&bare, &[("a.txt", &format!("key = {SECRET}\n"))])?;
        sample::git(&bare, &["gc", "--quiet"])?;
        let canary = Canary::of(&[SECRET])?;
        assert_eq!(canary.files_below(folder.path()), Vec::<String>::new());
        assert!(canary.is_in_an_object_of(&bare)?);
        Ok(())
    }
}
