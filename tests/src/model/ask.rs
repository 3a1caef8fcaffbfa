//! Reading requests: the three protocols reduced to what the script needs to know.

use std::collections::BTreeMap;

use serde_json::Value;

/// A wire protocol of model calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Anthropic Messages.
    Messages,
    /// OpenAI Responses.
    Responses,
    /// OpenAI Chat Completions.
    Chat,
    /// Google's contents.
    Google,
}

/// A tool that the client offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tool {
    /// It takes an object with these properties.
    Fields(Vec<String>),
    /// It takes free text.
    Text,
}

/// One request for an answer.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) protocol: Protocol,
    pub(super) model: String,
    pub(super) stream: bool,
    /// The stream is one array: what Google sends to who asks for no events.
    pub(super) as_array: bool,
    /// The client wants the usage at the end of a Chat Completions stream.
    pub(super) usage_in_stream: bool,
    pub(super) tools: BTreeMap<String, Tool>,
    pub(super) system: String,
    /// What people said since the model's last final words: the prompt, then any steering.
    pub(super) prompt: String,
    /// Ids of the tool calls of this turn that are answered.
    pub(super) answered: Vec<String>,
}

/// Who speaks in one item of a conversation.
enum Item {
    System(String),
    Person(String),
    /// Words that end a turn, unless a tool call follows.
    Model,
    Call,
    Tool(String),
}

/// How coding CLIs tell the model that a person interrupted it: the turn ended there.
const INTERRUPTED: [&str; 2] = ["[Request interrupted", "<turn_aborted>"];

impl Protocol {
    /// The protocol of a path, whatever stands before it.
    pub(super) fn of(path: &str) -> Option<Self> {
        [
            ("/v1/messages", Self::Messages),
            ("/v1/responses", Self::Responses),
            ("/v1/chat/completions", Self::Chat),
            (":generateContent", Self::Google),
            (":streamGenerateContent", Self::Google),
        ]
        .into_iter()
        .find(|(end, _)| path.trim_end_matches('/').ends_with(end))
        .map(|(_, protocol)| protocol)
    }
}

impl Ask {
    /// Reads a request for this path and query.
    pub(super) fn read(protocol: Protocol, path: &str, body: &Value) -> Self {
        let mut tools = BTreeMap::new();
        offered(&body["tools"], &mut tools);
        let items = match protocol {
            Protocol::Messages => messages(body),
            Protocol::Chat => chat(body),
            Protocol::Responses => responses(body, &mut tools),
            Protocol::Google => contents(body),
        };
        // Google's path says what the others' bodies do.
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let named = path.rsplit_once("/models/").map_or("", |(_, named)| named);
        let (model, stream) = match protocol {
            Protocol::Messages | Protocol::Responses | Protocol::Chat => {
                (body["model"].as_str(), body["stream"] == true)
            }
            Protocol::Google => (
                named.split(':').next(),
                path.ends_with(":streamGenerateContent"),
            ),
        };
        let mut ask = Self {
            protocol,
            model: model.unwrap_or("scripted-model").into(),
            stream,
            as_array: protocol == Protocol::Google
                && !query.split('&').any(|part| part == "alt=sse"),
            usage_in_stream: body["stream_options"]["include_usage"] == true,
            tools,
            system: String::new(),
            prompt: String::new(),
            answered: Vec::new(),
        };
        ask.take(items);
        ask
    }

    fn take(&mut self, items: Vec<Item>) {
        let mut turn_ended = false;
        for item in items {
            match item {
                Item::System(text) => {
                    self.system.push_str(&text);
                    self.system.push('\n');
                }
                Item::Person(text) => {
                    let interrupted = INTERRUPTED.iter().any(|mark| text.contains(mark));
                    let text = said_by_a_person(&text);
                    if text.is_empty() {
                        continue;
                    }
                    if turn_ended || interrupted {
                        self.prompt.clear();
                        self.answered.clear();
                    }
                    turn_ended = false;
                    self.prompt.push_str(&text);
                    self.prompt.push('\n');
                }
                Item::Model => turn_ended = true,
                Item::Call => turn_ended = false,
                Item::Tool(id) => self.answered.push(id),
            }
        }
    }
}

/// Tools in the shape of any of the protocols: Anthropic's, a function, free text, a name space.
fn offered(tools: &Value, into: &mut BTreeMap<String, Tool>) {
    for tool in tools.as_array().into_iter().flatten() {
        offered(&tool["functionDeclarations"], into);
        let function = if tool["function"].is_object() {
            &tool["function"]
        } else {
            tool
        };
        let Some(name) = function["name"].as_str() else {
            continue;
        };
        if tool["type"] == "namespace" {
            offered(&tool["tools"], into);
            continue;
        }
        let schema = ["input_schema", "parametersJsonSchema", "parameters"]
            .into_iter()
            .map(|name| &function[name])
            .find(|schema| schema.is_object())
            .unwrap_or(&Value::Null);
        let kind = if tool["type"] == "custom" {
            Tool::Text
        } else {
            let fields = schema["properties"].as_object();
            Tool::Fields(
                fields
                    .into_iter()
                    .flatten()
                    .map(|(k, _)| k.clone())
                    .collect(),
            )
        };
        into.insert(name.into(), kind);
    }
}

/// A content is a text, or a list of parts of which some hold one.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str().or(part.as_str()))
            .collect::<Vec<_>>()
            .join("\n"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

fn messages(body: &Value) -> Vec<Item> {
    let mut items = vec![Item::System(text(&body["system"]))];
    for message in body["messages"].as_array().into_iter().flatten() {
        if message["role"] == "assistant" {
            let mut parts = message["content"].as_array().into_iter().flatten();
            items.push(if parts.any(|part| part["type"] == "tool_use") {
                Item::Call
            } else {
                Item::Model
            });
            continue;
        }
        let parts = message["content"].as_array().into_iter().flatten();
        items.extend(
            parts
                .filter_map(|part| part["tool_use_id"].as_str())
                .map(|id| Item::Tool(id.into())),
        );
        items.push(Item::Person(text(&message["content"])));
    }
    items
}

fn chat(body: &Value) -> Vec<Item> {
    let messages = body["messages"].as_array().into_iter().flatten();
    messages
        .map(|message| match message["role"].as_str() {
            Some("system" | "developer") => Item::System(text(&message["content"])),
            Some("assistant") if message["tool_calls"].is_array() => Item::Call,
            Some("assistant") => Item::Model,
            Some("tool") => Item::Tool(message["tool_call_id"].as_str().unwrap_or("").into()),
            _ => Item::Person(text(&message["content"])),
        })
        .collect()
}

fn contents(body: &Value) -> Vec<Item> {
    let mut items = vec![Item::System(text(&body["systemInstruction"]["parts"]))];
    for content in body["contents"].as_array().into_iter().flatten() {
        let parts = || content["parts"].as_array().into_iter().flatten();
        if content["role"] == "model" {
            let calls = parts().any(|part| part["functionCall"].is_object());
            items.push(if calls { Item::Call } else { Item::Model });
            continue;
        }
        items.extend(
            parts().map(|part| match part["functionResponse"]["id"].as_str() {
                Some(id) => Item::Tool(id.into()),
                None => Item::Person(part["text"].as_str().unwrap_or_default().into()),
            }),
        );
    }
    items
}

fn responses(body: &Value, tools: &mut BTreeMap<String, Tool>) -> Vec<Item> {
    let mut items = vec![Item::System(text(&body["instructions"]))];
    if body["input"].is_string() {
        items.push(Item::Person(text(&body["input"])));
    }
    for item in body["input"].as_array().into_iter().flatten() {
        let kind = item["type"].as_str().unwrap_or("message");
        items.push(match (kind, item["role"].as_str()) {
            // Some models of codex get their tools as part of the conversation.
            ("additional_tools", _) => {
                offered(&item["tools"], tools);
                continue;
            }
            ("message", Some("developer" | "system")) => Item::System(text(&item["content"])),
            ("message", Some("user")) => Item::Person(text(&item["content"])),
            (kind, _) if kind.ends_with("_output") => {
                Item::Tool(item["call_id"].as_str().unwrap_or("").into())
            }
            (kind, _) if kind.ends_with("_call") => Item::Call,
            ("message", _) => Item::Model,
            _ => continue,
        });
    }
    items
}

/// Coding CLIs put their own notes into a person's messages, as elements of a few names.
fn said_by_a_person(text: &str) -> String {
    const NOTES: [&str; 5] = [
        "session_context",
        "system-reminder",
        "environment_context",
        "user_instructions",
        "INSTRUCTIONS",
    ];
    let mut rest = text.to_owned();
    for note in NOTES {
        let (open, close) = (format!("<{note}>"), format!("</{note}>"));
        while let Some(start) = rest.find(&open) {
            let end = rest[start..]
                .find(&close)
                .map_or(rest.len(), |end| start + end + close.len());
            rest.replace_range(start..end, "");
        }
    }
    rest.trim().to_owned()
}
