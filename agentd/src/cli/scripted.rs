//! The `scripted` adapter: the program that the demo and the tests use for a coding CLI.
//!
//! It prints one JSON object a line: `{"type": …}` with the fields of [`Line`]. Each turn starts it. As
//! others do it takes the session's id from us, keeps the session below HOME, and refuses to resume one
//! that it does not know.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::{
    Adapter, CliEvent, ErrorKind, Exit, LaunchPlan, Output, Parser, PlanError, RunSpec, SessionRef,
    StdinPlan, lines,
};

/// Bytes of what it keeps of its session.
const MAX_STATE: u64 = 1 << 20;

/// Drives the scripted coding CLI.
#[derive(Debug)]
pub(super) struct Scripted;

impl Adapter for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn plan(&self, spec: &RunSpec) -> Result<LaunchPlan, PlanError> {
        if spec.command.is_empty() {
            return Err(PlanError::NoCommand(self.name()));
        }
        let mut argv = lines::command(spec);
        argv.extend(["--prompt-file".into(), spec.prompt_file.clone().into()]);
        argv.push(match &spec.session {
            SessionRef::New { .. } => "--session".into(),
            SessionRef::Resume { .. } => OsString::from("--resume"),
        });
        argv.push(spec.session.id().into());
        Ok(LaunchPlan {
            argv,
            env: lines::environment(spec),
            stdin: StdinPlan::Null,
            files: Vec::new(),
            droppings: Vec::new(),
        })
    }

    fn parser(&self, _spec: &RunSpec) -> Box<dyn Parser> {
        Box::new(ScriptedParser::default())
    }

    fn keeps_session(&self, home: &Path, session: &str) -> Option<bool> {
        let file = File::open(home.join(".scripted.json")).ok();
        let kept = file.and_then(|file| {
            let mut text = String::new();
            file.take(MAX_STATE).read_to_string(&mut text).ok()?;
            serde_json::from_str::<Kept>(&text).ok()
        });
        Some(kept.is_some_and(|kept| kept.session == session))
    }
}

/// What it keeps.
#[derive(Debug, Deserialize)]
struct Kept {
    session: String,
}

/// A line of the scripted CLI.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Session {
        id: String,
    },
    Message {
        text: String,
    },
    ToolCall {
        name: String,
        input: String,
    },
    ToolResult {
        ok: bool,
        text: String,
    },
    FileChange {
        path: String,
    },
    Error {
        kind: String,
        message: String,
    },
    Result {
        ok: bool,
        kind: Option<String>,
        text: String,
    },
}

/// The word for an error kind, as the scripted CLI writes it.
fn kind(word: &str) -> ErrorKind {
    match word {
        "auth" => ErrorKind::Auth,
        "rate_limit" => ErrorKind::RateLimit,
        "quota" => ErrorKind::Quota,
        "overloaded" => ErrorKind::Overloaded,
        "server" => ErrorKind::Server,
        "bad_request" => ErrorKind::BadRequest,
        "model_not_found" => ErrorKind::ModelNotFound,
        "network" => ErrorKind::Network,
        "timeout" => ErrorKind::Timeout,
        "usage" => ErrorKind::Usage,
        _ => ErrorKind::Unknown,
    }
}

#[derive(Debug, Default)]
struct ScriptedParser {
    running: bool,
    result: Option<(bool, Option<ErrorKind>, String)>,
}

impl Parser for ScriptedParser {
    fn start(&mut self, _prompt: &str, _out: &mut Output) {
        self.running = true;
    }

    fn stdout_line(&mut self, line: &str, out: &mut Output) {
        let Ok(parsed) = serde_json::from_str::<Line>(line) else {
            out.event(CliEvent::Line { text: line.into() });
            return;
        };
        out.event(match parsed {
            Line::Session { id } => CliEvent::Session { id, model: None },
            Line::Message { text } => CliEvent::Message { text },
            Line::ToolCall { name, input } => CliEvent::ToolCall { name, input },
            Line::ToolResult { ok, text } => CliEvent::ToolResult { ok, text },
            Line::FileChange { path } => CliEvent::FileChange { path },
            Line::Error {
                kind: word,
                message,
            } => CliEvent::Error {
                kind: kind(&word),
                message,
            },
            Line::Result {
                ok,
                kind: word,
                text,
            } => {
                self.result = Some((ok, word.as_deref().map(kind), text));
                return;
            }
        });
    }

    fn stderr_line(&mut self, line: &str, out: &mut Output) {
        out.event(CliEvent::Line { text: line.into() });
    }

    /// Success needs both: the result line and the exit status.
    fn finish(&mut self, exit: Option<Exit>, out: &mut Output) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        let (ok, kind, text) = self.result.take().unwrap_or_else(|| {
            let text = "it ended without a result".to_owned();
            (
                false,
                lines::exit_kind(exit).or(Some(ErrorKind::Protocol)),
                text,
            )
        });
        let exited = exit.is_some_and(Exit::is_success);
        out.event(CliEvent::TurnEnded {
            ok: ok && exited,
            kind: kind.or_else(|| lines::exit_kind(exit)),
            text,
        });
    }
}
