//! Understands a program that speaks the Agent Client Protocol, and says what it has to be told.
//!
//! ```text
//!  start ─▶ initialize ─▶ session/new | resume | load ─▶ session/prompt ─▶ … its answer
//!  next_turn ─▶ session/prompt                    interrupt ─▶ session/cancel
//! ```
//!
//! A session is announced only where the program can take it up again. Any other program begins a new
//! one in its next process, and is then told the whole task.

use std::collections::BTreeMap;

use cloud_code_domain::text::one_line;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::program::Program;
use super::updates::{MAX_ID, MAX_NAME, Updates};
use super::wire::{
    Capabilities, Initialized, Line, Permission, Refusal, StopReason, Stopped, Update, UpdateOf,
    VERSION, kind_of,
};
use crate::cli::{CliEvent, ErrorKind, Exit, Output, Parser, RunSpec, SessionRef, lines};

/// JSON-RPC: there is no such method; the parameters are wrong.
const NO_METHOD: i64 = -32_601;
const BAD_PARAMS: i64 = -32_602;

/// How often it is listened for the end of a conversation that is told again.
const MAX_ROUNDS: u32 = 1_000;

/// A request that waits for its answer.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Initialize,
    Session,
    /// Nothing but an answer: whether more of an old conversation comes before it.
    Quiet,
    Prompt,
}

/// A conversation is told again although the session is open.
#[derive(Debug, Default)]
struct History {
    rounds: u32,
    /// Something was told in this round.
    told: bool,
}

#[derive(Debug)]
pub(super) struct AcpParser {
    program: Program,
    workdir: String,
    model: Option<String>,
    wanted: SessionRef,
    asked: BTreeMap<u64, Asked>,
    last_id: u64,
    /// The program can take the session up again.
    keeps: bool,
    /// Once it is open.
    session: Option<String>,
    /// The prompt until there is a session for it.
    prompt: Option<String>,
    /// As long as it is listened to.
    history: Option<History>,
    running: bool,
    interrupted: bool,
    updates: Updates,
}

impl AcpParser {
    pub(super) fn new(program: Program, spec: &RunSpec) -> Self {
        let workdir = spec.workdir.to_string_lossy().into_owned();
        Self {
            program,
            updates: Updates::of(&workdir),
            workdir,
            model: spec.model.clone(),
            wanted: spec.session.clone(),
            asked: BTreeMap::new(),
            last_id: 0,
            keeps: false,
            session: None,
            prompt: None,
            history: None,
            running: false,
            interrupted: false,
        }
    }

    fn ask(&mut self, asked: Asked, method: &str, params: &Value, out: &mut Output) {
        self.last_id += 1;
        self.asked.insert(self.last_id, asked);
        let request = json!({
            "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params,
        });
        write(&request, out);
    }

    fn begin(&mut self) {
        self.running = true;
        self.interrupted = false;
        self.updates.begin();
    }

    /// Goes on with the session of an earlier process where the program can. Where it cannot, the
    /// tasking file in the worktree tells a new session what there is to know.
    fn open_session(&mut self, can: &Capabilities, out: &mut Output) {
        self.keeps = can.can_resume() || can.load_session;
        let mut params = json!({ "cwd": self.workdir, "mcpServers": [] });
        let known = match &self.wanted {
            SessionRef::Resume { id } if self.keeps => Some(id),
            SessionRef::Resume { .. } | SessionRef::New { .. } => None,
        };
        let method = match known {
            Some(id) => {
                params["sessionId"] = id.as_str().into();
                if can.can_resume() {
                    "session/resume"
                } else {
                    "session/load"
                }
            }
            None => "session/new",
        };
        self.ask(Asked::Session, method, &params, out);
    }

    fn answered(&mut self, asked: Asked, result: Value, out: &mut Output) {
        match asked {
            Asked::Initialize => {
                let said = read::<Initialized>(result).unwrap_or_default();
                if said.protocol_version == VERSION {
                    return self.open_session(&said.agent_capabilities, out);
                }
                let theirs = said.protocol_version;
                let text = format!(
                    "it speaks version {theirs} of the Agent Client Protocol; {VERSION} is needed"
                );
                self.fail(ErrorKind::Usage, text, out);
            }
            Asked::Session => self.session_opened(&result, out),
            Asked::Quiet => self.listen(out),
            Asked::Prompt => match read::<Stopped>(result) {
                Some(stopped) => self.stopped(&stopped, out),
                None => self.fail(ErrorKind::Protocol, "it ended a turn strangely".into(), out),
            },
        }
    }

    fn session_opened(&mut self, result: &Value, out: &mut Output) {
        let told = result["sessionId"].as_str();
        let resumed = match &self.wanted {
            SessionRef::Resume { id } if self.keeps => Some(id.as_str()),
            SessionRef::Resume { .. } | SessionRef::New { .. } => None,
        };
        let Some(id) = resumed.or(told).filter(|id| id.len() <= MAX_ID) else {
            return self.fail(ErrorKind::Protocol, "it opened no session".into(), out);
        };
        let id = id.to_owned();
        if resumed.is_some() && self.program.mode_after_history().is_some() {
            self.history = Some(History::default());
        }
        // What it told of the time before is no part of the turn.
        self.updates.begin();
        if self.keeps {
            out.event(CliEvent::Session {
                id: id.clone(),
                model: self.model.clone(),
            });
        }
        self.session = Some(id);
        match self.history {
            Some(_) => self.listen(out),
            None => self.send_prompt(out),
        }
    }

    /// Sends the prompt once a round has passed in which nothing of the time before was told.
    fn listen(&mut self, out: &mut Output) {
        if let Some(history) = self.history.take()
            && (history.told || history.rounds == 0)
            && history.rounds < MAX_ROUNDS
        {
            self.history = Some(History {
                rounds: history.rounds + 1,
                told: false,
            });
            let mode = self.program.mode_after_history();
            let params = json!({ "sessionId": self.session, "modeId": mode });
            return self.ask(Asked::Quiet, "session/set_mode", &params, out);
        }
        self.send_prompt(out);
    }

    /// Sends the prompt that waits, once there is a session for it.
    fn send_prompt(&mut self, out: &mut Output) {
        if self.history.is_none()
            && let Some(session) = self.session.clone()
            && let Some(prompt) = self.prompt.take()
        {
            let prompt = json!([{ "type": "text", "text": prompt }]);
            let params = json!({ "sessionId": session, "prompt": prompt });
            self.ask(Asked::Prompt, "session/prompt", &params, out);
        }
    }

    fn stopped(&mut self, stopped: &Stopped, out: &mut Output) {
        let words = self.updates.last_words(out);
        let (kind, said) = match stopped.stop_reason {
            StopReason::EndTurn => {
                let hidden = self.program.hides_errors() && stopped.usage.is_none();
                let failed = hidden && !self.interrupted && words.starts_with("Error: ");
                (failed.then(|| kind_of(&words)), "")
            }
            StopReason::MaxTokens => (Some(ErrorKind::MaxTokens), ""),
            StopReason::MaxTurnRequests => (Some(ErrorKind::MaxTurns), ""),
            StopReason::Refusal => (Some(ErrorKind::Unknown), "the model refuses to go on"),
            StopReason::Cancelled if self.interrupted => (Some(ErrorKind::Interrupted), ""),
            StopReason::Cancelled => (Some(ErrorKind::Unknown), "it ended the turn by itself"),
            StopReason::Other => (Some(ErrorKind::Unknown), "it stopped for an unknown reason"),
        };
        let text = match (said, words.as_str()) {
            ("", _) => words,
            (said, "") => said.to_owned(),
            (said, words) => format!("{said}: {words}"),
        };
        self.end(kind, text, out);
    }

    fn refused(&mut self, asked: Asked, refusal: &Refusal, out: &mut Output) {
        let kind = match asked {
            Asked::Quiet => return self.listen(out),
            // It knows no such session, or wants somebody to log in: no fault of an account.
            Asked::Initialize | Asked::Session => ErrorKind::Usage,
            Asked::Prompt if self.interrupted => ErrorKind::Interrupted,
            Asked::Prompt => refusal.kind(),
        };
        self.updates.last_words(out);
        self.fail(kind, refusal.words(), out);
    }

    /// It asks for something. A request without an answer would hold the turn for ever.
    fn request(&mut self, id: &Value, method: &str, params: Value, out: &mut Output) {
        if method != "session/request_permission" {
            return refuse(id, NO_METHOD, "this is not offered", out);
        }
        let Some(permission) = read::<Permission>(params) else {
            return refuse(id, BAD_PARAMS, "this is no request for a permission", out);
        };
        let ours = self.session.as_deref() == Some(permission.session_id.as_str());
        let decides = ours && self.running && !self.interrupted;
        let option = permission.allowing().filter(|id| id.len() <= MAX_ID);
        let outcome = match option.filter(|_| decides) {
            Some(option) => json!({ "outcome": "selected", "optionId": option }),
            None => json!({ "outcome": "cancelled" }),
        };
        let result = json!({ "outcome": outcome });
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        write(&answer, out);
        if decides && option.is_none() {
            let tool = permission.tool_call.title.as_deref().unwrap_or("a tool");
            out.event(CliEvent::Denied {
                tool: one_line(tool, MAX_NAME),
            });
        }
        if ours {
            let call = Update::ToolProgress(permission.tool_call);
            self.updates.take(call, out);
        }
    }

    fn update(&mut self, params: Value, out: &mut Output) {
        let of = read::<UpdateOf>(params);
        let ours = |of: &UpdateOf| self.session.as_ref() == Some(&of.session_id);
        // Before the session is open it may tell a conversation again, and some go on with that.
        match (of.filter(ours), &mut self.history) {
            (Some(_), Some(history)) => history.told = true,
            (Some(of), None) => self.updates.take(of.update, out),
            (None, _) => {}
        }
    }

    fn fail(&mut self, kind: ErrorKind, text: String, out: &mut Output) {
        self.end(Some(kind), text, out);
    }

    fn end(&mut self, kind: Option<ErrorKind>, text: String, out: &mut Output) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        self.prompt = None;
        if let Some(kind) = kind {
            let message = text.clone();
            out.event(CliEvent::Error { kind, message });
        }
        let ok = kind.is_none();
        out.event(CliEvent::TurnEnded { ok, kind, text });
    }

    fn line(&mut self, line: &str, out: &mut Output) {
        if self.session.is_none() && !line.trim().is_empty() {
            self.updates.keep(line);
        }
        out.event(CliEvent::Line { text: line.into() });
    }
}

impl Parser for AcpParser {
    fn start(&mut self, prompt: &str, out: &mut Output) {
        self.begin();
        self.prompt = Some(prompt.into());
        let version = env!("CARGO_PKG_VERSION");
        let params = json!({
            "protocolVersion": VERSION,
            "clientCapabilities": {
                "fs": { "readTextFile": false, "writeTextFile": false },
                "terminal": false,
            },
            "clientInfo": { "name": "cloud_code", "title": "Cloud Code", "version": version },
        });
        self.ask(Asked::Initialize, "initialize", &params, out);
    }

    fn stdout_line(&mut self, line: &str, out: &mut Output) {
        let Ok(parsed) = serde_json::from_str::<Line>(line) else {
            return self.line(line, out);
        };
        match (parsed.method, parsed.id) {
            (Some(method), None) if method == "session/update" => self.update(parsed.params, out),
            // Extensions of the protocol.
            (Some(_), None) => {}
            (Some(method), Some(id)) if is_id(&id) => {
                self.request(&id, &method, parsed.params, out);
            }
            (Some(_), Some(_)) => self.line(line, out),
            (None, id) => {
                let id = id.as_ref().and_then(Value::as_u64);
                let Some(asked) = id.and_then(|id| self.asked.remove(&id)) else {
                    return self.line(line, out);
                };
                match parsed.error {
                    Some(refusal) => self.refused(asked, &refusal, out),
                    None => self.answered(asked, parsed.result.unwrap_or_default(), out),
                }
            }
        }
    }

    fn stderr_line(&mut self, line: &str, out: &mut Output) {
        self.line(line, out);
    }

    fn next_turn(&mut self, prompt: &str, out: &mut Output) {
        self.begin();
        self.prompt = Some(prompt.into());
        self.send_prompt(out);
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        if !self.running {
            return false;
        }
        self.interrupted = true;
        let session = self.session.as_ref().filter(|_| self.prompt.is_none());
        match session {
            Some(session) => {
                let params = json!({ "sessionId": session });
                let cancel = json!({
                    "jsonrpc": "2.0", "method": "session/cancel", "params": params,
                });
                write(&cancel, out);
            }
            // The prompt was not sent: nothing runs there.
            None => self.fail(ErrorKind::Interrupted, String::new(), out),
        }
        true
    }

    fn finish(&mut self, exit: Option<Exit>, out: &mut Output) {
        let kind = match lines::exit_kind(exit) {
            _ if self.interrupted => ErrorKind::Interrupted,
            Some(ErrorKind::Unknown) if self.session.is_none() => ErrorKind::Usage,
            // It ended in the middle of a turn: no exit status makes that a success.
            kind => kind.unwrap_or(ErrorKind::Protocol),
        };
        let text = self.updates.last_words(out);
        self.fail(kind, text, out);
    }
}

/// What may be answered: an id is given back as it is.
fn is_id(id: &Value) -> bool {
    match id {
        Value::Number(_) => true,
        Value::String(text) => text.len() <= MAX_ID,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

fn refuse(id: &Value, code: i64, message: &str, out: &mut Output) {
    let error = json!({ "code": code, "message": message });
    write(&json!({ "jsonrpc": "2.0", "id": id, "error": error }), out);
}

fn read<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

fn write(message: &Value, out: &mut Output) {
    out.stdin.extend_from_slice(message.to_string().as_bytes());
    out.stdin.push(b'\n');
}
