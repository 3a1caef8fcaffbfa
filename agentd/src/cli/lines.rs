//! The `lines` adapter: any program, by configuration alone.
//!
//! Each turn starts the program in the worktree. Its output is shown line by line, its exit status
//! is its only word about success; git says whether something changed.

use std::ffi::OsString;

use cloud_code_domain::account::{Authorisation, Provider};

use super::{
    Adapter, CliEvent, ErrorKind, Exit, Gateway, LaunchPlan, Output, Parser, PlanError, RunSpec,
    StdinPlan,
};

/// What stands for the path of the prompt file in a configured command.
const PROMPT_FILE: &str = "{prompt_file}";

/// Drives any program.
#[derive(Debug)]
pub(super) struct Lines;

impl Adapter for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn plan(&self, spec: &RunSpec) -> Result<LaunchPlan, PlanError> {
        if spec.command.is_empty() {
            return Err(PlanError::NoCommand(self.name()));
        }
        Ok(LaunchPlan {
            argv: command(spec),
            env: environment(spec),
            stdin: StdinPlan::Null,
            files: Vec::new(),
            droppings: Vec::new(),
        })
    }

    fn parser(&self, _spec: &RunSpec) -> Box<dyn Parser> {
        Box::new(LinesParser::default())
    }
}

/// The configured command with the prompt file put in.
pub(super) fn command(spec: &RunSpec) -> Vec<OsString> {
    let prompt_file = spec.prompt_file.to_string_lossy();
    spec.command
        .iter()
        .map(|argument| OsString::from(argument.replace(PROMPT_FILE, &prompt_file)))
        .collect()
}

/// The configured environment and, with an account, the provider's usual variables.
pub(super) fn environment(spec: &RunSpec) -> Vec<(OsString, OsString)> {
    let mut env: Vec<(OsString, OsString)> = spec
        .env
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    if let Some(model) = &spec.model {
        env.push(("CLOUD_CODE_MODEL".into(), model.into()));
    }
    if let Some(gateway) = &spec.gateway {
        env.extend(gateway_environment(gateway));
    }
    env
}

fn gateway_environment(gateway: &Gateway) -> [(OsString, OsString); 2] {
    let (url, key, base) = match (gateway.provider, gateway.authorisation) {
        (Provider::Anthropic, Authorisation::ApiKey) => {
            ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", gateway.url())
        }
        (Provider::Anthropic, Authorisation::ClaudeToken) => {
            ("ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", gateway.url())
        }
        // What speaks to OpenAI expects the version in the base.
        (Provider::Openai, Authorisation::ApiKey | Authorisation::ClaudeToken) => {
            let base = format!("{}/v1", gateway.url());
            ("OPENAI_BASE_URL", "OPENAI_API_KEY", base)
        }
        // What speaks to Google adds the version itself.
        (Provider::Google, Authorisation::ApiKey | Authorisation::ClaudeToken) => {
            ("GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY", gateway.url())
        }
    };
    [
        (url.into(), base.into()),
        (key.into(), gateway.token.clone().into()),
    ]
}

/// Every line is a line; the last one that says something is the last word.
#[derive(Debug, Default)]
struct LinesParser {
    last: String,
    running: bool,
}

impl LinesParser {
    fn line(&mut self, line: &str, out: &mut Output) {
        if !line.trim().is_empty() {
            line.clone_into(&mut self.last);
        }
        out.event(CliEvent::Line { text: line.into() });
    }
}

impl Parser for LinesParser {
    fn start(&mut self, _prompt: &str, _out: &mut Output) {
        self.running = true;
    }

    fn stdout_line(&mut self, line: &str, out: &mut Output) {
        self.line(line, out);
    }

    fn stderr_line(&mut self, line: &str, out: &mut Output) {
        self.line(line, out);
    }

    fn finish(&mut self, exit: Option<Exit>, out: &mut Output) {
        if !std::mem::take(&mut self.running) {
            return;
        }
        out.event(CliEvent::TurnEnded {
            ok: exit.is_some_and(Exit::is_success),
            kind: exit_kind(exit),
            text: std::mem::take(&mut self.last),
        });
    }
}

/// What an exit status alone says.
pub(super) fn exit_kind(exit: Option<Exit>) -> Option<ErrorKind> {
    match exit {
        Some(Exit::Code(0)) => None,
        Some(Exit::Code(126 | 127)) => Some(ErrorKind::Usage),
        Some(Exit::Code(_)) => Some(ErrorKind::Unknown),
        Some(Exit::Signal(_)) => Some(ErrorKind::Killed),
        None => Some(ErrorKind::Protocol),
    }
}
