//! Understands Claude Code.
//!
//! ```text
//!  start, next_turn ─▶ user line ─▶ … assistant, user (tool results), api_retry … ─▶ result ─▶ TurnEnded
//!  steer            ─▶ user line: taken between two model calls, or after the result as one more turn
//!  interrupt        ─▶ control_request ─▶ result with terminal_reason "aborted…"
//! ```
//!
//! A steering message that comes too late for the running turn begins another one by itself. So a
//! result ends our turn only when every message sent has been started.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::wire::{self, Assistant, Block, Line, System, Turn, User};
use crate::cli::error_kind::{error_kind, is_final};
use crate::cli::{CliEvent, ErrorKind, Exit, Output, Parser, lines};

/// Tools that change the file they name.
const EDITORS: [&str; 4] = ["Write", "Edit", "MultiEdit", "NotebookEdit"];

/// What it calls the model of messages that it writes itself.
const SYNTHETIC: &str = "<synthetic>";

#[derive(Debug, Default)]
pub(super) struct ClaudeParser {
    running: bool,
    /// A session was announced: the command line was fine.
    begun: bool,
    /// Messages sent and not started yet.
    waiting: u32,
    /// It tells when it starts a message.
    tells_starts: bool,
    interrupted: bool,
    /// Why the turn was interrupted by the parser itself.
    given_up: Option<ErrorKind>,
    /// Its own words for what failed last.
    failed: String,
    /// Files that running tool calls are about to change.
    editing: BTreeMap<String, String>,
    /// The last line that was no JSON: where it says why it does not start.
    last_line: String,
}

impl ClaudeParser {
    fn send(&mut self, text: &str, out: &mut Output) {
        self.waiting += 1;
        write(&wire::user(&uuid::Uuid::new_v4().to_string(), text), out);
    }

    fn begin(&mut self, prompt: &str, out: &mut Output) {
        self.running = true;
        self.interrupted = false;
        self.given_up = None;
        self.failed.clear();
        self.editing.clear();
        self.send(prompt, out);
    }

    fn line(&mut self, line: &str, out: &mut Output) {
        if !line.trim().is_empty() {
            line.clone_into(&mut self.last_line);
        }
        out.event(CliEvent::Line { text: line.into() });
    }

    fn system(&mut self, system: System, out: &mut Output) {
        match system {
            System::Init { session_id, model } => {
                self.begun = true;
                out.event(CliEvent::Session {
                    id: session_id,
                    model,
                });
            }
            System::ApiRetry {
                retry_delay_ms,
                error_status,
                error,
            } => {
                let words = error.unwrap_or_default();
                let kind = error_kind(error_status, &words);
                self.failed = match error_status {
                    Some(status) => format!("{words} ({status})"),
                    None => words,
                };
                out.event(CliEvent::Retry {
                    status: error_status,
                    kind,
                    delay: retry_delay_ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok()),
                });
                if is_final(kind) && self.given_up.is_none() && self.interrupt(out) {
                    self.given_up = Some(kind);
                }
            }
            System::Other => {}
        }
    }

    fn assistant(&mut self, assistant: Assistant, out: &mut Output) {
        if let Some(error) = assistant.error {
            self.failed = error;
        }
        let synthetic = assistant.message.model.as_deref() == Some(SYNTHETIC);
        for block in assistant.message.blocks() {
            match block {
                // The result repeats it.
                Block::Text { .. } if synthetic => {}
                Block::Text { text } => out.event(CliEvent::Message { text }),
                Block::ToolUse { id, name, input } => self.tool_use(id, name, &input, out),
                Block::ToolResult { .. } | Block::Other => {}
            }
        }
    }

    fn tool_use(&mut self, id: String, name: String, input: &Value, out: &mut Output) {
        let path = input["file_path"]
            .as_str()
            .or(input["notebook_path"].as_str());
        if let Some(path) = path.filter(|_| EDITORS.contains(&name.as_str())) {
            self.editing.insert(id, path.into());
        }
        let input = input.to_string();
        out.event(CliEvent::ToolCall { name, input });
    }

    fn user(&mut self, user: User, out: &mut Output) {
        for block in user.message.blocks() {
            let Block::ToolResult {
                tool_use_id,
                content,
                is_error,
            } = block
            else {
                continue;
            };
            let ok = !is_error.unwrap_or(false);
            let text = wire::result_text(&content);
            out.event(CliEvent::ToolResult { ok, text });
            if let Some(path) = self.editing.remove(&tool_use_id).filter(|_| ok) {
                out.event(CliEvent::FileChange { path });
            }
        }
    }

    fn result(&mut self, turn: &Turn, out: &mut Output) {
        for denial in &turn.permission_denials {
            out.event(CliEvent::Denied {
                tool: denial.tool_name.clone(),
            });
        }
        let goes_on = self.tells_starts && self.waiting > 0 && !turn.is_error;
        if !self.running || goes_on {
            return;
        }
        self.waiting = 0;
        let kind = turn.is_error.then(|| self.kind(turn));
        let text = if turn.is_aborted() {
            // What it says then is about itself.
            std::mem::take(&mut self.failed)
        } else {
            turn.text()
        };
        self.end(!turn.is_error, kind, text, out);
    }

    fn kind(&self, turn: &Turn) -> ErrorKind {
        if turn.is_aborted() {
            return self.given_up.unwrap_or(ErrorKind::Interrupted);
        }
        if turn.subtype == "error_max_turns" {
            return ErrorKind::MaxTurns;
        }
        if !self.begun {
            // It knows no such session, for example.
            return ErrorKind::Usage;
        }
        let words = [
            &self.failed,
            turn.terminal_reason.as_deref().unwrap_or_default(),
            turn.api_error_type.as_deref().unwrap_or_default(),
            &turn.text(),
        ];
        error_kind(turn.api_error_status, &words.join(" "))
    }

    fn end(&mut self, ok: bool, kind: Option<ErrorKind>, text: String, out: &mut Output) {
        self.running = false;
        if let Some(kind) = kind {
            let message = text.clone();
            out.event(CliEvent::Error { kind, message });
        }
        out.event(CliEvent::TurnEnded { ok, kind, text });
    }
}

fn write(line: &Value, out: &mut Output) {
    out.stdin.extend_from_slice(line.to_string().as_bytes());
    out.stdin.push(b'\n');
}

impl Parser for ClaudeParser {
    fn start(&mut self, prompt: &str, out: &mut Output) {
        self.begin(prompt, out);
    }

    fn stdout_line(&mut self, line: &str, out: &mut Output) {
        let Ok(parsed) = serde_json::from_str::<Line>(line) else {
            self.line(line, out);
            return;
        };
        match parsed {
            Line::System(system) => self.system(system, out),
            Line::Assistant(assistant) => self.assistant(assistant, out),
            Line::User(user) => self.user(user, out),
            Line::Result(turn) => self.result(&turn, out),
            Line::CommandLifecycle { state } => {
                self.tells_starts = true;
                if state == "started" {
                    self.waiting = self.waiting.saturating_sub(1);
                }
            }
            Line::ControlResponse {} => {}
            Line::ControlRequest { request_id } => write(&wire::unsupported(&request_id), out),
        }
    }

    fn stderr_line(&mut self, line: &str, out: &mut Output) {
        self.line(line, out);
    }

    fn next_turn(&mut self, prompt: &str, out: &mut Output) {
        self.begin(prompt, out);
    }

    fn steer(&mut self, text: &str, out: &mut Output) -> bool {
        if self.running && !self.interrupted {
            self.send(text, out);
            return true;
        }
        false
    }

    /// Not while a message waits: it would be started after the interrupted turn.
    fn interrupt(&mut self, out: &mut Output) -> bool {
        if !self.running || (self.tells_starts && self.waiting > 0) {
            return false;
        }
        self.interrupted = true;
        write(&wire::interrupt(&uuid::Uuid::new_v4().to_string()), out);
        true
    }

    fn finish(&mut self, exit: Option<Exit>, out: &mut Output) {
        if !self.running {
            return;
        }
        let kind = match lines::exit_kind(exit) {
            Some(ErrorKind::Unknown) if !self.begun => ErrorKind::Usage,
            _ if self.interrupted => self.given_up.unwrap_or(ErrorKind::Interrupted),
            // Exit status 0 without a result is no success.
            kind => kind.unwrap_or(ErrorKind::Protocol),
        };
        let text = std::mem::take(&mut self.last_line);
        self.end(false, Some(kind), text, out);
    }
}
