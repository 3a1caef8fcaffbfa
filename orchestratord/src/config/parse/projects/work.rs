//! Who works on a project: agent types and the coding CLI.

use std::collections::BTreeMap;

use cloud_code_domain::agent::AgentType;
use cloud_code_domain::id::CodingCliName;
use cloud_code_domain::task::TaskType;

use super::super::super::problem::{meant, quoted};
use super::super::super::read::{Field, Name, Section};
use super::Known;

/// Who works on it.
pub(super) struct Work {
    pub(super) default_agent_type: Option<AgentType>,
    pub(super) preferred_agents: BTreeMap<TaskType, AgentType>,
    pub(super) coding_cli: CodingCliName,
}

pub(super) fn work(section: &Section<'_, '_>, known: Known<'_>) -> Option<Work> {
    let default_agent_type = match section.optional("default_agent_type") {
        Some(field) => agent_type(&field, known).map(Some),
        None => Some(None),
    };
    let entries = section.entries("preferred_agents").into_iter();
    let entries: Vec<_> = entries
        .map(|(name, field)| preferred(&name, &field, known))
        .collect();
    let preferred_agents: Option<BTreeMap<_, _>> = entries.into_iter().collect();
    let coding_cli = coding_cli(section, known);
    Some(Work {
        default_agent_type: default_agent_type?,
        preferred_agents: preferred_agents?,
        coding_cli: coding_cli?,
    })
}

fn agent_type(field: &Field<'_, '_>, known: Known<'_>) -> Option<AgentType> {
    let kind: AgentType = field.name()?;
    if !known.agent_types.contains(&kind) {
        field.note(
            format!("there are no agents of type {kind}"),
            format!("add [agents.types.{kind}]"),
        );
        return None;
    }
    Some(kind)
}

fn preferred(
    name: &Name<'_>,
    field: &Field<'_, '_>,
    known: Known<'_>,
) -> Option<(TaskType, AgentType)> {
    const TASK_TYPES: [(&str, TaskType); 5] = [
        ("feature", TaskType::Feature),
        ("bugfix", TaskType::Bugfix),
        ("refactor", TaskType::Refactor),
        ("docs", TaskType::Docs),
        ("test", TaskType::Test),
    ];
    let agent = agent_type(field, known);
    let task = TASK_TYPES.iter().find(|(word, _)| *word == name.text);
    if task.is_none() {
        field.note_name(
            name,
            format!("{} is not a task type", quoted(name.text)),
            "write feature, bugfix, refactor, docs or test",
        );
    }
    Some((task?.1, agent?))
}

/// The coding CLI; where there is only one, it need not be said.
fn coding_cli(section: &Section<'_, '_>, known: Known<'_>) -> Option<CodingCliName> {
    let Some(field) = section.optional("coding_cli") else {
        if let [(only, _)] = known.coding_clis {
            return Some(only.clone());
        }
        section.required(
            "coding_cli",
            "write coding_cli = \"NAME\" and add [coding_cli.NAME]",
        );
        return None;
    };
    let name: CodingCliName = field.name()?;
    let names = || known.coding_clis.iter().map(|(name, _)| name.as_str());
    if !names().any(|other| other == name.as_str()) {
        let remedy = match meant(name.as_str(), names()) {
            Some(other) => format!("did you mean \"{other}\"?"),
            None => format!("add [coding_cli.{name}]"),
        };
        field.note(format!("there is no coding CLI {name}"), remedy);
        return None;
    }
    Some(name)
}
