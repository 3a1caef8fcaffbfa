//! What kind of work an issue's labels say that it is.

use crate::task::TaskType;

const WORDS: [(TaskType, &[&str]); 4] = [
    (TaskType::Bugfix, &["bug", "bugfix", "fix"]),
    (TaskType::Docs, &["docs", "doc", "documentation"]),
    (TaskType::Test, &["test", "tests"]),
    (TaskType::Refactor, &["refactor", "refactoring"]),
];

/// The kind of work; a feature where no label says otherwise. `type: bug` and `kind/bug` count as
/// `bug` does, case does not matter, and a bug with documentation is a bug.
#[must_use]
pub fn from_labels(labels: &[String]) -> TaskType {
    let words: Vec<String> = labels.iter().map(|label| word(label)).collect();
    WORDS
        .into_iter()
        .find(|(_, names)| words.iter().any(|word| names.contains(&word.as_str())))
        .map_or(TaskType::Feature, |(task_type, _)| task_type)
}

fn word(label: &str) -> String {
    let label = label.trim().to_lowercase();
    let bare = ["type", "kind"].into_iter().find_map(|prefix| {
        let rest = label.strip_prefix(prefix)?;
        let bare = rest.trim_start_matches(|c: char| c.is_whitespace() || ":/-_=".contains(c));
        (bare.len() < rest.len()).then(|| bare.to_owned())
    });
    bare.unwrap_or(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(labels: &[&str]) -> TaskType {
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        from_labels(&labels)
    }

    #[test]
    fn labels_name_the_kind_of_work() {
        for (label, task_type) in [
            ("Bug", TaskType::Bugfix),
            ("fix", TaskType::Bugfix),
            ("type: bug", TaskType::Bugfix),
            ("kind/documentation", TaskType::Docs),
            ("tests", TaskType::Test),
            ("refactor", TaskType::Refactor),
            ("feature", TaskType::Feature),
            ("typebug", TaskType::Feature),
        ] {
            assert_eq!(of(&[label]), task_type, "{label}");
        }
        assert_eq!(of(&["docs", "bug"]), TaskType::Bugfix);
        assert_eq!(of(&[]), TaskType::Feature);
    }
}
