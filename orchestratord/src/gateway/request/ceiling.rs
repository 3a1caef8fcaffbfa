//! The most tokens that a request can come to, before anybody has counted them.

use cloud_code_domain::account::Provider;
use cloud_code_domain::cost::Usage;

use super::Json;

/// Bytes of text to a token. Ordinary text has three to four; this is for the worst that occurs.
const BYTES_PER_TOKEN: u64 = 2;
/// Tokens of an image, however large its file is.
const IMAGE: u64 = 6_000;
/// Output of a request that names no limit: more than the models write by themselves.
const OUTPUT: u64 = 32_768;
/// The same where no request names one, and the models think first.
const GOOGLES_OUTPUT: u64 = 65_536;

/// The most input and output tokens of a cleaned request.
pub(super) fn tokens(body: &Json, provider: Provider) -> Usage {
    let output = match provider {
        Provider::Anthropic | Provider::Openai => {
            ["max_tokens", "max_completion_tokens", "max_output_tokens"]
                .into_iter()
                .filter_map(|name| body.u64_of(name))
                .max()
                .unwrap_or(OUTPUT)
        }
        Provider::Google => body
            .get("generationConfig")
            .and_then(|config| config.u64_of("maxOutputTokens"))
            .unwrap_or(GOOGLES_OUTPUT),
    };
    Usage {
        input: weight(body).div_ceil(BYTES_PER_TOKEN),
        output,
        ..Usage::default()
    }
}

/// Bytes as they count: those of an inline image are not text.
fn weight(value: &Json) -> u64 {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 4,
        Json::Text(text) if text.starts_with("data:image/") => IMAGE * BYTES_PER_TOKEN,
        Json::Text(text) => bytes(text),
        Json::List(values) => values.iter().map(weight).sum(),
        Json::Object(entries) => {
            let image = ["media_type", "mimeType"]
                .into_iter()
                .filter_map(|name| value.str_of(name))
                .any(|media| media.starts_with("image/"));
            entries
                .iter()
                .map(|(key, value)| match value {
                    Json::Text(_) if image && key == "data" => IMAGE * BYTES_PER_TOKEN,
                    Json::Null
                    | Json::Bool(_)
                    | Json::Number(_)
                    | Json::Text(_)
                    | Json::List(_)
                    | Json::Object(_) => bytes(key) + weight(value),
                })
                .sum()
        }
    }
}

fn bytes(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX >> 8)
}
