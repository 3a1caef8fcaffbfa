//! How urgent an issue's labels say that it is.

use crate::task::Priority;

/// The most urgent priority that a label names: `critical` to `background`, `P0` to `P4`, also
/// after `priority` and a separator (`priority: high`, `priority/P1`). Case does not matter.
#[must_use]
pub fn from_labels(labels: &[String]) -> Option<Priority> {
    labels.iter().filter_map(|label| from_label(label)).min()
}

fn from_label(label: &str) -> Option<Priority> {
    let label = label.trim().to_lowercase();
    let word = label.strip_prefix("priority").map_or(&*label, |rest| {
        rest.trim_start_matches(|c: char| c.is_whitespace() || ":/-_=".contains(c))
    });
    Priority::ALL
        .into_iter()
        .find(|priority| word == priority.as_str() || word == format!("p{}", priority.number()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(labels: &[&str]) -> Option<Priority> {
        let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
        from_labels(&labels)
    }

    #[test]
    fn labels_name_a_priority_in_the_usual_ways() {
        for (label, priority) in [
            ("critical", Priority::Critical),
            ("P0", Priority::Critical),
            ("priority: high", Priority::High),
            ("Priority/High", Priority::High),
            ("priority:P2", Priority::Medium),
            ("priority-low", Priority::Low),
            (" background ", Priority::Background),
            ("p4", Priority::Background),
        ] {
            assert_eq!(of(&[label]), Some(priority), "{label}");
        }
        for label in [
            "",
            "priority",
            "p5",
            "highway",
            "not critical",
            "p",
            "high-five",
        ] {
            assert_eq!(of(&[label]), None, "{label}");
        }
    }

    #[test]
    fn the_most_urgent_label_wins() {
        assert_eq!(of(&["low", "bug", "P1", "medium"]), Some(Priority::High));
        assert_eq!(of(&[]), None);
    }
}
