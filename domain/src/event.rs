//! A fact that the engine recorded. Append-only, gap-free: what a screen shows can be told again
//! from these.

mod replay;

pub use replay::{Gap, Replay};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A recorded fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// 1 for the first, one more for each.
    pub seq: u64,
    /// When the engine recorded it, by the host's clock.
    pub at: Timestamp,
    /// Who or what caused it.
    pub actor: EventActor,
    /// What it is about.
    pub subject: Subject,
    /// What happened, in the snake_case of the state machines: `assigned`, `cost_limit_reached`.
    pub kind: String,
    /// More, in a sentence; visible text.
    pub detail: String,
    /// The state that the subject moved to, in the word of its machine; none where it did not move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
}

/// Who or what caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventActor {
    /// The engine itself: a timer, a policy, the reconciler.
    Engine,
    /// An operator, by login name.
    Operator(String),
    /// An agent, by id.
    Agent(String),
    /// Somebody at the tracker, by login.
    Tracker(String),
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A task, by id.
    Task(String),
    /// An agent, by id.
    Agent(String),
    /// An account, by name.
    Account(String),
    /// A credential request, by id.
    Credential(String),
    /// A project, by name.
    Project(String),
    /// The fleet as a whole.
    Fleet,
}

impl Subject {
    /// The id of the task whose history this belongs to: a credential request is part of that of
    /// the task that asks.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        match self {
            Self::Task(id) => Some(id),
            Self::Credential(id) => id.split_once(':').map(|(task, _)| task),
            Self::Agent(_) | Self::Account(_) | Self::Project(_) | Self::Fleet => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_request_belongs_to_the_history_of_the_task_that_asks() {
        let task = crate::id::TaskId::from_random(7);
        let request = crate::id::RequestId {
            task: task.clone(),
            number: 1,
        };
        let subject = Subject::Credential(request.to_string());
        assert_eq!(subject.task(), Some(task.as_str()));
        assert_eq!(Subject::Task(task.to_string()).task(), Some(task.as_str()));
        for other in [
            Subject::Agent("sample.backend-1".into()),
            Subject::Project("sample".into()),
            Subject::Fleet,
        ] {
            assert_eq!(other.task(), None, "{other:?}");
        }
    }
}
