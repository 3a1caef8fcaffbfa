//! The `claude-code` adapter.
//!
//! Claude Code speaks JSON lines both ways and stays for the next turn: a prompt, a steering message
//! and an interrupt are lines on its standard input. Its exit status says nothing about a turn (it
//! exits 0 when it was interrupted, and 0 when its permissions refused every edit); the `result`
//! line does.
//!
//! The session is ours to name, and lies below HOME from its first prompt on: whoever is killed before
//! the program said anything goes on with it all the same. Permissions are not asked for: the container is the boundary, and a
//! question would have nobody to answer it.

mod parser;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use cloud_code_domain::account::{Authorisation, Provider};
use cloud_code_domain::cost::Usage;
use serde_json::Value;

use super::{
    Adapter, Gateway, Interrupt, LaunchPlan, Parser, PlanError, RunSpec, SessionRef, StdinPlan,
    transcript,
};

/// What it is started as, if nothing is configured.
const PROGRAM: &str = "claude";

/// Speaks JSON lines both ways; `stream-json` is refused without `--verbose`.
const PROTOCOL: [&str; 7] = [
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--dangerously-skip-permissions",
];

/// No name is looked up, nothing is updated, and a failing API is reported within seconds: by itself
/// it would repeat a call for three minutes, while a task can simply be resumed later.
const QUIET: [(&str, &str); 6] = [
    // As root it skips permissions only where it is told that a sandbox holds it.
    ("IS_SANDBOX", "1"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
    ("CLAUDE_CODE_MAX_RETRIES", "4"),
];

/// Drives Claude Code.
#[derive(Debug)]
pub(super) struct ClaudeCode;

impl Adapter for ClaudeCode {
    fn name(&self) -> &'static str {
        "claude-code"
    }

    fn plan(&self, spec: &RunSpec) -> Result<LaunchPlan, PlanError> {
        let gateway = spec.gateway.as_ref();
        let gateway = gateway.ok_or(PlanError::NoAccount(self.name()))?;
        Ok(LaunchPlan {
            argv: arguments(spec),
            env: environment(spec, gateway)?,
            stdin: StdinPlan::Session,
            files: Vec::new(),
            droppings: Vec::new(),
        })
    }

    fn parser(&self, _spec: &RunSpec) -> Box<dyn Parser> {
        Box::new(parser::ClaudeParser::default())
    }

    fn warm(&self) -> bool {
        true
    }

    /// Without a prompt in it the program says that there is no such conversation.
    fn keeps_session(&self, home: &Path, session: &str) -> Option<bool> {
        Some(written(home, session).any(|record| record["type"] == "user"))
    }

    fn interrupt(&self) -> Interrupt {
        Interrupt::Protocol
    }

    fn usage_from_files(&self, spec: &RunSpec, session: &str) -> Option<Usage> {
        usage(&written(&spec.home, session).collect::<Vec<_>>())
    }
}

/// What the program wrote down of a session.
fn written(home: &Path, session: &str) -> impl Iterator<Item = Value> + use<> {
    let folder = home.join(".claude/projects");
    transcript::records(&folder, 1, &format!("{session}.jsonl"))
}

/// The tokens of a session. A message is written once for each of its blocks, with the same usage.
fn usage(records: &[Value]) -> Option<Usage> {
    let mut messages: BTreeMap<&str, Usage> = BTreeMap::new();
    for record in records
        .iter()
        .filter(|record| record["type"] == "assistant")
    {
        let (message, count) = (&record["message"], &record["message"]["usage"]);
        if let Some(id) = message["id"].as_str() {
            let tokens = |name: &str| count[name].as_u64().unwrap_or_default();
            let usage = Usage {
                input: tokens("input_tokens"),
                output: tokens("output_tokens"),
                cache_read: tokens("cache_read_input_tokens"),
                cache_write: tokens("cache_creation_input_tokens"),
            };
            messages.insert(id, usage);
        }
    }
    messages.into_values().reduce(Usage::plus)
}

fn arguments(spec: &RunSpec) -> Vec<OsString> {
    let mut argv: Vec<OsString> = spec.command.iter().map(OsString::from).collect();
    if argv.is_empty() {
        argv.push(PROGRAM.into());
    }
    argv.extend(PROTOCOL.map(OsString::from));
    if let Some(model) = &spec.model {
        argv.extend(["--model".into(), model.into()]);
    }
    argv.push(match &spec.session {
        SessionRef::New { .. } => "--session-id".into(),
        SessionRef::Resume { .. } => OsString::from("--resume"),
    });
    argv.push(spec.session.id().into());
    argv
}

/// What is configured may change the quiet settings, never where model calls go.
fn environment(spec: &RunSpec, gateway: &Gateway) -> Result<Vec<(OsString, OsString)>, PlanError> {
    let token = match (gateway.provider, gateway.authorisation) {
        (Provider::Anthropic, Authorisation::ApiKey) => "ANTHROPIC_API_KEY",
        // It adds the beta header of subscriptions by itself; the gateway replaces the token.
        (Provider::Anthropic, Authorisation::ClaudeToken) => "CLAUDE_CODE_OAUTH_TOKEN",
        (Provider::Openai | Provider::Google, _) => {
            let why = "claude-code speaks to accounts of kind \"anthropic\" only";
            return Err(PlanError::Unsuitable(why.into()));
        }
    };
    let quiet = QUIET.map(|(name, value)| (name.into(), value.into()));
    let mut env: Vec<(OsString, OsString)> = quiet.into();
    env.extend(
        spec.env
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    env.push(("ANTHROPIC_BASE_URL".into(), gateway.url().into()));
    env.push((token.into(), gateway.token.clone().into()));
    Ok(env)
}
