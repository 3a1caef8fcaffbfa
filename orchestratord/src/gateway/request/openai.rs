//! OpenAI's responses and chat completions: what may be said to the provider.

use super::{Json, REMOVED, Removed, keep, keep_tools};

/// Fields of a response request. Left out on purpose: `previous_response_id`, `conversation` and
/// `prompt` (input that we cannot see), `background` (an answer that we would not see).
const RESPONSE_FIELDS: [&str; 24] = [
    "model",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "stream",
    "stream_options",
    "store",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "include",
    "metadata",
    "temperature",
    "top_p",
    "top_logprobs",
    "truncation",
    "prompt_cache_key",
    "safety_identifier",
    "user",
    "context_management",
    "service_tier",
];

/// Fields of a chat completion. Left out on purpose: `n` (several answers for one reservation),
/// `web_search_options`, and whatever proxies understand (`api_base`, `base_url`, `extra_body`, …).
const CHAT_FIELDS: [&str; 28] = [
    "model",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "response_format",
    "reasoning_effort",
    "verbosity",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "prediction",
    "prompt_cache_key",
    "user",
    "service_tier",
];

/// Tools that the caller carries out.
const CLIENT_TOOLS: [&str; 7] = [
    "function",
    "custom",
    "local_shell",
    "apply_patch",
    "computer",
    "computer_use_preview",
    "tool_search",
];

/// Tiers that cost no more than the table says.
const TIERS: [&str; 2] = ["default", "flex"];

pub(super) fn clean_response(body: &mut Json, removed: &mut Removed) {
    keep(body, &RESPONSE_FIELDS, removed);
    keep_tools(body, is_client_tool, removed);
    clean_tools_inside(body, removed);
    clean_tier(body, removed);
    // The code of a project is not kept where another execution could name it.
    body.set("store", Json::Bool(false));
    let Some(items) = body.get_mut("input").and_then(Json::list_mut) else {
        return;
    };
    items.retain(|item| {
        let kind = item.str_of("type").unwrap_or("message");
        let here = kind != "item_reference" && !kind.starts_with("mcp_");
        if !here {
            removed.note(kind);
        }
        here
    });
    for item in items {
        // Coding CLIs also bring tools as an item of the input.
        if item.get("tools").is_some() {
            keep_tools(item, is_client_tool, removed);
            clean_tools_inside(item, removed);
            if item.get("tools").is_none() {
                item.set("tools", Json::List(Vec::new()));
            }
        }
        replace_references(item, "input_text", removed);
    }
}

pub(super) fn clean_chat(body: &mut Json, removed: &mut Removed) {
    keep(body, &CHAT_FIELDS, removed);
    keep_tools(body, is_client_tool, removed);
    clean_tier(body, removed);
    if let Some(messages) = body.get_mut("messages") {
        replace_references(messages, "text", removed);
    }
    if body.get("stream") == Some(&Json::Bool(true)) {
        count_tokens(body);
    }
}

/// Without this a streamed chat completion says nothing about its tokens.
fn count_tokens(body: &mut Json) {
    if body.get("stream_options").and_then(Json::entries).is_none() {
        body.set("stream_options", Json::Object(Vec::new()));
    }
    if let Some(options) = body.get_mut("stream_options") {
        options.set("include_usage", Json::Bool(true));
    }
}

fn clean_tier(body: &mut Json, removed: &mut Removed) {
    let dearer = body
        .get("service_tier")
        .is_some_and(|tier| !tier.as_str().is_some_and(|tier| TIERS.contains(&tier)));
    if dearer {
        body.remove("service_tier");
        removed.note("service_tier");
    }
}

fn is_client_tool(tool: &Json) -> bool {
    match tool.str_of("type") {
        // A shell of the caller; with any other environment it is a machine of the provider.
        Some("shell") => tool
            .get("environment")
            .is_some_and(|environment| environment.str_of("type") == Some("local")),
        // A folder of tools; its content is looked at apart.
        Some("namespace") => true,
        Some(kind) => CLIENT_TOOLS.contains(&kind),
        None => false,
    }
}

/// Cleans the tools of namespaces. The depth of the tree is bounded already.
fn clean_tools_inside(owner: &mut Json, removed: &mut Removed) {
    let tools = owner.get_mut("tools").and_then(Json::list_mut);
    for tool in tools.into_iter().flatten() {
        if tool.str_of("type") == Some("namespace") {
            keep_tools(tool, is_client_tool, removed);
            clean_tools_inside(tool, removed);
        }
    }
}

/// Replaces content that is named instead of given. Arguments of tools are strings in this API, so
/// every object is the API's own; a schema's property of such a name has an object for a value.
fn replace_references(value: &mut Json, text_type: &str, removed: &mut Removed) {
    if let Some(name) = reference(value) {
        removed.note(name);
        *value = Json::Object(vec![
            ("type".to_owned(), Json::text(text_type)),
            ("text".to_owned(), Json::text(REMOVED)),
        ]);
        return;
    }
    match value {
        Json::List(values) => {
            for value in values {
                replace_references(value, text_type, removed);
            }
        }
        Json::Object(entries) => {
            for (_, value) in entries {
                replace_references(value, text_type, removed);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => {}
    }
}

/// The name of the field by which a part refers to content elsewhere.
fn reference(part: &Json) -> Option<&'static str> {
    for name in ["file_id", "file_url", "server_url"] {
        if part.str_of(name).is_some() || part.get("file").is_some_and(|f| f.str_of(name).is_some())
        {
            return Some(name);
        }
    }
    let image = part.get("image_url")?;
    let url = image.as_str().or_else(|| image.str_of("url"))?;
    (!url.starts_with("data:")).then_some("image_url")
}
