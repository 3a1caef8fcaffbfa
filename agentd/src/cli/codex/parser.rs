//! Understands codex's app server, and says what it has to be told.
//!
//! ```text
//!  start ─▶ initialize ─▶ initialized, thread/start | thread/resume ─▶ turn/start ─▶ … turn/completed
//!  next_turn ─▶ turn/start          steer ─▶ turn/steer          interrupt ─▶ turn/interrupt
//! ```
//!
//! A steering message can cross the end of the turn on its way. Codex refuses it then; so the turn is
//! not over here before every steering message is answered, and a refused one begins another turn.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::items;
use super::wire::{Failed, Item, ItemOf, Line, Refusal, Status, Turn, TurnOf};
use crate::cli::error_kind::is_final;
use crate::cli::{CliEvent, ErrorKind, Exit, Output, Parser, RunSpec, SessionRef, lines};

/// A request that waits for its answer.
#[derive(Debug)]
enum Asked {
    Initialize,
    Thread,
    Turn,
    Steer(String),
    Interrupt,
}

#[derive(Debug)]
pub(super) struct CodexParser {
    workdir: String,
    model: Option<String>,
    session: SessionRef,
    asked: BTreeMap<u64, Asked>,
    last_id: u64,
    thread: Option<String>,
    /// The prompt until there is a thread for it.
    prompt: String,
    running: bool,
    turn: Option<String>,
    /// How the turn ended, while a steering message is not answered.
    ended: Option<Turn>,
    /// Steering messages that no turn took.
    refused: Vec<String>,
    interrupted: bool,
    /// An interrupt waits for the id of the turn.
    interrupts: bool,
    /// Why the turn was interrupted by the parser itself.
    given_up: Option<ErrorKind>,
    /// The last message of the model; before there is a thread, the last line that was no JSON.
    last_words: String,
}

impl CodexParser {
    pub(super) fn new(spec: &RunSpec) -> Self {
        Self {
            workdir: spec.workdir.to_string_lossy().into_owned(),
            model: spec.model.clone(),
            session: spec.session.clone(),
            asked: BTreeMap::new(),
            last_id: 0,
            thread: None,
            prompt: String::new(),
            running: false,
            turn: None,
            ended: None,
            refused: Vec::new(),
            interrupted: false,
            interrupts: false,
            given_up: None,
            last_words: String::new(),
        }
    }

    fn ask(&mut self, asked: Asked, method: &str, params: &Value, out: &mut Output) {
        self.last_id += 1;
        self.asked.insert(self.last_id, asked);
        let request = json!({ "id": self.last_id, "method": method, "params": params });
        write(&request, out);
    }

    fn open_thread(&mut self, out: &mut Output) {
        // The container is the boundary, and a question would have nobody to answer it.
        let mut params = json!({
            "cwd": self.workdir,
            "approvalPolicy": "never",
            "sandbox": "danger-full-access",
        });
        if let Some(model) = &self.model {
            params["model"] = model.as_str().into();
        }
        let method = match &self.session {
            SessionRef::New { .. } => "thread/start",
            SessionRef::Resume { id } => {
                params["threadId"] = id.as_str().into();
                "thread/resume"
            }
        };
        self.ask(Asked::Thread, method, &params, out);
    }

    fn begin_turn(&mut self, prompt: &str, out: &mut Output) {
        self.turn = None;
        let params = json!({ "threadId": self.thread, "input": input(prompt) });
        self.ask(Asked::Turn, "turn/start", &params, out);
    }

    fn begin(&mut self) {
        self.running = true;
        self.interrupted = false;
        self.interrupts = false;
        self.given_up = None;
        self.last_words.clear();
    }

    fn turn_begun(&mut self, id: String, out: &mut Output) {
        self.turn = Some(id);
        if std::mem::take(&mut self.interrupts) {
            self.interrupt(out);
        }
    }

    fn answered(&mut self, asked: &Asked, result: &Value, out: &mut Output) {
        match asked {
            Asked::Initialize => {
                write(&json!({ "method": "initialized" }), out);
                self.open_thread(out);
            }
            Asked::Thread => {
                let Some(id) = result["thread"]["id"].as_str() else {
                    return self.fail(ErrorKind::Protocol, "it opened no thread".into(), out);
                };
                self.thread = Some(id.into());
                self.last_words.clear();
                out.event(CliEvent::Session {
                    id: id.into(),
                    model: result["thread"]["model"].as_str().map(String::from),
                });
                let prompt = std::mem::take(&mut self.prompt);
                self.begin_turn(&prompt, out);
            }
            // `turn/started` tells its id again, when it can be steered and interrupted.
            Asked::Turn => {}
            Asked::Steer(_) => self.end_if_settled(out),
            Asked::Interrupt => {}
        }
    }

    fn refusal(&mut self, asked: Asked, refusal: Refusal, out: &mut Output) {
        match asked {
            Asked::Steer(text) => {
                self.refused.push(text);
                self.end_if_settled(out);
            }
            // It knows no such thread, for example.
            Asked::Initialize | Asked::Thread => self.fail(ErrorKind::Usage, refusal.message, out),
            Asked::Turn => self.fail(ErrorKind::Protocol, refusal.message, out),
            // The turn is over already, or will not be interrupted; its end says which.
            Asked::Interrupt => out.event(CliEvent::Line {
                text: refusal.message,
            }),
        }
    }

    fn notification(&mut self, method: &str, params: Value, out: &mut Output) {
        match method {
            "turn/started" => {
                if let Some(of) = read::<TurnOf>(params) {
                    self.turn_begun(of.turn.id, out);
                }
            }
            "item/started" => {
                if let Some(of) = read::<ItemOf>(params) {
                    items::started(of.item, out);
                }
            }
            "item/completed" => {
                if let Some(of) = read::<ItemOf>(params) {
                    if let Item::AgentMessage { text } = &of.item {
                        self.last_words.clone_from(text);
                    }
                    items::completed(of.item, out);
                }
            }
            "error" => {
                if let Some(failed) = read::<Failed>(params) {
                    self.failed(&failed, out);
                }
            }
            "warning" | "configWarning" | "deprecationNotice" => {
                let text = params["message"].as_str().or(params["summary"].as_str());
                out.event(CliEvent::Line {
                    text: text.unwrap_or_default().into(),
                });
            }
            "turn/completed" => match read::<TurnOf>(params) {
                Some(of) => {
                    self.ended = Some(of.turn);
                    self.end_if_settled(out);
                }
                None => self.fail(ErrorKind::Protocol, "it ended a turn strangely".into(), out),
            },
            // Deltas, status changes, token counts: nothing that is not told otherwise.
            _ => {}
        }
    }

    /// Codex does not tell how long it will wait after a 429, and it waits for hours if it is told
    /// to. So a rate limit ends the turn, as an error does that no retry cures.
    fn failed(&mut self, failed: &Failed, out: &mut Output) {
        let kind = failed.error.kind();
        if !failed.will_retry {
            return; // The end of the turn says it again.
        }
        out.event(CliEvent::Retry {
            status: failed.error.status(),
            kind,
            delay: None,
        });
        let pointless = is_final(kind) || kind == ErrorKind::RateLimit;
        if pointless && self.given_up.is_none() && self.interrupt(out) {
            self.given_up = Some(kind);
            failed.error.words().clone_into(&mut self.last_words);
        }
    }

    /// Ends the turn if it has ended there and no steering message is under way; goes on with those
    /// that came too late.
    fn end_if_settled(&mut self, out: &mut Output) {
        let under_way = self
            .asked
            .values()
            .any(|asked| matches!(asked, Asked::Steer(_)));
        let Some(turn) = self.ended.take_if(|_| !under_way) else {
            return;
        };
        self.turn = None;
        let refused = std::mem::take(&mut self.refused);
        let (ok, kind) = match turn.status {
            Status::Completed if !refused.is_empty() && !self.interrupted => {
                return self.begin_turn(&refused.join("\n\n"), out);
            }
            Status::Completed => (true, None),
            Status::Interrupted => (false, Some(self.given_up.unwrap_or(ErrorKind::Interrupted))),
            Status::Failed => (false, turn.error.as_ref().map(super::wire::TurnError::kind)),
            Status::InProgress => (false, Some(ErrorKind::Protocol)),
        };
        let words = std::mem::take(&mut self.last_words);
        let text = turn.error.map_or(words, |error| error.message);
        self.end(ok, kind.filter(|_| !ok), text, out);
    }

    fn fail(&mut self, kind: ErrorKind, text: String, out: &mut Output) {
        self.end(false, Some(kind), text, out);
    }

    fn end(&mut self, ok: bool, kind: Option<ErrorKind>, text: String, out: &mut Output) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        let kind = kind.or((!ok).then_some(ErrorKind::Unknown));
        if let Some(kind) = kind {
            let message = text.clone();
            out.event(CliEvent::Error { kind, message });
        }
        out.event(CliEvent::TurnEnded { ok, kind, text });
    }

    fn line(&mut self, line: &str, out: &mut Output) {
        if !line.trim().is_empty() && self.thread.is_none() {
            line.clone_into(&mut self.last_words);
        }
        out.event(CliEvent::Line { text: line.into() });
    }
}

fn input(text: &str) -> Value {
    json!([{ "type": "text", "text": text }])
}

fn read<T: DeserializeOwned>(params: Value) -> Option<T> {
    serde_json::from_value(params).ok()
}

fn write(message: &Value, out: &mut Output) {
    out.stdin.extend_from_slice(message.to_string().as_bytes());
    out.stdin.push(b'\n');
}

impl Parser for CodexParser {
    fn start(&mut self, prompt: &str, out: &mut Output) {
        self.begin();
        prompt.clone_into(&mut self.prompt);
        let version = env!("CARGO_PKG_VERSION");
        let client = json!({ "name": "cloud_code", "title": "Cloud Code", "version": version });
        let params = json!({ "clientInfo": client });
        self.ask(Asked::Initialize, "initialize", &params, out);
    }

    fn stdout_line(&mut self, line: &str, out: &mut Output) {
        let Ok(parsed) = serde_json::from_str::<Line>(line) else {
            self.line(line, out);
            return;
        };
        match (parsed.method, parsed.id) {
            (Some(method), None) => self.notification(&method, parsed.params, out),
            // It asks for something: a request without an answer would hold the turn for ever.
            (Some(_), Some(id)) => {
                let error = json!({ "code": -32_601, "message": "nobody is here to answer" });
                write(&json!({ "id": id, "error": error }), out);
            }
            (None, id) => {
                let id = id.as_ref().and_then(Value::as_u64);
                let Some(asked) = id.and_then(|id| self.asked.remove(&id)) else {
                    self.line(line, out);
                    return;
                };
                match parsed.error {
                    Some(refusal) => self.refusal(asked, refusal, out),
                    None => self.answered(&asked, &parsed.result.unwrap_or_default(), out),
                }
            }
        }
    }

    fn stderr_line(&mut self, line: &str, out: &mut Output) {
        self.line(line, out);
    }

    fn next_turn(&mut self, prompt: &str, out: &mut Output) {
        self.begin();
        if self.thread.is_some() {
            self.begin_turn(prompt, out);
        } else {
            prompt.clone_into(&mut self.prompt);
        }
    }

    fn steer(&mut self, text: &str, out: &mut Output) -> bool {
        let turn = self
            .turn
            .clone()
            .filter(|_| self.running && !self.interrupted);
        let Some(turn) = turn else {
            return false;
        };
        let thread = &self.thread;
        let params = json!({ "threadId": thread, "expectedTurnId": turn, "input": input(text) });
        self.ask(Asked::Steer(text.into()), "turn/steer", &params, out);
        true
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        if !self.running {
            return false;
        }
        self.interrupted = true;
        let Some(turn) = self.turn.clone() else {
            self.interrupts = true;
            return true;
        };
        let params = json!({ "threadId": self.thread, "turnId": turn });
        self.ask(Asked::Interrupt, "turn/interrupt", &params, out);
        true
    }

    fn finish(&mut self, exit: Option<Exit>, out: &mut Output) {
        let kind = match lines::exit_kind(exit) {
            _ if self.interrupted => self.given_up.unwrap_or(ErrorKind::Interrupted),
            Some(ErrorKind::Unknown) if self.thread.is_none() => ErrorKind::Usage,
            // It ended in the middle of a turn: no exit status makes that a success.
            kind => kind.unwrap_or(ErrorKind::Protocol),
        };
        let text = std::mem::take(&mut self.last_words);
        self.fail(kind, text, out);
    }
}
