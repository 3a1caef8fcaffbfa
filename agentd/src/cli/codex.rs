//! The `codex` adapter.
//!
//! Codex is driven through its app server: JSON-RPC on standard input and output, one object a line.
//! The process stays for the next turn, tells its errors with a kind and a status, takes steering
//! into a running turn and an interrupt. Unlike `codex exec` it needs no prompt in a pipe.
//!
//! Model calls go to a provider of our own (`model_provider=gw`): it speaks the Responses API over
//! HTTP at once, where the built-in one tries a WebSocket first and waits for it.

mod items;
mod parser;
mod wire;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

use cloud_code_domain::account::{Authorisation, Provider};
use cloud_code_domain::cost::Usage;
use serde_json::Value;

use super::{
    Adapter, Gateway, Interrupt, LaunchPlan, Parser, PlanError, RunSpec, StdinPlan, transcript,
};

/// What it is started as, if nothing is configured.
const PROGRAM: &str = "codex";

/// The variable that holds the token. It is kept from the commands that the model runs.
const TOKEN: &str = "CLOUD_CODE_MODEL_TOKEN";

/// Settings under which no name is looked up, and granted credentials reach the model's commands:
/// codex would hide every variable whose name looks like a secret's.
const SETTINGS: [&str; 4] = [
    "analytics.enabled=false",
    "check_for_update_on_startup=false",
    "shell_environment_policy.ignore_default_excludes=true",
    "shell_environment_policy.exclude=[\"CLOUD_CODE_MODEL_TOKEN\"]",
];

/// Drives Codex.
#[derive(Debug)]
pub(super) struct Codex;

impl Adapter for Codex {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn plan(&self, spec: &RunSpec) -> Result<LaunchPlan, PlanError> {
        let gateway = spec.gateway.as_ref();
        let gateway = gateway.ok_or(PlanError::NoAccount(self.name()))?;
        let fits = match (gateway.provider, gateway.authorisation) {
            (Provider::Openai, Authorisation::ApiKey) => true,
            (Provider::Openai, Authorisation::ClaudeToken)
            | (Provider::Anthropic | Provider::Google, _) => false,
        };
        if !fits {
            let why = "codex works with API keys of accounts of kind \"openai\" only";
            return Err(PlanError::Unsuitable(why.into()));
        }
        let configured = spec
            .env
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let mut env: Vec<(OsString, OsString)> = configured.collect();
        env.push((TOKEN.into(), gateway.token.clone().into()));
        Ok(LaunchPlan {
            argv: arguments(spec, gateway),
            env,
            stdin: StdinPlan::Session,
            files: Vec::new(),
            droppings: Vec::new(),
        })
    }

    fn parser(&self, spec: &RunSpec) -> Box<dyn Parser> {
        Box::new(parser::CodexParser::new(spec))
    }

    fn warm(&self) -> bool {
        true
    }

    fn interrupt(&self) -> Interrupt {
        Interrupt::Protocol
    }

    fn usage_from_files(&self, spec: &RunSpec, session: &str) -> Option<Usage> {
        let folder = spec.home.join(".codex/sessions");
        let records = transcript::records(&folder, 3, &format!("{session}.jsonl"));
        usage(&records.collect::<Vec<_>>())
    }
}

/// The tokens of a thread: the last record has their sum. Cached input is part of the input there.
fn usage(records: &[Value]) -> Option<Usage> {
    let mut records = records.iter().rev();
    let last = records.find(|record| record["type"] == "token_usage_record")?;
    let count = &last["payload"]["thread_token_usage"];
    let tokens = |name: &str| count[name].as_u64().unwrap_or_default();
    let (cache_read, cache_write) = (
        tokens("cached_input_tokens"),
        tokens("cache_write_input_tokens"),
    );
    Some(Usage {
        input: tokens("input_tokens")
            .saturating_sub(cache_read)
            .saturating_sub(cache_write),
        output: tokens("output_tokens"),
        cache_read,
        cache_write,
    })
}

fn arguments(spec: &RunSpec, gateway: &Gateway) -> Vec<OsString> {
    let mut argv: Vec<OsString> = spec.command.iter().map(OsString::from).collect();
    if argv.is_empty() {
        argv.push(PROGRAM.into());
    }
    argv.extend(["app-server", "--disable", "plugins"].map(OsString::from));
    let ours = [provider(gateway), "model_provider=gw".into()];
    for setting in SETTINGS.map(String::from).into_iter().chain(ours) {
        argv.extend(["-c".into(), setting.into()]);
    }
    argv
}

/// The loopback gateway as a provider. Few retries: a task can be resumed later, and each level of
/// retries multiplies the other.
fn provider(gateway: &Gateway) -> String {
    // A JSON string is a TOML string, too.
    let url = Value::from(format!("{}/v1", gateway.url()));
    format!(
        "model_providers.gw={{name=\"gw\",base_url={url},env_key=\"{TOKEN}\",wire_api=\"responses\",\
         request_max_retries=2,stream_max_retries=2}}"
    )
}
