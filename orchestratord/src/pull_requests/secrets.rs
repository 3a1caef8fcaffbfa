//! Secrets in what an agent made: those that this host keeps, in the usual encodings, and whatever
//! looks like one. Unknown encodings are not found, and it is not claimed that they are.

use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

/// Shorter ones are in every file.
const SHORTEST: usize = 8;

/// What was found in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hit {
    /// A secret of this host.
    Known,
    /// What it looks like.
    Looks(&'static str),
}

/// How a token looks: its beginning, and what has to follow.
struct Look {
    prefix: &'static str,
    name: &'static str,
    least: usize,
    alphabet: fn(u8) -> bool,
}

fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

fn wordy(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}

fn upper(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

const fn look(
    prefix: &'static str,
    name: &'static str,
    least: usize,
    alphabet: fn(u8) -> bool,
) -> Look {
    Look {
        prefix,
        name,
        least,
        alphabet,
    }
}

const LOOKS: &[Look] = &[
    look("ghp_", "a GitHub token", 36, alnum),
    look("gho_", "a GitHub token", 36, alnum),
    look("ghu_", "a GitHub token", 36, alnum),
    look("ghs_", "a GitHub token", 36, alnum),
    look("ghr_", "a GitHub token", 36, alnum),
    look("github_pat_", "a GitHub token", 40, wordy),
    look("glpat-", "a GitLab token", 20, wordy),
    look("sk-ant-", "an Anthropic key", 24, wordy),
    look("sk-proj-", "an OpenAI key", 40, wordy),
    look("sk-svcacct-", "an OpenAI key", 40, wordy),
    look("AKIA", "an AWS access key", 16, upper),
    look("ASIA", "an AWS access key", 16, upper),
    look("AIza", "a Google API key", 35, wordy),
    look("xoxb-", "a Slack token", 20, wordy),
    look("xoxp-", "a Slack token", 20, wordy),
    look("xapp-", "a Slack token", 20, wordy),
    look("npm_", "an npm token", 36, alnum),
    look("pypi-AgEI", "a PyPI token", 40, wordy),
    look("sk_live_", "a Stripe key", 20, alnum),
    look("rk_live_", "a Stripe key", 20, alnum),
    look("lin_api_", "a Linear key", 30, alnum),
    look("hf_", "a Hugging Face token", 34, alnum),
    look("AGE-SECRET-KEY-1", "an age key", 50, upper),
];

/// A header of a private key: `-----BEGIN`, at most four words, `PRIVATE KEY`.
const KEY_BEGIN: &str = "-----BEGIN ";
const KEY_WORDS: &[u8] = b"PRIVATE KEY";

/// Looks for all of them in one pass.
pub(crate) struct Secrets {
    finder: AhoCorasick,
    looks: usize,
}

/// The patterns are secrets.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Secrets shorter than eight bytes are not looked for.
    ///
    /// # Errors
    /// Where there are too many of them for one automaton.
    pub(crate) fn new(known: &[SecretString]) -> Result<Self, aho_corasick::BuildError> {
        let mut patterns: Vec<Vec<u8>> = LOOKS
            .iter()
            .map(|look| look.prefix.as_bytes().to_vec())
            .collect();
        patterns.push(KEY_BEGIN.as_bytes().to_vec());
        let looks = patterns.len();
        for secret in known {
            let secret = secret.expose_secret().trim().as_bytes();
            if secret.len() >= SHORTEST {
                patterns.extend(encodings(secret));
            }
        }
        let finder = AhoCorasickBuilder::new()
            .match_kind(MatchKind::Standard)
            .build(patterns)?;
        Ok(Self { finder, looks })
    }

    /// The worst thing in a text.
    pub(crate) fn find(&self, text: &[u8]) -> Option<Hit> {
        let mut found = None;
        for hit in self.finder.find_overlapping_iter(text) {
            let index = hit.pattern().as_usize();
            if index >= self.looks {
                return Some(Hit::Known);
            }
            if found.is_none() {
                found = looks_like(index, text, hit.start(), hit.end());
            }
        }
        found
    }
}

fn looks_like(index: usize, text: &[u8], start: usize, end: usize) -> Option<Hit> {
    let tail = text.get(end..).unwrap_or_default();
    let Some(look) = LOOKS.get(index) else {
        let line = &tail[..tail.len().min(40)];
        let words = line.windows(KEY_WORDS.len()).any(|w| w == KEY_WORDS);
        return words.then_some(Hit::Looks("a private key"));
    };
    let before = start.checked_sub(1).and_then(|at| text.get(at)).copied();
    let own_word = before.is_none_or(|b| !b.is_ascii_alphanumeric());
    let length = tail.iter().take_while(|b| (look.alphabet)(**b)).count();
    (own_word && length >= look.least).then_some(Hit::Looks(look.name))
}

/// A secret as it may lie in a file.
fn encodings(secret: &[u8]) -> Vec<Vec<u8>> {
    let reversed: Vec<u8> = secret.iter().rev().copied().collect();
    let percent: String = secret.iter().map(|b| format!("%{b:02X}")).collect();
    let mut all = vec![
        secret.to_vec(),
        reversed,
        hex::encode(secret).into_bytes(),
        hex::encode_upper(secret).into_bytes(),
        percent.into_bytes(),
        url_encoded(secret),
        secret.iter().flat_map(|b| [*b, 0]).collect(),
        secret.iter().flat_map(|b| [0, *b]).collect(),
    ];
    for offset in 0..3 {
        all.push(base64_at(secret, offset, &STANDARD_NO_PAD));
        all.push(base64_at(secret, offset, &URL_SAFE_NO_PAD));
    }
    all.retain(|pattern| pattern.len() >= SHORTEST);
    all.sort();
    all.dedup();
    all
}

fn url_encoded(secret: &[u8]) -> Vec<u8> {
    secret
        .iter()
        .flat_map(|b| {
            if b.is_ascii_alphanumeric() || b"-_.~".contains(b) {
                vec![*b]
            } else {
                format!("%{b:02X}").into_bytes()
            }
        })
        .collect()
}

/// The part of a base64 text that a secret decides alone, when it begins at this offset of a group.
fn base64_at(secret: &[u8], offset: usize, engine: &base64::engine::GeneralPurpose) -> Vec<u8> {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(secret);
    let whole = padded.len().is_multiple_of(3);
    let text = engine.encode(&padded);
    let first = [0, 2, 3].get(offset).copied().unwrap_or_default();
    let last = text.len().saturating_sub(usize::from(!whole));
    text.as_bytes()
        .get(first..last)
        .unwrap_or_default()
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "CCCANARY-01/ab+cd?efgh";

    fn secrets() -> Secrets {
        Secrets::new(&[SecretString::from(SECRET), SecretString::from("short")]).unwrap()
    }

    #[test]
    fn a_secret_of_this_host_is_found_in_every_usual_encoding() {
        let secrets = secrets();
        let around = |text: &[u8]| [b"before \xff".as_slice(), text, b" after"].concat();
        let raw = SECRET.as_bytes();
        for offset in 0..3 {
            let text = [&b"xyz"[..offset], raw, b"tail"].concat();
            let standard = base64::engine::general_purpose::STANDARD.encode(&text);
            let safe = base64::engine::general_purpose::URL_SAFE.encode(&text);
            assert_eq!(secrets.find(&around(standard.as_bytes())), Some(Hit::Known));
            assert_eq!(secrets.find(&around(safe.as_bytes())), Some(Hit::Known));
        }
        let reversed: String = SECRET.chars().rev().collect();
        let wide: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for text in [
            raw.to_vec(),
            hex::encode(raw).into_bytes(),
            hex::encode_upper(raw).into_bytes(),
            url_encoded(raw),
            reversed.into_bytes(),
            wide,
        ] {
            assert_eq!(secrets.find(&around(&text)), Some(Hit::Known), "{text:?}");
        }
        assert_eq!(secrets.find(b"short of nothing"), None);
    }

    #[test]
    fn what_looks_like_a_token_is_found_and_what_only_begins_like_one_is_not() {
        let secrets = secrets();
        let token = format!("x = \"ghp_{}\"", "a1B2".repeat(9));
        assert_eq!(
            secrets.find(token.as_bytes()),
            Some(Hit::Looks("a GitHub token"))
        );
        let key = b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA";
        assert_eq!(secrets.find(key), Some(Hit::Looks("a private key")));
        let aws = b"AKIAIOSFODNN7EXAMPLE";
        assert_eq!(secrets.find(aws), Some(Hit::Looks("an AWS access key")));
        for text in [
            "ghp_short",
            "-----BEGIN CERTIFICATE-----",
            "npm_config_registry=https://example.org/abcdefghijklmnopqrstuvwxyz",
            "XAKIAIOSFODNN7EXAMPLE",
            "AKIAlowercaseisnokey",
        ] {
            assert_eq!(secrets.find(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_scanner_does_not_show_what_it_looks_for() {
        assert_eq!(format!("{:?}", secrets()), "Secrets");
    }
}
