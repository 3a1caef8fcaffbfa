//! Tasks, in the order in which an operator wants to decide.

use std::collections::{BTreeSet, HashMap};

use cloud_code_proto::v1;

use super::Mark;

/// Finished tasks that are kept in memory at most.
const FINISHED: usize = 1_000;

/// A task's state, as far as this client knows states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// The operator has to accept or reject it.
    Triage,
    /// It waits for an agent.
    Pending,
    /// It was given to an agent.
    Assigned,
    /// An agent works on it.
    InProgress,
    /// Its pull request is open.
    Review,
    /// It waits for a person.
    Blocked,
    /// Merged.
    Completed,
    /// Out of attempts.
    Failed,
    /// Ended by somebody.
    Cancelled,
    /// A state that a newer server has.
    Unknown,
}

impl Standing {
    /// Reads the word of the wire.
    #[must_use]
    pub(crate) fn read(word: &str) -> Self {
        match word {
            "triage" => Self::Triage,
            "pending" => Self::Pending,
            "assigned" => Self::Assigned,
            "in_progress" => Self::InProgress,
            "review" => Self::Review,
            "blocked" => Self::Blocked,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            _ => Self::Unknown,
        }
    }

    /// The word on the screen.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::InProgress => "running",
            Self::Review => "review",
            Self::Blocked => "blocked",
            Self::Completed => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unknown => "? (new)",
        }
    }

    /// Whether nothing more will happen to it.
    #[must_use]
    pub(crate) fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }

    fn rank(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Triage | Self::Blocked => 2,
            Self::InProgress => 3,
            Self::Assigned => 4,
            Self::Review => 5,
            Self::Pending => 6,
            Self::Unknown => 7,
            Self::Completed | Self::Cancelled => 8,
        }
    }
}

/// A task as the server sent it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Task {
    /// What the server sent. Every text in it is hostile.
    pub wire: v1::Task,
    /// Its state.
    pub standing: Standing,
}

impl Task {
    /// Takes a task from the wire.
    #[must_use]
    pub(crate) fn new(wire: v1::Task) -> Self {
        let standing = Standing::read(&wire.state);
        Self { wire, standing }
    }

    /// What people call it: the issue's number where there is one, else the id.
    #[must_use]
    pub(crate) fn short(&self) -> String {
        match self.wire.issue_number {
            Some(number) => format!("#{number}"),
            None => self.wire.id.clone(),
        }
    }

    /// The glyph.
    #[must_use]
    pub(crate) fn mark(&self) -> Mark {
        match self.standing {
            Standing::Failed => Mark::Failed,
            Standing::Completed => Mark::Done,
            Standing::Cancelled => Mark::Stopped,
            Standing::Unknown => Mark::Unknown,
            Standing::Triage => Mark::Attention,
            Standing::Pending
            | Standing::Assigned
            | Standing::InProgress
            | Standing::Review
            | Standing::Blocked
                if self.wire.needs_operator =>
            {
                Mark::Attention
            }
            Standing::Pending => Mark::Idle,
            Standing::Assigned => Mark::Assigned,
            Standing::InProgress => Mark::Working,
            Standing::Review => Mark::Review,
            Standing::Blocked => Mark::Blocked,
        }
    }

    /// Whether the server says that this is possible now.
    #[must_use]
    pub(crate) fn allows(&self, action: &str) -> bool {
        self.wire.actions.iter().any(|known| known == action)
    }

    fn waits_at_an_agent(&self) -> bool {
        self.wire.needs_operator && !self.standing.is_finished() && !self.wire.agent.is_empty()
    }

    fn rank(&self) -> u8 {
        if self.wire.needs_operator && !self.standing.is_finished() {
            0
        } else {
            self.standing.rank()
        }
    }
}

/// How the list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    /// What needs the operator first, then by urgency.
    #[default]
    Attention,
    /// By priority.
    Priority,
    /// What changed last comes first.
    Updated,
    /// What cost most comes first.
    Cost,
}

impl Sort {
    /// The next one.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Attention => Self::Priority,
            Self::Priority => Self::Updated,
            Self::Updated => Self::Cost,
            Self::Cost => Self::Attention,
        }
    }

    /// The word in the list's title.
    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Priority => "priority",
            Self::Updated => "updated",
            Self::Cost => "cost",
        }
    }
}

/// The tasks by id.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    by_id: HashMap<String, Task>,
    finished: HashMap<String, Task>,
    /// By agent, the tasks of it that wait for the operator: a list of agents asks for each row.
    waiting: HashMap<String, BTreeSet<String>>,
    /// How many finished tasks the server has.
    pub finished_elsewhere: u64,
}

impl Tasks {
    /// Takes a snapshot.
    pub(crate) fn replace(&mut self, tasks: Vec<v1::Task>, finished: u64) {
        self.by_id.clear();
        self.waiting.clear();
        self.finished_elsewhere = finished;
        for task in tasks {
            self.put(task);
        }
    }

    /// Takes a task; a finished one leaves the list of open ones.
    pub(crate) fn put(&mut self, wire: v1::Task) {
        let task = Task::new(wire);
        if let Some(before) = self.by_id.remove(&task.wire.id)
            && let Some(of_agent) = self.waiting.get_mut(&before.wire.agent)
        {
            of_agent.remove(&before.wire.id);
        }
        if task.waits_at_an_agent() {
            let of_agent = self.waiting.entry(task.wire.agent.clone()).or_default();
            of_agent.insert(task.wire.id.clone());
        }
        if task.standing.is_finished() {
            if self.finished.len() < FINISHED || self.finished.contains_key(&task.wire.id) {
                self.finished.insert(task.wire.id.clone(), task);
            }
        } else {
            self.finished.remove(&task.wire.id);
            self.by_id.insert(task.wire.id.clone(), task);
        }
    }

    /// A task.
    #[must_use]
    pub(crate) fn get(&self, id: &str) -> Option<&Task> {
        self.by_id.get(id).or_else(|| self.finished.get(id))
    }

    /// The task of an agent that waits for the operator, the most urgent where there are several.
    #[must_use]
    pub(crate) fn waiting_of(&self, agent: &str) -> Option<&Task> {
        let of_agent = self.waiting.get(agent)?;
        let tasks = of_agent.iter().filter_map(|id| self.by_id.get(id));
        tasks.min_by_key(|task| (task.wire.priority, task.wire.updated_at_ms))
    }

    /// The tasks that are not finished.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Task> {
        self.by_id.values()
    }

    /// The rows of the list.
    #[must_use]
    pub(crate) fn rows(&self, sort: Sort, finished: bool, filter: &str) -> Vec<&Task> {
        let terms = terms(filter);
        let finished = self.finished.values().filter(|_| finished);
        let mut rows: Vec<&Task> = self
            .by_id
            .values()
            .chain(finished)
            .filter(|task| matches(&terms, &|| haystack(task)))
            .collect();
        rows.sort_by(|one, other| {
            let key = |task: &Task| match sort {
                Sort::Attention => (u64::from(task.rank()), u64::from(task.wire.priority)),
                Sort::Priority => (u64::from(task.wire.priority), u64::from(task.rank())),
                Sort::Updated => (u64::MAX - task.wire.updated_at_ms.unsigned_abs(), 0),
                Sort::Cost => (u64::MAX - task.wire.cost_micro_usd, 0),
            };
            let time = |task: &Task| match task.standing.is_finished() {
                true => -task.wire.updated_at_ms,
                false => task.wire.created_at_ms,
            };
            (key(one), time(one), &one.wire.id).cmp(&(key(other), time(other), &other.wire.id))
        });
        rows
    }

    /// How many open tasks there are of each mark, in the order of the marks. The header shows the
    /// signs of the lists, each task once: so it is their legend.
    pub(crate) fn marks(&self) -> impl Iterator<Item = (Mark, usize)> {
        let of = |mark| self.open().filter(|task| task.mark() == mark).count();
        let counts = Mark::ALL.into_iter().map(move |mark| (mark, of(mark)));
        counts.filter(|(_, count)| *count > 0)
    }

    /// How many open tasks are in each state, by its word, as far as there are any.
    pub(crate) fn standings(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let all = [
            Standing::Triage,
            Standing::Pending,
            Standing::Assigned,
            Standing::InProgress,
            Standing::Review,
            Standing::Blocked,
            Standing::Failed,
        ];
        let of = |standing| self.open().filter(|task| task.standing == standing).count();
        let counts = all.into_iter().map(move |one| (one.word(), of(one)));
        counts.filter(|(_, count)| *count > 0)
    }
}

/// How much a pull request changes: `+1 -0 in 1 file`.
#[must_use]
pub(crate) fn changed(request: &v1::PullRequest) -> String {
    let s = if request.files == 1 { "" } else { "s" };
    let v1::PullRequest {
        added,
        removed,
        files,
        ..
    } = request;
    format!("+{added} -{removed} in {files} file{s}")
}

fn haystack(task: &Task) -> String {
    let wire = &task.wire;
    [
        &task.short(),
        &wire.id,
        &wire.title,
        &wire.project,
        task.standing.word(),
        &wire.agent,
        &wire.agent_type,
        &wire.blocked_reason,
        &format!("p{}", wire.priority),
    ]
    .join(" ")
    .to_lowercase()
}

/// The words of a filter; all of them have to be found.
pub(super) fn terms(filter: &str) -> Vec<String> {
    filter.split_whitespace().map(str::to_lowercase).collect()
}

/// Whether every term is in the text, or not in it where it starts with `!`.
pub(super) fn matches(terms: &[String], haystack: &dyn Fn() -> String) -> bool {
    if terms.is_empty() {
        return true;
    }
    let haystack = haystack();
    terms.iter().all(|term| match term.strip_prefix('!') {
        Some("") => true,
        Some(unwanted) => !haystack.contains(unwanted),
        None => haystack.contains(term.as_str()),
    })
}
