//! Google's Generative Language API: the answer whole, and in pieces, as events or as one array.

use cloud_code_domain::cost::Usage;
use serde_json::{Value, json};

use super::answer::Answer;
use super::sse::{self, Event};

/// The whole answer.
pub(super) fn answer(model: &str, answer: &Answer) -> Value {
    let text = json!({ "text": answer.text });
    let text = std::iter::once(text).filter(|_| !answer.text.is_empty());
    let parts: Vec<Value> = text.chain(calls(answer)).collect();
    let figures = figures(answer.usage);
    piece(model, &json!(parts), Some(finish_reason(answer)), &figures)
}

/// The same in pieces; the last one is empty and says why it ended.
pub(super) fn events(model: &str, answer: &Answer) -> Vec<Event> {
    let so_far = figures(Usage {
        output: 0,
        ..answer.usage
    });
    let thought = json!({ "text": "**Going on**", "thought": true });
    let texts = sse::deltas(&answer.text).map(|text| json!({ "text": text }));
    let parts = std::iter::once(thought).chain(texts).chain(calls(answer));
    let mut events: Vec<Event> = parts
        .map(|part| {
            (
                None,
                piece(model, &json!([part]), None, &so_far).to_string(),
            )
        })
        .collect();
    let (end, figures) = (json!([{ "text": "" }]), figures(answer.usage));
    let last = piece(model, &end, Some(finish_reason(answer)), &figures);
    events.push((None, last.to_string()));
    events
}

/// Pieces as the elements of an array; the last one closes it.
pub(super) fn array(events: Vec<Event>) -> Vec<String> {
    let last = events.len().saturating_sub(1);
    let elements = events.into_iter().enumerate().map(|(at, (_, piece))| {
        let before = if at == 0 { "[" } else { ",\n" };
        let after = if at == last { "]" } else { "" };
        format!("{before}{piece}{after}")
    });
    elements.collect()
}

/// What is counted: writing to a cache is plain input.
pub(super) fn counted(usage: Usage) -> Usage {
    Usage {
        input: usage.input + usage.cache_write,
        cache_write: 0,
        ..usage
    }
}

fn piece(model: &str, parts: &Value, reason: Option<&str>, figures: &Value) -> Value {
    let mut candidate = json!({ "index": 0, "content": { "role": "model", "parts": parts } });
    if let Some(reason) = reason {
        candidate["finishReason"] = reason.into();
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": figures,
        "modelVersion": model,
        "responseId": "response-1",
    })
}

fn calls(answer: &Answer) -> impl Iterator<Item = Value> {
    answer.calls.iter().map(|call| {
        let call = json!({ "id": call.id, "name": call.name, "args": call.input });
        json!({ "functionCall": call, "thoughtSignature": "c2lnbmVk" })
    })
}

fn finish_reason(answer: &Answer) -> &'static str {
    if answer.cut_at_limit {
        "MAX_TOKENS"
    } else {
        "STOP"
    }
}

/// The prompt's tokens are all of the input, cached or not; thoughts stand beside the output.
fn figures(usage: Usage) -> Value {
    let prompt = usage.input + usage.cache_read + usage.cache_write;
    let thoughts = usage.output / 4;
    json!({
        "promptTokenCount": prompt,
        "cachedContentTokenCount": usage.cache_read,
        "candidatesTokenCount": usage.output - thoughts,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": prompt + usage.output,
    })
}
