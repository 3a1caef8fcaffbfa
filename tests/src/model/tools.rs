//! Actions in the words of the client: a call of a tool that it offers, or an edit block.

use serde_json::{Value, json};

use super::ask::{Ask, Protocol, Tool};
use super::script::Action;

/// A tool call: its name, and an object, or a string for a tool that takes free text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) input: Value,
}

impl Call {
    /// The input of a tool that takes free text.
    pub(super) fn text(&self) -> Option<String> {
        self.input.as_str().map(String::from)
    }
}

/// Those that take a path that is not absolute; where there is none, a shell writes.
const WRITERS: [&str; 2] = ["Write", "write"];
/// The same of who speaks to Google; others of this name insist on an absolute path.
const GOOGLES_WRITERS: [&str; 1] = ["write_file"];
const SHELLS: [&str; 6] = [
    "Bash",
    "exec_command",
    "shell_command",
    "shell",
    "bash",
    "run_shell_command",
];
const PATHS: [&str; 3] = ["file_path", "path", "filePath"];
const CONTENTS: [&str; 2] = ["content", "contents"];
const COMMANDS: [&str; 2] = ["command", "cmd"];

/// Whether the client offers any tool that can do an action.
pub(super) fn has_tools(ask: &Ask) -> bool {
    call(ask, &Action::run("true")).is_some()
}

/// The tool call for an action; none if no offered tool fits.
pub(super) fn call(ask: &Ask, action: &Action) -> Option<(String, Value)> {
    if ask.tools.get("exec") == Some(&Tool::Text) {
        return Some(("exec".into(), javascript(action).into()));
    }
    match action {
        Action::Write { path, content } => {
            if ask.tools.get("apply_patch") == Some(&Tool::Text) {
                return Some(("apply_patch".into(), patch(path, content).into()));
            }
            writer(ask, path, content).or_else(|| shell(ask, &here_document(path, content)))
        }
        Action::Run { command } => shell(ask, command),
    }
}

/// codex's "code mode": one tool that takes a program.
fn javascript(action: &Action) -> String {
    match action {
        Action::Write { path, content } => {
            let patch = Value::from(patch(path, content));
            format!("text(await tools.apply_patch({patch}));")
        }
        Action::Run { command } => {
            let arguments = json!({ "cmd": command });
            format!("text(await tools.exec_command({arguments}));")
        }
    }
}

fn patch(path: &str, content: &str) -> String {
    let added: String = content.lines().map(|line| format!("+{line}\n")).collect();
    format!("*** Begin Patch\n*** Add File: {path}\n{added}*** End Patch")
}

fn here_document(path: &str, content: &str) -> String {
    format!("cat > {path} <<'END_OF_FILE'\n{content}END_OF_FILE")
}

/// The first of these names that a list has.
fn one_of<'a>(names: &[&'a str], fields: &[String]) -> Option<&'a str> {
    names
        .iter()
        .copied()
        .find(|name| fields.iter().any(|f| f == name))
}

/// The fields of the first tool with one of these names.
fn tool<'a>(ask: &'a Ask, names: &[&str]) -> Option<(&'a String, &'a [String])> {
    names
        .iter()
        .find_map(|name| match ask.tools.get_key_value(*name) {
            Some((name, Tool::Fields(fields))) => Some((name, fields.as_slice())),
            Some((_, Tool::Text)) | None => None,
        })
}

fn writer(ask: &Ask, path: &str, content: &str) -> Option<(String, Value)> {
    let names: &[&str] = match ask.protocol {
        Protocol::Messages | Protocol::Responses | Protocol::Chat => &WRITERS,
        Protocol::Google => &GOOGLES_WRITERS,
    };
    let (name, fields) = tool(ask, names)?;
    let (path_field, content_field) = (one_of(&PATHS, fields)?, one_of(&CONTENTS, fields)?);
    Some((
        name.clone(),
        json!({ path_field: path, content_field: content }),
    ))
}

fn shell(ask: &Ask, command: &str) -> Option<(String, Value)> {
    let (name, fields) = tool(ask, &SHELLS)?;
    let field = one_of(&COMMANDS, fields)?;
    let mut input = json!({ field: command });
    // Some shells insist on more than a command.
    let has = |name: &str| fields.iter().any(|field| field == name);
    if has("description") && !has("run_in_background") {
        input["description"] = "Run it".into();
    }
    if has("is_background") {
        input["is_background"] = false.into();
    }
    Some((name.clone(), input))
}

/// Whether this is aider, which offers no tools and reads edit blocks out of the text.
pub(super) fn reads_edit_blocks(ask: &Ask) -> bool {
    ask.system.contains("SEARCH/REPLACE") || wants_whole_files(ask)
}

fn wants_whole_files(ask: &Ask) -> bool {
    ask.system.contains("*file listing*") && !ask.system.contains("SEARCH/REPLACE")
}

/// Whether this asks for the message of a commit.
pub(super) fn asks_for_a_commit_message(ask: &Ask) -> bool {
    ask.system.to_lowercase().contains("commit message")
}

/// The block that makes aider write a file; nothing for a command, it runs none.
pub(super) fn edit_block(ask: &Ask, action: &Action) -> Option<String> {
    let Action::Write { path, content } = action else {
        return None;
    };
    Some(if wants_whole_files(ask) {
        format!("{path}\n```\n{content}```\n")
    } else {
        format!("{path}\n```\n<<<<<<< SEARCH\n=======\n{content}>>>>>>> REPLACE\n```\n")
    })
}
