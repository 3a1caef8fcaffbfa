//! The parts of a turn: messages, commands, changes of files.

use super::wire::Item;
use crate::cli::{CliEvent, Output};

/// What an item that begins says.
pub(super) fn started(item: Item, out: &mut Output) {
    let (name, input) = match item {
        Item::CommandExecution { command, .. } => ("shell".into(), command),
        Item::FileChange { changes, .. } => {
            let paths: Vec<String> = changes.into_iter().map(|change| change.path).collect();
            ("apply_patch".into(), paths.join(" "))
        }
        Item::McpToolCall {
            tool, arguments, ..
        } => (tool, arguments.to_string()),
        Item::WebSearch { query } => ("web_search".into(), query),
        Item::AgentMessage { .. } | Item::Other => return,
    };
    out.event(CliEvent::ToolCall { name, input });
}

/// What an item that ended says.
pub(super) fn completed(item: Item, out: &mut Output) {
    match item {
        Item::AgentMessage { text } => out.event(CliEvent::Message { text }),
        Item::CommandExecution {
            aggregated_output,
            exit_code,
            ..
        } => out.event(CliEvent::ToolResult {
            ok: exit_code == Some(0),
            text: aggregated_output.unwrap_or_default(),
        }),
        Item::FileChange { changes, status } => {
            let ok = status == "completed";
            out.event(CliEvent::ToolResult { ok, text: status });
            for change in changes.into_iter().filter(|_| ok) {
                out.event(CliEvent::FileChange { path: change.path });
            }
        }
        Item::McpToolCall { status, .. } => out.event(CliEvent::ToolResult {
            ok: status == "completed",
            text: status,
        }),
        Item::WebSearch { .. } | Item::Other => {}
    }
}
