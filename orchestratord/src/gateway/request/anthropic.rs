//! Anthropic's messages: what may be said to the provider.

use super::{Json, REMOVED, Removed, keep, keep_tools};

/// Fields of a request. Left out on purpose: `mcp_servers` and `container` (the provider would
/// reach out), `speed` and `service_tier` (priced differently from what the table says).
const FIELDS: [&str; 18] = [
    "model",
    "messages",
    "system",
    "max_tokens",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "tools",
    "tool_choice",
    "thinking",
    "context_management",
    "output_config",
    "output_format",
    "cache_control",
    "effort",
];

/// Tools that the provider only describes to the model; the caller carries them out.
const CLIENT_TOOLS: [&str; 5] = [
    "bash_",
    "text_editor_",
    "computer_",
    "memory_",
    "tool_search_tool_",
];

/// Kinds of content. Tools of the provider occur in a history only where they were never used, so
/// theirs are missing.
const BLOCKS: [&str; 15] = [
    "text",
    "connector_text",
    "image",
    "document",
    "search_result",
    "thinking",
    "redacted_thinking",
    "tool_use",
    "tool_result",
    "server_tool_use",
    "tool_search_tool_result",
    "tool_reference",
    "tool_addition",
    "tool_removal",
    "compaction",
];

/// Fields of a message; the last one is the effort from here on.
const MESSAGE: [&str; 3] = ["role", "content", "output_config"];

/// Where an image or document may come from.
const SOURCES: [&str; 3] = ["base64", "text", "content"];

pub(super) fn clean(body: &mut Json, removed: &mut Removed) {
    keep(body, &FIELDS, removed);
    keep_tools(body, is_client_tool, removed);
    if let Some(system) = body.get_mut("system") {
        clean_content(system, removed);
    }
    let messages = body.get_mut("messages").and_then(Json::list_mut);
    for message in messages.into_iter().flatten() {
        keep(message, &MESSAGE, removed);
        if let Some(content) = message.get_mut("content") {
            clean_content(content, removed);
        }
    }
}

fn is_client_tool(tool: &Json) -> bool {
    match tool.get("type") {
        None => true,
        Some(kind) => kind.as_str().is_some_and(|kind| {
            kind == "custom" || CLIENT_TOOLS.iter().any(|known| kind.starts_with(known))
        }),
    }
}

/// Replaces what the provider would have to fetch. The depth of the tree is bounded already.
fn clean_content(content: &mut Json, removed: &mut Removed) {
    for block in content.list_mut().into_iter().flatten() {
        if !is_inline(block) {
            removed.note(block.str_of("type").unwrap_or("content"));
            *block = Json::Object(vec![
                ("type".to_owned(), Json::text("text")),
                ("text".to_owned(), Json::text(REMOVED)),
            ]);
            continue;
        }
        if block.str_of("type") == Some("tool_result")
            && let Some(inner) = block.get_mut("content")
        {
            clean_content(inner, removed);
        }
        if let Some(inner) = block.get_mut("source").and_then(|s| s.get_mut("content")) {
            clean_content(inner, removed);
        }
    }
}

/// Whether a block carries all it says.
fn is_inline(block: &Json) -> bool {
    let known = block
        .str_of("type")
        .is_some_and(|kind| BLOCKS.contains(&kind));
    let here = match block.get("source") {
        // A search result names its source; nobody fetches it.
        None | Some(Json::Text(_)) => true,
        Some(source) => source
            .str_of("type")
            .is_some_and(|kind| SOURCES.contains(&kind)),
    };
    // A tool can also be brought by a message in the middle of a conversation.
    let ours = block
        .get("tool")
        .and_then(|tool| tool.get("definition"))
        .is_none_or(is_client_tool);
    known && here && ours && block.get("file_id").is_none()
}
