//! From an agent's bytes to the body that the provider gets.
//!
//! Nothing of the original is passed on as bytes: it is parsed, known fields are kept, and it is
//! written again. What would make the provider reach out (search and fetch tools, remote tool
//! servers, code execution, content by URL or by file id) is egress that no proxy of ours sees, so
//! it is taken out: tools and fields vanish, content is replaced by a sentence, so that a session
//! whose history holds such a thing stays usable.

mod anthropic;
mod ceiling;
mod google;
mod openai;

use bytes::Bytes;
use cloud_code_domain::cost::Usage;

use super::json::{BadJson, Json};
use super::route::{Endpoint, Target};

/// What stands where content was taken out.
const REMOVED: &str = "[removed by the gateway: the provider may not fetch content from elsewhere]";
/// Characters of a model's name.
const MAX_MODEL: usize = 200;

/// A request that may go to the provider.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The model it asks for.
    pub(crate) model: String,
    /// Whether the answer is to be streamed.
    pub(crate) stream: bool,
    /// The most tokens that it can come to: `input` and `output`.
    pub(crate) most: Usage,
    /// What goes to the provider.
    pub(crate) body: Bytes,
    /// Names of what was taken out, for the log.
    pub(crate) removed: Removed,
}

/// Why a request goes nowhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadRequest {
    /// It is not acceptable JSON.
    #[error("the body is not acceptable JSON: {0}")]
    Json(String),
    /// It is not an object.
    #[error("the body has to be a JSON object")]
    NoObject,
    /// It names no model.
    #[error("the body has to name a model, at most {MAX_MODEL} printable characters")]
    NoModel,
}

impl From<BadJson> for BadRequest {
    fn from(problem: BadJson) -> Self {
        let reason = std::error::Error::source(&problem).map(ToString::to_string);
        Self::Json(reason.unwrap_or_default())
    }
}

impl Prepared {
    /// Reads, cleans and writes a body.
    ///
    /// # Errors
    /// Where it is no request at all.
    pub(crate) fn new(target: &Target, bytes: &[u8]) -> Result<Self, BadRequest> {
        let mut body = Json::parse(bytes)?;
        if body.entries().is_none() {
            return Err(BadRequest::NoObject);
        }
        let model = target.model.as_deref().or_else(|| body.str_of("model"));
        let model = model.filter(|model| is_model(model));
        let model = model.ok_or(BadRequest::NoModel)?.to_owned();
        let mut removed = Removed::default();
        match target.endpoint {
            Endpoint::Messages | Endpoint::CountTokens => anthropic::clean(&mut body, &mut removed),
            Endpoint::Responses => openai::clean_response(&mut body, &mut removed),
            Endpoint::ChatCompletions => openai::clean_chat(&mut body, &mut removed),
            Endpoint::Generate | Endpoint::StreamGenerate => {
                google::clean(&mut body, &mut removed);
            }
            Endpoint::CountGoogleTokens => google::clean_count(&mut body, &mut removed),
        }
        Ok(Self {
            model,
            stream: target.endpoint == Endpoint::StreamGenerate
                || body.get("stream") == Some(&Json::Bool(true)),
            most: ceiling::tokens(&body, target.endpoint.provider()),
            body: body.to_bytes()?.into(),
            removed,
        })
    }
}

/// Whether a text can be a model's name.
pub(super) fn is_model(text: &str) -> bool {
    (1..=MAX_MODEL).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Names of what was taken out; the first few.
#[derive(Debug, Default)]
pub(crate) struct Removed(Vec<String>);

impl Removed {
    fn note(&mut self, what: &str) {
        if self.0.len() < 8 {
            self.0.push(what.chars().take(60).collect());
        }
    }

    /// Whether nothing was.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, for the log.
    pub(crate) fn names(&self) -> String {
        self.0.join(", ")
    }
}

/// Keeps the entries of an object whose keys are listed.
fn keep(object: &mut Json, known: &[&str], removed: &mut Removed) {
    if let Some(entries) = object.entries_mut() {
        entries.retain(|(key, _)| {
            let known = known.contains(&key.as_str());
            if !known {
                removed.note(key);
            }
            known
        });
    }
}

/// Keeps the tools that the caller itself carries out. Without any, no tool can be chosen either.
fn keep_tools(owner: &mut Json, ours: fn(&Json) -> bool, removed: &mut Removed) {
    let Some(tools) = owner.get_mut("tools").and_then(Json::list_mut) else {
        if owner.remove("tools") {
            removed.note("tools");
        }
        return;
    };
    let before = tools.len();
    tools.retain(|tool| {
        let ours = ours(tool);
        if !ours {
            removed.note(tool.str_of("type").unwrap_or("tool"));
        }
        ours
    });
    let (left, fewer) = (tools.len(), tools.len() < before);
    if left == 0 && fewer {
        owner.remove("tools");
    }
    // A choice by name could name a tool that is gone.
    let by_name = owner
        .get("tool_choice")
        .is_some_and(|choice| choice.entries().is_some());
    if fewer && (left == 0 || by_name) {
        owner.remove("tool_choice");
    }
}

#[cfg(test)]
mod tests;
