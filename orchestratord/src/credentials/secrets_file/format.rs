//! The text of the secrets file. Pure: what is written and read, without any key.

use super::{Record, SecretEntry};

const HEAD: &str = "cloud-code secrets 1";
const NONCE: usize = 24;

/// A nonce and what was sealed with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) nonce: [u8; NONCE],
    pub(super) ciphertext: Vec<u8>,
}

/// A file as it is written; nothing of it is believed yet.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) counter: u64,
    pub(super) records: Vec<Record>,
    /// All that the seal is about.
    pub(super) sealed_text: String,
    pub(super) seal: Sealed,
}

/// Everything above the seal.
pub(super) fn body(counter: u64, records: &[Record]) -> String {
    let mut text = format!("{HEAD}\ncounter {counter}\n");
    for record in records {
        let entry = serde_json::to_string(&record.entry).unwrap_or_default();
        text += &format!("record {} {}\n", hex::encode(entry), sealed(&record.sealed));
    }
    text
}

/// The whole file.
pub(super) fn render(body: &str, seal: &Sealed) -> String {
    format!("{body}seal {}\n", sealed(seal))
}

fn sealed(sealed: &Sealed) -> String {
    format!(
        "{} {}",
        hex::encode(sealed.nonce),
        hex::encode(&sealed.ciphertext)
    )
}

pub(super) fn parse(text: &str) -> Option<Parsed> {
    let end = text.rfind("\nseal ")? + 1;
    let (sealed_text, seal) = text.split_at_checked(end)?;
    let seal = parse_sealed(seal.strip_prefix("seal ")?.trim_end())?;
    let mut lines = sealed_text.lines();
    if lines.next()? != HEAD {
        return None;
    }
    let counter = lines.next()?.strip_prefix("counter ")?.parse().ok()?;
    let records = lines.map(parse_record).collect::<Option<_>>()?;
    Some(Parsed {
        counter,
        records,
        sealed_text: sealed_text.to_owned(),
        seal,
    })
}

fn parse_record(line: &str) -> Option<Record> {
    let (entry, sealed) = line.strip_prefix("record ")?.split_once(' ')?;
    let entry: SecretEntry = serde_json::from_slice(&hex::decode(entry).ok()?).ok()?;
    Some(Record {
        entry,
        sealed: parse_sealed(sealed)?,
    })
}

fn parse_sealed(text: &str) -> Option<Sealed> {
    let (nonce, ciphertext) = text.split_once(' ')?;
    let mut sealed = Sealed {
        nonce: [0; NONCE],
        ciphertext: hex::decode(ciphertext).ok()?,
    };
    hex::decode_to_slice(nonce, &mut sealed.nonce).ok()?;
    Some(sealed)
}
