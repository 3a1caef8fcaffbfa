//! What a session tells of itself while a turn runs: messages in pieces, tool calls that are told
//! bit by bit, a plan.
//!
//! A message is said when it is whole, that is when something else is told; a tool call when its
//! input is known. What is kept until then is bounded.

use std::collections::VecDeque;

use cloud_code_domain::text::one_line;
use serde_json::Value;

use super::wire::{Entry, Part, ToolStatus, ToolUpdate, Update};
use crate::cli::{CliEvent, Output};

/// Bytes of a message; a longer one is said in parts.
const MAX_MESSAGE: usize = 64 << 10;
/// Tool calls that run at once.
const MAX_TOOLS: usize = 128;
/// Bytes of an id. Longer ones are nobody's.
pub(super) const MAX_ID: usize = 256;
/// Characters of a tool's name and of a step of a plan.
pub(super) const MAX_NAME: usize = 120;
/// Characters of a tool's input.
const MAX_INPUT: usize = 16 << 10;
/// Bytes of a path, and paths of a tool call.
const MAX_PATH: usize = 4_096;
const MAX_PATHS: usize = 30;
/// Steps of a plan.
const MAX_STEPS: usize = 30;

#[derive(Debug, Default)]
pub(super) struct Updates {
    /// Where the program works.
    workdir: String,
    message: String,
    message_id: Option<String>,
    tools: VecDeque<Tool>,
    plan: String,
    last_words: String,
}

/// A tool call that has not ended.
#[derive(Debug, Default)]
struct Tool {
    id: String,
    name: String,
    /// It changes the files at `paths`.
    edits: bool,
    input: String,
    paths: Vec<String>,
    announced: bool,
}

impl Updates {
    pub(super) fn of(workdir: &str) -> Self {
        Self {
            workdir: workdir.to_owned(),
            ..Self::default()
        }
    }

    /// A turn begins.
    pub(super) fn begin(&mut self) {
        let workdir = std::mem::take(&mut self.workdir);
        *self = Self::of(&workdir);
    }

    /// Takes an update.
    pub(super) fn take(&mut self, update: Update, out: &mut Output) {
        match update {
            Update::AgentMessageChunk {
                content,
                message_id,
            } => self.chunk(&content.text, message_id, out),
            Update::ToolCall(tool) | Update::ToolProgress(tool) => {
                self.say(out);
                self.tool(tool, out);
            }
            Update::Plan { entries } => {
                self.say(out);
                self.plan(&entries, out);
            }
            Update::Other => self.say(out),
        }
    }

    /// What was said last; says what is not said yet.
    pub(super) fn last_words(&mut self, out: &mut Output) -> String {
        self.say(out);
        std::mem::take(&mut self.last_words)
    }

    /// A line from before the session, in case the program has no other word to say.
    pub(super) fn keep(&mut self, line: &str) {
        self.last_words = one_line(line, MAX_INPUT);
    }

    fn chunk(&mut self, text: &str, id: Option<String>, out: &mut Output) {
        let id = id.filter(|id| id.len() <= MAX_ID);
        if id != self.message_id || self.message.len() + text.len() > MAX_MESSAGE {
            self.say(out);
        }
        self.message_id = id;
        self.message.push_str(text);
    }

    fn say(&mut self, out: &mut Output) {
        self.message_id = None;
        let text = std::mem::take(&mut self.message);
        if !text.trim().is_empty() {
            self.last_words.clone_from(&text);
            out.event(CliEvent::Message { text });
        }
    }

    fn tool(&mut self, update: ToolUpdate, out: &mut Output) {
        if update.tool_call_id.len() > MAX_ID {
            return;
        }
        let mut tool = self.running(&update.tool_call_id);
        tool.learn(&update, &self.workdir);
        let ended = match update.status {
            Some(ToolStatus::Completed) => Some(true),
            Some(ToolStatus::Failed) => Some(false),
            Some(ToolStatus::Pending | ToolStatus::InProgress | ToolStatus::Other) | None => None,
        };
        let known = !tool.input.is_empty() || update.status == Some(ToolStatus::InProgress);
        if !tool.announced && (known || ended.is_some()) {
            tool.announced = true;
            out.event(CliEvent::ToolCall {
                name: tool.name.clone(),
                input: tool.input.clone(),
            });
        }
        match ended {
            Some(ok) => tool.end(ok, update, out),
            None => self.tools.push_back(tool),
        }
    }

    /// The tool call with this id, taken out; the oldest goes where there are too many.
    fn running(&mut self, id: &str) -> Tool {
        let at = self.tools.iter().position(|tool| tool.id == id);
        if let Some(tool) = at.and_then(|at| self.tools.remove(at)) {
            return tool;
        }
        if self.tools.len() >= MAX_TOOLS {
            self.tools.pop_front();
        }
        Tool {
            id: id.to_owned(),
            ..Tool::default()
        }
    }

    fn plan(&mut self, entries: &[Entry], out: &mut Output) {
        let steps = entries.iter().take(MAX_STEPS).map(|entry| {
            let (status, step) = (one_line(&entry.status, 20), &entry.content);
            format!("[{status}] {}", one_line(step, MAX_NAME))
        });
        let plan = format!("plan: {}", steps.collect::<Vec<_>>().join("; "));
        if plan != self.plan {
            out.event(CliEvent::Line { text: plan.clone() });
            self.plan = plan;
        }
    }
}

impl Tool {
    /// Takes over what an update adds.
    fn learn(&mut self, update: &ToolUpdate, workdir: &str) {
        if let Some(title) = update.title.as_deref().filter(|_| self.name.is_empty()) {
            self.name = one_line(title, MAX_NAME);
        }
        if let Some(kind) = &update.kind {
            self.edits = matches!(kind.as_str(), "edit" | "delete" | "move");
        }
        if let Some(locations) = &update.locations {
            let paths = locations.iter().map(|place| &place.path);
            let sane = paths.filter(|path| path.len() <= MAX_PATH);
            self.paths = sane.take(MAX_PATHS).cloned().collect();
        }
        if says_something(&update.raw_input, workdir) {
            self.input = input(&update.raw_input);
        }
    }

    fn end(self, ok: bool, update: ToolUpdate, out: &mut Output) {
        let (mut texts, mut paths) = (Vec::new(), Vec::new());
        for part in update.content.into_iter().flatten() {
            match part {
                Part::Content { content } => texts.push(content.text),
                Part::Diff { path } => paths.push(path),
                Part::Other => {}
            }
        }
        let text = if texts.is_empty() {
            output(&update.raw_output)
        } else {
            texts.join("\n")
        };
        out.event(CliEvent::ToolResult { ok, text });
        if paths.is_empty() && self.edits {
            paths = self.paths;
        }
        for path in paths.into_iter().filter(|_| ok).take(MAX_PATHS) {
            out.event(CliEvent::FileChange { path });
        }
    }
}

/// Whether an input is known: some programs tell a call first without any, or only where it will run.
fn says_something(input: &Value, workdir: &str) -> bool {
    match input {
        Value::Null => false,
        Value::Object(fields) => fields.values().any(|value| value.as_str() != Some(workdir)),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => true,
    }
}

fn input(input: &Value) -> String {
    let text = match input["command"].as_str().or(input.as_str()) {
        Some(text) => text.to_owned(),
        None => input.to_string(),
    };
    text.chars().take(MAX_INPUT).collect()
}

fn output(output: &Value) -> String {
    let named = output["output"].as_str().or(output["error"].as_str());
    named.or(output.as_str()).unwrap_or_default().to_owned()
}
