//! The `aider` adapter.
//!
//! Aider prints prose and exits 0 whatever happens. So it is driven through its scripting interface
//! by a small program of ours (`aider/driver.py`, written below HOME) that runs in aider's own
//! Python, prints JSON lines and has honest exit statuses. Each turn starts it; a later turn of the
//! same task restores the chat from the history file.
//!
//! Aider has no tools: the model answers with edits, aider applies and commits them. It is the only
//! one that calls a model beside the task's (for commit messages); both are the configured one.

mod parser;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use cloud_code_domain::account::{Authorisation, Provider};

use super::{Adapter, Gateway, LaunchPlan, Parser, PlanError, RunSpec, SessionRef, StdinPlan};

/// What it is started as, if nothing is configured.
const PROGRAM: &str = "aider";

/// Runs in aider's Python; tested with the version that the tests pin.
const DRIVER: &str = include_str!("aider/driver.py");

/// Below HOME, in a folder that aider has anyway.
const DRIVER_PATH: &str = ".aider/cloud_code_driver.py";
const CHAT_HISTORY: &str = ".aider/chat.history.md";
const INPUT_HISTORY: &str = ".aider/input.history";

/// Nobody answers a question, nothing is looked up, and `.gitignore` stays as it is.
const OPTIONS: [&str; 10] = [
    "--yes-always",
    "--no-stream",
    "--no-pretty",
    "--no-fancy-input",
    "--no-check-update",
    "--no-show-release-notes",
    "--analytics-disable",
    "--no-gitignore",
    "--no-suggest-shell-commands",
    "--no-detect-urls",
];

/// Drives Aider.
#[derive(Debug)]
pub(super) struct Aider;

impl Adapter for Aider {
    fn name(&self) -> &'static str {
        "aider"
    }

    fn plan(&self, spec: &RunSpec) -> Result<LaunchPlan, PlanError> {
        let gateway = spec.gateway.as_ref();
        let gateway = gateway.ok_or(PlanError::NoAccount(self.name()))?;
        Ok(LaunchPlan {
            argv: arguments(spec, gateway),
            env: environment(spec, gateway)?,
            stdin: StdinPlan::Null,
            files: vec![(PathBuf::from(DRIVER_PATH), DRIVER.as_bytes().to_vec())],
            droppings: vec![".aider*".into()],
        })
    }

    fn parser(&self, spec: &RunSpec) -> Box<dyn Parser> {
        Box::new(parser::AiderParser::new(spec.session.id()))
    }

    /// A task has one conversation, in one file, whatever it is called.
    fn keeps_session(&self, home: &Path, _session: &str) -> Option<bool> {
        let Ok(file) = File::open(home.join(CHAT_HISTORY)) else {
            return Some(false);
        };
        let mut lines = BufReader::new(file.take(MAX_HISTORY)).lines();
        Some(lines.any(|line| line.is_ok_and(|line| line.starts_with(PROMPT))))
    }
}

/// Bytes of its history that are looked at.
const MAX_HISTORY: u64 = 64 << 20;
/// What a line of a prompt begins with in its history.
const PROMPT: &str = "#### ";

/// `python3 DRIVER PROMPT_FILE aider OPTIONS…`: the driver finds aider's Python by aider's program.
fn arguments(spec: &RunSpec, gateway: &Gateway) -> Vec<OsString> {
    let mut argv: Vec<OsString> = vec![
        "python3".into(),
        spec.home.join(DRIVER_PATH).into(),
        spec.prompt_file.clone().into(),
    ];
    argv.extend(spec.command.iter().map(OsString::from));
    if spec.command.is_empty() {
        argv.push(PROGRAM.into());
    }
    argv.extend(OPTIONS.map(OsString::from));
    for (option, file) in [
        ("--chat-history-file", CHAT_HISTORY),
        ("--input-history-file", INPUT_HISTORY),
    ] {
        argv.extend([option.into(), spec.home.join(file).into()]);
    }
    match &spec.session {
        SessionRef::New { .. } => {}
        SessionRef::Resume { .. } => argv.push("--restore-chat-history".into()),
    }
    if let Some(model) = &spec.model {
        let model = model_name(model, gateway.provider);
        argv.extend(["--model".into(), model.clone().into()]);
        argv.extend(["--weak-model".into(), model.into()]);
    }
    argv
}

/// The library under aider picks the API by what stands before the model's name.
fn model_name(model: &str, provider: Provider) -> String {
    let provider = provider.as_str();
    match model.strip_prefix(provider) {
        Some(rest) if rest.starts_with('/') => model.into(),
        Some(_) | None => format!("{provider}/{model}"),
    }
}

/// What is configured never changes where model calls go.
fn environment(spec: &RunSpec, gateway: &Gateway) -> Result<Vec<(OsString, OsString)>, PlanError> {
    match gateway.authorisation {
        Authorisation::ApiKey => {}
        Authorisation::ClaudeToken => {
            let why = "aider works with accounts of auth \"api_key\" only";
            return Err(PlanError::Unsuitable(why.into()));
        }
    }
    let (base, url, key) = match gateway.provider {
        Provider::Anthropic => ("ANTHROPIC_API_BASE", gateway.url(), "ANTHROPIC_API_KEY"),
        Provider::Openai => {
            let url = format!("{}/v1", gateway.url());
            ("OPENAI_API_BASE", url, "OPENAI_API_KEY")
        }
        Provider::Google => {
            let why = "aider works with accounts of kind \"anthropic\" or \"openai\" only";
            return Err(PlanError::Unsuitable(why.into()));
        }
    };
    // The table of prices that comes with aider, not a fresh one from the network.
    let mut env: Vec<(OsString, OsString)> =
        vec![("LITELLM_LOCAL_MODEL_COST_MAP".into(), "True".into())];
    env.extend(
        spec.env
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    env.push((base.into(), url.into()));
    env.push((key.into(), gateway.token.clone().into()));
    Ok(env)
}
