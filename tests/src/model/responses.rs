//! OpenAI Responses: the answer whole, and as the events of a stream.

use cloud_code_domain::cost::Usage;
use serde_json::{Value, json};

use super::answer::Answer;
use super::sse::{self, Event};

/// The whole response.
pub(super) fn response(model: &str, answer: &Answer) -> Value {
    whole(model, answer, &items(answer))
}

/// The same as a stream; the last event holds the whole response with its usage.
pub(super) fn events(model: &str, answer: &Answer) -> Vec<Event> {
    let items = items(answer);
    let whole = whole(model, answer, &items);
    let mut start = whole.clone();
    start["status"] = "in_progress".into();
    start["output"] = json!([]);
    start["usage"] = Value::Null;
    start["incomplete_details"] = Value::Null;

    let mut events = vec![
        sse::typed("response.created", json!({ "response": start })),
        sse::typed("response.in_progress", json!({ "response": start })),
    ];
    for (index, item) in items.iter().enumerate() {
        events.extend(item_events(index, item));
    }
    let end = if answer.cut_at_limit {
        "response.incomplete"
    } else {
        "response.completed"
    };
    events.push(sse::typed(end, json!({ "response": whole })));
    events
}

fn whole(model: &str, answer: &Answer, items: &[Value]) -> Value {
    let (status, incomplete) = if answer.cut_at_limit {
        ("incomplete", json!({ "reason": "max_output_tokens" }))
    } else {
        ("completed", Value::Null)
    };
    json!({
        "id": sse::id("resp_"),
        "object": "response",
        "created_at": 1,
        "model": model,
        "status": status,
        "error": null,
        "incomplete_details": incomplete,
        "output": items,
        "usage": usage(answer.usage),
    })
}

fn item_events(index: usize, item: &Value) -> Vec<Event> {
    let done = sse::typed(
        "response.output_item.done",
        json!({ "output_index": index, "item": item }),
    );
    let mut begun = item.clone();
    begun["status"] = "in_progress".into();
    let (delta, field) = match item["type"].as_str() {
        Some("message") => ("response.output_text.delta", "content"),
        Some("custom_tool_call") => ("response.custom_tool_call_input.delta", "input"),
        _ => ("response.function_call_arguments.delta", "arguments"),
    };
    let text = if field == "content" {
        begun[field] = json!([]);
        &item["content"][0]["text"]
    } else {
        begun[field] = "".into();
        &item[field]
    };
    let added = json!({ "output_index": index, "item": begun });
    let mut events = vec![sse::typed("response.output_item.added", added)];
    events.extend(sse::deltas(text.as_str().unwrap_or_default()).map(|piece| {
        let data = json!({
            "item_id": item["id"],
            "output_index": index,
            "content_index": 0,
            "delta": piece,
        });
        sse::typed(delta, data)
    }));
    events.push(done);
    events
}

fn items(answer: &Answer) -> Vec<Value> {
    let words = json!({
        "type": "message",
        "id": sse::id("msg_"),
        "status": "completed",
        "role": "assistant",
        "content": [{ "type": "output_text", "text": answer.text, "annotations": [] }],
    });
    let calls = answer.calls.iter().map(|call| {
        let (kind, field, input) = match call.text() {
            Some(text) => ("custom_tool_call", "input", text),
            None => ("function_call", "arguments", call.input.to_string()),
        };
        json!({
            "type": kind,
            "id": sse::id("fc_"),
            "status": "completed",
            "call_id": call.id,
            "name": call.name,
            field: input,
        })
    });
    std::iter::once(words)
        .filter(|_| !answer.text.is_empty())
        .chain(calls)
        .collect()
}

/// The input's tokens are all of the input, cached or not.
fn usage(usage: Usage) -> Value {
    let input = usage.input + usage.cache_read + usage.cache_write;
    json!({
        "input_tokens": input,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": input + usage.output,
    })
}
