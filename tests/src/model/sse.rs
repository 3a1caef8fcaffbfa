//! What the three renderings share: server-sent events, and how text is cut into deltas.

use serde_json::Value;

/// One event of a stream: its name, where the protocol names events, and its data.
pub(super) type Event = (Option<&'static str>, String);

/// Bytes of one event.
pub(super) fn bytes((name, data): &Event) -> String {
    match name {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
}

/// A named event whose data say their type.
pub(super) fn typed(name: &'static str, mut data: Value) -> Event {
    data["type"] = name.into();
    (Some(name), data.to_string())
}

/// Text in pieces, as a model streams it.
pub(super) fn deltas(text: &str) -> impl Iterator<Item = String> {
    const PIECE: usize = 24;
    let letters: Vec<char> = text.chars().collect();
    let pieces: Vec<String> = letters
        .chunks(PIECE)
        .map(|piece| piece.iter().collect())
        .collect();
    pieces.into_iter()
}

/// A fresh id with the prefix that the protocol uses.
pub(super) fn id(prefix: &str) -> String {
    format!("{prefix}{}", uuid::Uuid::new_v4().simple())
}
