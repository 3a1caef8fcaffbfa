//! Reads along in an answer and finds what the provider says about tokens.
//!
//! ```text
//! Messages          message_start.message.usage, then message_delta.usage (cumulative)
//! Responses         response.completed | incomplete | failed .response.usage
//! Chat completions  the chunk whose `usage` is not null
//! not streamed      `usage` of the one object
//! ```
//!
//! The providers count differently: Anthropic's input excludes what the cache did, OpenAI's
//! includes it. [`Usage`] excludes it.

mod sse;

use cloud_code_domain::cost::Usage;
use serde_json::Value;

use super::route::Endpoint;
use sse::Events;

/// Bytes of an answer that is not streamed; of a longer one the figures are lost.
const MAX_WHOLE: usize = 16 << 20;
/// Bytes of text to a token, where nobody counted.
const BYTES_PER_TOKEN: u64 = 3;

/// What an answer said.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Reading {
    /// The provider's final figures.
    pub(crate) usage: Option<Usage>,
    /// Its figures so far, where it gave any before the end.
    pub(crate) so_far: Option<Usage>,
    /// Output tokens as they would follow from the text that was seen.
    pub(crate) seen: u64,
    /// Whether the answer came to its own end.
    pub(crate) ended: bool,
    /// The error that it ended with.
    pub(crate) error: Option<Value>,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct UsageReader {
    endpoint: Endpoint,
    form: Form,
    text: u64,
    reading: Reading,
}

#[derive(Debug)]
enum Form {
    Stream(Events),
    Whole(Vec<u8>),
}

impl UsageReader {
    /// For an answer of this endpoint, streamed or not.
    pub(crate) fn new(endpoint: Endpoint, streamed: bool) -> Self {
        Self {
            endpoint,
            form: if streamed {
                Form::Stream(Events::default())
            } else {
                Form::Whole(Vec::new())
            },
            text: 0,
            reading: Reading::default(),
        }
    }

    /// Takes the next bytes, however they are cut.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        match &mut self.form {
            Form::Whole(whole) => {
                if whole.len().saturating_add(bytes.len()) <= MAX_WHOLE {
                    whole.extend_from_slice(bytes);
                }
            }
            Form::Stream(events) => {
                for data in events.take(bytes) {
                    self.event(&data);
                }
            }
        }
    }

    /// What was found.
    pub(crate) fn finish(mut self) -> Reading {
        if let Form::Whole(whole) = &self.form
            && let Ok(answer) = serde_json::from_slice::<Value>(whole)
        {
            self.text = text_bytes(&answer);
            self.reading.ended = answer.is_object();
            self.reading.usage = usage(self.endpoint, &answer["usage"]);
        }
        self.reading.seen = self.text.div_ceil(BYTES_PER_TOKEN);
        self.reading
    }

    fn event(&mut self, data: &[u8]) {
        if data == b"[DONE]" {
            self.reading.ended = true;
            return;
        }
        let Ok(event) = serde_json::from_slice::<Value>(data) else {
            return;
        };
        match self.endpoint {
            Endpoint::Messages | Endpoint::CountTokens => self.message_event(&event),
            Endpoint::Responses => self.response_event(&event),
            Endpoint::ChatCompletions => self.chat_event(&event),
        }
    }

    fn message_event(&mut self, event: &Value) {
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => {
                self.reading.so_far = usage(self.endpoint, &event["message"]["usage"]);
            }
            "content_block_delta" => self.text += text_bytes(&event["delta"]),
            "message_delta" => {
                // Cumulative: a field that is missing here keeps what the start said.
                let last = usage(self.endpoint, &event["usage"]);
                self.reading.usage = last.map(|last| match self.reading.so_far {
                    Some(first) => larger(first, last),
                    None => last,
                });
            }
            "message_stop" => self.reading.ended = true,
            "error" => self.reading.error = Some(event["error"].clone()),
            _ => {}
        }
    }

    fn response_event(&mut self, event: &Value) {
        let response = &event["response"];
        match event["type"].as_str().unwrap_or_default() {
            "response.completed" | "response.incomplete" => {
                self.reading.ended = true;
                self.reading.usage = usage(self.endpoint, &response["usage"]);
            }
            "response.failed" => {
                self.reading.usage = usage(self.endpoint, &response["usage"]);
                self.reading.error = Some(response["error"].clone());
            }
            "error" => self.reading.error = Some(event.clone()),
            kind if kind.ends_with(".delta") => self.text += text_bytes(&event["delta"]),
            _ => {}
        }
    }

    fn chat_event(&mut self, event: &Value) {
        if let Some(usage) = usage(self.endpoint, &event["usage"]) {
            self.reading.usage = Some(usage);
        }
        if event["error"].is_object() {
            self.reading.error = Some(event["error"].clone());
        }
        for choice in event["choices"].as_array().into_iter().flatten() {
            self.text += text_bytes(&choice["delta"]);
        }
    }
}

/// The provider's figures; none where there are none.
fn usage(endpoint: Endpoint, figures: &Value) -> Option<Usage> {
    let number = |path: &str| figures.pointer(path).and_then(Value::as_u64);
    let (input, output) = match endpoint {
        Endpoint::Messages | Endpoint::CountTokens | Endpoint::Responses => {
            (number("/input_tokens"), number("/output_tokens"))
        }
        Endpoint::ChatCompletions => (number("/prompt_tokens"), number("/completion_tokens")),
    };
    if input.is_none() && output.is_none() {
        return None;
    }
    let details = match endpoint {
        Endpoint::Messages | Endpoint::CountTokens => {
            return Some(Usage {
                input: input.unwrap_or(0),
                output: output.unwrap_or(0),
                cache_read: number("/cache_read_input_tokens").unwrap_or(0),
                cache_write: number("/cache_creation_input_tokens").unwrap_or(0),
            });
        }
        Endpoint::Responses => "/input_tokens_details",
        Endpoint::ChatCompletions => "/prompt_tokens_details",
    };
    let cache_read = number(&format!("{details}/cached_tokens")).unwrap_or(0);
    let cache_write = number(&format!("{details}/cache_write_tokens")).unwrap_or(0);
    Some(Usage {
        input: input
            .unwrap_or(0)
            .saturating_sub(cache_read)
            .saturating_sub(cache_write),
        output: output.unwrap_or(0),
        cache_read,
        cache_write,
    })
}

/// Field by field the larger of two cumulative figures.
fn larger(one: Usage, other: Usage) -> Usage {
    Usage {
        input: one.input.max(other.input),
        output: one.output.max(other.output),
        cache_read: one.cache_read.max(other.cache_read),
        cache_write: one.cache_write.max(other.cache_write),
    }
}

/// Bytes of all strings in a value.
fn text_bytes(value: &Value) -> u64 {
    match value {
        Value::String(text) => u64::try_from(text.len()).unwrap_or(u64::MAX >> 8),
        Value::Array(values) => values.iter().map(text_bytes).sum(),
        Value::Object(entries) => entries.values().map(text_bytes).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests;
