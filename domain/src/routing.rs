//! Routing: which agent type a task goes to. What it yields is one of seven words, so that no text
//! of an issue can choose anything else.

use std::collections::BTreeMap;

use crate::agent::AgentType;
use crate::task::TaskType;

/// Keywords of labels that choose an agent type; the first row that matches wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingTable(pub Vec<(AgentType, Vec<String>)>);

impl Default for RoutingTable {
    fn default() -> Self {
        let row = |agent_type, words: &[&str]| {
            (agent_type, words.iter().map(|&w| w.to_owned()).collect())
        };
        Self(vec![
            row(
                AgentType::Frontend,
                &["frontend", "ui", "css", "react", "vue"],
            ),
            row(AgentType::Backend, &["backend", "api", "python", "node"]),
            row(
                AgentType::Database,
                &["database", "schema", "migration", "sql"],
            ),
            row(AgentType::Devops, &["devops", "deployment", "ci", "docker"]),
            row(AgentType::Testing, &["test", "e2e", "integration"]),
        ])
    }
}

/// What routing knows of a project.
#[derive(Debug, Clone, Copy)]
pub struct Routing<'a> {
    /// Agent types by label.
    pub table: &'a RoutingTable,
    /// Agent types by task type.
    pub preferred: &'a BTreeMap<TaskType, AgentType>,
    /// The type that takes what nothing else says.
    pub default: Option<AgentType>,
    /// The types that have agents.
    pub available: &'a [AgentType],
}

impl Routing<'_> {
    /// The agent type for a task; none where no type that has agents may take it. A project with
    /// one type of agent needs no rules: it gets everything. Otherwise labels come first (a whole
    /// label has to match, case does not matter), then the type of task, then the default.
    #[must_use]
    pub fn route(&self, labels: &[String], task_type: TaskType) -> Option<AgentType> {
        if let [only] = self.available {
            return Some(*only);
        }
        let available = |agent_type: &AgentType| self.available.contains(agent_type);
        let by_label = self.table.0.iter().find(|(agent_type, words)| {
            available(agent_type)
                && words.iter().any(|word| {
                    labels
                        .iter()
                        .any(|label| label.trim().to_lowercase() == word.to_lowercase())
                })
        });
        by_label
            .map(|(agent_type, _)| *agent_type)
            .or_else(|| self.preferred.get(&task_type).copied().filter(available))
            .or_else(|| self.default.filter(available))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [AgentType; 7] = AgentType::ALL;

    fn route(
        available: &[AgentType],
        default: Option<AgentType>,
        labels: &[&str],
    ) -> Option<AgentType> {
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        Routing {
            table: &RoutingTable::default(),
            preferred: &BTreeMap::from([(TaskType::Docs, AgentType::Reviewer)]),
            default,
            available,
        }
        .route(&labels, crate::task_type::from_labels(&labels))
    }

    #[test]
    fn a_label_chooses_the_first_row_that_has_agents() {
        assert_eq!(route(&ALL, None, &["UI"]), Some(AgentType::Frontend));
        assert_eq!(route(&ALL, None, &["sql", "api"]), Some(AgentType::Backend));
        let without = [AgentType::Database, AgentType::Devops];
        assert_eq!(
            route(&without, None, &["sql", "api"]),
            Some(AgentType::Database)
        );
    }

    #[test]
    fn a_word_inside_a_label_chooses_nothing() {
        assert_eq!(route(&ALL, None, &["build ui later", "guide"]), None);
    }

    #[test]
    fn one_type_gets_everything() {
        assert_eq!(
            route(&[AgentType::Backend], None, &["ui"]),
            Some(AgentType::Backend)
        );
    }

    #[test]
    fn then_comes_the_task_type_then_the_default_then_nobody() {
        let default = Some(AgentType::Backend);
        assert_eq!(route(&ALL, default, &["docs"]), Some(AgentType::Reviewer));
        assert_eq!(route(&ALL, default, &["bug"]), default);
        assert_eq!(route(&ALL, None, &["bug"]), None);
        let others = [AgentType::Devops, AgentType::Testing];
        assert_eq!(route(&others, default, &["docs"]), None);
        assert_eq!(route(&[], default, &["ui"]), None);
    }
}
