//! Google's contents: what may be said to the provider.
//!
//! The provider reads every field in two spellings (`fileData`, `file_data`). One is made of them
//! before anything is looked at, and only that one is sent.

use std::slice;

use super::{Json, REMOVED, Removed, keep};

/// Fields of a request. Left out on purpose: `cachedContent` (input that we cannot see), `serviceTier`
/// (priced differently from what the table says), `model` (the path names it).
const FIELDS: [&str; 6] = [
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
];

/// How an answer is made. Left out on purpose: `candidateCount` (several answers for one reservation),
/// `responseModalities` and `speechConfig` (pictures and speech have prices of their own).
const GENERATION: [&str; 17] = [
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "thinkingConfig",
    "mediaResolution",
    "audioTimestamp",
];

/// Tools that the caller carries out. All others (`googleSearch`, `urlContext`, `codeExecution`,
/// `fileSearch`, `mcpServers`, …) are the provider's.
const CLIENT_TOOLS: [&str; 2] = ["functionDeclarations", "computerUse"];

/// What a part of a content can hold. `fileData` refers to content elsewhere.
const PART: [&str; 6] = [
    "text",
    "inlineData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
];
/// What stands beside that.
const ABOUT_A_PART: [&str; 4] = [
    "thought",
    "thoughtSignature",
    "videoMetadata",
    "mediaResolution",
];

/// What a function answered; its `parts` are looked at, its `response` is the caller's own.
const FUNCTION_RESPONSE: [&str; 6] = [
    "id",
    "name",
    "response",
    "parts",
    "willContinue",
    "scheduling",
];

pub(super) fn clean(body: &mut Json, removed: &mut Removed) {
    one_spelling(body, removed);
    keep(body, &FIELDS, removed);
    for name in ["generationConfig", "toolConfig"] {
        if body
            .get(name)
            .is_some_and(|config| config.entries().is_none())
        {
            body.remove(name);
            removed.note(name);
        }
    }
    clean_tools(body, removed);
    for name in ["contents", "systemInstruction"] {
        for content in items(body.get_mut(name)) {
            clean_content(content, removed);
        }
    }
    if let Some(config) = body.get_mut("generationConfig") {
        one_spelling(config, removed);
        keep(config, &GENERATION, removed);
    }
}

/// What is counted is the contents alone: the rest would have to be looked at twice.
pub(super) fn clean_count(body: &mut Json, removed: &mut Removed) {
    clean(body, removed);
    keep(body, &["contents"], removed);
}

fn clean_tools(body: &mut Json, removed: &mut Removed) {
    for tool in items(body.get_mut("tools")) {
        one_spelling(tool, removed);
        keep(tool, &CLIENT_TOOLS, removed);
    }
    let some = |tool: &Json| tool.entries().is_some_and(|entries| !entries.is_empty());
    let tools = body.get_mut("tools").and_then(Json::list_mut);
    let left = tools.map_or(0, |tools| {
        tools.retain(some);
        tools.len()
    });
    if left == 0 && body.remove("tools") {
        // Without any tool none can be demanded.
        body.remove("toolConfig");
    }
    if let Some(config) = body.get_mut("toolConfig") {
        one_spelling(config, removed);
        keep(config, &["functionCallingConfig"], removed);
    }
}

fn clean_content(content: &mut Json, removed: &mut Removed) {
    if content.list_mut().is_some() {
        removed.note("content");
        *content = Json::Object(Vec::new());
    }
    one_spelling(content, removed);
    keep(content, &["role", "parts"], removed);
    for part in items(content.get_mut("parts")) {
        clean_part(part, removed);
    }
}

/// Replaces what the provider would have to fetch.
fn clean_part(part: &mut Json, removed: &mut Removed) {
    one_spelling(part, removed);
    let known: Vec<&str> = PART.into_iter().chain(ABOUT_A_PART).collect();
    keep(part, &known, removed);
    if !PART.iter().any(|data| part.get(data).is_some()) {
        *part = Json::Object(vec![("text".to_owned(), Json::text(REMOVED))]);
        return;
    }
    if let Some(data) = part.get_mut("inlineData") {
        one_spelling(data, removed);
    }
    let Some(response) = part.get_mut("functionResponse") else {
        return;
    };
    one_spelling(response, removed);
    keep(response, &FUNCTION_RESPONSE, removed);
    for inner in items(response.get_mut("parts")) {
        one_spelling(inner, removed);
        keep(inner, &["inlineData"], removed);
    }
    if let Some(parts) = response.get_mut("parts").and_then(Json::list_mut) {
        parts.retain(|inner| inner.get("inlineData").is_some());
    }
}

/// The values of a list; anything else is looked at as the only one.
fn items(value: Option<&mut Json>) -> slice::IterMut<'_, Json> {
    match value {
        Some(Json::List(values)) => values.iter_mut(),
        Some(one) => slice::from_mut(one).iter_mut(),
        None => [].iter_mut(),
    }
}

/// Gives every key of an object the spelling without underscores.
fn one_spelling(object: &mut Json, removed: &mut Removed) {
    let Some(entries) = object.entries_mut() else {
        return;
    };
    let mut spelled: Vec<(String, Json)> = Vec::with_capacity(entries.len());
    for (key, value) in entries.drain(..) {
        let key = camel(&key);
        if spelled.iter().any(|(known, _)| *known == key) {
            removed.note(&key);
        } else {
            spelled.push((key, value));
        }
    }
    *entries = spelled;
}

fn camel(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    let mut letters = key.chars().peekable();
    while let Some(letter) = letters.next() {
        match letters.peek() {
            Some(next) if letter == '_' && !name.is_empty() => {
                name.push(next.to_ascii_uppercase());
                letters.next();
            }
            Some(_) | None => name.push(letter),
        }
    }
    name
}
