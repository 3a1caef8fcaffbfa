//! Anthropic Messages: the answer whole, and as the events of a stream.

use cloud_code_domain::cost::Usage;
use serde_json::{Value, json};

use super::answer::Answer;
use super::sse::{self, Event};

/// The whole message.
pub(super) fn message(model: &str, answer: &Answer) -> Value {
    json!({
        "id": sse::id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks(answer),
        "stop_reason": stop_reason(answer),
        "stop_sequence": null,
        "usage": usage(answer.usage, answer.usage.output),
    })
}

/// The same as a stream. The first event counts the input, the last but one the output.
pub(super) fn events(model: &str, answer: &Answer) -> Vec<Event> {
    let mut start = message(model, answer);
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["usage"] = usage(answer.usage, 1);
    let mut events = vec![
        sse::typed("message_start", json!({ "message": start })),
        sse::typed("ping", json!({})),
    ];
    for (index, block) in blocks(answer).into_iter().enumerate() {
        events.extend(block_events(index, block));
    }
    events.push(sse::typed(
        "message_delta",
        json!({
            "delta": { "stop_reason": stop_reason(answer), "stop_sequence": null },
            "usage": usage(answer.usage, answer.usage.output),
        }),
    ));
    events.push(sse::typed("message_stop", json!({})));
    events
}

fn block_events(index: usize, mut block: Value) -> Vec<Event> {
    let (field, kind, whole) = if block["type"] == "text" {
        let text = block["text"].as_str().unwrap_or_default().to_owned();
        block["text"] = "".into();
        ("text", "text_delta", text)
    } else {
        let input = block["input"].to_string();
        block["input"] = json!({});
        ("partial_json", "input_json_delta", input)
    };
    let start = json!({ "index": index, "content_block": block });
    let mut events = vec![sse::typed("content_block_start", start)];
    events.extend(sse::deltas(&whole).map(|piece| {
        let delta = json!({ "type": kind, field: piece });
        sse::typed(
            "content_block_delta",
            json!({ "index": index, "delta": delta }),
        )
    }));
    events.push(sse::typed("content_block_stop", json!({ "index": index })));
    events
}

fn blocks(answer: &Answer) -> Vec<Value> {
    let text = json!({ "type": "text", "text": answer.text });
    let calls = answer.calls.iter().map(|call| {
        json!({
            "type": "tool_use",
            "id": format!("toolu_{}", call.id),
            "name": call.name,
            "input": call.input,
        })
    });
    std::iter::once(text)
        .filter(|_| !answer.text.is_empty())
        .chain(calls)
        .collect()
}

fn stop_reason(answer: &Answer) -> &'static str {
    match (answer.cut_at_limit, answer.calls.is_empty()) {
        (true, _) => "max_tokens",
        (false, false) => "tool_use",
        (false, true) => "end_turn",
    }
}

fn usage(usage: Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": output,
    })
}
