//! Reads along in an answer and finds what the provider says about tokens.
//!
//! ```text
//! Messages          message_start.message.usage, then message_delta.usage (cumulative)
//! Responses         response.completed | incomplete | failed .response.usage
//! Chat completions  the chunk whose `usage` is not null
//! Google            `usageMetadata` of every piece (cumulative)
//! not streamed      `usage` of the one object; Google's stream may also be one array of pieces
//! ```
//!
//! The providers count differently: Anthropic's input excludes what the cache did, OpenAI's and
//! Google's include it. [`Usage`] excludes it. Google's output excludes thoughts, its input what the
//! provider's own tools read; both are paid.

mod sse;

use cloud_code_domain::account::Provider;
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
        if let Form::Whole(whole) = &mut self.form {
            let whole = std::mem::take(whole);
            self.whole(&whole);
        }
        if self.endpoint.provider() == Provider::Google && self.reading.ended {
            self.reading.usage = self.reading.so_far;
        }
        self.reading.seen = self.text.div_ceil(BYTES_PER_TOKEN);
        self.reading
    }

    fn whole(&mut self, bytes: &[u8]) {
        if self.endpoint.provider() == Provider::Google {
            // One object, or the pieces of an array, of which the last may have broken off.
            let mut rest = bytes;
            while let Some(start) = rest.iter().position(|b| *b == b'{') {
                let mut pieces = serde_json::Deserializer::from_slice(&rest[start..]).into_iter();
                let Some(Ok(piece)) = pieces.next() else {
                    return;
                };
                rest = &rest[start + pieces.byte_offset()..];
                self.google_piece(&piece);
            }
        } else if let Ok(answer) = serde_json::from_slice::<Value>(bytes) {
            self.text = text_bytes(&answer);
            self.reading.ended = answer.is_object();
            self.reading.usage = usage(self.endpoint, &answer["usage"]);
        }
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
            Endpoint::Generate | Endpoint::StreamGenerate | Endpoint::CountGoogleTokens => {
                self.google_piece(&event);
            }
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

    /// The last piece of an answer says why it ended, or that none was given.
    fn google_piece(&mut self, piece: &Value) {
        if let Some(figures) = usage(self.endpoint, &piece["usageMetadata"]) {
            let before = self.reading.so_far.unwrap_or_default();
            self.reading.so_far = Some(larger(before, figures));
        }
        if piece["error"].is_object() {
            self.reading.error = Some(piece["error"].clone());
        }
        self.reading.ended |= piece["promptFeedback"]["blockReason"].is_string();
        for candidate in piece["candidates"].as_array().into_iter().flatten() {
            self.reading.ended |= candidate["finishReason"].is_string();
            self.text += text_bytes(&candidate["content"]["parts"]);
        }
    }
}

/// The provider's figures; none where there are none.
fn usage(endpoint: Endpoint, figures: &Value) -> Option<Usage> {
    let number = |path: &str| figures.pointer(path).and_then(Value::as_u64);
    let [input, output, read, write] = match endpoint {
        Endpoint::Messages | Endpoint::CountTokens => [
            "/input_tokens",
            "/output_tokens",
            "/cache_read_input_tokens",
            "/cache_creation_input_tokens",
        ],
        Endpoint::Responses => [
            "/input_tokens",
            "/output_tokens",
            "/input_tokens_details/cached_tokens",
            "/input_tokens_details/cache_write_tokens",
        ],
        Endpoint::ChatCompletions => [
            "/prompt_tokens",
            "/completion_tokens",
            "/prompt_tokens_details/cached_tokens",
            "/prompt_tokens_details/cache_write_tokens",
        ],
        Endpoint::Generate | Endpoint::StreamGenerate | Endpoint::CountGoogleTokens => {
            return googles_usage(number);
        }
    };
    let (input, output) = (number(input), number(output));
    if input.is_none() && output.is_none() {
        return None;
    }
    let (cache_read, cache_write) = (number(read).unwrap_or(0), number(write).unwrap_or(0));
    let all = input.unwrap_or(0);
    Some(Usage {
        input: match endpoint.provider() {
            Provider::Anthropic => all,
            Provider::Openai | Provider::Google => {
                all.saturating_sub(cache_read).saturating_sub(cache_write)
            }
        },
        output: output.unwrap_or(0),
        cache_read,
        cache_write,
    })
}

fn googles_usage(number: impl Fn(&str) -> Option<u64>) -> Option<Usage> {
    let prompt = number("/promptTokenCount");
    let written = [
        number("/candidatesTokenCount"),
        number("/thoughtsTokenCount"),
    ];
    if prompt.is_none() && written == [None, None] {
        return None;
    }
    let cache_read = number("/cachedContentTokenCount").unwrap_or(0);
    let by_tools = number("/toolUsePromptTokenCount").unwrap_or(0);
    let fresh = prompt.unwrap_or(0).saturating_sub(cache_read);
    Some(Usage {
        input: fresh.saturating_add(by_tools),
        output: written.into_iter().flatten().fold(0, u64::saturating_add),
        cache_read,
        cache_write: 0,
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
