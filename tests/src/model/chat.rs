//! OpenAI Chat Completions: the answer whole, and as the chunks of a stream.

use cloud_code_domain::cost::Usage;
use serde_json::{Value, json};

use super::answer::Answer;
use super::sse::{self, Event};
use super::tools::Call;

/// The whole completion.
pub(super) fn completion(model: &str, answer: &Answer) -> Value {
    let mut message = json!({ "role": "assistant", "content": answer.text });
    if !answer.calls.is_empty() {
        message["tool_calls"] = answer.calls.iter().map(call).collect();
    }
    json!({
        "id": sse::id("chatcmpl-"),
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason(answer) }],
        "usage": usage(answer.usage),
    })
}

/// The same as a stream; the usage comes last, and only if the client asks for it.
pub(super) fn events(model: &str, answer: &Answer, with_usage: bool) -> Vec<Event> {
    let id = sse::id("chatcmpl-");
    let chunk = |choices: Value| {
        json!({
            "id": id,
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
            "choices": choices,
        })
    };
    let delta = |delta: Value, reason: Option<&str>| -> Event {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
        (None, chunk(json!([choice])).to_string())
    };
    let mut events = vec![delta(json!({ "role": "assistant", "content": "" }), None)];
    events.extend(sse::deltas(&answer.text).map(|piece| delta(json!({ "content": piece }), None)));
    for (index, one) in answer.calls.iter().enumerate() {
        let mut first = call(one);
        let arguments = first["function"]["arguments"].take();
        first["index"] = index.into();
        first["function"]["arguments"] = "".into();
        events.push(delta(json!({ "tool_calls": [first] }), None));
        events.extend(
            sse::deltas(arguments.as_str().unwrap_or_default()).map(|piece| {
                let more = json!({ "index": index, "function": { "arguments": piece } });
                delta(json!({ "tool_calls": [more] }), None)
            }),
        );
    }
    events.push(delta(json!({}), Some(finish_reason(answer))));
    if with_usage {
        let mut last = chunk(json!([]));
        last["usage"] = usage(answer.usage);
        events.push((None, last.to_string()));
    }
    events.push((None, "[DONE]".into()));
    events
}

fn call(call: &Call) -> Value {
    let arguments = call.text().unwrap_or_else(|| call.input.to_string());
    json!({
        "id": call.id,
        "type": "function",
        "function": { "name": call.name, "arguments": arguments },
    })
}

fn finish_reason(answer: &Answer) -> &'static str {
    match (answer.cut_at_limit, answer.calls.is_empty()) {
        (true, _) => "length",
        (false, false) => "tool_calls",
        (false, true) => "stop",
    }
}

/// The prompt's tokens are all of the input, cached or not.
fn usage(usage: Usage) -> Value {
    let input = usage.input + usage.cache_read + usage.cache_write;
    json!({
        "prompt_tokens": input,
        "completion_tokens": usage.output,
        "total_tokens": input + usage.output,
        "prompt_tokens_details": { "cached_tokens": usage.cache_read },
        "completion_tokens_details": { "reasoning_tokens": 0 },
    })
}
