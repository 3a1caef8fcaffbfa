//! The programs: how each is started, and how it is told where its model is.
//!
//! | program | API | told by |
//! | --- | --- | --- |
//! | opencode | Messages, Responses | a configuration in its environment |
//! | qwen | Chat Completions | environment, and a file of defaults |
//! | copilot | Chat Completions | environment |
//! | gemini | Google's | environment, and its file of settings |
//! | any other | any | the provider's usual variables, as for `lines` |

use std::ffi::OsString;
use std::path::PathBuf;

use cloud_code_domain::account::{Authorisation, Provider};
use serde_json::{Value, json};

use crate::cli::{Gateway, LaunchPlan, PlanError, RunSpec, StdinPlan, lines};

/// The variable that holds opencode's token.
const TOKEN: &str = "CLOUD_CODE_MODEL_TOKEN";

/// Below HOME. What is in qwen's own settings counts more.
const QWEN_DEFAULTS: &str = ".qwen/cloud-code-defaults.json";

/// Below HOME. Its files of defaults count only where they are root's, so what an operator has of its
/// settings is replaced.
const GEMINI_SETTINGS: &str = ".gemini/settings.json";

/// A program that speaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Program {
    /// opencode.
    Opencode,
    /// Qwen Code.
    Qwen,
    /// GitHub's Copilot CLI with a provider of one's own.
    Copilot,
    /// Gemini CLI.
    Gemini,
    /// Any, by configuration.
    Any,
}

impl Program {
    /// The adapter's configured name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Opencode => "opencode",
            Self::Qwen => "qwen",
            Self::Copilot => "copilot",
            Self::Gemini => "gemini",
            Self::Any => "acp",
        }
    }

    /// Whether it tells a failed model call as its last message, and ends the turn as if all were
    /// well.
    pub(super) fn hides_errors(self) -> bool {
        match self {
            Self::Copilot => true,
            Self::Opencode | Self::Qwen | Self::Gemini | Self::Any => false,
        }
    }

    /// The mode that it works in, of one that tells a conversation again after it has said that the
    /// session is open: setting it changes nothing, and its answer comes behind what was told.
    pub(super) fn mode_after_history(self) -> Option<&'static str> {
        match self {
            Self::Gemini => Some("yolo"),
            Self::Opencode | Self::Qwen | Self::Copilot | Self::Any => None,
        }
    }

    pub(super) fn plan(self, spec: &RunSpec) -> Result<LaunchPlan, PlanError> {
        let (env, files) = match self {
            Self::Any if spec.command.is_empty() => return Err(PlanError::NoCommand(self.name())),
            Self::Any => (lines::environment(spec), Vec::new()),
            Self::Opencode | Self::Qwen | Self::Copilot | Self::Gemini => self.told(spec)?,
        };
        Ok(LaunchPlan {
            argv: self.arguments(spec),
            env,
            stdin: StdinPlan::Session,
            files,
            droppings: Vec::new(),
        })
    }

    fn arguments(self, spec: &RunSpec) -> Vec<OsString> {
        let own: &[&str] = match self {
            Self::Opencode => &["acp"],
            Self::Qwen => &["--acp", "--auth-type", "openai", "--yolo"],
            Self::Copilot => &["--acp", "--allow-all", "--no-ask-user"],
            // In a folder that is not trusted it would ask all the same.
            Self::Gemini => &["--acp", "--yolo", "--skip-trust"],
            Self::Any => &[],
        };
        let mut argv: Vec<OsString> = spec.command.iter().map(OsString::from).collect();
        if argv.is_empty() {
            argv.push(self.name().into());
        }
        argv.extend(own.iter().map(OsString::from));
        if let (Self::Gemini, Some(model)) = (self, &spec.model) {
            argv.extend(["--model".into(), model.into()]);
        }
        argv
    }

    /// The environment and the files by which it knows its model. What is configured never changes
    /// where model calls go.
    fn told(self, spec: &RunSpec) -> Result<Told, PlanError> {
        let gateway = spec.gateway.as_ref();
        let gateway = gateway.ok_or(PlanError::NoAccount(self.name()))?;
        let model = spec.model.as_deref().ok_or_else(|| {
            let name = self.name();
            PlanError::Unsuitable(format!(
                "{name} needs to be told its model: set `model` in its [coding_cli] table"
            ))
        })?;
        let fits = match (self, gateway.provider, gateway.authorisation) {
            (_, _, Authorisation::ClaudeToken) => false,
            (Self::Opencode, Provider::Anthropic | Provider::Openai, Authorisation::ApiKey)
            | (Self::Qwen | Self::Copilot, Provider::Openai, Authorisation::ApiKey)
            | (Self::Gemini, Provider::Google, Authorisation::ApiKey)
            | (Self::Any, _, Authorisation::ApiKey) => true,
            (Self::Opencode, Provider::Google, Authorisation::ApiKey)
            | (
                Self::Qwen | Self::Copilot,
                Provider::Anthropic | Provider::Google,
                Authorisation::ApiKey,
            )
            | (Self::Gemini, Provider::Anthropic | Provider::Openai, Authorisation::ApiKey) => {
                false
            }
        };
        if !fits {
            let name = self.name();
            return Err(PlanError::Unsuitable(format!(
                "{name} cannot work with an account of this kind and auth"
            )));
        }
        let configured = spec.env.iter();
        let mut env: Vec<(OsString, OsString)> = configured
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let mut files = Vec::new();
        match self {
            Self::Opencode => env.extend(opencode(gateway, model)),
            Self::Qwen => {
                let defaults = spec.home.join(QWEN_DEFAULTS);
                env.push(("QWEN_CODE_SYSTEM_DEFAULTS_PATH".into(), defaults.into()));
                env.extend(qwen(gateway, model));
                let settings = qwen_defaults().to_string().into_bytes();
                files.push((PathBuf::from(QWEN_DEFAULTS), settings));
            }
            Self::Copilot => env.extend(copilot(gateway, model)),
            Self::Gemini => {
                env.extend(gemini(gateway));
                let settings = gemini_settings().to_string().into_bytes();
                files.push((PathBuf::from(GEMINI_SETTINGS), settings));
            }
            Self::Any => {}
        }
        Ok((env, files))
    }
}

type Told = (Vec<(OsString, OsString)>, Vec<(PathBuf, Vec<u8>)>);

/// Its own providers with another address: so it knows its models' limits. No title of a session is
/// made up by a model, since nobody sees it; no copies of the worktree are kept beside git's.
fn opencode(gateway: &Gateway, model: &str) -> Vec<(OsString, OsString)> {
    let provider = gateway.provider.as_str();
    let model = model.strip_prefix(&format!("{provider}/")).unwrap_or(model);
    let chosen = format!("{provider}/{model}");
    let options = json!({
        "baseURL": format!("{}/v1", gateway.url()),
        "apiKey": format!("{{env:{TOKEN}}}"),
    });
    let config = json!({
        "model": chosen,
        "small_model": chosen,
        "enabled_providers": [provider],
        "provider": { provider: { "options": options, "models": { model: {} } } },
        "permission": "allow",
        "agent": { "title": { "disable": true } },
        "snapshot": false,
        "autoupdate": false,
        "share": "disabled",
    });
    let quiet = [
        "OPENCODE_DISABLE_AUTOUPDATE",
        "OPENCODE_DISABLE_MODELS_FETCH",
        "OPENCODE_DISABLE_LSP_DOWNLOAD",
    ];
    let mut env: Vec<(OsString, OsString)> =
        quiet.map(|name| (name.into(), OsString::from("1"))).into();
    env.push(("OPENCODE_CONFIG_CONTENT".into(), config.to_string().into()));
    env.push((TOKEN.into(), gateway.token.clone().into()));
    env
}

fn qwen(gateway: &Gateway, model: &str) -> [(OsString, OsString); 3] {
    let url = format!("{}/v1", gateway.url());
    [
        ("OPENAI_BASE_URL".into(), url.into()),
        ("OPENAI_API_KEY".into(), gateway.token.clone().into()),
        ("OPENAI_MODEL".into(), model.into()),
    ]
}

/// No model calls beside the task's (memories, suggestions of what a person could say next), nothing
/// looked up.
fn qwen_defaults() -> Value {
    json!({
        "general": { "enableAutoUpdate": false },
        "privacy": { "usageStatisticsEnabled": false },
        "telemetry": { "enabled": false },
        "memory": { "enableManagedAutoMemory": false, "enableManagedAutoDream": false },
        "ui": { "enableFollowupSuggestions": false },
        "model": { "generationConfig": { "maxRetries": 2 } },
    })
}

fn copilot(gateway: &Gateway, model: &str) -> [(OsString, OsString); 5] {
    let url = format!("{}/v1", gateway.url());
    [
        ("COPILOT_OFFLINE".into(), "true".into()),
        ("COPILOT_PROVIDER_BASE_URL".into(), url.into()),
        (
            "COPILOT_PROVIDER_API_KEY".into(),
            gateway.token.clone().into(),
        ),
        ("COPILOT_MODEL".into(), model.into()),
        ("COPILOT_PROVIDER_WIRE_MODEL".into(), model.into()),
    ]
}

/// It adds the version to the address by itself, and a process of more memory unless told not to.
fn gemini(gateway: &Gateway) -> [(OsString, OsString); 3] {
    [
        ("GOOGLE_GEMINI_BASE_URL".into(), gateway.url().into()),
        ("GEMINI_API_KEY".into(), gateway.token.clone().into()),
        ("GEMINI_CLI_NO_RELAUNCH".into(), "true".into()),
    ]
}

/// Its tools that search and fetch have the provider do it, which the gateway takes out: it would make
/// an answer up. The shell can fetch what the egress list allows.
fn gemini_settings() -> Value {
    json!({
        "security": { "auth": { "selectedType": "gemini-api-key" } },
        "privacy": { "usageStatisticsEnabled": false },
        "telemetry": { "enabled": false },
        "general": {
            "enableAutoUpdate": false,
            "enableAutoUpdateNotification": false,
            "maxAttempts": 3,
        },
        "tools": { "exclude": ["google_web_search", "web_fetch"] },
    })
}
