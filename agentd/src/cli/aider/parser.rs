//! Understands `driver.py`: JSON lines on standard output, aider's own prose on standard error.

use serde::Deserialize;

use crate::cli::error_kind::error_kind;
use crate::cli::{CliEvent, ErrorKind, Exit, Output, Parser, lines};

/// A line of the driver.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Start { model: String },
    Message { text: String },
    FileChange { path: String },
    Commit { hash: String },
    Retry { error: Failure },
    Result { ok: bool, error: Option<Failure> },
}

/// A model call that failed, or an interruption.
#[derive(Debug, Deserialize)]
struct Failure {
    /// The class of the exception.
    name: String,
    status: Option<u16>,
    #[serde(default)]
    message: String,
}

impl Failure {
    fn kind(&self) -> ErrorKind {
        match self.name.as_str() {
            "Interrupted" => ErrorKind::Interrupted,
            "ContextWindowExceededError" => ErrorKind::ContextLength,
            "OutputLimit" => ErrorKind::MaxTokens,
            "StartError" => ErrorKind::Usage,
            "Timeout" => ErrorKind::Timeout,
            "APIConnectionError" if self.status.is_none() => ErrorKind::Network,
            name => error_kind(self.status, &format!("{name} {}", self.message)),
        }
    }
}

#[derive(Debug)]
pub(super) struct AiderParser {
    session: String,
    running: bool,
    /// Aider itself was started: the command line was fine.
    begun: bool,
    result: Option<(bool, Option<Failure>)>,
    last_message: String,
    last_line: String,
}

impl AiderParser {
    pub(super) fn new(session: &str) -> Self {
        Self {
            session: session.into(),
            running: false,
            begun: false,
            result: None,
            last_message: String::new(),
            last_line: String::new(),
        }
    }

    fn line(&mut self, line: &str, out: &mut Output) {
        if !line.trim().is_empty() {
            line.clone_into(&mut self.last_line);
        }
        out.event(CliEvent::Line { text: line.into() });
    }
}

impl Parser for AiderParser {
    fn start(&mut self, _prompt: &str, _out: &mut Output) {
        self.running = true;
    }

    fn stdout_line(&mut self, line: &str, out: &mut Output) {
        let Ok(parsed) = serde_json::from_str::<Line>(line) else {
            self.line(line, out);
            return;
        };
        match parsed {
            // The chat is found again by its file below HOME; the id is ours.
            Line::Start { model } => {
                self.begun = true;
                out.event(CliEvent::Session {
                    id: self.session.clone(),
                    model: Some(model),
                });
            }
            Line::Message { text } => {
                self.last_message.clone_from(&text);
                out.event(CliEvent::Message { text });
            }
            Line::FileChange { path } => out.event(CliEvent::FileChange { path }),
            Line::Commit { hash } => out.event(CliEvent::Line {
                text: format!("committed {hash}"),
            }),
            Line::Retry { error } => out.event(CliEvent::Retry {
                status: error.status,
                kind: error.kind(),
                delay: None,
            }),
            Line::Result { ok, error } => self.result = Some((ok, error)),
        }
    }

    fn stderr_line(&mut self, line: &str, out: &mut Output) {
        self.line(line, out);
    }

    /// Success needs both: the result line and the exit status.
    fn finish(&mut self, exit: Option<Exit>, out: &mut Output) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        let exited = exit.is_some_and(Exit::is_success);
        let (ok, kind, text) = match self.result.take() {
            Some((true, _)) if exited => (true, None, std::mem::take(&mut self.last_message)),
            Some((_, Some(error))) => (false, Some(error.kind()), error.message),
            Some((_, None)) | None => {
                let kind = match lines::exit_kind(exit) {
                    Some(ErrorKind::Unknown) if !self.begun => ErrorKind::Usage,
                    kind => kind.unwrap_or(ErrorKind::Protocol),
                };
                (false, Some(kind), std::mem::take(&mut self.last_line))
            }
        };
        if let Some(kind) = kind {
            let message = text.clone();
            out.event(CliEvent::Error { kind, message });
        }
        out.event(CliEvent::TurnEnded { ok, kind, text });
    }
}
